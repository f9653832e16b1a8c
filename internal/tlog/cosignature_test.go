package tlog_test

import (
	"crypto/ed25519"
	"encoding/base64"
	"encoding/binary"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/cloudflare/circl/sign/mldsa/mldsa44"
	"github.com/stretchr/testify/require"
	"golang.org/x/mod/sumdb/note"

	"lethe/internal/tlog"
)

var algorithms = []tlog.Algorithm{tlog.CosignEd25519, tlog.CosignMLDSA44}

func TestCosignaturesVerify(t *testing.T) {
	c := tlog.Checkpoint{Origin: origin, Size: 7, Root: leafHash(1)}
	for _, alg := range algorithms {
		a := witnessActor(t, "witness.example/w", alg)
		signed := sign(t, c.Text(), a)
		n, err := tlog.OpenNote(signed, note.VerifierList(a.verifier))
		require.NoError(t, err)
		at, timed := tlog.SignatureTime(n.Sigs[0])
		require.True(t, timed)
		require.Equal(t, time.Unix(stamp, 0).UTC(), at)
		require.True(t, tlog.VerifySignature(a.verifier, c.Text(), n.Sigs[0]))

		for _, other := range []tlog.Checkpoint{
			{Origin: origin + "2", Size: 7, Root: leafHash(1)}, {Origin: origin, Size: 8, Root: leafHash(1)}, {Origin: origin, Size: 7, Root: leafHash(2)},
		} {
			require.False(t, tlog.VerifySignature(a.verifier, other.Text(), n.Sigs[0]))
		}
		stranger := witnessActor(t, "witness.example/other", alg)
		require.False(t, tlog.VerifySignature(stranger.verifier, c.Text(), n.Sigs[0]))
		raw, err := base64.StdEncoding.DecodeString(n.Sigs[0].Base64)
		require.NoError(t, err)
		for i := 4; i < len(raw); i += 1 + len(raw)/90 { // time and signature
			changed := append([]byte(nil), raw[4:]...)
			changed[i-4] ^= 1
			require.False(t, a.verifier.Verify([]byte(c.Text()), changed), "byte %d", i)
		}
		require.False(t, a.verifier.Verify([]byte(c.Text()), raw[4:len(raw)-1]))
		require.False(t, a.verifier.Verify([]byte("no checkpoint\n"), raw[4:]))
		_, err = a.Sign([]byte("no checkpoint\n"))
		require.Error(t, err)
	}
}

// The signed messages, put together here from the specification's text.
func TestCosignedMessages(t *testing.T) {
	c := tlog.Checkpoint{Origin: origin, Size: 20852163, Root: leafHash(1), Extension: "more\n"}
	const name = "witness.example/w"

	ed := witnessActor(t, name, tlog.CosignEd25519)
	sig, err := ed.Sign([]byte(c.Text()))
	require.NoError(t, err)
	public := ed25519.NewKeyFromSeed(seed(name + tlog.CosignEd25519.String())).Public().(ed25519.PublicKey)
	require.True(t, ed25519.Verify(public, []byte("cosignature/v1\ntime 1679315147\n"+c.Text()), sig[8:]))

	pq := witnessActor(t, name, tlog.CosignMLDSA44)
	sig, err = pq.Sign([]byte(c.Text()))
	require.NoError(t, err)
	msg := []byte("subtree/v1\n\x00" + "\x11" + name)
	msg = binary.BigEndian.AppendUint64(msg, stamp)
	msg = append(append(msg, "\x12"...), origin...)
	msg = binary.BigEndian.AppendUint64(msg, 0)
	msg = binary.BigEndian.AppendUint64(msg, 20852163)
	msg = append(msg, c.Root[:]...)
	pk, _ := mldsa44.NewKeyFromSeed((*[32]byte)(seed(name + tlog.CosignMLDSA44.String())))
	require.True(t, mldsa44.Verify(pk, msg, nil, sig[8:]))
	require.Equal(t, uint64(stamp), binary.BigEndian.Uint64(sig))
}

// An ML-DSA-44 cosignature may state no time; a time past 2^63 is refused.
func TestCosignatureTimes(t *testing.T) {
	c := tlog.Checkpoint{Origin: origin, Size: 7, Root: leafHash(1)}
	for _, alg := range algorithms {
		s, vkey, err := tlog.NewCosigner("w.example", alg, seed("w"), at(-5))
		require.NoError(t, err)
		a := withVerifier(t, s, vkey)
		n, err := tlog.OpenNote(sign(t, c.Text(), a), note.VerifierList(a.verifier))
		require.NoError(t, err)
		_, timed := tlog.SignatureTime(n.Sigs[0])
		require.False(t, timed, "no time")
		raw, err := base64.StdEncoding.DecodeString(n.Sigs[0].Base64)
		require.NoError(t, err)
		binary.BigEndian.PutUint64(raw[4:], math.MaxInt64+1)
		late := note.Signature{Name: n.Sigs[0].Name, Hash: n.Sigs[0].Hash, Base64: base64.StdEncoding.EncodeToString(raw)}
		_, timed = tlog.SignatureTime(late)
		require.False(t, timed)
		require.False(t, tlog.VerifySignature(a.verifier, c.Text(), late))
	}
	_, timed := tlog.SignatureTime(note.Signature{Base64: "!"})
	require.False(t, timed)
}

func TestSignersRefuse(t *testing.T) {
	for _, name := range []string{"", "a b", "a+b", "a\u00a0b", "a\nb", "a\x01", "\xff"} {
		_, _, err := tlog.NewSigner(name, seed("x"))
		require.Error(t, err, "%q", name)
		_, _, err = tlog.NewCosigner(name, tlog.CosignEd25519, seed("x"), at(1))
		require.Error(t, err, "%q", name)
	}
	_, _, err := tlog.NewSigner(origin, seed("x")[:31])
	require.Error(t, err)
	_, _, err = tlog.NewCosigner(origin, tlog.Ed25519, seed("x"), at(1))
	require.Error(t, err)

	long := tlog.Checkpoint{Origin: strings.Repeat("o", 256), Size: 1, Root: leafHash(0)}
	_, err = witnessActor(t, "w.example", tlog.CosignMLDSA44).Sign([]byte(long.Text()))
	require.ErrorContains(t, err, "255")
	_, err = witnessActor(t, "w.example", tlog.CosignEd25519).Sign([]byte(long.Text()))
	require.NoError(t, err)
}

// What is canonical counts: any other way to write a key is refused.
func TestKeysAreCanonical(t *testing.T) {
	a := theCast(t)
	for _, vkey := range []string{a.log.vkey, a.ed.vkey, a.pq.vkey} {
		alg, err := tlog.KeyAlgorithm(vkey)
		require.NoError(t, err)
		name, rest, _ := strings.Cut(vkey, "+")
		id, key, _ := strings.Cut(rest, "+")
		for _, bad := range []string{
			name + "+" + strings.ToUpper(id) + "x+" + key, name + "+" + id[:7] + "+" + key, name + "+00000000+" + key, name + "x+" + id + "+" + key,
			vkey + "\n", " " + vkey, vkey + "=", name + "+" + id, name, "", "+" + id + "+" + key, name + "+" + id + "+",
		} {
			_, err := tlog.NewVerifier(bad)
			require.Error(t, err, "%s: %q", alg, bad)
			_, err = tlog.KeyID(bad)
			require.Error(t, err)
		}
	}
	_, err := tlog.NewVerifier(a.log.vkey + strings.Repeat("A", 1<<13))
	require.ErrorContains(t, err, "more than")
}
