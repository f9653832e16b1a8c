// Package rawlog is the yardstick for the event store's speed: a preallocated
// log with group commit and a checksum, and nothing else. It has no streams, no
// revisions, no index and no recovery, and is for benchmarks only.
package rawlog

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"os"
	"sync"
	"syscall"
)

// A record is its length (4), its CRC-32C (4) and its bytes.
const headerSize = 8

// ErrFull is given when the preallocated file is full.
var ErrFull = errors.New("the raw log is full")

// Log is one preallocated file.
type Log struct {
	file  *os.File
	table *crc32.Table
	size  int64
	end   int64

	mu    sync.Mutex
	queue []*request
	spare []*request
	close bool
	wake  chan struct{}
	done  chan struct{}
	pool  sync.Pool
}

type request struct {
	payloads [][]byte
	at       int64
	err      error
	done     chan struct{}
}

// Create makes a log of size bytes, written with zeros and synced.
func Create(path string, size int64) (*Log, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return nil, fmt.Errorf("creating the raw log: %w", err)
	}
	zeros := make([]byte, 1<<20)
	for off := int64(0); off < size; off += int64(len(zeros)) {
		if _, err := f.WriteAt(zeros, off); err != nil {
			return nil, fmt.Errorf("preallocating the raw log: %w", err)
		}
	}
	if err := f.Sync(); err != nil {
		return nil, fmt.Errorf("syncing the raw log: %w", err)
	}
	l := &Log{
		file: f, table: crc32.MakeTable(crc32.Castagnoli), size: size,
		wake: make(chan struct{}, 1), done: make(chan struct{}),
	}
	l.pool.New = func() any { return &request{done: make(chan struct{}, 1)} }
	go l.run()
	return l, nil
}

// Append writes the payloads durably and returns where the first one lies.
func (l *Log) Append(payloads ...[]byte) (int64, error) {
	r := l.pool.Get().(*request)
	r.payloads = payloads
	l.mu.Lock()
	l.queue = append(l.queue, r)
	first := len(l.queue) == 1
	l.mu.Unlock()
	if first {
		l.signal()
	}
	<-r.done
	at, err := r.at, r.err
	r.payloads = nil
	l.pool.Put(r)
	return at, err
}

func (l *Log) signal() {
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

func (l *Log) run() {
	defer close(l.done)
	var buf []byte
	for {
		l.mu.Lock()
		batch, closing := l.queue, l.close
		l.queue, l.spare = l.spare[:0], nil
		l.mu.Unlock()
		if len(batch) == 0 {
			if closing {
				return
			}
			<-l.wake
			continue
		}
		buf = l.commit(buf[:0], batch)
		l.mu.Lock()
		l.spare = batch
		l.mu.Unlock()
	}
}

func (l *Log) commit(buf []byte, batch []*request) []byte {
	for _, r := range batch {
		r.at = l.end + int64(len(buf))
		for _, p := range r.payloads {
			buf = binary.LittleEndian.AppendUint32(buf, uint32(len(p)))
			buf = binary.LittleEndian.AppendUint32(buf, crc32.Checksum(p, l.table))
			buf = append(buf, p...)
		}
	}
	err := ErrFull
	if l.end+int64(len(buf)) <= l.size {
		_, err = l.file.WriteAt(buf, l.end)
		if err == nil {
			err = syscall.Fdatasync(int(l.file.Fd()))
		}
	}
	if err == nil {
		l.end += int64(len(buf))
	}
	for _, r := range batch {
		r.err = err
		r.done <- struct{}{}
	}
	return buf
}

// Read reads and verifies the record at an offset into buf.
func (l *Log) Read(at int64, length int, buf []byte) ([]byte, error) {
	b := append(buf[:0], make([]byte, headerSize+length)...)
	if _, err := l.file.ReadAt(b, at); err != nil {
		return nil, fmt.Errorf("reading the raw log: %w", err)
	}
	if err := l.verify(b); err != nil {
		return nil, err
	}
	return b[headerSize:], nil
}

func (l *Log) verify(b []byte) error {
	if crc32.Checksum(b[headerSize:], l.table) != binary.LittleEndian.Uint32(b[4:]) {
		return errors.New("a record's checksum is wrong")
	}
	return nil
}

// Scan calls f for every record, verified, from the beginning to the end as it
// was before the last append returned.
func (l *Log) Scan(f func(payload []byte)) error {
	buf := make([]byte, 256<<10)
	have, base := 0, int64(0)
	for base < l.end {
		n := int(min(int64(len(buf)-have), l.end-base-int64(have)))
		if _, err := l.file.ReadAt(buf[have:have+n], base+int64(have)); err != nil {
			return fmt.Errorf("scanning the raw log: %w", err)
		}
		have += n
		at := 0
		for have-at >= headerSize {
			size := headerSize + int(binary.LittleEndian.Uint32(buf[at:]))
			if have-at < size {
				break
			}
			if err := l.verify(buf[at : at+size]); err != nil {
				return err
			}
			f(buf[at+headerSize : at+size])
			at += size
		}
		have = copy(buf, buf[at:have])
		base += int64(at)
	}
	return nil
}

// Close waits for the appends under way.
func (l *Log) Close() error {
	l.mu.Lock()
	l.close = true
	l.mu.Unlock()
	l.signal()
	<-l.done
	return l.file.Close()
}
