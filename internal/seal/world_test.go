package seal

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/stretchr/testify/require"

	"lethe/eventstore"
	"lethe/eventstore/storetest"
	"lethe/internal/leaf"
	"lethe/internal/tlog"
)

// vault is a Vault that hides nothing; only that names are bound is kept.
type vault struct{}

func (vault) Protect(name string, secret []byte) ([]byte, error) {
	sum := sha256.Sum256([]byte(name))
	return append(sum[:], secret...), nil
}

func (vault) Unprotect(name string, blob []byte) ([]byte, error) {
	sum := sha256.Sum256([]byte(name))
	secret, ok := bytes.CutPrefix(blob, sum[:])
	if !ok {
		return nil, errors.New("protected under another name")
	}
	return bytes.Clone(secret), nil
}

// counter is a source of bytes that repeats.
type counter struct{ n byte }

func (c *counter) Read(b []byte) (int, error) {
	for i := range b {
		c.n++
		b[i] = c.n
	}
	return len(b), nil
}

// world is a log, the disks of its seal, and a clock that only the test moves.
type world struct {
	t     testing.TB
	store *storetest.Memory
	fs    vfs.FS
	n     uint64
	now   time.Time
	rand  io.Reader
	known []tlog.Checkpoint // that were published
}

func newWorld(t testing.TB) *world {
	w := &world{t: t, fs: vfs.NewMem(), now: time.Date(2026, 1, 31, 9, 0, 0, 0, time.UTC), rand: &counter{}}
	w.store = storetest.NewMemory(storetest.MemoryOptions{})
	return w
}

func (w *world) options() Options {
	return Options{
		FS: w.fs, Dir: "data/seal", PinDir: "pins", KeyDir: "keys", Store: w.store, Vault: vault{}, Origin: "example.com/ledger",
		Now: func() time.Time { return w.now }, Rand: w.rand, Logger: slog.New(slog.DiscardHandler),
	}
}

// append writes n events to a few streams.
func (w *world) append(n int) {
	for range n {
		w.n++
		e := storetest.NewEvent(w.n)
		if w.n%5 == 0 {
			e.Sealed = [][]byte{bytes.Repeat([]byte{1, byte(w.n)}, 40)}
		}
		_, err := w.store.Append(context.Background(), fmt.Sprintf("subject-%d", w.n%7), eventstore.Any(), []eventstore.Event{e})
		require.NoError(w.t, err)
	}
}

func (w *world) open(o Options) *Log {
	l, err := Open(context.Background(), o)
	require.NoError(w.t, err)
	return l
}

// batch collects what the log has after what is sealed, at most n leaves.
func collected(t testing.TB, l *Log, n int) *batch {
	l.pending.init()
	index := l.state.Size
	var of leaf.Leaf
	for rec, err := range l.opts.Store.ReadAll(context.Background(), l.state.Position) {
		require.NoError(t, err)
		leaf.Of(index, rec, &of)
		require.NoError(t, l.pending.put(context.Background(), of.Append(nil), rec))
		if index++; index-l.state.Size == uint64(n) {
			break
		}
	}
	return l.pending.take()
}

// seal brings the seal up to the log in batches of n.
func (w *world) seal(l *Log, n int) error {
	for {
		b := collected(w.t, l, n)
		if b == nil {
			return nil
		}
		w.now = w.now.Add(time.Second)
		if err := l.extend(b); err != nil {
			return err
		}
		if err := l.sign(context.Background()); err != nil {
			return err
		}
		if p := l.Published(); p != nil {
			w.known = append(w.known, p.Checkpoint)
		}
	}
}

