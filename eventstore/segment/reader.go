package segment

import (
	"context"
	"iter"

	"github.com/cockroachdb/pebble/v2/vfs"

	"lethe/eventstore"
)

// Reader reads the events of a log that nobody writes, such as a copy, section
// by section. It changes nothing, takes no lock and needs no index, so that
// its memory does not grow with the log.
type Reader struct{ st *Store }

var _ eventstore.Sectioned = (*Reader)(nil)

// OpenReader opens the log in dir. Errors are those of opening it read-only.
func OpenReader(fs vfs.FS, dir string) (*Reader, error) {
	st, err := Open(dir, Options{FS: fs, ReadOnly: true, sectionsOnly: true})
	if err != nil {
		return nil, err
	}
	return &Reader{st: st}, nil
}

// Sections implements eventstore.Sectioned.
func (r *Reader) Sections() []eventstore.Section { return r.st.Sections() }

// ReadSection implements eventstore.Sectioned.
func (r *Reader) ReadSection(ctx context.Context, s eventstore.Section) iter.Seq2[*eventstore.Recorded, error] {
	return r.st.ReadSection(ctx, s)
}

// Close closes the files.
func (r *Reader) Close() error { return r.st.Close() }
