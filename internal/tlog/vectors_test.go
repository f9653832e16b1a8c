package tlog_test

import (
	"crypto/sha256"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/txtar"
	"github.com/stretchr/testify/require"
	"golang.org/x/mod/sumdb/note"

	"lethe/internal/tlog"
)

var update = flag.Bool("update", false, "write the vectors anew")

const (
	origin = "ledger.example/log"
	stamp  = 1679315147 // of the specification's example
)

// seed makes the private keys of the vectors. They protect nothing.
func seed(name string) []byte {
	sum := sha256.Sum256([]byte("lethe vectors " + name))
	return sum[:]
}

func at(stamp int64) func() time.Time { return func() time.Time { return time.Unix(stamp, 0) } }

// actor is somebody who signs.
type actor struct {
	note.Signer
	vkey     string
	verifier note.Verifier
}

func logActor(t testing.TB, name, seedName string) actor {
	t.Helper()
	s, vkey, err := tlog.NewSigner(name, seed(seedName))
	require.NoError(t, err)
	return withVerifier(t, s, vkey)
}

func witnessActor(t testing.TB, name string, alg tlog.Algorithm) actor {
	t.Helper()
	s, vkey, err := tlog.NewCosigner(name, alg, seed(name+alg.String()), at(stamp))
	require.NoError(t, err)
	return withVerifier(t, s, vkey)
}

func withVerifier(t testing.TB, s note.Signer, vkey string) actor {
	t.Helper()
	v, err := tlog.NewVerifier(vkey)
	require.NoError(t, err)
	require.Equal(t, s.Name(), v.Name())
	require.Equal(t, s.KeyHash(), v.KeyHash())
	return actor{Signer: s, vkey: vkey, verifier: v}
}

func sign(t testing.TB, text string, by ...actor) []byte {
	t.Helper()
	var signers []note.Signer
	for _, a := range by {
		signers = append(signers, a)
	}
	b, err := note.Sign(&note.Note{Text: text}, signers...)
	require.NoError(t, err)
	return b
}

// cast are the actors of the vectors.
type cast struct{ log, next, ed, pq actor }

func theCast(t testing.TB) cast {
	return cast{
		log:  logActor(t, origin, "log"),
		next: logActor(t, origin, "next"),
		ed:   witnessActor(t, "witness.example/w1", tlog.CosignEd25519),
		pq:   witnessActor(t, "witness.example/w2", tlog.CosignMLDSA44),
	}
}

// theVectors are made from fixed seeds: a tree of 1,000 leaves, the one of its
// first 300, and leaf 700.
func theVectors(t *testing.T) map[string]string {
	a, log := theCast(t), grow(t, 1000)
	point := tlog.Checkpoint{Origin: origin, Size: 1000, Root: log.roots[1000]}
	cosigned := sign(t, point.Text(), a.log, a.ed, a.pq)
	path, err := tlog.Inclusion(t.Context(), log, 1000, log.roots[1000], 700)
	require.NoError(t, err)
	consistency, err := tlog.Consistency(t.Context(), log, 1000, log.roots[1000], 300)
	require.NoError(t, err)
	proof := tlog.Proof{Extra: []byte("extra"), Index: 700, Path: path, Checkpoint: sign(t, point.Text(), a.log, a.ed)}
	list := tlog.KeyList{Origin: origin, Keys: []tlog.LogKey{
		{VKey: a.log.vkey, From: 0, Until: 1200, Distrusted: 900}, {VKey: a.next.vkey, From: 900, Until: tlog.Unbounded, Distrusted: tlog.Unbounded},
	}}
	bare := tlog.Checkpoint{Origin: origin, Size: 1000, Root: log.roots[1000], Extension: "an extension\n"}
	return map[string]string{
		"vkeys":               strings.Join([]string{a.log.vkey, a.next.vkey, a.ed.vkey, a.pq.vkey}, "\n") + "\n",
		"checkpoint":          string(sign(t, point.Text(), a.log)),
		"checkpoint-cosigned": string(cosigned),
		"checkpoint-extended": string(sign(t, bare.Text(), a.log, a.ed)),
		"checkpoint-empty":    string(sign(t, tlog.Checkpoint{Origin: origin, Root: tlog.EmptyRoot()}.Text(), a.log)),
		"proof":               string(proof.Marshal()),
		"consistency":         string(tlog.MarshalConsistency(300, 1000, consistency)),
		"keylist":             string(sign(t, list.Text(), a.next)),
		"policy": "# the log and two witnesses\nlog " + a.log.vkey + "\n\nwitness one " + a.ed.vkey + " https://w1.example/\n" +
			"witness two " + a.pq.vkey + "\ngroup both all one two\nquorum both\n",
	}
}

