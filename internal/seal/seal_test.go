package seal

import (
	"context"
	"fmt"
	"math/rand/v2"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/stretchr/testify/require"
	"github.com/transparency-dev/merkle/compact"
	"github.com/transparency-dev/merkle/proof"
	"github.com/transparency-dev/merkle/rfc6962"
	"pgregory.net/rapid"

	"lethe/eventstore/storetest"
	"lethe/internal/durable"
	"lethe/internal/leaf"
	"lethe/internal/tlog"
)

// The tree is that of an independent implementation, at every size.
func TestRootsAgainstAnIndependentTree(t *testing.T) {
	factory := compact.RangeFactory{Hash: rfc6962.DefaultHasher.HashChildren}
	r := factory.NewEmptyRange(0)
	e := &edge{}
	for n := range 70_000 {
		entry := []byte{byte(n), byte(n >> 8), byte(n >> 16)}
		h := leaf.Hash(entry)
		require.NoError(t, r.Append(rfc6962.DefaultHasher.HashLeaf(entry), nil))
		e.add(entry, h, nil)
		if n > 2000 && n%97 != 0 && (n+2)%256 > 2 {
			continue
		}
		want, err := r.GetRootHash(nil)
		require.NoError(t, err)
		got := e.root()
		require.Equal(t, want, got[:], "size %d", n+1)
	}
}

func TestProofsAgainstAnIndependentVerifier(t *testing.T) {
	w := newWorld(t)
	w.append(700)
	l := w.open(w.options())
	require.NoError(t, w.seal(l, 13))
	p, ctx := l.Published(), context.Background()
	for i := range uint64(700) {
		entry, err := l.Entry(ctx, i)
		require.NoError(t, err)
		path, err := l.Inclusion(ctx, p.Checkpoint, i)
		require.NoError(t, err)
		require.NoError(t, proof.VerifyInclusion(rfc6962.DefaultHasher, i, 700, rfc6962.DefaultHasher.HashLeaf(entry), raw(path), p.Root[:]))
	}
	for _, k := range w.known {
		path, err := l.Consistency(ctx, k.Size, 700)
		require.NoError(t, err)
		require.NoError(t, proof.VerifyConsistency(rfc6962.DefaultHasher, uint64(k.Size), 700, raw(path), k.Root[:], p.Root[:]))
	}
	_, err := l.Consistency(ctx, 1, 701)
	require.ErrorIs(t, err, ErrNotSealed)
	_, err = l.Prove(ctx, storetest.ID(9999), nil)
	require.ErrorIs(t, err, ErrNotSealed)
	got, err := l.Prove(ctx, storetest.ID(1), nil)
	require.NoError(t, err)
	back, err := tlog.ParseProof(got.Marshal())
	require.NoError(t, err)
	require.Equal(t, got, back)
	require.NoError(t, tlog.VerifyInclusion(back.Path, p.Size, p.Root, back.Index, leaf.Hash(back.Extra)))
	require.NoError(t, l.Close(ctx))
	w.check(w.options())
}

func raw(hashes []tlog.Hash) [][]byte {
	out := make([][]byte, len(hashes))
	for i := range hashes {
		out[i] = hashes[i][:]
	}
	return out
}

// Each change to the disk fails in turn, before it was done and after, and the
// power goes with it: what was not synced is lost, wholly or by half. Whatever
// is left, the seal goes on, and no checkpoint that was published is
// contradicted.
func TestCrashTable(t *testing.T) {
	changes := crashRun(t, 0, false, 0)
	require.Greater(t, changes, 100)
	for n := 1; n <= changes; n++ {
		for _, after := range []bool{false, true} {
			for _, keep := range []int{0, 50} {
				crashRun(t, n, after, keep)
			}
		}
	}
}

// crashRun seals a little at a time until the n-th change is refused, then
// goes on with what the disk holds. It returns how many changes a whole run makes.
func crashRun(t *testing.T, n int, after bool, keep int) int {
	w := newWorld(t)
	mem := vfs.NewCrashableMem()
	disk := &diskFS{FS: mem, refuse: n, after: after}
	w.fs = disk
	for _, some := range []int{3, 254, 2} {
		w.append(some)
		l, err := Open(context.Background(), w.options())
		if err != nil {
			require.ErrorIs(t, err, errDisk)
			break
		}
		err = w.seal(l, 200)
		_ = l.Close(context.Background())
		if err != nil {
			require.ErrorIs(t, err, errDisk)
			break
		}
	}
	if n == 0 {
		return disk.n
	}
	left := mem.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: keep, RNG: rand.New(rand.NewPCG(uint64(n), 7))})
	w.fs = left
	w.append(20)
	w.check(w.options())
	return 0
}

