package witness_test

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/stretchr/testify/require"
	"golang.org/x/mod/sumdb/note"

	"lethe/internal/tlog"
	"lethe/internal/witness"
)

const never = 1 << 30 // a fork that does not come

func hashOf(origin string) string {
	sum := sha256.Sum256([]byte(origin))
	return hex.EncodeToString(sum[:])
}

func TestStatusCodes(t *testing.T) {
	log, fork := grow(t, 40, never), grow(t, 40, 10)
	p := newParty(t, log.vkey).start(t)
	other, _, err := tlog.NewSigner(origin, seed("other"))
	require.NoError(t, err)
	stranger, _, err := tlog.NewSigner("stranger.example", seed("stranger"))
	require.NoError(t, err)
	req := witness.FormatRequest
	text := log.point(t, 30).Text()

	type step struct {
		what string
		body []byte
		code int
		in   string // a part of the answer
	}
	steps := []step{
		{"no body", nil, 400, "no empty line"},
		{"old size with zeroes", []byte("old 00\n\n" + string(log.signed(t, 5))), 400, "leading zeroes"},
		{"no old size", append([]byte("\n"), log.signed(t, 5)...), 400, ""},
		{"a negative old size", []byte("old -1\n\n" + string(log.signed(t, 5))), 400, ""},
		{"a hash that is none", []byte("old 0\nAAAA\n\n" + string(log.signed(t, 5))), 400, "line 2"},
		{"64 hashes", req(0, make([]tlog.Hash, 64), log.signed(t, 5)), 400, "more than 63"},
		{"65 hashes", req(0, make([]tlog.Hash, 65), log.signed(t, 5)), 400, "more than 64"},
		{"no checkpoint", req(0, nil, signNote(t, "text\n", log.signer)), 400, "instead of at least 3"},
		{"no signature", []byte("old 0\n\n" + text), 400, "malformed note"},
		{"another origin", req(0, nil, signNote(t, strings.Replace(text, origin, "stranger.example", 1), stranger)), 404, "not known"},
		{"an unknown key", req(0, nil, signNote(t, text, other)), 403, "no key that is known"},
		{"an unknown name", req(0, nil, signNote(t, text, stranger)), 403, "no key that is known"},
		{"a signature of another text", req(0, nil, []byte(strings.Replace(string(log.signed(t, 30)), "\n30\n", "\n31\n", 1))), 403, "is not valid"},
		{"old above size", req(31, nil, log.signed(t, 30)), 400, "larger than"},
		{"old of what never was", req(5, log.proof(t, 5, 30), log.signed(t, 30)), 409, "0\n"},
		{"empty tree with a root", req(0, nil, signNote(t, tlog.Checkpoint{Origin: origin, Root: tlog.Hash{1}}.Text(), log.signer)), 422, "empty tree"},
		{"a proof from nothing", req(0, log.proof(t, 5, 30), log.signed(t, 30)), 422, ""},
		{"empty tree", req(0, nil, log.signed(t, 0)), 200, "— "},
		{"empty tree again", req(0, nil, log.signed(t, 0)), 200, "— "},
		{"the first", req(0, nil, log.signed(t, 20)), 200, "— "},
		{"the first again", req(0, nil, log.signed(t, 20)), 409, "20\n"},
		{"the same", req(20, nil, log.signed(t, 20)), 200, "— "},
		{"the same with a proof", req(20, log.proof(t, 5, 20), log.signed(t, 20)), 422, ""},
		{"the same size, another root", req(20, nil, fork.signed(t, 20)), 422, "two roots"},
		{"backwards", req(10, nil, log.signed(t, 10)), 409, "20\n"},
		{"old above size again", req(20, nil, log.signed(t, 10)), 400, "larger than"},
		{"no proof", req(20, nil, log.signed(t, 30)), 422, "does not hold"},
		{"a proof from elsewhere", req(20, log.proof(t, 19, 30), log.signed(t, 30)), 422, "does not hold"},
		{"a fork", req(20, fork.proof(t, 20, 30), fork.signed(t, 30)), 422, "does not hold"},
		{"the next", req(20, log.proof(t, 20, 30), log.signed(t, 30)), 200, "— "},
		{"too large", make([]byte, 1<<20), 413, "larger than"},
	}
	for _, s := range steps {
		code, contentType, answer := p.post(t, s.body)
		require.Equal(t, s.code, code, "%s: %s", s.what, answer)
		require.Contains(t, answer, s.in, s.what)
		require.True(t, strings.HasSuffix(answer, "\n"), s.what)
		if code == http.StatusConflict {
			require.Equal(t, "text/x.tlog.size", contentType)
			require.Equal(t, s.in, answer)
		}
	}
	for path, want := range map[string]int{
		"/" + hashOf(origin) + "/checkpoint":                  200,
		"/" + strings.ToUpper(hashOf(origin)) + "/checkpoint": 404,
		"/" + hashOf("stranger.example") + "/checkpoint":      404,
		"/x/checkpoint": 404, "/add-checkpoint": 405, "/sign-subtree": 404, "/": 404, "/LOCK/checkpoint": 404, "/../w/LOCK": 404,
	} {
		code, _, _ := p.get(t, path)
		require.Equal(t, want, code, path)
	}
	require.Contains(t, p.told.String(), "a signed checkpoint was refused")
	require.NotContains(t, p.told.String(), "127.0.0.1")
}