// check opens the seal anew, lets it catch up, and derives everything from
// the log again: every tile, every entry, the index, and that each checkpoint
// that was ever published is one of this tree.
func (w *world) check(o Options) {
	t, ctx := w.t, context.Background()
	l := w.open(o)
	require.NoError(t, w.seal(l, 1000))
	l.resume(ctx)
	require.NoError(t, l.failure())
	p := l.Published()
	require.NotNil(t, p)
	c, _, err := mustList(t, l).Open(p.Note)
	require.NoError(t, err)
	require.Equal(t, p.Checkpoint, c)
	want := &edge{}
	var files []file
	var of leaf.Leaf
	for rec, err := range w.store.ReadAll(ctx, 0) {
		require.NoError(t, err)
		leaf.Of(want.size, rec, &of)
		n, ok := l.LeafIndex(rec.ID)
		require.True(t, ok, "leaf %d", want.size)
		require.Equal(t, want.size, n)
		entry := of.Append(nil)
		files = want.add(entry, leaf.Hash(entry), files)
	}
	require.Equal(t, int64(want.size), p.Size)
	require.Equal(t, want.root(), p.Root)
	for _, f := range want.partials(files) {
		b, err := l.tiles.read(f.path, maxEntriesBytes)
		require.NoError(t, err)
		require.True(t, bytes.Equal(f.data, b), f.path)
	}
	for _, k := range w.known {
		if k.Origin == l.Origin() {
			root, err := l.RootAt(ctx, k.Size)
			require.NoError(t, err)
			require.Equal(t, k.Root, root, "the checkpoint of size %d", k.Size)
		}
	}
	require.NoError(t, l.Close(ctx))
}

func mustList(t testing.TB, l *Log) *tlog.KeyList {
	text, _, ok := strings.Cut(string(l.KeyList()), "\n\n")
	require.True(t, ok)
	list, err := tlog.ParseKeyList(text + "\n")
	require.NoError(t, err)
	return list
}

// diskFS counts the changes that are made to it and can refuse one, before or
// after it was done.
type diskFS struct {
	vfs.FS
	mu     sync.Mutex
	n      int
	refuse int // the n-th change, from 1; 0 = none
	after  bool
	dead   bool // everything fails from the refused change on
	made   []string

	before  func(op, name string)      // is told of each change
	swallow func(op, name string) bool // true: report success and do nothing
}

var errDisk = errors.New("the disk failed")

func (d *diskFS) change(op, name string, do func() error) error {
	d.mu.Lock()
	if d.dead {
		d.mu.Unlock()
		return errDisk
	}
	d.n++
	d.made = append(d.made, op+" "+name)
	if d.swallow != nil && d.swallow(op, name) {
		d.mu.Unlock()
		return nil
	}
	if d.before != nil {
		d.before(op, name)
	}
	hit := d.n == d.refuse
	if hit {
		d.dead = true
	}
	d.mu.Unlock()
	if hit && !d.after {
		return errDisk
	}
	err := do()
	if hit {
		return errDisk
	}
	return err
}

func (d *diskFS) Create(name string, c vfs.DiskWriteCategory) (f vfs.File, err error) {
	err = d.change("create", name, func() error { f, err = d.FS.Create(name, c); return err })
	return d.wrap(name, f, err)
}

func (d *diskFS) OpenReadWrite(name string, c vfs.DiskWriteCategory, o ...vfs.OpenOption) (f vfs.File, err error) {
	err = d.change("create", name, func() error { f, err = d.FS.OpenReadWrite(name, c, o...); return err })
	return d.wrap(name, f, err)
}

func (d *diskFS) OpenDir(name string) (vfs.File, error) {
	f, err := d.FS.OpenDir(name)
	return d.wrap(name+"/", f, err)
}

func (d *diskFS) Rename(from, to string) error {
	return d.change("rename", to, func() error { return d.FS.Rename(from, to) })
}

func (d *diskFS) wrap(name string, f vfs.File, err error) (vfs.File, error) {
	if err != nil || f == nil {
		return nil, err
	}
	return &diskFile{File: f, fs: d, name: name}, nil
}

type diskFile struct {
	vfs.File
	fs   *diskFS
	name string
}

func (f *diskFile) Write(b []byte) (n int, err error) {
	err = f.fs.change("write", f.name, func() error { n, err = f.File.Write(b); return err })
	return n, err
}

func (f *diskFile) WriteAt(b []byte, off int64) (n int, err error) {
	err = f.fs.change("write", f.name, func() error { n, err = f.File.WriteAt(b, off); return err })
	return n, err
}

func (f *diskFile) Sync() error {
	return f.fs.change("sync", f.name, f.File.Sync)
}
