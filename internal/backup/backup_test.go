package backup

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/stretchr/testify/require"

	"lethe/eventstore"
	"lethe/eventstore/storetest"
	"lethe/internal/durable"
	ours "lethe/internal/tlog"
)

func TestABackupIsWhatTheLedgerHeld(t *testing.T) {
	w := newWorld(t, vfs.NewMem())
	w.append(60)
	made := w.create(nil)
	require.Len(t, made, 2)
	require.Equal(t, Ledger, made[0].Manifest.Kind)
	require.Equal(t, Keys, made[1].Manifest.Kind)
	require.Equal(t, made[0].Manifest.Name, made[1].Manifest.Name)
	require.Equal(t, made[0].Manifest.Bytes(), made[0].Copied)
	before := storetest.All(t, w.log, 0)
	w.append(60)
	second := w.create(nil)
	r := clean(t, w.fs, made[0].Dir)
	require.EqualValues(t, 60, r.Events)
	require.EqualValues(t, 60, r.Sealed)
	require.Len(t, r.Signers, 1)
	require.EqualValues(t, 120, clean(t, w.fs, second[0].Dir).Events)
	clean(t, w.fs, made[1].Dir)

	_, err := Restore(t.Context(), RestoreOptions{FS: w.fs, LedgerFrom: made[0].Dir, Data: "back/data"})
	require.NoError(t, err)
	require.Equal(t, before, events(t, w.fs, "back/data/log"))
	done, err := Restore(t.Context(), RestoreOptions{FS: w.fs, LedgerFrom: "backups/ledger", KeysFrom: "backups/keys", Data: "new/data", KeyDir: "new/keys"})
	require.NoError(t, err)
	require.Len(t, done, 2)
	require.Equal(t, second[0].Dir, done[1].Dir)
	require.Equal(t, storetest.All(t, w.log, 0), events(t, w.fs, "new/data/log"))
	for name, want := range map[string]string{"keys.db": "wrapped keys\n", "log-keys": "wrapped signing keys\n"} {
		b, err := durable.ReadFile(w.fs, "new/keys/"+name, 1<<20)
		require.NoError(t, err)
		require.Contains(t, string(b), want)
	}
	names, err := w.fs.List("new/data")
	require.NoError(t, err)
	require.ElementsMatch(t, []string{"log", "seal"}, names)
}

// Full segments are linked, and copied where there are no links; the tail and
// the small files are taken anew.
func TestOnlyWhatIsNewIsCopied(t *testing.T) {
	for _, links := range []bool{true, false} {
		w := newWorld(t, vfs.NewMem())
		var fs vfs.FS = w.fs
		if !links {
			fs = noLinks{w.fs}
		}
		w.append(200)
		first := w.create(fs)[0]
		require.Greater(t, len(first.Manifest.Files), 6)
		w.append(1)
		second := w.create(fs)[0]
		third := w.create(fs)[0]
		for _, m := range []Made{second, third} {
			require.Equal(t, links, m.Copied < m.Manifest.Bytes()/3, "%d of %d", m.Copied, m.Manifest.Bytes())
		}
		require.NoError(t, w.fs.RemoveAll(first.Dir), "each is whole by itself")
		require.EqualValues(t, 201, clean(t, w.fs, second.Dir).Events)
		require.EqualValues(t, 201, clean(t, w.fs, third.Dir).Events)
	}
}

type noLinks struct{ vfs.FS }

func (noLinks) Link(string, string) error { return syscall.EPERM }

// A place can hold backups of one log and then of another one of the same name.
func TestAForkIsNotLinked(t *testing.T) {
	w := newWorld(t, vfs.NewMem())
	w.append(40)
	copied := vfs.NewMem()
	_, err := vfs.Clone(w.fs, copied, "live", "live")
	require.NoError(t, err)
	w.append(100)
	w.create(nil)
	_, err = vfs.Clone(w.fs, copied, "backups", "backups")
	require.NoError(t, err)

	other := newWorld(t, copied)
	other.n, other.now = 5000, w.now
	other.append(100)
	made := other.create(nil)[0]
	require.EqualValues(t, 140, clean(t, copied, made.Dir).Events)
	require.Len(t, listed(t, copied, "backups/ledger"), 2)
}

