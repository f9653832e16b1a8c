package segment_test

import (
	"io"
	"os"
	"path"
	"runtime"
	"strings"
	"sync"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// hookFS shows a test every change that the engine makes outside the index,
// before it happens, and lets it be refused or, for syncs, swallowed.
type hookFS struct {
	vfs.FS
	// before is called with the operation and the file's name. An error refuses
	// the operation; errSwallow, for a sync, reports success and does nothing.
	before func(op, name string) error
}

var errSwallow = io.ErrNoProgress // any error that nothing else gives

func inIndex(name string) bool { return strings.Contains(name, "/index") }

func (h *hookFS) ask(op, name string) error {
	if inIndex(name) || h.before == nil {
		return nil
	}
	return h.before(op, name)
}

func (h *hookFS) wrap(name string, f vfs.File, err error) (vfs.File, error) {
	if err != nil || inIndex(name) {
		return f, err
	}
	return &hookFile{File: f, fs: h, name: name}, nil
}

func (h *hookFS) Create(name string, c vfs.DiskWriteCategory) (vfs.File, error) {
	if err := h.ask("create", name); err != nil {
		return nil, err
	}
	f, err := h.FS.Create(name, c)
	return h.wrap(name, f, err)
}

func (h *hookFS) OpenReadWrite(name string, c vfs.DiskWriteCategory, o ...vfs.OpenOption) (vfs.File, error) {
	if err := h.ask("create", name); err != nil {
		return nil, err
	}
	f, err := h.FS.OpenReadWrite(name, c, o...)
	return h.wrap(name, f, err)
}

func (h *hookFS) OpenDir(name string) (vfs.File, error) {
	f, err := h.FS.OpenDir(name)
	return h.wrap(name+"/", f, err)
}

func (h *hookFS) Rename(from, to string) error {
	if err := h.ask("rename", to); err != nil {
		return err
	}
	return h.FS.Rename(from, to)
}

func (h *hookFS) Remove(name string) error {
	if err := h.ask("remove", name); err != nil {
		return err
	}
	return h.FS.Remove(name)
}

func (h *hookFS) MkdirAll(name string, perm os.FileMode) error {
	if err := h.ask("mkdir", name); err != nil {
		return err
	}
	return h.FS.MkdirAll(name, perm)
}

func (h *hookFS) Unwrap() vfs.FS { return h.FS }

type hookFile struct {
	vfs.File
	fs   *hookFS
	name string
}

func (f *hookFile) Write(b []byte) (int, error) {
	if err := f.fs.ask("write", f.name); err != nil {
		return 0, err
	}
	return f.File.Write(b)
}

func (f *hookFile) WriteAt(b []byte, off int64) (int, error) {
	if err := f.fs.ask("write", f.name); err != nil {
		return 0, err
	}
	return f.File.WriteAt(b, off)
}

func (f *hookFile) sync(do func() error) error {
	switch err := f.fs.ask("sync", f.name); err {
	case nil:
		return do()
	case errSwallow:
		return nil
	default:
		return err
	}
}

func (f *hookFile) Sync() error     { return f.sync(f.File.Sync) }
func (f *hookFile) SyncData() error { return f.sync(f.File.SyncData) }

// syncSite names the place in the engine from which a sync is asked: what is
// synced and the engine's last functions on the stack, innermost first.
func syncSite(name string) string {
	var pcs [32]uintptr
	frames := runtime.CallersFrames(pcs[:runtime.Callers(2, pcs[:])])
	var chain []string
	for more := true; more; {
		var f runtime.Frame
		f, more = frames.Next()
		if fn, ok := strings.CutPrefix(f.Function, "lethe/eventstore/segment."); ok {
			fn, _, _ = strings.Cut(fn, ".func")
			fn = fn[strings.LastIndex(fn, ".")+1:]
			if chain = append(chain, fn); len(chain) == 4 {
				break
			}
		}
	}
	kind := "file " + path.Ext(name)
	switch {
	case strings.HasSuffix(name, "/"):
		kind = "directory"
	case strings.Contains(name, "MANIFEST"):
		kind = "MANIFEST"
	case strings.Contains(name, "FORMAT"):
		kind = "FORMAT"
	case strings.HasSuffix(name, ".seg"):
		kind = "segment"
	}
	return kind + ": " + strings.Join(chain, " < ")
}

// siteLog collects sync sites.
type siteLog struct {
	mu    sync.Mutex
	sites map[string]int
}

func (l *siteLog) note(site string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.sites == nil {
		l.sites = map[string]int{}
	}
	l.sites[site]++
}
