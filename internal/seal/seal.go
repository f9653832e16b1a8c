// Package seal makes history provable: it follows the event log, turns every
// event into a leaf of an RFC 6962 Merkle tree, publishes the tree as C2SP
// tlog-tiles and signs checkpoints of it.
//
// # Model
//
// Leaf n is the n-th event of the store's one order. Everything follows from
// the log, so that after a crash the files since the last STATE are computed
// again; one that is there must have the same bytes, or the seal stops with an
// alarm. The order is: tiles and entries durable, STATE durable, checkpoint
// signed, checkpoint pinned outside the ledger, checkpoint published.
//
// A log that is shorter than any checkpoint known of it (its own STATE, a pin,
// a witness) lost events, as a restored backup does. It never signs under that
// name again: it goes on under a new origin, whose tree repeats the leaves that
// are left and then holds an event that names the old checkpoint.
//
// # Files
//
//	DIR/STATE               where the seal stands
//	DIR/log-<n>/            the static files of the n-th origin: checkpoint,
//	                        log-keys, tile/…; any web server can serve them
//	DIR/index-<n>/          event ID to leaf
//	PINS/latest, …          known checkpoints, outside the ledger
//	KEYS/log-keys           signing keys, wrapped
//
// # Limits
//
// A seal proves that history was not altered after it was sealed. Between
// append and checkpoint lies a bounded time, which is a metric.
package seal

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"lethe/eventstore"
	"lethe/internal/durable"
	"lethe/internal/tlog"
)

// Options of a seal. Dir, PinDir, KeyDir, Store, Vault, Now and Rand are needed.
type Options struct {
	FS     vfs.FS // vfs.Default when nil
	Dir    string
	PinDir string // outside the ledger's directory and its backups
	KeyDir string
	Store  eventstore.Store
	Vault  Vault

	// Origin names the log: a URL without scheme. It is fixed at the first
	// start; when empty then, a name is drawn.
	Origin string
	// Interval is the least time between two checkpoints; 250 ms when 0.
	Interval time.Duration
	// Bound is the longest time that an event should wait for its checkpoint;
	// one second when 0. Exceeding it is told, not prevented.
	Bound time.Duration
	// Policy says which witnesses must have cosigned before a checkpoint
	// counts as published; nil = none. Its log lines are not looked at.
	Policy    *tlog.Policy
	Witnesses []Witness

	// Report is told of damage that was found at the opening and is made good;
	// may be nil. It is logged too.
	Report func(string)

	Now    func() time.Time
	Rand   io.Reader
	Logger *slog.Logger
}

// Signed is a signed checkpoint.
type Signed struct {
	tlog.Checkpoint
	Note     []byte // the signed note, with cosignatures where there are
	Position eventstore.Position
}

// Log is the sealed log. All methods may be called concurrently.
type Log struct {
	opts  Options
	fs    vfs.FS
	log   *slog.Logger
	tiles *tiles
	index *index

	origin   string
	restarts uint64

	// The sealing goroutine's own.
	state  *state
	edge   *edge
	expect []tlog.Checkpoint // known: must be met, from the smallest, before anything is signed
	signed time.Time         // when the last checkpoint was signed
	late   bool              // that events waited too long was told

	pending pending

	mu        sync.Mutex
	pins      *pins
	keys      *keys
	keyList   []byte  // the signed note
	newest    *Signed // signed and pinned
	published *Signed // and cosigned as the policy wants
	failed    error
	writing   time.Time // recorded time of the oldest event being sealed; zero = none
	witnesses map[string]*WitnessStatus
	changed   chan struct{} // closed when any of these changes

	stop    context.CancelFunc
	running sync.WaitGroup
	closing sync.Once
}