// Whatever step a process is killed at, the backups there are are whole, and
// the next one succeeds, takes over what was copied, and leaves nothing behind.
func TestKilledAtEveryStepOfABackup(t *testing.T) {
	steps, resumed := 0, 0
	for n := 0; ; n++ {
		w := newWorld(t, vfs.NewMem())
		w.append(30)
		w.create(nil)
		w.append(60)
		w.now = w.now.Add(time.Hour)
		_, err := Create(t.Context(), w.options(&killFS{FS: w.fs, left: n, err: errKilled}))
		if err == nil {
			break
		}
		steps++
		require.ErrorIs(t, err, errKilled)
		for _, place := range []string{"backups/ledger", "backups/keys"} {
			all := listed(t, w.fs, place)
			require.Contains(t, []int{1, 2}, len(all))
			for _, e := range all {
				clean(t, w.fs, e.Dir)
			}
		}
		made := w.create(nil)
		if made[0].Copied < made[0].Manifest.Bytes()/3 {
			resumed++
		}
		require.EqualValues(t, 90, clean(t, w.fs, made[0].Dir).Events)
		requireTidy(t, w.fs)
	}
	require.Greater(t, steps, 30)
	require.Positive(t, resumed, "what was copied is not copied again")
}

func requireTidy(t testing.TB, fs vfs.FS) {
	t.Helper()
	for _, place := range []string{"backups/ledger", "backups/keys"} {
		names, err := fs.List(place)
		require.NoError(t, err)
		for _, name := range names {
			require.NotContains(t, name, ".partial")
		}
	}
}

// What a power cut leaves is the same: nothing is listed that is not whole.
func TestAPowerCutAtEveryStepOfABackup(t *testing.T) {
	fs := vfs.NewCrashableMem()
	w := newWorld(t, fs)
	w.append(20)
	w.create(nil)
	w.append(60)
	w.now = w.now.Add(time.Hour)
	cuts, seed := 0, uint64(0)
	k := &killFS{FS: fs, left: 1 << 30}
	k.before = func() {
		for _, percent := range []int{0, 50} {
			seed++
			after := fs.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: percent, RNG: rand.New(rand.NewPCG(seed, 7))})
			for _, place := range []string{"backups/ledger", "backups/keys"} {
				for _, e := range listed(t, after, place) {
					clean(t, after, e.Dir)
				}
			}
			cuts++
		}
	}
	made, err := Create(t.Context(), w.options(k))
	require.NoError(t, err)
	require.Greater(t, cuts, 60)
	after := fs.CrashClone(vfs.CrashCloneCfg{})
	for _, m := range made {
		clean(t, after, m.Dir)
	}
}

func TestAFullMediumKeepsNothing(t *testing.T) {
	for n := 0; ; n += 3 {
		w := newWorld(t, vfs.NewMem())
		w.append(60)
		full := &killFS{FS: w.fs, left: n, err: syscall.ENOSPC}
		_, err := Create(t.Context(), w.options(full))
		if err == nil {
			require.Greater(t, n, 30)
			return
		}
		require.ErrorIs(t, err, ErrNoRoom)
		require.ErrorContains(t, err, "backups/")
		for _, e := range listed(t, w.fs, "backups/ledger") {
			clean(t, w.fs, e.Dir)
		}
		for _, place := range []string{"backups/ledger", "backups/keys"} {
			names, err := w.fs.List(place)
			require.True(t, err == nil || durable.IsNotExist(err))
			for _, name := range names {
				require.NotContains(t, name, ".partial", "after %d", n)
			}
		}
		w.create(nil)
	}
}

func TestNoRoomIsToldBeforeAnythingIsCopied(t *testing.T) {
	w := newWorld(t, vfs.NewMem())
	w.append(60)
	_, err := Create(t.Context(), w.options(narrow{w.fs}))
	require.ErrorIs(t, err, ErrNoRoom)
	require.ErrorContains(t, err, "has 1000 left")
	require.Empty(t, listed(t, w.fs, "backups/ledger"))
}

type narrow struct{ vfs.FS }

func (narrow) GetDiskUsage(string) (vfs.DiskUsage, error) {
	return vfs.DiskUsage{AvailBytes: 1000}, nil
}

func TestOneBackupAtATime(t *testing.T) {
	w := newWorld(t, vfs.NewMem())
	w.append(3)
	o := w.options(nil)
	w.keys.copy = func() error {
		o := o
		o.LedgerTo = ""
		_, err := Create(t.Context(), o)
		require.ErrorIs(t, err, ErrBusy)
		return nil
	}
	_, err := Create(t.Context(), o)
	require.NoError(t, err)
	w.keys.copy = nil
	o.LedgerTo, o.KeysTo = "backups/keys", ""
	_, err = Create(t.Context(), o)
	require.ErrorContains(t, err, "backups of the keys")
	for range 3 { // the clock stands still
		made, err := Create(t.Context(), w.options(nil))
		require.NoError(t, err)
		require.Equal(t, made[0].Manifest.Time.Format(nameLayout), made[0].Manifest.Name)
	}
	require.Len(t, listed(t, w.fs, "backups/keys"), 4)
}

