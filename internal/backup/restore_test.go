package backup

import (
	"math/rand/v2"
	"syscall"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/stretchr/testify/require"

	"lethe/eventstore/storetest"
	"lethe/internal/durable"
)

// back puts both backups back into directories of their own.
func back(fs vfs.FS) RestoreOptions {
	return RestoreOptions{FS: fs, LedgerFrom: "backups/ledger", KeysFrom: "backups/keys", Data: "back/data", KeyDir: "back/keys"}
}

// requireAllOrNothing looks at what a restore left that was stopped: what is
// opened is whole, and what is not says so.
func requireAllOrNothing(t *testing.T, fs vfs.FS) {
	t.Helper()
	for dir, part := range map[string]string{"back/data": logDir, "back/keys": keysFile} {
		if Unfinished(fs, dir) != nil {
			continue
		}
		names, err := fs.List(dir)
		if durable.IsNotExist(err) {
			continue
		}
		require.NoError(t, err)
		switch len(names) {
		case 0:
		default:
			require.Contains(t, names, part)
		}
	}
}

// Whatever step a restore is killed at, the same call again ends it.
func TestKilledAtEveryStepOfARestore(t *testing.T) {
	w := newWorld(t, vfs.NewMem())
	w.append(60)
	w.create(nil)
	want := storetest.All(t, w.log, 0)
	steps := 0
	for n := 0; ; n++ {
		_, err := Restore(t.Context(), back(&killFS{FS: w.fs, left: n, err: errKilled}))
		if err == nil {
			break
		}
		steps++
		require.ErrorIs(t, err, errKilled)
		requireAllOrNothing(t, w.fs)
		o := back(w.fs)
		if Unfinished(w.fs, "back/keys") == nil { // the keys are in place
			if _, err := w.fs.Stat("back/keys/" + keysFile); err == nil {
				_, err := Restore(t.Context(), o)
				require.ErrorIs(t, err, ErrInUse)
				o.KeysFrom = ""
			}
		}
		if _, err := w.fs.Stat("back/data/" + logDir); err == nil && Unfinished(w.fs, "back/data") == nil {
			o.LedgerFrom = ""
		}
		_, err = Restore(t.Context(), o)
		require.NoError(t, err)
		require.NoError(t, Unfinished(w.fs, "back/data", "back/keys"))
		require.Equal(t, want, events(t, w.fs, "back/data/log"))
		require.NoError(t, w.fs.RemoveAll("back"))
	}
	require.Greater(t, steps, 30)
}

func TestAPowerCutAtEveryStepOfARestore(t *testing.T) {
	fs := vfs.NewCrashableMem()
	w := newWorld(t, fs)
	w.append(30)
	w.create(nil)
	want := storetest.All(t, w.log, 0)
	cuts, seed := 0, uint64(0)
	k := &killFS{FS: fs, left: 1 << 30}
	k.before = func() {
		for _, percent := range []int{0, 50} {
			seed++
			after := fs.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: percent, RNG: rand.New(rand.NewPCG(seed, 3))})
			requireAllOrNothing(t, after)
			if _, err := after.Stat("back/data/log"); err == nil && Unfinished(after, "back/data") == nil {
				require.Equal(t, want, events(t, after, "back/data/log"))
			}
			cuts++
		}
	}
	_, err := Restore(t.Context(), back(k))
	require.NoError(t, err)
	require.Greater(t, cuts, 60)
	after := fs.CrashClone(vfs.CrashCloneCfg{})
	require.NoError(t, Unfinished(after, "back/data", "back/keys"))
	require.Equal(t, want, events(t, after, "back/data/log"))
}

