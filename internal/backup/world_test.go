package backup

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/stretchr/testify/require"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"lethe/eventstore"
	"lethe/eventstore/segment"
	"lethe/eventstore/storetest"
	"lethe/internal/durable"
	"lethe/internal/leaf"
	ours "lethe/internal/tlog"
)

// world is a ledger on a file system in memory, with a seal that signs what
// the log holds when it is asked, and keys that are a file.
type world struct {
	t      testing.TB
	fs     vfs.FS
	log    *segment.Store
	n      int
	now    time.Time
	signer note.Signer
	vkey   string
	keys   *keyFile
}

const origin = "example.com/ledger"

func newWorld(t testing.TB, fs vfs.FS) *world {
	w := &world{t: t, fs: fs, now: time.Date(2026, 1, 31, 9, 0, 0, 0, time.UTC), keys: &keyFile{fs: fs, state: KeyState{Store: "ab", EpochSeq: 1, FenceSeq: 1}}}
	var err error
	w.signer, w.vkey, err = ours.NewSigner(origin, make([]byte, 32))
	require.NoError(t, err)
	w.log, err = segment.Open("live/data/log", segment.Options{FS: fs, SegmentBytes: 8 << 10, IdleMarker: -1})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, w.log.Close()) })
	require.NoError(t, durable.MakeDirs(fs, "live/keys"))
	require.NoError(t, durable.ReplaceFile(fs, "live/keys", logKeysFile, []byte("wrapped signing keys\n")))
	return w
}

// keyFile is a key store that is one file.
type keyFile struct {
	fs    vfs.FS
	state KeyState
	copy  func() error // before it is copied
}

func (k *keyFile) State(context.Context) (KeyState, error) { return k.state, nil }

func (k *keyFile) CopyTo(_ context.Context, path string) (KeyState, error) {
	if k.copy != nil {
		if err := k.copy(); err != nil {
			return KeyState{}, err
		}
	}
	return k.state, durable.ReplaceFile(k.fs, k.fs.PathDir(path), k.fs.PathBase(path), []byte(strings.Repeat("wrapped keys\n", 500)))
}

func (w *world) append(n int) {
	w.t.Helper()
	for range n {
		w.n++
		_, err := w.log.Append(context.Background(), fmt.Sprintf("stream-%d", w.n%7), eventstore.Any(), []eventstore.Event{storetest.NewEvent(uint64(w.n))})
		require.NoError(w.t, err)
	}
}

// seal signs what the log holds.
func (w *world) seal() (SealState, error) {
	list := ours.KeyList{Origin: origin, Keys: []ours.LogKey{{VKey: w.vkey, Until: -1, Distrusted: -1}}}
	signedList, err := note.Sign(&note.Note{Text: list.Text()}, w.signer)
	if err != nil {
		return SealState{}, err
	}
	s := SealState{Origin: origin, Root: make([]byte, 32), KeyList: string(signedList)}
	var t tree
	for rec, err := range w.log.ReadAll(context.Background(), 0) {
		if err != nil {
			return s, err
		}
		t.add(leafOf(w.t, t.size, rec))
		s.Position = rec.Position
	}
	if t.size == 0 {
		return s, nil
	}
	root := t.root()
	s.Size, s.Root = t.size, root[:]
	signed, err := note.Sign(&note.Note{Text: ours.Checkpoint{Origin: origin, Size: int64(t.size), Root: root}.Text()}, w.signer)
	s.Checkpoint = string(signed)
	return s, err
}

func leafOf(t testing.TB, n uint64, rec *eventstore.Recorded) tlog.Hash {
	var l leaf.Leaf
	leaf.Of(n, rec, &l)
	return leaf.Hash(l.Append(nil))
}

// options back up both, over another view of the file system when fs is not nil.
func (w *world) options(fs vfs.FS) Options {
	if fs == nil {
		fs = w.fs
	}
	w.keys.fs = fs
	return Options{
		FS: fs, LedgerTo: "backups/ledger", KeysTo: "backups/keys", Log: w.log, Seal: w.seal, Keys: w.keys,
		Policy: "live/data/seal/policy", LogKeys: "live/keys/" + logKeysFile, Program: "test", Now: func() time.Time { return w.now },
	}
}

func (w *world) create(fs vfs.FS) []Made {
	w.t.Helper()
	w.now = w.now.Add(time.Hour)
	made, err := Create(w.t.Context(), w.options(fs))
	require.NoError(w.t, err)
	return made
}

func clean(t testing.TB, fs vfs.FS, dir string) Report {
	t.Helper()
	r, err := Verify(t.Context(), dir, VerifyOptions{FS: fs})
	require.NoError(t, err)
	require.True(t, r.Clean, "%v", r.Findings)
	return r
}

func listed(t testing.TB, fs vfs.FS, place string) []Entry {
	t.Helper()
	all, err := List(fs, place)
	require.NoError(t, err)
	for _, e := range all {
		require.NoError(t, e.Err)
	}
	return all
}

// events gives what a restored log holds.
func events(t *testing.T, fs vfs.FS, dir string) []*eventstore.Recorded {
	t.Helper()
	s, err := segment.Open(dir, segment.Options{FS: fs, SegmentBytes: 8 << 10, Report: func(err error) { t.Errorf("unexpected report: %v", err) }})
	require.NoError(t, err)
	defer func() { require.NoError(t, s.Close()) }()
	return storetest.All(t, s, 0)
}

// killFS is a file system that a process uses until it is killed: from its
// n-th change on nothing is done any more.
type killFS struct {
	vfs.FS
	left   int
	err    error
	before func() // called ahead of each change; may be nil
}

var errKilled = errors.New("killed by the test")

func (k *killFS) change() error {
	if k.before != nil {
		k.before()
	}
	if k.left--; k.left < 0 {
		return k.err
	}
	return nil
}

func (k *killFS) Create(name string, c vfs.DiskWriteCategory) (vfs.File, error) {
	if err := k.change(); err != nil {
		return nil, err
	}
	f, err := k.FS.Create(name, c)
	return &killFile{File: f, fs: k}, err
}

func (k *killFS) Link(a, b string) error {
	if err := k.change(); err != nil {
		return err
	}
	return k.FS.Link(a, b)
}

func (k *killFS) Rename(a, b string) error {
	if err := k.change(); err != nil {
		return err
	}
	return k.FS.Rename(a, b)
}

func (k *killFS) Remove(name string) error {
	if err := k.change(); err != nil {
		return err
	}
	return k.FS.Remove(name)
}

func (k *killFS) RemoveAll(name string) error {
	if err := k.change(); err != nil && errors.Is(err, errKilled) {
		return err
	}
	return k.FS.RemoveAll(name)
}

func (k *killFS) MkdirAll(dir string, perm os.FileMode) error {
	if err := k.change(); err != nil {
		return err
	}
	return k.FS.MkdirAll(dir, perm)
}

func (k *killFS) OpenDir(name string) (vfs.File, error) {
	f, err := k.FS.OpenDir(name)
	return &killFile{File: f, fs: k}, err
}

type killFile struct {
	vfs.File
	fs *killFS
}

func (f *killFile) Write(b []byte) (int, error) {
	if err := f.fs.change(); err != nil {
		n, _ := f.File.Write(b[:len(b)/2]) // the half that came through
		return n, err
	}
	return f.File.Write(b)
}

func (f *killFile) Sync() error {
	if err := f.fs.change(); err != nil {
		return err
	}
	return f.File.Sync()
}