// Keys come second: what an event of the ledger's copy needs was made before.
func TestTheLedgerComesFirst(t *testing.T) {
	w := newWorld(t, vfs.NewMem())
	w.append(5)
	w.keys.copy = func() error {
		require.Len(t, listed(t, w.fs, "backups/ledger"), 1, "the ledger's backup is complete")
		w.append(5)
		return nil
	}
	made := w.create(nil)
	require.EqualValues(t, 5, made[0].Manifest.Log.Events)
	require.EqualValues(t, 5, made[1].Manifest.Log.Events, "read before the keys")
}

func TestEveryAlterationIsFound(t *testing.T) {
	w := newWorld(t, vfs.NewMem())
	w.append(80)
	made := w.create(nil)
	for _, m := range made {
		for _, f := range append(m.Manifest.Files, File{Path: manifestName}) {
			path := m.Dir + "/" + f.Path
			b, err := durable.ReadFile(w.fs, path, 1<<20)
			require.NoError(t, err)
			dir := w.fs.PathDir(path)
			for _, change := range [][]byte{
				append([]byte{b[0] ^ 1}, b[1:]...), append(b[:len(b)/2:len(b)/2], append([]byte{b[len(b)/2] ^ 8}, b[len(b)/2+1:]...)...),
				b[:len(b)-1], append(b[:len(b):len(b)], 0),
			} {
				require.NoError(t, durable.ReplaceFile(w.fs, dir, w.fs.PathBase(path), change))
				r, err := Verify(t.Context(), m.Dir, VerifyOptions{FS: w.fs})
				if f.Path == manifestName {
					require.ErrorIs(t, err, durable.ErrDamaged)
				} else {
					require.NoError(t, err)
					require.False(t, r.Clean, f.Path)
				}
				_, err = Restore(t.Context(), RestoreOptions{FS: w.fs, LedgerFrom: only(m, Ledger), KeysFrom: only(m, Keys), Data: "x", KeyDir: "x"})
				require.Error(t, err)
				if f.Path != manifestName {
					require.ErrorIs(t, err, durable.ErrDamaged)
					require.Error(t, Unfinished(w.fs, "x"), "nothing may open it")
				}
				require.NoError(t, w.fs.RemoveAll("x"))
			}
			require.NoError(t, durable.ReplaceFile(w.fs, dir, w.fs.PathBase(path), b))
		}
		require.NoError(t, w.fs.Remove(m.Dir+"/"+m.Manifest.Files[0].Path))
		r, err := Verify(t.Context(), m.Dir, VerifyOptions{FS: w.fs})
		require.NoError(t, err)
		require.Len(t, r.Findings, 1)
	}
}

func only(m Made, kind Kind) string {
	if m.Manifest.Kind == kind {
		return m.Dir
	}
	return ""
}

// A log that was altered together with its hashes does not have the root that
// was signed.
func TestAnAlteredHistoryIsFound(t *testing.T) {
	w := newWorld(t, vfs.NewMem())
	w.append(30)
	o := w.options(nil)
	o.Seal = func() (SealState, error) {
		s, err := w.seal()
		other := newWorld(t, vfs.NewMem())
		other.n = 900
		other.append(30)
		theirs, err2 := other.seal()
		require.NoError(t, err2)
		s.Checkpoint, s.Root = theirs.Checkpoint, theirs.Root
		return s, err
	}
	made, err := Create(t.Context(), o)
	require.NoError(t, err)
	r, err := Verify(t.Context(), made[0].Dir, VerifyOptions{FS: w.fs})
	require.NoError(t, err)
	require.False(t, r.Clean)
	require.Contains(t, r.Findings[0].What, "altered")
}

func TestTheCheckpointIsVerifiedByTheKeyThatIsGiven(t *testing.T) {
	w := newWorld(t, vfs.NewMem())
	w.append(3)
	made := w.create(nil)[0]
	for seed, good := range map[byte]bool{0: true, 1: false} {
		_, vkey, err := ours.NewSigner(origin, append([]byte{seed}, make([]byte, 31)...))
		require.NoError(t, err)
		v, err := ours.NewVerifier(vkey)
		require.NoError(t, err)
		r, err := Verify(t.Context(), made.Dir, VerifyOptions{FS: w.fs, Verifier: v})
		require.NoError(t, err)
		require.Equal(t, good, r.Clean, "%v", r.Findings)
	}
}

