package audit_test

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/mod/sumdb/note"

	"lethe/eventstore/segment"
	"lethe/internal/app"
	"lethe/internal/audit"
	"lethe/internal/tlog"
)

// online opens a copy, changes a file of it, and verifies.
func online(t *testing.T, change func(a *app.App, dir string)) audit.Result {
	t.Helper()
	dir := copyOfShared(t)
	a := open(t, dir)
	defer func() { require.NoError(t, a.Close()) }()
	requireClean(t, verify(t, a, audit.Request{LogOnly: true}))
	change(a, dir)
	return verify(t, a, audit.Request{})
}

func signedBy(t *testing.T, c tlog.Checkpoint, signers ...note.Signer) []byte {
	t.Helper()
	b, err := note.Sign(&note.Note{Text: c.Text()}, signers...)
	require.NoError(t, err)
	return b
}

func foreignKey(t *testing.T, origin string) note.Signer {
	t.Helper()
	seed := make([]byte, ed25519.SeedSize)
	_, err := rand.Read(seed)
	require.NoError(t, err)
	s, _, err := tlog.NewSigner(origin, seed)
	require.NoError(t, err)
	return s
}

func TestPublishedCheckpoint(t *testing.T) {
	const file = "seal/log-0/checkpoint"
	for name, test := range map[string]struct {
		change func(t *testing.T, p []byte, c tlog.Checkpoint) []byte
		what   string
	}{
		"a bit of the root": {
			func(_ *testing.T, p []byte, c tlog.Checkpoint) []byte {
				return bytes.Replace(p, []byte(c.Root.String()), []byte(tlog.Hash{1}.String()), 1)
			}, "invalid signature",
		},
		"not a note": {
			func(*testing.T, []byte, tlog.Checkpoint) []byte { return []byte("gone") }, "malformed",
		},
		"a foreign key": {
			func(t *testing.T, _ []byte, c tlog.Checkpoint) []byte { return signedBy(t, c, foreignKey(t, c.Origin)) },
			"no key of the log that counts signed",
		},
		"a foreign key beside the log's": {
			func(t *testing.T, p []byte, c tlog.Checkpoint) []byte {
				foreign := signedBy(t, c, foreignKey(t, c.Origin))
				return append(p, foreign[bytes.Index(foreign, []byte("\n\n"))+2:]...)
			}, "a signature that no known key made",
		},
		"gone": {func(*testing.T, []byte, tlog.Checkpoint) []byte { return nil }, "it is not there"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			res := online(t, func(a *app.App, dir string) {
				p := a.Seal.Published()
				changed := test.change(t, bytes.Clone(p.Note), p.Checkpoint)
				if changed == nil {
					require.NoError(t, os.Remove(filepath.Join(dir, file)))
					return
				}
				require.NoError(t, os.WriteFile(filepath.Join(dir, file), changed, 0o600))
			})
			one(t, res, audit.StepCheckpoints, file, test.what)
		})
	}
}

// A checkpoint that the log's own key signed and that is not of this history.
func TestTwoHistories(t *testing.T) {
	res := online(t, func(a *app.App, _ string) {
		// A directory of another ledger under the same key: its tree parts from
		// this one's somewhere before event 300.
		twin := t.TempDir()
		copyTo(t, shared.dir, twin)
		require.NoError(t, os.RemoveAll(filepath.Join(twin, "log")))
		for _, gone := range []string{"seal/STATE", "seal/log-0/tile", "seal/log-0/checkpoint", "views", "pins", "lookup", "react"} {
			require.NoError(t, os.RemoveAll(filepath.Join(twin, gone)))
		}
		empty, err := segment.Open(filepath.Join(twin, "log"), segment.Options{Now: time.Now})
		require.NoError(t, err)
		require.NoError(t, empty.Close())
		w := &world{t: t, app: open(t, twin)}
		w.declare()
		ready(t, w.app)
		require.NoError(t, w.app.Seal.WaitFor(t.Context(), w.app.Store.Stats().Head))
		forked := w.app.Seal.Published()
		require.NoError(t, w.app.Close())
		_, err = a.Seal.Pin(t.Context(), forked.Note)
		require.Error(t, err, "kept as evidence")
	})
	f := one(t, res, audit.StepCheckpoints, "pins/checkpoints", "is not that of the log")
	require.Contains(t, f.Means, "history")
}

func TestKnownCheckpointsAndState(t *testing.T) {
	for name, test := range map[string]struct {
		change      func(t *testing.T, dir string)
		where, what string
	}{
		"a line": {
			func(t *testing.T, dir string) { flip(t, dir+"/pins/checkpoints", 40) }, "pins/checkpoints, line 1", "",
		},
		"a line's position": {
			func(t *testing.T, dir string) { flip(t, dir+"/pins/checkpoints", 2) }, "pins/checkpoints, line 1", "position",
		},
		"the newest": {
			func(t *testing.T, dir string) { flip(t, dir+"/pins/latest", -8) }, "pins/latest", "",
		},
		"the newest gone": {
			func(t *testing.T, dir string) { require.NoError(t, os.Remove(dir+"/pins/latest")) }, "pins/latest", "not there",
		},
		"state": {
			func(t *testing.T, dir string) { flip(t, dir+"/seal/STATE", 60) }, "seal/STATE", "damaged",
		},
		"state gone": {
			func(t *testing.T, dir string) { require.NoError(t, os.Remove(dir+"/seal/STATE")) }, "seal/STATE", "not there",
		},
		"key list": {
			func(t *testing.T, dir string) { flip(t, dir+"/seal/log-0/log-keys", 20) }, "seal/log-0/log-keys", "not what the log signed",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			res := online(t, func(_ *app.App, dir string) { test.change(t, dir) })
			one(t, res, audit.StepCheckpoints, test.where, test.what)
		})
	}
}

func TestSigningKeysFile(t *testing.T) {
	res := online(t, func(_ *app.App, dir string) { flip(t, dir+"/keys/log-keys", 100) })
	one(t, res, audit.StepKeys, "keys/log-keys", "damaged")
}