// A log and a witness over HTTP, through the client.
func TestLogAndWitness(t *testing.T) {
	log := grow(t, 700, never)
	for _, mldsa := range []bool{false, true} {
		p := newParty(t, log.vkey)
		p.mldsa = mldsa
		p.start(t)
		policy, err := tlog.ParsePolicy([]byte("log " + log.vkey + "\nwitness w " + p.server.VKeys()[0] + "\nquorum w\n"))
		require.NoError(t, err)

		_, err = p.client.Latest(t.Context(), origin)
		require.ErrorIs(t, err, witness.ErrNone)
		old := int64(0)
		for _, size := range []int64{0, 1, 2, 2, 255, 256, 257, 512, 700} {
			p.clock.unix.Add(1)
			lines, err := p.client.AddCheckpoint(t.Context(), old, log.proof(t, old, size), log.signed(t, size))
			require.NoError(t, err, size)
			signed := append(log.signed(t, size), lines...)
			c, n, err := policy.Open(signed)
			require.NoError(t, err)
			require.Equal(t, size, c.Size)
			at, ok := tlog.SignatureTime(n.Sigs[1])
			require.True(t, ok)
			require.Equal(t, p.clock.now().Unix(), at.Unix())
			require.Len(t, strings.Split(strings.TrimSpace(string(lines)), "\n"), len(p.server.VKeys()))

			latest, err := p.client.Latest(t.Context(), origin)
			require.NoError(t, err)
			require.Equal(t, string(signed), string(latest), "log's signature and the cosignatures that were returned")
			old = size
		}
		_, err = p.client.AddCheckpoint(t.Context(), 0, nil, log.signed(t, 700))
		var conflict *witness.ConflictError
		require.ErrorAs(t, err, &conflict)
		require.Equal(t, int64(700), conflict.Size)
		fork := grow(t, 800, 600)
		_, err = p.client.AddCheckpoint(t.Context(), 700, fork.proof(t, 700, 800), fork.signed(t, 800))
		var status *witness.StatusError
		require.ErrorAs(t, err, &status)
		require.Equal(t, 422, status.Code)
		require.ErrorContains(t, err, "does not hold")
	}
}