func TestALedgerWithoutEvents(t *testing.T) {
	w := newWorld(t, vfs.NewMem())
	made := w.create(nil)
	require.Zero(t, clean(t, w.fs, made[0].Dir).Events)
	_, err := Restore(t.Context(), RestoreOptions{FS: w.fs, LedgerFrom: made[0].Dir, Data: "back"})
	require.NoError(t, err)
	require.Empty(t, events(t, w.fs, "back/log"))
}

func TestPlacesLieApart(t *testing.T) {
	require.NoError(t, Separate("/b/ledger", "/b/keys", "/data", "/data/keys", ""))
	require.NoError(t, Separate("/b/ledger", "", "/data"))
	for _, bad := range [][]string{
		{"/b", "/b", "/data"},
		{"/b", "/b/keys", "/data"},
		{"/b/ledger", "/b", "/data"},
		{"/data/b", "/k", "/data"},
		{"/b", "/data", "/data"},
		{"/", "", "/data"},
	} {
		require.Error(t, Separate(bad[0], bad[1], bad[2:]...), "%v", bad)
	}
	require.NoError(t, Separate("/data2", "/datab", "/data"))
}

func FuzzManifest(f *testing.F) {
	w := newWorld(f, vfs.NewMem())
	w.append(3)
	for _, m := range w.create(nil) {
		b, err := durable.EncodeJSON(manifestHead, m.Manifest)
		require.NoError(f, err)
		f.Add(b)
	}
	f.Add([]byte(manifestHead))
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := parseManifest(b)
		if err != nil {
			return
		}
		for _, file := range m.Files {
			for _, evil := range []string{"..", "\\", ":", "//"} {
				require.NotContains(t, file.Path, evil)
			}
			require.False(t, strings.HasPrefix(file.Path, "/"))
		}
	})
}

func TestOnlyFilesOfABackupAreNamed(t *testing.T) {
	for _, name := range []string{"", ".", "..", "/etc/passwd", "../x", "log/../x", "log//x", "log/", "log/..", "a\\b", "log/LOCK", "log/x.tmp", "keys/x", "log/index/x", "c:x", "seal/STATE"} {
		require.False(t, legalPath(Ledger, name), name)
		require.False(t, legalPath(Keys, name), name)
	}
	for kind, names := range map[Kind][]string{Ledger: {"log/MANIFEST", "log/00000001.000.seg", "seal/policy"}, Keys: {"keys.db", "log-keys"}} {
		for _, name := range names {
			require.True(t, legalPath(kind, name), name)
			require.False(t, legalPath(map[Kind]Kind{Ledger: Keys, Keys: Ledger}[kind], name), name)
		}
	}
}

// A file of the log that was replaced, since erased values were dropped from
// it, is one more file: a backup of before holds the old one, one of after the
// new one, and both are whole.
func TestABackupAfterValuesWereDropped(t *testing.T) {
	w := newWorld(t, vfs.NewMem())
	w.append(200)
	before := storetest.All(t, w.log, 0)
	first := w.create(nil)
	_, err := w.log.Drop(t.Context(), w.log.Sections()[0], eventstore.DropOrder{
		ID: eventstore.DropID{1}, Pick: storetest.Every(2), Record: func(context.Context, eventstore.Drop) error { return nil },
	})
	require.NoError(t, err)
	after := storetest.All(t, w.log, 0)
	second := w.create(nil)
	require.Less(t, second[0].Copied, first[0].Copied, "the other files are linked")
	for i, want := range [][]*eventstore.Recorded{before, after} {
		made := [][]Made{first, second}[i]
		require.EqualValues(t, 200, clean(t, w.fs, made[0].Dir).Sealed, "the hashes are those that were sealed")
		data := fmt.Sprintf("back-%d/data", i)
		_, err := Restore(t.Context(), RestoreOptions{FS: w.fs, LedgerFrom: made[0].Dir, Data: data})
		require.NoError(t, err)
		require.Equal(t, want, events(t, w.fs, data+"/log"))
		names, err := w.fs.List(data + "/log")
		require.NoError(t, err)
		require.Contains(t, names, fmt.Sprintf("00000001.%03d.seg", i))
		require.NotContains(t, names, fmt.Sprintf("00000001.%03d.seg", 1-i))
	}
}
