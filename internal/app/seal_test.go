package app_test

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"lethe/domain"
	"lethe/domain/subject"
	"lethe/eventstore"
	"lethe/internal/app"
	"lethe/internal/config"
	"lethe/internal/leaf"
	"lethe/internal/ledger"
	"lethe/internal/tlog"
)

// apart keeps what is not in the ledger's backup elsewhere.
func apart(dir string) config.Config {
	c := conf(filepath.Join(dir, "data"))
	c.Storage.Keys, c.Storage.Epochs, c.Storage.Lookup = filepath.Join(dir, "keys"), filepath.Join(dir, "epochs"), filepath.Join(dir, "lookup")
	c.Storage.Pins, c.Storage.RootKey = filepath.Join(dir, "pins"), filepath.Join(dir, "root.key")
	c.Storage.Journal = filepath.Join(dir, "journal")
	c.Seal.Origin = "ledger.example.com/log"
	return c
}

func openApart(t *testing.T, dir string) *app.App {
	t.Helper()
	a, err := app.Open(context.Background(), apart(dir), slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	return a
}

func register(t *testing.T, a *app.App, n byte) eventstore.Position {
	t.Helper()
	_, out, err := a.Ledger.Register(context.Background(), ledger.Request{Principal: app.Local, Command: domain.Digest{n}},
		subject.Env{}, subject.Register{Acquired: subject.FromPerson, Jurisdiction: "DE"})
	require.NoError(t, err)
	return out.Position
}

// An older copy of the data directory is put in place: no position is given
// twice, the old name is never signed with again, and the log says in an event
// what was lost.
func TestAnOlderCopyOfTheDataDirectory(t *testing.T) {
	dir, older := t.TempDir(), t.TempDir()
	a := openApart(t, dir)
	register(t, a, 1)
	require.NoError(t, a.Close())
	require.NoError(t, os.CopyFS(filepath.Join(older, "data"), os.DirFS(filepath.Join(dir, "data"))))

	var given eventstore.Position
	for n := byte(1); n <= 2; n++ { // the same copy comes back twice
		a = openApart(t, dir)
		given = max(given, register(t, a, 10*n), register(t, a, 10*n+1))
		require.NoError(t, a.Close())
		a = openApart(t, dir)
		before := a.Seal.Published()
		require.NoError(t, a.Close())

		require.NoError(t, os.RemoveAll(filepath.Join(dir, "data")))
		require.NoError(t, os.CopyFS(filepath.Join(dir, "data"), os.DirFS(filepath.Join(older, "data"))))
		a = openApart(t, dir)
		require.Len(t, a.Report, 2)
		require.Contains(t, a.Report[0], "the log came back with")
		require.Contains(t, a.Report[1], "lookup and claims were rebuilt")
		require.NotEqual(t, before.Origin, a.Seal.Origin())
		state, err := a.Ledger.Operations(t.Context())
		require.NoError(t, err)
		require.EqualValues(t, n, state.LastRestart())

		position := register(t, a, 10*n+5)
		require.Greater(t, position, given, "a position was given twice")
		given = position
		require.NoError(t, a.Seal.WaitFor(t.Context(), position))
		p := a.Seal.Published()
		require.Equal(t, a.Seal.Origin(), p.Origin)
		at := restartedAt(t, a)
		require.Less(t, at, uint64(before.Size))
		entry, err := a.Seal.Entry(t.Context(), at)
		require.NoError(t, err)
		l, err := leaf.Parse(entry)
		require.NoError(t, err)
		require.Equal(t, "LogRestarted", l.Type)
		path, err := a.Seal.Inclusion(t.Context(), p.Checkpoint, at)
		require.NoError(t, err)
		require.NoError(t, tlog.VerifyInclusion(path, p.Size, p.Root, int64(at), leaf.Hash(entry)))
		require.NoError(t, a.Close())

		a = openApart(t, dir)
		require.Empty(t, a.Report, "it is told once")
		require.NoError(t, a.Close())
	}
}

// restartedAt is the leaf of the newest restart: the first after what is left.
func restartedAt(t *testing.T, a *app.App) (at uint64) {
	t.Helper()
	var n uint64
	for rec, err := range a.Store.ReadAll(t.Context(), 0) {
		require.NoError(t, err)
		if rec.Type == "LogRestarted" {
			at = n
		}
		n++
	}
	return at
}

// A command that is not told of the policy goes by the one that the ledger
// remembers: it publishes nothing that nobody cosigned.
func TestThePolicyIsRemembered(t *testing.T) {
	dir := t.TempDir()
	a := openApart(t, dir)
	vkey := a.Seal.Keys()[0].VKey
	require.NoError(t, a.Close())
	var seed [32]byte
	_, witness, err := tlog.NewCosigner("witness.example/w1", tlog.CosignEd25519, seed[:], time.Now)
	require.NoError(t, err)
	file := filepath.Join(dir, "policy")
	text := "log " + vkey + "\nwitness w " + witness + "\nquorum w\n"
	require.NoError(t, os.WriteFile(file, []byte(text), 0o600))

	for _, given := range []string{file, "", "none", ""} {
		c := apart(dir)
		c.Seal.Policy = given
		a, err := app.Open(t.Context(), c, slog.New(slog.DiscardHandler))
		require.NoError(t, err)
		n := len(given) + 40
		position := register(t, a, byte(n))
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		if given == file || n == 40 && a.Seal.Published() == nil {
			ctx, cancel = context.WithTimeout(t.Context(), 300*time.Millisecond)
		}
		published := a.Seal.WaitFor(ctx, position) == nil
		cancel()
		_, statErr := os.Stat(filepath.Join(dir, "data", "seal", "policy"))
		require.Equal(t, statErr != nil, published, "given %q", given)
		require.NoError(t, a.Close())
	}
	require.NoError(t, os.WriteFile(file, []byte("quorum\n"), 0o600))
	c := apart(dir)
	c.Seal.Policy = file
	_, err = app.Open(t.Context(), c, slog.New(slog.DiscardHandler))
	require.ErrorContains(t, err, "witness policy")
}
