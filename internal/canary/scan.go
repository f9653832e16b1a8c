package canary

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"sync"

	"golang.org/x/sync/errgroup"
)

// Result is what a search found.
type Result struct {
	Clean    bool      `json:"clean" doc:"Everything was searched, and nothing was found"`
	Values   int       `json:"values" doc:"How many were searched for"`
	Places   []Place   `json:"places" doc:"Where"`
	Files    int       `json:"files" doc:"Files that were searched"`
	Bytes    int64     `json:"bytes" doc:"Bytes in them"`
	Chance   float64   `json:"chance" doc:"Hits to expect by chance if all these bytes were random"`
	Findings []Finding `json:"findings"`
	More     int       `json:"more,omitzero" doc:"Findings that are not listed"`
	Unread   []Unread  `json:"unread,omitempty" doc:"What could not be searched"`
}

// Place is a directory or file that was searched with all below it.
type Place struct {
	Path  string `json:"path"`
	Files int    `json:"files"`
	Bytes int64  `json:"bytes"`
}

// Unread is what could not be searched.
type Unread struct {
	File string `json:"file"`
	Why  string `json:"why"`
}

// maxUnread bounds what is listed of it.
const maxUnread = 1000

// rounds bounds how often files that changed are read again.
const rounds = 4

// Scan searches everything below the places, which are directories or files:
// names and contents. Progress is told in bytes, by several goroutines one
// after another. The error is the context's or that of a place that cannot be
// listed; a file that cannot be read is Unread.
func Scan(ctx context.Context, places []string, v *Values, tell func(done, total int64)) (Result, error) {
	if tell == nil {
		tell = func(int64, int64) {}
	}
	c := &scan{v: v, tell: tell, seen: map[string]state{}, unread: map[Unread]bool{}}
	var files []file
	for round := range rounds {
		list, all, err := c.list(places)
		if err != nil {
			return Result{}, err
		}
		if round == 0 {
			c.places = all
		}
		if files = c.changed(list); len(files) == 0 {
			break
		}
		if err := c.round(ctx, files); err != nil {
			return Result{}, err
		}
	}
	return c.result(len(files) > 0), nil
}

// scan is a search under way.
type scan struct {
	v      *Values
	places []Place
	seen   map[string]state // of files, by path
	found  found

	mu          sync.Mutex
	tell        func(done, total int64)
	done, total int64
	files       int
	bytes       int64
	unread      map[Unread]bool
	more        int // unread that is not listed
}

// state tells whether a file changed.
type state struct {
	size, modified int64
	info           fs.FileInfo
}

func (c *scan) changed(list []file) (out []file) {
	for _, f := range list {
		old, ok := c.seen[f.full()]
		if !ok || old.size != f.size || old.modified != f.info.ModTime().UnixNano() || !os.SameFile(old.info, f.info) {
			c.seen[f.full()] = state{f.size, f.info.ModTime().UnixNano(), f.info}
			out = append(out, f)
		}
	}
	return out
}

// round searches files, the largest first, on all processors.
func (c *scan) round(ctx context.Context, files []file) error {
	for _, f := range files {
		c.total += f.size
	}
	slices.SortStableFunc(files, func(a, b file) int { return int(min(max(b.size-a.size, -1), 1)) })
	next := make(chan file)
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error {
		defer close(next)
		for _, f := range files {
			select {
			case next <- f:
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		return nil
	})
	for range runtime.GOMAXPROCS(0) {
		g.Go(func() error {
			s := newSearcher(c.v, &c.found)
			for f := range next {
				if err := c.file(ctx, s, f); err != nil {
					return err
				}
			}
			return nil
		})
	}
	return g.Wait() //nolint:wrapcheck // ours
}

// file searches one file. The error is the context's.
func (c *scan) file(ctx context.Context, s *searcher, f file) error {
	name := filepath.Join(f.place, s.safe(f.path))
	if name != f.full() {
		s.text(f.path, func(line int, how string) {
			c.found.add([]Finding{{Line: line, Encoding: how, File: name, Offset: -1, Row: "its name", Times: 1}}, 0)
		})
	}
	s.unread = func(why string) { c.missed(Unread{name, why}) }
	s.done = func(n int64) {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.done += n
		c.bytes += n
		c.tell(c.done, max(c.total, c.done))
	}
	if f.size == 0 { // a lock, maybe: see the package comment
		c.count()
		return nil
	}
	if err := s.file(ctx, f.full(), name); err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if errors.Is(err, fs.ErrNotExist) {
			return nil // what replaced it is in the next list
		}
		s.unread(reason(err))
		return nil
	}
	c.count()
	return nil
}

func (c *scan) count() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.files++
}

func (c *scan) missed(u Unread) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.unread) >= maxUnread {
		c.more++
		return
	}
	c.unread[u] = true
}

func (c *scan) result(changing bool) Result {
	if changing {
		c.missed(Unread{"", fmt.Sprintf("files changed while they were read, %d times: bytes that moved between them may have been missed; repeat it when less is written", rounds)})
	}
	c.found.cut()
	r := Result{
		Values: c.v.count, Places: c.places, Files: c.files, Bytes: c.bytes, Chance: c.v.chance * float64(c.bytes),
		Findings: c.found.kept, More: c.found.more,
	}
	for u := range c.unread {
		r.Unread = append(r.Unread, u)
	}
	slices.SortFunc(r.Unread, func(a, b Unread) int { return slices.Compare([]string{a.File, a.Why}, []string{b.File, b.Why}) })
	r.Clean = len(r.Findings)+r.More+len(r.Unread)+c.more == 0
	return r
}

// file searches a file as it is, and by its structure where it has one.
func (s *searcher) file(ctx context.Context, path, name string) error {
	f, err := os.Open(path) //nolint:gosec // the caller names it
	if err != nil {
		return fmt.Errorf("opening a file: %w", err)
	}
	defer f.Close() //nolint:errcheck // read only
	section := func(at int64) io.Reader { return io.NewSectionReader(f, at, 1<<62) }
	if err := s.stream(ctx, f, origin{file: name, at: -1}, section); err != nil {
		return err
	}
	return s.structure(ctx, f, path, name)
}
