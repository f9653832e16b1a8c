package audit_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"lethe/internal/audit"
)

// restored is a ledger that was put back to an older day, went on, and still
// knows what was signed before.
func restored(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	w := &world{t: t, app: open(t, dir)}
	w.declare()
	w.register(60)
	ready(t, w.app)
	require.NoError(t, w.app.Close())
	older := t.TempDir()
	copyTo(t, dir, older)
	w.app = open(t, dir)
	w.register(40)
	ready(t, w.app)
	require.NoError(t, w.app.Close())
	for _, part := range []string{"log", "seal", "views", "react", "lookup"} {
		require.NoError(t, os.RemoveAll(filepath.Join(dir, part)))
		copyTo(t, filepath.Join(older, part), filepath.Join(dir, part))
	}
	w.app = open(t, dir)
	require.NotEmpty(t, w.app.Report)
	w.people = w.people[:60]
	w.register(30)
	ready(t, w.app)
	require.NoError(t, w.app.Close())
	return dir
}

func notes(res audit.Result, step string) string {
	for _, s := range res.Steps {
		if s.Name == step {
			return strings.Join(s.Notes, "\n")
		}
	}
	return ""
}

func TestARestoredLedgerIsCleanAndSaysSo(t *testing.T) {
	dir := restored(t)
	res := verifyDir(t, dir, audit.Request{})
	requireClean(t, res)
	require.Contains(t, notes(res, audit.StepCheckpoints), "1 time(s) and goes on as ledger.example.com/log/restart-1; it has its first ")
	require.Contains(t, notes(res, audit.StepCheckpoints), "1 checkpoint(s) cover events that were lost then")
	require.Equal(t, "ledger.example.com/log/restart-1", res.Checkpoint.Origin)

	for name, test := range map[string]struct {
		change      func(dir string)
		where, what string
	}{
		"gone":       {func(dir string) { require.NoError(t, os.RemoveAll(dir)) }, "seal/log-0", "it is not there"},
		"checkpoint": {func(dir string) { flip(t, dir+"/checkpoint", -8) }, "seal/log-0/checkpoint", ""},
		"key list":   {func(dir string) { flip(t, dir+"/log-keys", 30) }, "seal/log-0/log-keys", ""},
		"hash":       {func(dir string) { flip(t, dir+"/tile/0/000", 33) }, "seal/log-0/tile/1/000.p/1", "its hash 0 is not that of"},
		"entry":      {func(dir string) { flip(t, dir+"/tile/entries/000", 33) }, "seal/log-0/tile/entries/000", "of leaf 0"},
		"tile gone":  {func(dir string) { require.NoError(t, os.Remove(dir+"/tile/0/000")) }, "seal/log-0/tile/0/000", "not there"},
	} {
		t.Run(name, func(t *testing.T) {
			twin := t.TempDir()
			copyTo(t, dir, twin)
			test.change(filepath.Join(twin, "seal/log-0"))
			some(t, verifyDir(t, twin, audit.Request{LogOnly: true}), audit.StepCheckpoints, test.where, test.what)
		})
	}
}

// A key that was distrusted signed checkpoints that are still known: they are
// compared, and do not count.
func TestADistrustedKey(t *testing.T) {
	dir := t.TempDir()
	copyTo(t, copyOfShared(t), dir)
	a := open(t, dir)
	old := a.Seal.Keys()[0]
	_, _, err := a.Seal.RotateKey()
	require.NoError(t, err)
	w := &world{t: t, app: a}
	w.findNotice()
	w.people = make([]tokenOf, 150)
	w.register(2)
	require.NoError(t, a.Seal.WaitFor(t.Context(), a.Store.Stats().Head))
	requireClean(t, verify(t, a, audit.Request{LogOnly: true}))
	_, err = a.Seal.DistrustKey(old.ID, 10)
	require.NoError(t, err)
	res := verify(t, a, audit.Request{})
	requireClean(t, res)
	require.Len(t, res.Checkpoint.Signers, 1, "the distrusted key does not count")
	require.NotContains(t, res.Checkpoint.Signers[0], old.ID)
	require.NoError(t, a.Close())
	requireClean(t, verifyDir(t, dir, audit.Request{}))
}
