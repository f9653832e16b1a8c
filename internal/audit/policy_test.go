package audit_test

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/mod/sumdb/note"

	"lethe/eventstore/segment"
	"lethe/internal/audit"
	"lethe/internal/seal"
	"lethe/internal/tlog"
	"lethe/internal/witness"
)

// cosigner is a witness that cosigns whatever it is shown.
type cosigner struct {
	name   string
	signer note.Signer
	vkey   string
}

var _ seal.Witness = (*cosigner)(nil)

func newCosigner(t *testing.T, name string) *cosigner {
	t.Helper()
	seed := bytes.Repeat([]byte(name), 32)[:32]
	s, vkey, err := tlog.NewCosigner(name+".example.com", tlog.CosignEd25519, seed, func() time.Time { return time.Unix(1_700_000_000, 0) })
	require.NoError(t, err)
	return &cosigner{name: name, signer: s, vkey: vkey}
}

func (c *cosigner) Name() string { return c.name }

func (c *cosigner) AddCheckpoint(_ context.Context, _ int64, _ []tlog.Hash, signed []byte) ([]byte, error) {
	text, _, err := tlog.SplitNote(signed)
	if err != nil {
		return nil, err
	}
	b, err := note.Sign(&note.Note{Text: text}, c.signer)
	if err != nil {
		return nil, err
	}
	return b[bytes.Index(b, []byte("\n\n"))+2:], nil
}

func (c *cosigner) Latest(context.Context, string) ([]byte, error) { return nil, witness.ErrNone }

func TestTheWitnessesPolicy(t *testing.T) {
	one1, two := newCosigner(t, "one"), newCosigner(t, "two")
	policy := func(quorum string) *tlog.Policy {
		p, err := tlog.ParsePolicy([]byte("witness one " + one1.vkey + "\nwitness two " + two.vkey + "\ngroup both all one two\nquorum " + quorum + "\n"))
		require.NoError(t, err)
		return p
	}
	dir := t.TempDir()
	// Sealed under each policy in turn, in one directory.
	run := func(quorum string, then func(l *sealedLog)) {
		l := &sealedLog{dir: dir}
		var err error
		l.store, err = segment.Open(filepath.Join(dir, "log"), segment.Options{SegmentBytes: 64 << 10})
		require.NoError(t, err)
		t.Run(quorum, func(t *testing.T) {
			l.openSeal(t, func(o *seal.Options) { o.Policy, o.Witnesses = policy(quorum), []seal.Witness{one1} })
			then(l)
		})
	}
	verifyLog := func(l *sealedLog) audit.Result {
		res, err := l.auditor(2).Run(t.Context(), audit.Request{LogOnly: true}, nil)
		require.NoError(t, err)
		return res
	}
	run("one", func(l *sealedLog) {
		l.append(t, 300)
		res := verifyLog(l)
		requireClean(t, res)
		require.EqualValues(t, 300, res.Checkpoint.Size)
		require.True(t, res.Checkpoint.Published)
		// A bit of the witness's signature.
		file := filepath.Join(dir, "seal/log-0/checkpoint")
		was, err := os.ReadFile(file)
		require.NoError(t, err)
		flip(t, file, -20)
		some(t, verifyLog(l), audit.StepCheckpoints, "seal/log-0/checkpoint", "")
		require.NoError(t, os.WriteFile(file, was, 0o600))
	})
	run("both", func(l *sealedLog) {
		res := verifyLog(l)
		one(t, res, audit.StepCheckpoints, "seal/log-0/checkpoint", "witness two did not cosign")
	})
}
