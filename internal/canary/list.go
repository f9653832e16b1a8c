package canary

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// file is a file to be searched.
type file struct {
	place string // that it lies in
	path  string // below it; empty when the place is the file
	size  int64
	info  fs.FileInfo
}

func (f *file) full() string { return filepath.Join(f.place, f.path) }

// list lists the files of all places, each once, and what each place has.
// Symbolic links are followed. A place that lies in an earlier one has nothing
// of its own.
func (c *scan) list(places []string) ([]file, []Place, error) {
	l := lister{scan: c, seen: map[string]bool{}}
	all := make([]Place, 0, len(places))
	for _, p := range places {
		from, size := len(l.files), int64(0)
		if _, err := os.Stat(p); err != nil {
			return nil, nil, fmt.Errorf("listing files: %w", err)
		}
		l.add(p, "")
		for _, f := range l.files[from:] {
			size += f.size
		}
		all = append(all, Place{Path: p, Files: len(l.files) - from, Bytes: size})
	}
	return l.files, all, nil
}

type lister struct {
	scan  *scan
	files []file
	seen  map[string]bool // by path without links
}

// add adds a file, or all files below a directory.
func (l *lister) add(place, path string) {
	full, err := filepath.EvalSymlinks(filepath.Join(place, path))
	if err == nil {
		full, err = filepath.Abs(full)
	}
	var info fs.FileInfo
	if err == nil {
		info, err = os.Stat(full)
	}
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return // removed meanwhile, or a link to nothing
	case err != nil:
		l.miss(place, path, err)
		return
	case l.seen[full]:
		return
	}
	l.seen[full] = true
	switch {
	case info.Mode().IsRegular():
		l.files = append(l.files, file{place, path, info.Size(), info})
	case info.IsDir():
		entries, err := os.ReadDir(full)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			l.miss(place, path, err)
		}
		for _, e := range entries {
			l.add(place, filepath.Join(path, e.Name()))
		}
	default:
		l.miss(place, path, errNoFile)
	}
}

// miss notes what could not be listed.
func (l *lister) miss(place, path string, err error) {
	s := newSearcher(l.scan.v, &l.scan.found)
	l.scan.missed(Unread{filepath.Join(place, s.safe(path)), reason(err)})
}

// errNoFile: reading it could wait for ever, or never end.
var errNoFile = errors.New("it is a pipe, a socket or a device")

// reason is what an error of the file system says, without the path, which may
// hold a value.
func reason(err error) string {
	var of *fs.PathError
	if errors.As(err, &of) {
		return of.Err.Error()
	}
	if errors.Is(err, errNoFile) {
		return errNoFile.Error()
	}
	return "it cannot be read"
}