// Nothing is overwritten, and what to move is said.
func TestNothingIsOverwritten(t *testing.T) {
	w := newWorld(t, vfs.NewMem())
	w.append(5)
	w.create(nil)
	for _, there := range []string{"back/data/log/x", "back/data/seal/STATE", "back/data/views/x", "back/data/react/x", "back/keys/keys.db", "back/keys/keys.db-wal", "back/keys/log-keys"} {
		require.NoError(t, durable.MakeDirs(w.fs, w.fs.PathDir(there)))
		require.NoError(t, durable.ReplaceFile(w.fs, w.fs.PathDir(there), w.fs.PathBase(there), []byte("x")))
		_, err := Restore(t.Context(), back(w.fs))
		require.ErrorIs(t, err, ErrInUse)
		require.ErrorContains(t, err, "move back/")
		b, err := durable.ReadFile(w.fs, there, 10)
		require.NoError(t, err)
		require.Equal(t, "x", string(b))
		require.NoError(t, Unfinished(w.fs, "back/data", "back/keys"), "it is refused before anything is written")
		require.NoError(t, w.fs.RemoveAll("back"))
	}
	require.NoError(t, durable.MakeDirs(w.fs, "back/data/log"))
	require.NoError(t, durable.MakeDirs(w.fs, "back/data/epochs"))
	require.NoError(t, durable.MakeDirs(w.fs, "back/data/keys"))
	o := back(w.fs)
	o.KeyDir = "back/data/keys"
	_, err := Restore(t.Context(), o)
	require.NoError(t, err, "empty directories, and those of others, are in nobody's way")
	require.Len(t, events(t, w.fs, "back/data/log"), 5)
}

func TestAnotherRestoreIsNotGoneOnWith(t *testing.T) {
	w := newWorld(t, vfs.NewMem())
	w.append(5)
	first := w.create(nil)[0]
	w.append(5)
	second := w.create(nil)[0]
	o := RestoreOptions{FS: &killFS{FS: w.fs, left: 12, err: errKilled}, LedgerFrom: first.Dir, Data: "back"}
	_, err := Restore(t.Context(), o)
	require.ErrorIs(t, err, errKilled)
	require.Error(t, Unfinished(w.fs, "back"))
	o.FS, o.LedgerFrom = w.fs, second.Dir
	_, err = Restore(t.Context(), o)
	require.ErrorIs(t, err, ErrInUse)
	require.ErrorContains(t, err, first.Manifest.Name)
	o.LedgerFrom = first.Dir
	_, err = Restore(t.Context(), o)
	require.NoError(t, err)
	require.Len(t, events(t, w.fs, "back/log"), 5)
}

func TestBackupsThatDoNotBelongTogether(t *testing.T) {
	w := newWorld(t, vfs.NewMem())
	w.append(5)
	keys := w.create(nil)[1]
	w.append(5)
	ledger := w.create(nil)[0]
	o := RestoreOptions{FS: w.fs, LedgerFrom: ledger.Dir, KeysFrom: keys.Dir, Data: "back/data", KeyDir: "back/keys"}
	_, err := Restore(t.Context(), o)
	require.ErrorIs(t, err, ErrOlderKeys)
	require.ErrorContains(t, err, ledger.Manifest.Name)
	o.OlderKeys = true
	_, err = Restore(t.Context(), o)
	require.NoError(t, err)
	require.NoError(t, w.fs.RemoveAll("back"))

	w.keys.state.Store = "cd"
	o.KeysFrom = w.create(nil)[1].Dir
	_, err = Restore(t.Context(), o)
	require.ErrorIs(t, err, ErrApart)
	o.KeysFrom = ledger.Dir
	_, err = Restore(t.Context(), o)
	require.ErrorContains(t, err, "one of the keys is needed")
	o.KeysFrom = "backups"
	_, err = Restore(t.Context(), o)
	require.ErrorIs(t, err, ErrNoBackup)
	require.NoError(t, Unfinished(w.fs, "back/data", "back/keys"))
	_, err = w.fs.Stat("back")
	require.True(t, durable.IsNotExist(err))
}

func TestAFullMediumWhileRestoring(t *testing.T) {
	w := newWorld(t, vfs.NewMem())
	w.append(40)
	w.create(nil)
	for n := 0; ; n++ {
		_, err := Restore(t.Context(), back(&killFS{FS: w.fs, left: n, err: syscall.ENOSPC}))
		if err == nil {
			require.Greater(t, n, 30)
			return
		}
		require.ErrorIs(t, err, ErrNoRoom)
		require.ErrorContains(t, err, "back/")
		requireAllOrNothing(t, w.fs)
		require.NoError(t, w.fs.RemoveAll("back"))
	}
}

// A damaged newest backup is not passed over in silence.
func TestADamagedNewestBackupIsTold(t *testing.T) {
	w := newWorld(t, vfs.NewMem())
	w.append(5)
	w.create(nil)
	second := w.create(nil)[0]
	require.NoError(t, durable.ReplaceFile(w.fs, second.Dir, manifestName, []byte("x\n{}")))
	_, err := Restore(t.Context(), back(w.fs))
	require.ErrorIs(t, err, durable.ErrDamaged)
	require.ErrorContains(t, err, "name its own directory")
}