// When a checkpoint is about to be published, a power cut must leave what it
// stands on: the tiles that give its root, the state, and the pin that tells a
// restored copy. Leaving out any one sync fails this.
func TestWhatIsPublishedIsDurable(t *testing.T) {
	sites := publishing(t, nil)
	require.Empty(t, sites.missing)
	require.GreaterOrEqual(t, len(sites.seen), 8, "%v", sites.seen)
	for site := range sites.seen {
		left := publishing(t, func(op, name string) bool { return siteOf(op, name) == site })
		if published := strings.Contains(site, "log-zero/log-keys") || strings.Contains(site, "log-zero/checkpoint"); !published {
			require.NotEmpty(t, left.missing, "leaving out %q went unnoticed", site)
		}
	}
}

type published struct {
	seen    map[string]bool // kinds of syncs
	missing []string        // what a power cut would have taken from under a checkpoint
}

// siteOf names a kind of sync: numbers in paths do not matter.
func siteOf(op, name string) string {
	if op != "sync" {
		return ""
	}
	return regexp.MustCompile(`\d+`).ReplaceAllString(strings.ReplaceAll(name, "log-0", "log-zero"), "n") + " "
}

func publishing(t *testing.T, swallow func(op, name string) bool) published {
	w := newWorld(t)
	mem := vfs.NewCrashableMem()
	out := published{seen: map[string]bool{}}
	disk := &diskFS{FS: mem, swallow: swallow}
	disk.before = func(op, name string) {
		if site := siteOf(op, name); site != "" {
			out.seen[site] = true
		}
		if op != "rename" || !strings.HasSuffix(name, "/checkpoint") {
			return
		}
		if err := standsOn(mem.CrashClone(vfs.CrashCloneCfg{}), name+durable.TmpSuffix, mem); err != nil {
			out.missing = append(out.missing, err.Error())
		}
	}
	w.fs = disk
	for _, some := range []int{300, 2} {
		w.append(some)
		l := w.open(w.options())
		_ = w.seal(l, 200)
		_ = l.Close(context.Background())
	}
	return out
}

// standsOn checks what is left against the checkpoint that is about to appear.
func standsOn(left vfs.FS, checkpoint string, now vfs.FS) error {
	b, err := durable.ReadFile(now, checkpoint, maxNote)
	if err != nil {
		return err
	}
	c, err := tlog.CheckpointOf(b)
	if err != nil {
		return err
	}
	s, err := readState(left, "data/seal")
	if err != nil || s == nil || s.Size < uint64(c.Size) {
		return fmt.Errorf("the state: %v, %w", s, err)
	}
	p, err := openPins(left, "pins")
	if err != nil || p.latest == nil || p.latest.Size < c.Size {
		return fmt.Errorf("the pin: %w", err)
	}
	if kept, _, err := p.all(); err != nil || len(kept) < 2 {
		return fmt.Errorf("the history of pins: %w", err)
	}
	if k, err := openKeys(left, "keys", vault{}, nil); err != nil || len(k.signing(c.Origin)) == 0 {
		return fmt.Errorf("the signing key: %w", err)
	}
	e, err := mustHave(left, "data/seal/log-0").edge(context.Background(), uint64(c.Size))
	if err != nil || e.root() != c.Root {
		return fmt.Errorf("the tiles: %w", err)
	}
	for n := range c.Size / tileWidth {
		if _, err := mustHave(left, "data/seal/log-0").ReadTile(context.Background(), 0, n, tileWidth); err != nil {
			return fmt.Errorf("a full tile: %w", err)
		}
		if _, err := mustHave(left, "data/seal/log-0").ReadEntries(context.Background(), n, tileWidth); err != nil {
			return fmt.Errorf("a full bundle: %w", err)
		}
	}
	return nil
}

func mustHave(fs vfs.FS, dir string) *tiles {
	t, _ := newTiles(fs, dir)
	return t
}