// Open opens or begins the seal of a log. It signs nothing yet: Run does.
// When the log had lost events that a known checkpoint covers, Restart says
// so, and the caller must record it before Run.
func Open(ctx context.Context, o Options) (_ *Log, err error) {
	if o.FS == nil {
		o.FS = vfs.Default
	}
	if o.Interval <= 0 {
		o.Interval = 250 * time.Millisecond
	}
	if o.Bound <= 0 {
		o.Bound = time.Second
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Report == nil {
		o.Report = func(string) {}
	}
	l := &Log{opts: o, fs: o.FS, log: o.Logger, witnesses: map[string]*WitnessStatus{}, changed: make(chan struct{})}
	l.pending.init()
	defer func() {
		if err != nil {
			err = fmt.Errorf("opening the seal: %w", errors.Join(err, l.Close(ctx)))
		}
	}()
	if err := durable.MakeDirs(l.fs, o.Dir); err != nil {
		return nil, err
	}
	if l.pins, err = openPins(l.fs, o.PinDir); err != nil {
		return nil, err
	}
	if l.keys, err = openKeys(l.fs, o.KeyDir, o.Vault, o.Rand); err != nil {
		return nil, err
	}
	if err := l.begin(); err != nil {
		return nil, err
	}
	return l, l.openOrigin(ctx)
}

// begin decides where the seal stands: new, going on, its files lost, or the
// log itself cut or a copy.
func (l *Log) begin() error {
	s, err := readState(l.fs, l.opts.Dir)
	if err != nil {
		return err
	}
	pin := l.pins.latest
	switch {
	case s == nil && pin == nil:
		if s, err = l.fresh(); err != nil {
			return err
		}
	case s == nil:
		l.survived("the seal's files are missing: they are made again from the log")
		s = &state{Base: baseOf(pin.Origin, pin.Restarts), Restarts: pin.Restarts, Root: emptyRoot()}
	case pin != nil && pin.Restarts > s.Restarts:
		s.Copied = true // from before a restart
	case pin == nil && s.Size > 0 && !s.Copied:
		l.survived("the known checkpoints are gone: the newest one is made again; one that only they knew is lost, " +
			"and a log that lost events since would not be noticed")
	}
	if l.opts.Origin != "" && l.opts.Origin != s.Base {
		return fmt.Errorf("the log's origin is %q and cannot be changed to %q: checkpoints are known under it", s.Base, l.opts.Origin)
	}
	l.state = s
	if err := l.restart(pin); err != nil {
		return err
	}
	switch r := l.state.Restart; {
	case pin != nil && pin.Restarts == l.state.Restarts && pin.Size > 0:
		l.expect = append(l.expect, pin.Checkpoint)
	case r != nil: // nothing was signed since
		return l.expectCommon(r)
	}
	return nil
}

// survived tells of damage that does not stop the seal.
func (l *Log) survived(what string) {
	l.log.Warn(what)
	l.opts.Report(what)
}

func emptyRoot() []byte {
	h := tlog.EmptyRoot()
	return h[:]
}

func (l *Log) fresh() (*state, error) {
	base := l.opts.Origin
	if base == "" {
		var b [8]byte
		if _, err := io.ReadFull(l.opts.Rand, b[:]); err != nil {
			return nil, fmt.Errorf("drawing the log's name: %w", err)
		}
		base = "lethe.invalid/" + hex.EncodeToString(b[:])
	}
	s := &state{Base: base, Root: emptyRoot()}
	return s, s.write(l.fs, l.opts.Dir)
}

// events counts the log's events.
func (l *Log) events() uint64 {
	if s, ok := l.opts.Store.(eventstore.Statser); ok {
		return s.Stats().Events
	}
	return l.state.Size
}

// openOrigin opens the files of the present origin.
func (l *Log) openOrigin(ctx context.Context) error {
	var err error
	if l.tiles, err = newTiles(l.fs, l.fs.PathJoin(l.opts.Dir, l.state.tiles())); err != nil {
		return err
	}
	l.origin, l.restarts = l.state.origin(), l.state.Restarts
	l.loadEdge(ctx)
	if err := l.openIndex(ctx); err != nil {
		return err
	}
	if len(l.keys.signing(l.origin)) == 0 {
		if _, err := l.keys.add(l.origin, 0); err != nil {
			return err
		}
	}
	if err := l.publishKeys(); err != nil {
		return err
	}
	return l.loadPublished()
}

// loadEdge reads the right edge from the files. When they are not those of
// the state, all is computed again from the log and compared with what is there.
func (l *Log) loadEdge(ctx context.Context) {
	e, err := l.tiles.edge(ctx, l.state.Size)
	if err == nil && e.root() != l.state.root() {
		err = errors.New("the tiles do not give the root that was sealed")
	}
	if err == nil {
		l.edge = e
		return
	}
	l.survived("the seal's files are not whole: they are made again from the log and compared: " + err.Error())
	l.expect = append(l.expect, tlog.Checkpoint{Origin: l.state.origin(), Size: int64(l.state.Size), Root: l.state.root()})
	l.edge = &edge{}
	l.state.Size, l.state.Position, l.state.Root = 0, 0, emptyRoot()
}

func (t *tiles) edge(ctx context.Context, size uint64) (*edge, error) {
	e := &edge{size: size}
	for n := size; n > 0; n /= tileWidth {
		level := len(e.levels)
		tile := make([]byte, 0, tileBytes)
		if width := int(n % tileWidth); width > 0 {
			b, err := t.ReadTile(ctx, level, int64(n/tileWidth), width)
			if err != nil {
				return nil, err
			}
			tile = append(tile, b...)
		}
		e.levels = append(e.levels, tile)
	}
	if width := int(size % tileWidth); width > 0 {
		var err error
		if e.entries, err = t.ReadEntries(ctx, int64(size/tileWidth), width); err != nil {
			return nil, err
		}
		if err := checkEntries(e.entries, e.levels[0]); err != nil {
			return nil, err
		}
	}
	return e, nil
}

func (l *Log) openIndex(ctx context.Context) (err error) {
	dir := l.fs.PathJoin(l.opts.Dir, fmt.Sprintf("index-%d", l.state.Restarts))
	l.index, err = openIndex(ctx, l.fs, dir, l.tiles, l.state.Size)
	return err
}

// Restart tells what a restart is that no event records yet; nil when there
// is none. The store's era must be above its position before anything is
// appended.
func (l *Log) Restart() *Restart {
	if r := l.state.Restart; r != nil && !r.Recorded {
		return r
	}
	return nil
}

// RestartRecorded notes that the event was appended. It comes before Run.
func (l *Log) RestartRecorded() error {
	l.state.Restart.Recorded = true
	return l.state.write(l.fs, l.opts.Dir)
}

// fail stops the seal: what it would sign next could contradict what it
// signed. The ledger goes on, unsealed, and says so.
func (l *Log) fail(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.failed == nil {
		l.failed = err
		l.log.Error("ALARM: sealing stopped", "error", err)
		l.announce()
	}
}

// announce wakes all who wait. l.mu is held.
func (l *Log) announce() {
	close(l.changed)
	l.changed = make(chan struct{})
}
