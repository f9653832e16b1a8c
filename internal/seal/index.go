package seal

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"
	"sort"
	"sync"

	"github.com/cockroachdb/pebble/v2/vfs"

	"lethe/eventstore"
	"lethe/internal/durable"
	"lethe/internal/leaf"
	"lethe/internal/tlog"
)

// index finds a leaf by its event's ID. Every runLeaves leaves make one
// immutable run file; those after the last run are in memory, read again from
// the entries at the next start. A run is the IDs in their order:
//
//	0   16  event ID
//	16   2  leaf index − number of the run · runLeaves, big-endian
//	…       and so on, runLeaves times
//
// It decides nothing: what it names is compared with the entry.
type index struct {
	fs  vfs.FS
	dir string

	mu   sync.RWMutex
	runs uint64
	tail []eventstore.EventID // of the leaves after the runs
	at   map[eventstore.EventID]int
}

const (
	runLeaves = 1 << 14
	runRecord = 18
	runBlock  = 4080 / runRecord * runRecord // what is read at a time in a search
)

// openIndex opens the index for a tree of a size; what a crash took from it is
// made again from the entries.
func openIndex(ctx context.Context, fs vfs.FS, dir string, t tlog.Entries, size uint64) (*index, error) {
	x := &index{fs: fs, dir: dir, at: map[eventstore.EventID]int{}}
	if err := durable.MakeDirs(fs, dir); err != nil {
		return nil, err
	}
	for n := range size / runLeaves {
		if _, err := fs.Stat(fs.PathJoin(dir, runName(n))); durable.IsNotExist(err) {
			ids, err := idsOf(ctx, t, n*runLeaves, (n+1)*runLeaves)
			if err != nil {
				return nil, err
			}
			if err := x.writeRun(n, ids); err != nil {
				return nil, err
			}
		}
	}
	x.runs = size / runLeaves
	ids, err := idsOf(ctx, t, x.runs*runLeaves, size)
	if err != nil {
		return nil, err
	}
	return x, x.add(ids)
}

// idsOf reads the IDs of a range of leaves that begins at a bundle.
func idsOf(ctx context.Context, t tlog.Entries, from, to uint64) ([]eventstore.EventID, error) {
	ids := make([]eventstore.EventID, 0, to-from)
	for from < to {
		width := int(min(to-from, tileWidth))
		b, err := t.ReadEntries(ctx, int64(from/tileWidth), width)
		if err != nil {
			return nil, err
		}
		n := 0
		for entry, err := range leaf.Entries(b) {
			if err != nil {
				return nil, err
			}
			id, ok := leaf.IDOf(entry)
			if !ok {
				return nil, leaf.ErrMalformed
			}
			ids = append(ids, id)
			if n++; n == width {
				break
			}
		}
		if n < width {
			return nil, fmt.Errorf("%s holds %d entries of %d", tlog.EntriesPath(int64(from/tileWidth), tileWidth), n, width)
		}
		from += uint64(width)
	}
	return ids, nil
}

func runName(n uint64) string { return fmt.Sprintf("%08d", n) }

func encodeRun(ids []eventstore.EventID) []byte {
	b := make([]byte, 0, len(ids)*runRecord)
	order := make([]int, len(ids))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(a, b int) int { return bytes.Compare(ids[a][:], ids[b][:]) })
	for _, i := range order {
		b = binary.BigEndian.AppendUint16(append(b, ids[i][:]...), uint16(i))
	}
	return b
}

func (x *index) writeRun(n uint64, ids []eventstore.EventID) error {
	return durable.ReplaceFile(x.fs, x.dir, runName(n), encodeRun(ids))
}

// add enters the IDs of the next leaves. When it fails nothing is entered.
func (x *index) add(ids []eventstore.EventID) error {
	tail, runs := append(slices.Clip(x.tail), ids...), x.runs // only the sealing goroutine writes
	for len(tail) >= runLeaves {
		if err := x.writeRun(runs, tail[:runLeaves]); err != nil {
			return fmt.Errorf("writing the index of leaves: %w", err)
		}
		tail = tail[runLeaves:]
		runs++
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	if runs != x.runs {
		clear(x.at)
		ids = tail
		tail = slices.Clone(tail)
	}
	x.tail, x.runs = tail, runs
	for i, id := range ids {
		x.at[id] = len(tail) - len(ids) + i
	}
	return nil
}

// find gives the leaf of an event. An event that was stored twice has
// its leaf in the newest run that holds it.
func (x *index) find(id eventstore.EventID) (uint64, bool, error) {
	x.mu.RLock()
	i, ok := x.at[id]
	runs := x.runs
	x.mu.RUnlock()
	if ok {
		return runs*runLeaves + uint64(i), true, nil
	}
	for n := runs; n > 0; n-- {
		i, ok, err := x.search(n-1, id)
		if ok || err != nil {
			return (n-1)*runLeaves + uint64(i), ok, err
		}
	}
	return 0, false, nil
}

// search looks for an ID in one run, a block at a time.
func (x *index) search(n uint64, id eventstore.EventID) (at uint16, ok bool, err error) {
	f, err := x.fs.Open(x.fs.PathJoin(x.dir, runName(n)))
	if err != nil {
		return 0, false, fmt.Errorf("opening the index of leaves: %w", err)
	}
	defer f.Close() //nolint:errcheck // was only read
	var block [runBlock]byte
	low, high := 0, (runLeaves*runRecord+runBlock-1)/runBlock
	for low < high {
		mid := (low + high) / 2
		read, err := f.ReadAt(block[:], int64(mid)*runBlock)
		if err != nil && !errors.Is(err, io.EOF) {
			return 0, false, fmt.Errorf("reading the index of leaves: %w", err)
		}
		b := block[:read/runRecord*runRecord]
		if len(b) == 0 {
			return 0, false, fmt.Errorf("%w: run %d of the index of leaves is too short", durable.ErrDamaged, n)
		}
		switch {
		case bytes.Compare(id[:], b[:16]) < 0:
			high = mid
		case bytes.Compare(id[:], b[len(b)-runRecord:len(b)-2]) > 0:
			low = mid + 1
		default:
			at, ok := within(b, id)
			return at, ok, nil
		}
	}
	return 0, false, nil
}

func within(block []byte, id eventstore.EventID) (uint16, bool) {
	n := len(block) / runRecord
	i := sort.Search(n, func(i int) bool { return bytes.Compare(block[i*runRecord:i*runRecord+16], id[:]) >= 0 })
	if i == n || !bytes.Equal(block[i*runRecord:i*runRecord+16], id[:]) {
		return 0, false
	}
	return binary.BigEndian.Uint16(block[i*runRecord+16:]), true
}