// A disk that fails once and then works: the same batch is sealed on the
// second try.
func TestAFailedTryIsTriedAgain(t *testing.T) {
	for n := 1; n <= 40; n++ {
		w := newWorld(t)
		w.append(300)
		l := w.open(w.options())
		disk := &diskFS{FS: w.fs, refuse: n, after: n%2 == 0}
		l.fs, l.tiles.fs, l.pins.fs = disk, disk, disk
		b := collected(t, l, 300)
		for _, step := range []func(context.Context) error{
			func(context.Context) error { return l.extend(b) }, l.sign,
		} {
			if err := step(context.Background()); err != nil {
				require.ErrorIs(t, err, errDisk)
				disk.dead, disk.refuse = false, 0
				require.NoError(t, step(context.Background()))
			}
		}
		w.append(10)
		require.NoError(t, w.seal(l, 10))
		require.NoError(t, l.Close(context.Background()))
		w.check(w.options())
	}
}

// For random appends, crashes and restarts every old checkpoint is consistent
// with every newer one.
func TestCheckpointsNeverContradict(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		w := newWorld(t)
		mem := vfs.NewCrashableMem()
		w.fs = mem
		for range rapid.IntRange(1, 4).Draw(rt, "starts") {
			l := w.open(w.options())
			for range rapid.IntRange(0, 2).Draw(rt, "rounds") {
				w.append(rapid.IntRange(0, 300).Draw(rt, "events"))
				require.NoError(t, w.seal(l, rapid.IntRange(60, 300).Draw(rt, "batch")))
			}
			if rapid.Bool().Draw(rt, "crash") {
				mem = mem.CrashClone(vfs.CrashCloneCfg{
					UnsyncedDataPercent: rapid.IntRange(0, 1).Draw(rt, "kept") * 50, RNG: rand.New(rand.NewPCG(1, rapid.Uint64().Draw(rt, "seed"))),
				})
				w.fs = mem
			} else {
				require.NoError(t, l.Close(context.Background()))
			}
		}
		w.append(1)
		w.check(w.options())
		l := w.open(w.options())
		for i, older := range w.known {
			for _, newer := range w.known[i:] {
				path, err := l.Consistency(context.Background(), older.Size, newer.Size)
				require.NoError(t, err)
				require.NoError(t, tlog.VerifyConsistency(path, older.Size, older.Root, newer.Size, newer.Root))
			}
			if i > 8 {
				break
			}
		}
		require.NoError(t, l.Close(context.Background()))
	})
}

// The running seal: events are under a checkpoint soon, and closing leaves
// nothing unsealed.
func TestItFollows(t *testing.T) {
	w := newWorld(t)
	o := w.options()
	o.Now, o.Interval = time.Now, time.Millisecond
	l := w.open(o)
	l.Run(t.Context())
	for range 20 {
		w.append(50)
		require.NoError(t, l.WaitFor(t.Context(), w.store.Stats().Head))
		p := l.Published()
		require.EqualValues(t, w.n, p.Size)
		require.Zero(t, l.Status().Lag)
	}
	w.append(500)
	require.NoError(t, l.Close(t.Context()))
	l = w.open(o)
	require.EqualValues(t, w.n, l.Published().Size)
	require.Equal(t, w.store.Stats().Head, l.Published().Position)
	require.NoError(t, l.Close(t.Context()))
	w.check(w.options())
}

// A published file that was changed, or a log that was, stops the seal.
func TestDifferentBytesStopIt(t *testing.T) {
	w := newWorld(t)
	w.append(300)
	l := w.open(w.options())
	require.NoError(t, w.seal(l, 300))
	require.NoError(t, l.Close(t.Context()))
	change(t, w.fs, "data/seal/log-0/tile/0/000", 5)
	require.NoError(t, w.fs.Remove("data/seal/log-0/tile/0/001.p/44"))
	l = w.open(w.options())
	var differs *DifferError
	require.ErrorAs(t, w.seal(l, 300), &differs)
	require.Equal(t, "tile/0/000", differs.Path)
	require.NoError(t, l.Close(t.Context()))

	// The same, and the tiles removed with it: then the pin does not fit.
	require.NoError(t, w.fs.RemoveAll("data/seal"))
	w.store = storetest.NewMemory(storetest.MemoryOptions{})
	w.n = 1000
	w.append(300)
	l = w.open(w.options())
	require.ErrorIs(t, w.seal(l, 300), ErrInconsistent)
	require.Nil(t, l.Published(), "nothing was signed")
	require.NoError(t, l.Close(t.Context()))
}

