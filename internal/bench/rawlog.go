package bench

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"path/filepath"
	"sync"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// rawLog is what every durable append is measured against: one file that was
// filled with zeros beforehand, records of length, CRC-32C and bytes, one
// writer that takes whatever waits, writes it at once and syncs once. It
// knows no streams, checks no revisions, indexes nothing and seals nothing:
// nothing that keeps its promise on this disk is much faster.
type rawLog struct {
	file vfs.File
	size int64
	end  int64

	mu      sync.Mutex
	waiting []rawRecord
	wake    chan struct{}
	done    chan struct{}
}

type rawRecord struct {
	bytes []byte
	acked chan error
}

const rawHeader = 8

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// openRawLog makes a log of a size, zeroed and synced.
func openRawLog(dir string, size int64) (*rawLog, error) {
	name := filepath.Join(dir, "raw.log")
	f, err := vfs.Default.Create(name, vfs.WriteCategoryUnspecified)
	if err != nil {
		return nil, fmt.Errorf("making the raw log: %w", err)
	}
	zeros := make([]byte, 1<<20)
	for at := int64(0); at < size; at += int64(len(zeros)) {
		if _, err := f.Write(zeros); err != nil {
			return nil, fmt.Errorf("filling the raw log: %w", err)
		}
	}
	if err := f.Sync(); err != nil {
		return nil, fmt.Errorf("syncing the raw log: %w", err)
	}
	l := &rawLog{file: f, size: size, wake: make(chan struct{}, 1), done: make(chan struct{})}
	go l.commit()
	return l, nil
}

// append returns when the record is durable.
func (l *rawLog) append(b []byte, acked chan error) error {
	l.mu.Lock()
	l.waiting = append(l.waiting, rawRecord{b, acked})
	l.mu.Unlock()
	select {
	case l.wake <- struct{}{}:
	default:
	}
	return <-acked
}

func (l *rawLog) commit() {
	defer close(l.done)
	var group []rawRecord
	var buf []byte
	for range l.wake {
		l.mu.Lock()
		group, l.waiting = l.waiting, group[:0]
		l.mu.Unlock()
		buf = buf[:0]
		for _, r := range group {
			buf = rawAppend(buf, r.bytes)
		}
		err := l.write(buf)
		for _, r := range group {
			r.acked <- err
		}
	}
}

func rawAppend(buf, b []byte) []byte {
	buf = binary.LittleEndian.AppendUint32(buf, uint32(len(b)))
	buf = binary.LittleEndian.AppendUint32(buf, crc32.Checksum(b, castagnoli))
	return append(buf, b...)
}

func (l *rawLog) write(buf []byte) error {
	if len(buf) == 0 {
		return nil
	}
	if l.end+int64(len(buf)) > l.size {
		l.end = 0 // over its own beginning: how long it runs is not known beforehand
	}
	if _, err := l.file.WriteAt(buf, l.end); err != nil {
		return fmt.Errorf("writing the raw log: %w", err)
	}
	l.end += int64(len(buf))
	if err := l.file.SyncData(); err != nil {
		return fmt.Errorf("syncing the raw log: %w", err)
	}
	return nil
}

// close ends it; no append may be under way.
func (l *rawLog) close() error {
	close(l.wake)
	<-l.done
	if err := l.file.Close(); err != nil {
		return fmt.Errorf("closing the raw log: %w", err)
	}
	return nil
}

// scanRaw reads a raw log's records in large reads, checks each, and hands
// them on; it is what a scan is measured against.
func scanRaw(path string, end int64, see func([]byte)) (records int, err error) {
	f, err := os.Open(path) //nolint:gosec // made by this run
	if err != nil {
		return 0, fmt.Errorf("opening the raw log: %w", err)
	}
	defer f.Close() //nolint:errcheck // read only
	buf := make([]byte, 1<<20)
	have := 0
	in := io.LimitReader(f, end)
	for {
		n, err := io.ReadFull(in, buf[have:])
		have += n
		used, count, bad := checkRaw(buf[:have], see)
		if bad != nil {
			return records, bad
		}
		records += count
		have = copy(buf, buf[used:have])
		if err != nil {
			return records, nil
		}
	}
}

func checkRaw(b []byte, see func([]byte)) (used, count int, err error) {
	for len(b)-used >= rawHeader {
		n := int(binary.LittleEndian.Uint32(b[used:]))
		if used+rawHeader+n > len(b) {
			break
		}
		record := b[used+rawHeader : used+rawHeader+n]
		if crc32.Checksum(record, castagnoli) != binary.LittleEndian.Uint32(b[used+4:]) {
			return used, count, fmt.Errorf("the raw log is damaged at %d", used)
		}
		see(record)
		used += rawHeader + n
		count++
	}
	return used, count, nil
}
