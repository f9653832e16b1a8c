package canary

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"
)

// structure searches a file by what it is made of, where that is known: values
// lie in several pieces there, or compressed.
func (s *searcher) structure(ctx context.Context, f *os.File, path, name string) error {
	info, err := f.Stat()
	if err != nil {
		return fmt.Errorf("reading a file: %w", err)
	}
	head := make([]byte, headSize)
	n, _ := f.ReadAt(head, 0) //nolint:errcheck // a shorter file is none of these
	switch head = head[:n]; {
	case isDatabase(head):
		wal, _, end := beside(path + walSuffix)
		defer end()
		return s.database(ctx, f, info.Size(), wal, name)
	case isWAL(head):
		main, size, end := beside(strings.TrimSuffix(path, walSuffix))
		defer end()
		return s.log(ctx, main, size, f, name)
	case isTable(f, info.Size()):
		return s.table(ctx, path, name)
	}
	return nil
}

// beside opens the other file of a database; nil when it is not there or
// cannot be read, which is told where that file itself is searched.
func beside(path string) (r io.ReaderAt, size int64, end func()) {
	f, err := os.Open(path) //nolint:gosec // beside a file that was named
	if err != nil {
		return nil, 0, func() {}
	}
	end = func() { _ = f.Close() }
	info, err := f.Stat()
	if err != nil {
		return nil, 0, end
	}
	return f, info.Size(), end
}