func change(t testing.TB, fs vfs.FS, path string, at int64) {
	f, err := fs.OpenReadWrite(path, vfs.WriteCategoryUnspecified)
	require.NoError(t, err)
	b := []byte{0}
	_, err = f.ReadAt(b, at)
	require.NoError(t, err)
	b[0] ^= 1
	_, err = f.WriteAt(b, at)
	require.NoError(t, err)
	require.NoError(t, f.Close())
}

// Everything but the pins and the log is lost: the files are made again, the
// same, under the same origin; the signing keys are in a place of their own.
func TestLostFilesAreMadeAgain(t *testing.T) {
	w := newWorld(t)
	w.append(600)
	l := w.open(w.options())
	require.NoError(t, w.seal(l, 100))
	origin, published := l.Origin(), l.Published()
	require.NoError(t, l.Close(t.Context()))
	require.NoError(t, w.fs.RemoveAll("data/seal"))
	l = w.open(w.options())
	require.Nil(t, l.Restart())
	require.Equal(t, origin, l.Origin())
	require.NoError(t, w.seal(l, 100))
	l.resume(t.Context())
	require.Equal(t, published.Note, l.Published().Note)
	require.NoError(t, l.Close(t.Context()))
	w.check(w.options())
}

// An older copy of the ledger comes back, pins stay: a new origin, whose tree
// repeats what is left, and never again a signature under the old one.
func TestARestoredCopyBeginsANewOrigin(t *testing.T) {
	for _, copied := range []bool{true, false} { // the seal's files come back old as well, or stay
		w := newWorld(t)
		w.append(300)
		l := w.open(w.options())
		require.NoError(t, w.seal(l, 100))
		common := l.Published()
		require.NoError(t, l.Close(t.Context()))
		older := vfs.NewMem()
		cloneDir(t, w.fs, older, "data")

		w.append(200)
		l = w.open(w.options())
		require.NoError(t, w.seal(l, 100))
		before := l.Published()
		require.NoError(t, l.Close(t.Context()))

		w.store, w.n = storetest.NewMemory(storetest.MemoryOptions{}), 0
		w.append(300)
		if copied {
			require.NoError(t, w.fs.RemoveAll("data"))
			cloneDir(t, older, w.fs, "data")
		}
		l = w.open(w.options())
		r := l.Restart()
		require.NotNil(t, r)
		require.EqualValues(t, 300, r.Common)
		require.Equal(t, before.Note, r.Checkpoint)
		require.Equal(t, before.Position, r.Position)
		require.Equal(t, "example.com/ledger/restart-1", l.Origin())
		require.NoError(t, l.Close(t.Context()))
		l = w.open(w.options())
		require.Equal(t, r, l.Restart(), "until it is recorded")
		w.append(1)
		require.NoError(t, l.RestartRecorded())
		require.NoError(t, w.seal(l, 100))
		require.Equal(t, "example.com/ledger/restart-1", l.Published().Origin)
		require.NoError(t, l.Close(t.Context()))
		l = w.open(w.options())
		require.Nil(t, l.Restart())
		require.NoError(t, l.Close(t.Context()))
		w.known = nil
		w.check(w.options())

		// The old tree and the new one have the common leaves in common.
		l = w.open(w.options())
		for _, k := range l.Keys() {
			require.Equal(t, k.Origin == l.Origin(), k.Signs, "former names sign no more")
		}
		_, err := l.Pin(t.Context(), before.Note)
		require.ErrorIs(t, err, ErrFormerName, "what it covers is lost")
		_, err = l.Pin(t.Context(), common.Note)
		require.NoError(t, err, "what a former name signed of the leaves that are left, holds")
		root, err := l.RootAt(t.Context(), 300)
		require.NoError(t, err)
		oldRoot, err := tlog.RootAt(t.Context(), mustTiles(t, w.fs, "data/seal/log-0"), 300, root, 300)
		require.NoError(t, err)
		require.Equal(t, root, oldRoot)
		require.NoError(t, l.Close(t.Context()))
	}
}

func mustTiles(t testing.TB, fs vfs.FS, dir string) *tiles {
	tl, err := newTiles(fs, dir)
	require.NoError(t, err)
	return tl
}