func TestVectors(t *testing.T) {
	for name, want := range theVectors(t) {
		file := filepath.Join("testdata", "vectors", name)
		if *update {
			require.NoError(t, os.WriteFile(file, []byte(want), 0o644))
		}
		got, err := os.ReadFile(file)
		require.NoError(t, err)
		require.Equal(t, want, string(got), name)
	}
}

func vector(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", "vectors", name))
	require.NoError(t, err)
	return b
}

// The vectors mean what they should, read from the files alone.
func TestVectorsVerify(t *testing.T) {
	keys := strings.Split(strings.TrimSpace(string(vector(t, "vkeys"))), "\n")
	policy, err := tlog.ParsePolicy(vector(t, "policy"))
	require.NoError(t, err)
	c, n, err := policy.Open(vector(t, "checkpoint-cosigned"))
	require.NoError(t, err)
	require.Len(t, n.Sigs, 3)
	require.Equal(t, int64(1000), c.Size)

	p, err := tlog.ParseProof(vector(t, "proof"))
	require.NoError(t, err)
	require.NoError(t, tlog.VerifyInclusion(p.Path, c.Size, c.Root, 700, leafHash(700)))
	require.Equal(t, "extra", string(p.Extra))
	from, to, path, err := tlog.ParseConsistency(vector(t, "consistency"))
	require.NoError(t, err)
	require.NoError(t, tlog.VerifyConsistency(path, from, grow(t, 300).roots[300], to, c.Root))

	v, err := tlog.NewVerifier(keys[1])
	require.NoError(t, err)
	n, err = tlog.OpenNote(vector(t, "keylist"), note.VerifierList(v))
	require.NoError(t, err)
	list, err := tlog.ParseKeyList(n.Text)
	require.NoError(t, err)
	_, _, err = list.Open(vector(t, "checkpoint"))
	require.ErrorIs(t, err, tlog.ErrDistrusted)
	_, _, err = list.Open(vector(t, "checkpoint-empty"))
	require.NoError(t, err)
	ext, err := tlog.CheckpointOf(vector(t, "checkpoint-extended"))
	require.NoError(t, err)
	require.Equal(t, "an extension\n", ext.Extension)
}

// parsers are what the vectors are fed to.
func parsers() map[string]func([]byte) error {
	return map[string]func([]byte) error{
		"checkpoint":  func(b []byte) error { _, err := tlog.CheckpointOf(b); return err },
		"text":        func(b []byte) error { _, err := tlog.ParseCheckpoint(string(b)); return err },
		"proof":       func(b []byte) error { _, err := tlog.ParseProof(b); return err },
		"consistency": func(b []byte) error { _, _, _, err := tlog.ParseConsistency(b); return err },
		"policy":      func(b []byte) error { _, err := tlog.ParsePolicy(b); return err },
		"keylist":     func(b []byte) error { _, err := tlog.ParseKeyList(string(b)); return err },
		"vkey":        func(b []byte) error { _, err := tlog.NewVerifier(strings.TrimSuffix(string(b), "\n")); return err },
		"signatures":  func(b []byte) error { _, err := tlog.ParseSignatures(string(b)); return err },
	}
}

// Each file of bad.txtar is named for its parser; its first line is a part of
// the error, the rest is what is parsed.
func TestBadVectors(t *testing.T) {
	archive, err := txtar.ParseFile(filepath.Join("testdata", "bad.txtar"))
	require.NoError(t, err)
	require.NotEmpty(t, archive.Files)
	for _, f := range archive.Files {
		parser, _, _ := strings.Cut(f.Name, "/")
		want, input, _ := strings.Cut(string(f.Data), "\n")
		parse := parsers()[parser]
		require.NotNil(t, parse, f.Name)
		require.ErrorContains(t, parse([]byte(input)), want, f.Name)
	}
}