// Signatures of others are not kept: the file holds what was verified.
func TestOnlyVerifiedSignaturesAreServed(t *testing.T) {
	log := grow(t, 20, never)
	second, secondKey, err := tlog.NewSigner(origin, seed("second"))
	require.NoError(t, err)
	stranger, _, err := tlog.NewSigner("stranger.example", seed("stranger"))
	require.NoError(t, err)
	p := newParty(t, log.vkey, secondKey, log.vkey).start(t)
	signed := signNote(t, log.point(t, 5).Text(), stranger, second, log.signer)
	_, err = p.client.AddCheckpoint(t.Context(), 0, nil, signed)
	require.NoError(t, err)
	latest, err := p.client.Latest(t.Context(), origin)
	require.NoError(t, err)
	require.NotContains(t, string(latest), "stranger")
	n, err := tlog.OpenNote(latest, note.VerifierList(verifiers(t, append(p.server.VKeys(), log.vkey, secondKey)...)...))
	require.NoError(t, err)
	require.Len(t, n.Sigs, 4)
	require.Empty(t, n.UnverifiedSigs)

	// Any one of the log's keys is enough.
	_, err = p.client.AddCheckpoint(t.Context(), 5, log.proof(t, 5, 6), signNote(t, log.point(t, 6).Text(), second))
	require.NoError(t, err)
}

func TestRestartKeepsWhatWasCosigned(t *testing.T) {
	log, fork := grow(t, 40, never), grow(t, 40, 10)
	p := newParty(t, log.vkey).start(t)
	_, err := p.client.AddCheckpoint(t.Context(), 0, nil, log.signed(t, 20))
	require.NoError(t, err)
	before, err := p.client.Latest(t.Context(), origin)
	require.NoError(t, err)

	_, err = p.open()
	require.ErrorContains(t, err, "another witness may use it")
	p.stop(t)
	p.fs = p.fs.(*vfs.MemFS).CrashClone(vfs.CrashCloneCfg{}) // nothing unsynced is left
	p.start(t)
	after, err := p.client.Latest(t.Context(), origin)
	require.NoError(t, err)
	require.Equal(t, string(before), string(after))
	_, err = p.client.AddCheckpoint(t.Context(), 0, nil, fork.signed(t, 30))
	require.ErrorAs(t, err, new(*witness.ConflictError))
	_, err = p.client.AddCheckpoint(t.Context(), 20, fork.proof(t, 20, 30), fork.signed(t, 30))
	require.ErrorAs(t, err, new(*witness.StatusError))
	_, err = p.client.AddCheckpoint(t.Context(), 20, log.proof(t, 20, 30), log.signed(t, 30))
	require.NoError(t, err)

	// The log's key is another now, or the second signature type was given up:
	// the witness's own cosignature still says what the file is.
	p.stop(t)
	_, rotated, err := tlog.NewSigner(origin, seed("rotated"))
	require.NoError(t, err)
	p.logs, p.mldsa = []string{rotated}, false
	p.start(t)
	_, err = p.client.Latest(t.Context(), origin)
	require.NoError(t, err)
}

// A changed file is never taken for an empty or another history.
func TestDamagedFilesAreRefused(t *testing.T) {
	log := grow(t, 40, never)
	p := newParty(t, log.vkey).start(t)
	_, err := p.client.AddCheckpoint(t.Context(), 0, nil, log.signed(t, 20))
	require.NoError(t, err)
	good, err := p.client.Latest(t.Context(), origin)
	require.NoError(t, err)
	p.stop(t)
	file := p.fs.PathJoin("w", hashOf(origin))
	put := func(b []byte) error {
		f, err := p.fs.Create(file, vfs.WriteCategoryUnspecified)
		require.NoError(t, err)
		_, err = f.Write(append([]byte(nil), b...))
		require.NoError(t, err)
		require.NoError(t, f.Close())
		s, err := p.open()
		if err != nil {
			return err
		}
		defer func() { require.NoError(t, s.Close()) }()
		rec := httptest.NewRecorder()
		s.Handler().ServeHTTP(rec, httptest.NewRequest(http.MethodGet, "/"+hashOf(origin)+"/checkpoint", nil))
		c, err := tlog.CheckpointOf(rec.Body.Bytes())
		require.NoError(t, err)
		require.Equal(t, log.point(t, 20), c)
		return nil
	}
	require.NoError(t, put(good))
	text := len(log.point(t, 20).Text())
	for i := range good {
		if i > text+400 && i%37 != 0 { // within the long signature
			continue
		}
		bad := append([]byte(nil), good...)
		bad[i] ^= 1
		if err := put(bad); i <= text { // in what was signed; a signature fewer changes nothing
			require.Error(t, err, "byte %d", i)
		}
	}
	require.Error(t, put(nil))
	require.Error(t, put(good[:len(good)-1]))
	require.Error(t, put([]byte(strings.Repeat("x", 2<<20))))
	foreign := signNote(t, tlog.Checkpoint{Origin: "stranger.example", Size: 1, Root: tlog.Hash{1}}.Text(), log.signer)
	require.ErrorContains(t, put(foreign), "is of stranger.example")
	require.NoError(t, put(good))
}

