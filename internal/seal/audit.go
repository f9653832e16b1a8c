package seal

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"

	"golang.org/x/mod/sumdb/note"

	"lethe/eventstore"
	"lethe/internal/durable"
	"lethe/internal/tlog"
)

// What an audit asks of the seal: its files as they lie on the disk now, which
// need not be what was read at the opening. Nothing here changes anything.

// Standing is what STATE says.
type Standing struct {
	Origin   string
	Restarts uint64
	Size     uint64
	Position eventstore.Position // of the last event sealed; 0 for none
	Root     tlog.Hash
}

// Standing reads STATE. Errors: durable.ErrDamaged, also when it is gone or of
// another log.
func (l *Log) Standing() (Standing, error) {
	s, err := readState(l.fs, l.opts.Dir)
	switch {
	case err != nil:
		return Standing{}, err
	case s == nil:
		return Standing{}, fmt.Errorf("reading the seal's state (%s): %w: it is not there", stateName, durable.ErrDamaged)
	case s.Restarts != l.restarts || s.origin() != l.origin:
		return Standing{}, fmt.Errorf("reading the seal's state (%s): %w: it is of another log", stateName, durable.ErrDamaged)
	}
	return Standing{Origin: s.origin(), Restarts: s.Restarts, Size: s.Size, Position: s.Position, Root: s.root()}, nil
}

// Restarts is how often the log came back shorter than a checkpoint of it.
func (l *Log) Restarts() uint64 { return l.restarts }

// OriginOf is the log's name after n restarts.
func (l *Log) OriginOf(n uint64) string {
	return (&state{Base: baseOf(l.origin, l.restarts), Restarts: n}).origin()
}

// DirOf is where the published files lie that the log has, or had, after n
// restarts.
func (l *Log) DirOf(n uint64) string {
	return l.fs.PathJoin(l.opts.Dir, (&state{Restarts: n}).tiles())
}

// Policy is the policy that the log publishes by; nil when there is none.
func (l *Log) Policy() *tlog.Policy { return l.opts.Policy }

// VerifySigned verifies a checkpoint by the keys that the log had after n
// restarts. distrusted: only a key signed it that does not count any more at
// its size; it is verified all the same. The errors are those of KeyList.Open.
func (l *Log) VerifySigned(restarts uint64, signed []byte) (c tlog.Checkpoint, n *note.Note, distrusted bool, err error) {
	l.mu.Lock()
	list := l.keys.list(l.OriginOf(restarts))
	l.mu.Unlock()
	c, n, err = list.Open(signed)
	if !errors.Is(err, tlog.ErrDistrusted) {
		return c, n, false, err
	}
	for i := range list.Keys {
		list.Keys[i].Distrusted = tlog.Unbounded
	}
	c, n, err = list.Open(signed)
	return c, n, true, err
}

// VerifiersOf are the verifiers of the keys that the log had after n restarts.
func (l *Log) VerifiersOf(restarts uint64) ([]note.Verifier, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	_, verifiers, err := l.keys.of(l.OriginOf(restarts))
	return verifiers, err
}

// LatestPin reads the newest known checkpoint; nil when there is none.
func (l *Log) LatestPin() (*Pin, error) {
	l.mu.Lock() // not while it is replaced
	defer l.mu.Unlock()
	p, err := openPins(l.fs, l.opts.PinDir)
	if err != nil {
		return nil, err
	}
	if p.latest == nil && l.pins.latest != nil {
		return nil, fmt.Errorf("reading the newest known checkpoint (%s): %w: it is not there", latestName, durable.ErrDamaged)
	}
	return p.latest, nil
}

// PinnedBytes is how long the list of known checkpoints is.
func (l *Log) PinnedBytes() (int64, error) {
	info, err := l.fs.Stat(l.fs.PathJoin(l.opts.PinDir, historyName))
	if durable.IsNotExist(err) {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("looking at the known checkpoints: %w", err)
	}
	return info.Size(), nil
}

// ErrListDamaged: the list of known checkpoints cannot be read on.
var ErrListDamaged = errors.New("the list of known checkpoints cannot be read on")

// EachPin reads the list of known checkpoints up to a length and gives every
// line, counted from 1: the checkpoint or why it is none. An error of visit
// ends it. Errors: ErrListDamaged.
func (l *Log) EachPin(upTo int64, visit func(line int, p *Pin, err error) error) error {
	if upTo == 0 {
		return nil
	}
	f, err := l.fs.Open(l.fs.PathJoin(l.opts.PinDir, historyName))
	if err != nil {
		return fmt.Errorf("opening the known checkpoints: %w", err)
	}
	defer f.Close() //nolint:errcheck // was only read
	lines := bufio.NewReaderSize(io.LimitReader(f, upTo), pinLine)
	for n := 1; ; n++ {
		line, err := lines.ReadSlice('\n')
		switch {
		case errors.Is(err, io.EOF) && len(line) == 0:
			return nil
		case errors.Is(err, bufio.ErrBufferFull):
			return fmt.Errorf("%w: line %d is longer than %d bytes", ErrListDamaged, n, pinLine)
		case err != nil && !errors.Is(err, io.EOF):
			return fmt.Errorf("%w: %w", ErrListDamaged, err)
		}
		if line = bytes.TrimSuffix(line, []byte("\n")); len(line) == 0 {
			continue
		}
		p, err := parsePin(line)
		if err := visit(n, p, err); err != nil {
			return err
		}
	}
}