// A copy that was altered before it came back is no copy.
func TestAnAlteredCopyIsNotSigned(t *testing.T) {
	w := newWorld(t)
	w.append(300)
	l := w.open(w.options())
	require.NoError(t, w.seal(l, 100))
	require.NoError(t, l.Close(t.Context()))
	w.store, w.n = storetest.NewMemory(storetest.MemoryOptions{}), 5000
	w.append(250)
	l = w.open(w.options())
	require.NotNil(t, l.Restart())
	require.NoError(t, l.RestartRecorded())
	require.ErrorIs(t, w.seal(l, 300), ErrInconsistent)
	require.Nil(t, l.Published())
	require.NoError(t, l.Close(t.Context()))
}

func cloneDir(t testing.TB, from, to vfs.FS, dir string) {
	ok, err := vfs.Clone(from, to, dir, dir)
	require.NoError(t, err)
	require.True(t, ok)
}

func TestTheOriginIsFixed(t *testing.T) {
	w := newWorld(t)
	require.NoError(t, w.open(w.options()).Close(t.Context()))
	o := w.options()
	o.Origin = "example.com/other"
	_, err := Open(t.Context(), o)
	require.ErrorContains(t, err, `the log's origin is "example.com/ledger"`)
	o.Origin = ""
	require.NoError(t, w.open(o).Close(t.Context()))
}

func TestKeysRotateWithOverlapAndCanBeDistrusted(t *testing.T) {
	w := newWorld(t)
	w.append(10)
	l := w.open(w.options())
	require.NoError(t, w.seal(l, 10))
	first := l.Keys()[0]
	_, err := l.RetireKey(first.ID)
	require.ErrorIs(t, err, ErrLastKey)
	second, made, err := l.RotateKey()
	require.True(t, made)
	require.NoError(t, err)
	require.EqualValues(t, 11, second.From)
	again, made, err := l.RotateKey()
	require.NoError(t, err)
	require.False(t, made)
	require.Equal(t, second, again)
	w.append(10)
	require.NoError(t, w.seal(l, 10))
	both := l.Published().Note
	for _, k := range []Key{first, second} { // each alone opens it
		v, err := tlog.NewVerifier(k.VKey)
		require.NoError(t, err)
		only := &tlog.KeyList{Origin: l.Origin(), Keys: []tlog.LogKey{{VKey: k.VKey, From: k.From, Until: -1, Distrusted: -1}}}
		_, _, err = only.Open(both)
		require.NoError(t, err, v.Name())
	}
	first, err = l.RetireKey(first.ID)
	require.NoError(t, err)
	require.EqualValues(t, 20, first.Until)
	_, err = l.DistrustKey(second.ID, 15)
	require.ErrorIs(t, err, ErrLastKey)
	_, _, err = l.RotateKey()
	require.NoError(t, err)
	second, err = l.DistrustKey(second.ID, 15)
	require.NoError(t, err)
	require.EqualValues(t, 15, second.Distrusted)
	_, err = l.DistrustKey("00000000", 15)
	require.ErrorIs(t, err, ErrNoSuchKey)
	w.append(10)
	require.NoError(t, w.seal(l, 10))
	require.NoError(t, l.Close(t.Context()))
	l = w.open(w.options())
	require.Len(t, l.Keys(), 3)
	_, _, err = mustList(t, l).Open(l.Published().Note)
	require.NoError(t, err)
	alone := mustList(t, l)
	alone.Keys = alone.Keys[1:2]
	_, _, err = alone.Open(both)
	require.ErrorContains(t, err, "distrusted")
	require.NoError(t, l.Close(t.Context()))
	w.check(w.options())
}

func TestDamagedRecordsAreRefusedNotGuessed(t *testing.T) {
	for _, path := range []string{"data/seal/STATE", "pins/latest", "keys/log-keys"} {
		w := newWorld(t)
		w.append(10)
		l := w.open(w.options())
		require.NoError(t, w.seal(l, 10))
		require.NoError(t, l.Close(t.Context()))
		change(t, w.fs, path, 30)
		_, err := Open(t.Context(), w.options())
		require.Error(t, err, path)
	}
}

func FuzzParsePin(f *testing.F) {
	f.Add([]byte("0 12 bm90ZQ=="))
	f.Fuzz(func(t *testing.T, b []byte) {
		if p, err := parsePin(b); err == nil && string(p.line()) != string(b)+"\n" {
			t.Fatalf("%q is not canonical", b)
		}
	})
}