// The time of a cosignature does not go back, and is never none.
func TestClockOfCosignatures(t *testing.T) {
	log := grow(t, 40, never)
	p := newParty(t, log.vkey).start(t)
	stamp := func(old, size int64) int64 {
		lines, err := p.client.AddCheckpoint(t.Context(), old, log.proof(t, old, size), log.signed(t, size))
		require.NoError(t, err)
		sigs, err := tlog.ParseSignatures(string(lines))
		require.NoError(t, err)
		at, ok := tlog.SignatureTime(sigs[0])
		require.True(t, ok)
		return at.Unix()
	}
	require.Equal(t, int64(started), stamp(0, 20))
	p.clock.unix.Store(started - 100)
	require.Equal(t, int64(started), stamp(20, 21))
	p.stop(t)
	p.start(t)
	require.Equal(t, int64(started), stamp(21, 22), "after a restart as well")
	p.clock.unix.Store(started + 7)
	require.Equal(t, int64(started+7), stamp(22, 22))

	unset := newParty(t, log.vkey).start(t)
	unset.clock.unix.Store(0)
	code, _, answer := unset.post(t, witness.FormatRequest(0, nil, log.signed(t, 20)))
	require.Equal(t, 500, code)
	require.Equal(t, "the witness failed\n", answer)
}

func TestServerRefusesItsOptions(t *testing.T) {
	log := grow(t, 1, never)
	_, cosigner, err := tlog.NewCosigner(origin, tlog.CosignEd25519, seed("x"), nil)
	require.NoError(t, err)
	_, long, err := tlog.NewSigner(strings.Repeat("o", 256), seed("x"))
	require.NoError(t, err)
	for want, logs := range map[string][]string{"is no key of a log": {log.vkey, cosigner}, "name+id+key": {"nonsense"}, "255": {long}} {
		_, err := newParty(t, logs...).open()
		require.ErrorContains(t, err, want)
	}
	p := newParty(t, long)
	p.mldsa = false
	p.start(t)
	key, err := witness.NewKey(strings.NewReader(strings.Repeat("k", 64)))
	require.NoError(t, err)
	_, err = key.VKeys("two words", true)
	require.Error(t, err)
}

func TestKeys(t *testing.T) {
	key, err := witness.NewKey(strings.NewReader(strings.Repeat("k", 32) + strings.Repeat("l", 32)))
	require.NoError(t, err)
	back, err := witness.ParseKey(key.Text())
	require.NoError(t, err)
	require.Equal(t, key, back)
	vkeys, err := key.VKeys(name, true)
	require.NoError(t, err)
	require.Len(t, vkeys, 2)
	one, err := key.VKeys(name, false)
	require.NoError(t, err)
	require.Equal(t, vkeys[:1], one)
	require.Equal(t, "[witness key] [witness key] [witness key]", fmt.Sprintf("%v %+v %#v", key, key, key))
	_, err = witness.NewKey(strings.NewReader("short"))
	require.Error(t, err)
	for _, bad := range []string{
		"", "x", key.Text() + "\n", strings.TrimSuffix(key.Text(), "\n"), strings.Replace(key.Text(), "ed25519", "ed448", 1),
		strings.Replace(key.Text(), "v1", "v2", 1), strings.Replace(key.Text(), "a2", "a2\n", 1), strings.Replace(key.Text(), "a2", "", 1),
	} {
		_, err := witness.ParseKey(bad)
		require.Error(t, err, "%q", bad)
		require.NotContains(t, err.Error(), "a2tr")
	}
}