// CheckKeys reads the signing keys' file again, with every seed, and compares
// it with the keys that sign.
func (l *Log) CheckKeys() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	now, err := openKeys(l.fs, l.opts.KeyDir, l.opts.Vault, l.opts.Rand)
	if err != nil {
		return err
	}
	same := slices.EqualFunc(now.all, l.keys.all, func(a, b storedKey) bool {
		return a.VKey == b.VKey && a.Origin == b.Origin && bytes.Equal(a.Seed, b.Seed) &&
			a.From == b.From && a.Until == b.Until && a.Distrusted == b.Distrusted
	})
	if !same {
		return fmt.Errorf("%w: %s does not hold the keys that sign", durable.ErrDamaged, keysName)
	}
	return nil
}

// CheckKeyList reads what an origin's directory says of the log's keys. For
// the present one it must be what the log signed last; for an earlier one, be
// signed by a key of that origin and name no other.
func (l *Log) CheckKeyList(restarts uint64) error {
	l.mu.Lock() // not while it is replaced
	defer l.mu.Unlock()
	b, err := durable.ReadFile(l.fs, l.fs.PathJoin(l.DirOf(restarts), listName), maxNote)
	if err != nil {
		return err
	}
	if restarts == l.restarts {
		if !bytes.Equal(b, l.keyList) {
			return fmt.Errorf("%w: it is not what the log signed", durable.ErrDamaged)
		}
		return nil
	}
	return l.keys.checkList(l.OriginOf(restarts), b)
}

// of gives the keys of an origin.
func (k *keys) of(origin string) (vkeys map[string]bool, verifiers []note.Verifier, err error) {
	vkeys = map[string]bool{}
	for _, s := range k.all {
		if s.Origin != origin {
			continue
		}
		v, err := tlog.NewVerifier(s.VKey)
		if err != nil {
			return nil, nil, fmt.Errorf("reading a signing key of the log: %w", err)
		}
		vkeys[s.VKey], verifiers = true, append(verifiers, v)
	}
	return vkeys, verifiers, nil
}

func (k *keys) checkList(origin string, signed []byte) error {
	known, verifiers, err := k.of(origin)
	if err != nil {
		return err
	}
	n, err := tlog.OpenNote(signed, note.VerifierList(verifiers...))
	if err != nil {
		return err
	}
	list, err := tlog.ParseKeyList(n.Text)
	if err != nil {
		return err
	}
	for _, key := range list.Keys {
		if !known[key.VKey] {
			return fmt.Errorf("%w: it names a key that is none of the log's", durable.ErrDamaged)
		}
	}
	return nil
}

// RunLeaves is how many leaves a run of the index of leaves covers.
const RunLeaves = runLeaves

// IndexRuns is how many runs of the index are on the disk.
func (l *Log) IndexRuns() uint64 {
	l.index.mu.RLock()
	defer l.index.mu.RUnlock()
	return l.index.runs
}

// Indexed is how many leaves the index leads to.
func (l *Log) Indexed() uint64 {
	l.index.mu.RLock()
	defer l.index.mu.RUnlock()
	return l.index.runs*runLeaves + uint64(len(l.index.tail))
}

// CheckIndexRun compares a run of the index with the entries that it covers.
func (l *Log) CheckIndexRun(ctx context.Context, n uint64) error {
	ids, err := idsOf(ctx, l.tiles, n*runLeaves, (n+1)*runLeaves)
	if err != nil {
		return err
	}
	b, err := durable.ReadFile(l.fs, l.fs.PathJoin(l.index.dir, runName(n)), runLeaves*runRecord)
	if err != nil {
		return err
	}
	return checkRun(b, ids)
}

// IndexRunName is the file of a run, below the seal's directory.
func (l *Log) IndexRunName(n uint64) string {
	return fmt.Sprintf("index-%d/%s", l.restarts, runName(n))
}

// checkRun finds whether a run leads to every ID, once, in the order that a
// search needs.
func checkRun(b []byte, ids []eventstore.EventID) error {
	if len(b) != len(ids)*runRecord {
		return fmt.Errorf("%w: it has %d bytes of %d", durable.ErrDamaged, len(b), len(ids)*runRecord)
	}
	seen := make([]bool, len(ids))
	for i := range ids {
		rec := b[i*runRecord : (i+1)*runRecord]
		at := int(binary.BigEndian.Uint16(rec[16:]))
		switch {
		case i > 0 && bytes.Compare(b[(i-1)*runRecord:i*runRecord-2], rec[:16]) > 0:
			return fmt.Errorf("%w: record %d is not in order", durable.ErrDamaged, i)
		case at >= len(ids) || seen[at] || !bytes.Equal(ids[at][:], rec[:16]):
			return fmt.Errorf("%w: record %d leads to another leaf", durable.ErrDamaged, i)
		}
		seen[at] = true
	}
	return nil
}

// CheckIndexTail looks up every leaf that is sealed and in no run, up to a
// size. It gives the first that is not found where it is, and false when all
// are.
func (l *Log) CheckIndexTail(ctx context.Context, size uint64) (leaf uint64, wrong bool, err error) {
	from := size / runLeaves * runLeaves
	ids, err := idsOf(ctx, l.tiles, from, size)
	if err != nil {
		return 0, false, err
	}
	last := map[eventstore.EventID]uint64{}
	for i, id := range ids {
		last[id] = from + uint64(i)
	}
	for i, id := range ids {
		n := from + uint64(i)
		if got, ok := l.LeafIndex(id); !ok || got != n && got != last[id] {
			return n, true, nil
		}
	}
	return 0, false, nil
}
