package canary

import (
	"bytes"
	"context"
	"fmt"
	"io"

	"github.com/cockroachdb/pebble/v2/sstable"
	"github.com/cockroachdb/pebble/v2/vfs"
)

// tableMagic ends a table of Pebble, whose blocks are compressed.
const tableMagic = "\xf0\x9f\xaa\xb3\xf0\x9f\xaa\xb3"

func isTable(f io.ReaderAt, size int64) bool {
	var end [len(tableMagic)]byte
	if size < int64(len(end)) {
		return false
	}
	_, err := f.ReadAt(end[:], size-int64(len(end)))
	return err == nil && bytes.Equal(end[:], []byte(tableMagic))
}

// table searches the keys and values of a table, those of deleted entries
// included.
func (s *searcher) table(ctx context.Context, path, name string) error {
	f, err := vfs.Default.Open(path)
	if err != nil {
		return fmt.Errorf("opening a file: %w", err)
	}
	readable, err := sstable.NewSimpleReadable(f)
	if err != nil {
		_ = f.Close()
		return fmt.Errorf("opening a file: %w", err)
	}
	t, err := sstable.NewReader(ctx, readable, sstable.ReaderOptions{})
	if err != nil {
		_ = readable.Close()
		s.unread("this table of the index is damaged: its compressed blocks were not searched")
		return nil
	}
	defer t.Close() //nolint:errcheck // read only
	if err := s.entries(ctx, t, name); err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		s.unread("this table of the index is damaged: not all of its compressed blocks were searched")
	}
	return nil
}

func (s *searcher) entries(ctx context.Context, t *sstable.Reader, name string) error {
	it, err := t.NewIter(sstable.NoTransforms, nil, nil, sstable.AssertNoBlobHandles)
	if err != nil {
		return fmt.Errorf("reading a table: %w", err)
	}
	defer it.Close() //nolint:errcheck // read only
	r := s.rows(name)
	defer r.close()
	n := 0
	for kv := it.First(); kv != nil; kv = it.Next() {
		if n++; n%1024 == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		r.put(kv.K.UserKey, mark{part: "keys", row: rowName{cell: n}})
		value, _, err := kv.Value(nil)
		if err != nil {
			return fmt.Errorf("reading a value: %w", err)
		}
		r.put(value, mark{part: "values", row: rowName{cell: n}})
	}
	if err := it.Error(); err != nil {
		return fmt.Errorf("reading a table: %w", err)
	}
	return nil
}
