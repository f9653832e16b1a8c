package oracles

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"fmt"
	"log/slog"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"filippo.io/torchwood"
	"github.com/stretchr/testify/require"
	tes "github.com/transparency-dev/tessera"
	"golang.org/x/mod/sumdb/note"

	"lethe/internal/tlog"
	"lethe/internal/witness"
)

// party is one of our witnesses, served on the loopback.
type party struct {
	name  string
	url   string
	vkeys []string // Ed25519, ML-DSA-44
}

// serveWitness makes a witness that knows one log.
func serveWitness(t *testing.T, name, log string) party {
	t.Helper()
	key, err := witness.NewKey(rand.Reader)
	require.NoError(t, err)
	s, err := witness.Open(witness.Options{
		Dir: t.TempDir(), Name: name, Key: key, MLDSA: true, Logs: []string{log}, Now: time.Now, Log: slog.New(slog.DiscardHandler),
	})
	require.NoError(t, err)
	served := httptest.NewServer(s.Handler())
	t.Cleanup(func() {
		served.Close()
		require.NoError(t, s.Close())
	})
	return party{name, served.URL + "/", s.VKeys()}
}

// policyOf wants all the witnesses' cosignatures.
func policyOf(log string, witnesses ...string) []byte {
	var text strings.Builder
	fmt.Fprintf(&text, "# who must have seen the log\nlog %s\n", log)
	names := ""
	for i, w := range witnesses {
		fmt.Fprintf(&text, "witness w%d %s\n", i, w)
		names += fmt.Sprintf(" w%d", i)
	}
	fmt.Fprintf(&text, "group everyone all%s\nquorum everyone\n", names)
	return []byte(text.String())
}

// cosigned is a ledger whose checkpoints two witnesses cosign, one of them by
// both of its keys.
type cosigned struct {
	*ledger
	one, two party
}

func openCosigned(t *testing.T) cosigned {
	dir := t.TempDir()
	l := openLedger(t, dir, "") // a witness must know the log's key before
	l.close()
	c := cosigned{one: serveWitness(t, "witness.example/one", l.vkey), two: serveWitness(t, "witness.example/two", l.vkey)}
	file := filepath.Join(t.TempDir(), "policy")
	require.NoError(t, os.WriteFile(file, c.policy(c.one.vkeys[1]+" "+c.one.url, l.vkey), 0o600))
	c.ledger = openLedger(t, dir, file)
	return c
}

// policy names both witnesses' Ed25519 keys, and more.
func (c cosigned) policy(more, log string) []byte {
	witnesses := []string{c.one.vkeys[0] + " " + c.one.url, c.two.vkeys[0] + " " + c.two.url}
	if more != "" {
		witnesses = append(witnesses, more)
	}
	return policyOf(log, witnesses...)
}

// What our witnesses cosign, others accept.
func TestCosignedLog(t *testing.T) {
	t.Parallel()
	l := openCosigned(t)
	l.grow(300)
	text := l.policy("", l.vkey)
	policy, err := torchwood.ParsePolicy(text)
	require.NoError(t, err)

	t.Run("torchwood verifies the cosignatures", func(t *testing.T) { testCosignatures(t, l, policy) })
	t.Run("torchwood misses one", func(t *testing.T) { testMissing(t, l, policy) })
	t.Run("torchwood reads over HTTP", func(t *testing.T) { testEntries(t, l.ledger, l.overTheNetwork(), policy) })
	t.Run("torchwood reads plain files", func(t *testing.T) { testEntries(t, l.ledger, l.fromFiles(), policy) })
	t.Run("torchwood verifies proofs of events", func(t *testing.T) { testEventProofs(t, l.ledger, policy) })
	t.Run("tessera accepts the cosignatures", func(t *testing.T) {
		group, err := tes.NewWitnessGroupFromPolicy(text)
		require.NoError(t, err)
		_, signed := l.checkpoint()
		require.True(t, group.Satisfied(signed))
	})
	t.Run("another ML-DSA verifies the cosignature", func(t *testing.T) { testMLDSA(t, l) })
	t.Run("torchwood cosigns for us", func(t *testing.T) { testForeignCosigner(t, l.ledger) })
}

func testCosignatures(t *testing.T, l cosigned, policy torchwood.Policy) {
	_, signed := l.checkpoint()
	c, n, err := torchwood.VerifyCheckpoint(signed, policy)
	require.NoError(t, err)
	require.EqualValues(t, l.size(), c.N)
	require.Len(t, n.Sigs, 3)
	require.Len(t, n.UnverifiedSigs, 1, "the one by ML-DSA-44, which this version does not know")
	for _, s := range n.Sigs[1:] {
		stamp, err := torchwood.CosignatureTimestamp(s)
		require.NoError(t, err)
		ours, ok := tlog.SignatureTime(s)
		require.True(t, ok)
		require.Equal(t, stamp, ours.Unix())
		require.WithinDuration(t, time.Now(), ours, waitAtMost)
	}
	for i, vkey := range []string{l.one.vkeys[0], l.two.vkeys[0]} {
		v, err := torchwood.NewCosignatureVerifier(vkey)
		require.NoError(t, err)
		require.Equal(t, vkey, v.String())
		n, err := note.Open(signed, note.VerifierList(v))
		require.NoError(t, err)
		require.Equal(t, []string{l.one.name, l.two.name}[i], n.Sigs[0].Name)
	}
}

// testMissing: without one line a quorum of two is none, for torchwood and us.
func testMissing(t *testing.T, l cosigned, policy torchwood.Policy) {
	_, signed := l.checkpoint()
	var less []byte
	for line := range strings.Lines(string(signed)) {
		if !strings.HasPrefix(line, "— "+l.two.name+" ") {
			less = append(less, line...)
		}
	}
	_, _, err := torchwood.VerifyCheckpoint(less, policy)
	require.ErrorAs(t, err, new(*note.UnverifiedNoteError))
	ours, err := tlog.ParsePolicy(l.policy("", l.vkey))
	require.NoError(t, err)
	_, _, err = ours.Open(signed)
	require.NoError(t, err)
	_, _, err = ours.Open(less)
	require.ErrorAs(t, err, new(*tlog.QuorumError))
}

// testForeignCosigner: our verifier and our policy accept what torchwood cosigns.
func testForeignCosigner(t *testing.T, l *ledger) {
	_, private, err := ed25519.GenerateKey(rand.Reader)
	require.NoError(t, err)
	s, err := torchwood.NewCosignatureSigner("witness.example/foreign", private)
	require.NoError(t, err)
	_, signed := l.checkpoint()
	v, err := note.NewVerifier(l.vkey)
	require.NoError(t, err)
	n, err := note.Open(signed, note.VerifierList(v))
	require.NoError(t, err)
	cosigned, err := note.Sign(n, s)
	require.NoError(t, err)
	require.True(t, bytes.HasPrefix(cosigned, []byte(n.Text)))
	ours, err := tlog.ParsePolicy(policyOf(l.vkey, s.Verifier().String()))
	require.NoError(t, err)
	_, _, err = ours.Open(cosigned)
	require.NoError(t, err)
}
