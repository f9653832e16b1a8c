package seal

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"lethe/eventstore"
	"lethe/internal/durable"
	"lethe/internal/tlog"
)

// Pin is a checkpoint that was signed, remembered outside the ledger.
type Pin struct {
	Restarts uint64              // of the log when it was signed
	Position eventstore.Position // of the last event it covers; 0 = not known
	Note     []byte              // the signed checkpoint
	tlog.Checkpoint
}

// pins keep checkpoints where a restored ledger does not reach, so that a log
// that came back shorter is noticed and never signs a second history under
// the same name. Three files:
//
//	latest       the newest one, replaced before the checkpoint is published
//	checkpoints  one a minute, and those that people brought; lines are added
//	             at the end and never changed
//	restarts     of each restart of the log, how many events it had in common
//	             with the log before: "lethe-restarts 1 <CRC-32C>", then JSON
//
// A line is "<restarts> <position> <signed note in base64>\n".
type pins struct {
	fs     vfs.FS
	dir    string
	every  time.Duration
	kept   time.Time // when the last line was added
	latest *Pin
}

// LatestFile is the file in Options.PinDir with the newest checkpoint known.
const LatestFile = "latest"

const (
	latestName   = LatestFile
	historyName  = "checkpoints"
	restartsName = "restarts"
	restartsHead = "lethe-restarts 1"
	pinLine      = 64 << 10
	historyMax   = 1 << 30
)

func openPins(fs vfs.FS, dir string) (*pins, error) {
	if err := durable.MakeDirs(fs, dir); err != nil {
		return nil, err
	}
	latest, err := readLatest(fs, dir)
	return &pins{fs: fs, dir: dir, every: time.Minute, latest: latest}, err
}

// readLatest gives nil when there is none.
func readLatest(fs vfs.FS, dir string) (*Pin, error) {
	b, err := durable.ReadFile(fs, fs.PathJoin(dir, latestName), pinLine)
	if durable.IsNotExist(err) {
		return nil, nil
	}
	var pin *Pin
	if err == nil {
		pin, err = parsePin(bytes.TrimSuffix(b, []byte("\n")))
	}
	if err != nil {
		return nil, fmt.Errorf("reading the newest known checkpoint (%s): %w: restore it from another copy, "+
			"or remove it after making sure that the log was not restored from a backup", latestName, err)
	}
	return pin, nil
}

// restarts gives how many events each restart left; none when nobody noted it.
func (p *pins) restarts() (common []uint64, err error) {
	b, err := durable.ReadFile(p.fs, p.fs.PathJoin(p.dir, restartsName), historyMax)
	if durable.IsNotExist(err) {
		return nil, nil
	}
	if err == nil {
		err = durable.DecodeJSON(restartsHead, b, &common)
	}
	if err != nil {
		return nil, fmt.Errorf("reading the known restarts (%s): %w", restartsName, err)
	}
	return common, nil
}

// restarted remembers the restarts, before anything is signed under a new name.
func (p *pins) restarted(common []uint64) error {
	b, err := durable.EncodeJSON(restartsHead, common)
	if err != nil {
		return err
	}
	return durable.ReplaceFile(p.fs, p.dir, restartsName, b)
}

func (p *Pin) line() []byte {
	b := fmt.Appendf(nil, "%d %d ", p.Restarts, p.Position)
	b = base64.StdEncoding.AppendEncode(b, p.Note)
	return append(b, '\n')
}

func parsePin(line []byte) (*Pin, error) {
	parts := bytes.Split(line, []byte(" "))
	if len(parts) != 3 {
		return nil, fmt.Errorf("%w: a line has three parts", durable.ErrDamaged)
	}
	restarts, err := strconv.ParseUint(string(parts[0]), 10, 32)
	if err != nil {
		return nil, fmt.Errorf("%w: the restarts are no number", durable.ErrDamaged)
	}
	position, err := eventstore.ParsePosition(string(parts[1]))
	if err != nil {
		return nil, fmt.Errorf("%w: the position is no number", durable.ErrDamaged)
	}
	note, err := base64.StdEncoding.Strict().DecodeString(string(parts[2]))
	if err != nil {
		return nil, fmt.Errorf("%w: the note is not base64", durable.ErrDamaged)
	}
	c, err := tlog.CheckpointOf(note)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", durable.ErrDamaged, err)
	}
	return &Pin{Restarts: restarts, Position: position, Note: note, Checkpoint: c}, nil
}

// pin remembers the newest checkpoint; now and then it also adds a line.
func (p *pins) pin(pin *Pin, now time.Time) error {
	if err := durable.ReplaceFile(p.fs, p.dir, latestName, pin.line()); err != nil {
		return err
	}
	p.latest = pin
	if !p.kept.IsZero() && now.Sub(p.kept) < p.every && now.After(p.kept) {
		return nil
	}
	p.kept = now
	return p.keep(pin)
}

// keep adds a line to the history. What a crash left of an unfinished line is
// closed first, so that it spoils no other.
func (p *pins) keep(pin *Pin) error {
	path := p.fs.PathJoin(p.dir, historyName)
	_, err := p.fs.Stat(path)
	made := durable.IsNotExist(err)
	f, err := p.fs.OpenReadWrite(path, vfs.WriteCategoryUnspecified)
	if err != nil {
		return fmt.Errorf("opening the known checkpoints: %w", err)
	}
	line := pin.line()
	info, err := f.Stat()
	if err == nil {
		end := info.Size()
		last := []byte("\n")
		if end > 0 {
			_, err = f.ReadAt(last, end-1)
		}
		if err == nil && last[0] != '\n' {
			line = append([]byte("\n"), line...)
		}
		if err == nil {
			_, err = f.WriteAt(line, end)
		}
	}
	if err == nil {
		err = f.Sync()
	}
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err == nil && made {
		err = durable.SyncDir(p.fs, p.dir)
	}
	if err != nil {
		return fmt.Errorf("adding to the known checkpoints: %w", err)
	}
	return nil
}

// all gives every remembered checkpoint, the newest one last, and how many
// lines could not be read: the one that a crash cut, or damage.
func (p *pins) all() (kept []Pin, unread int, err error) {
	b, err := durable.ReadFile(p.fs, p.fs.PathJoin(p.dir, historyName), historyMax)
	if err != nil && !durable.IsNotExist(err) {
		return nil, 0, err
	}
	for line := range bytes.Lines(b) {
		line = bytes.TrimSuffix(line, []byte("\n"))
		if len(line) == 0 {
			continue
		}
		pin, err := parsePin(line)
		if err != nil {
			unread++
			continue
		}
		kept = append(kept, *pin)
	}
	if p.latest != nil {
		kept = append(kept, *p.latest)
	}
	return kept, unread, nil
}

// ErrNotOurs: none of the log's keys signed a checkpoint that was brought.
var ErrNotOurs = errors.New("none of the log's keys signed the checkpoint")

// Pins gives every known checkpoint, the newest one last.
func (l *Log) Pins() ([]Pin, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	kept, _, err := l.pins.all()
	return kept, err
}

// ErrFormerName: this log signed the checkpoint under a name that it had before
// it came back shorter, and the checkpoint covers what was lost then.
var ErrFormerName = errors.New("this log signed the checkpoint under a former name, and it covers events that were lost")

// Pin takes a checkpoint that somebody saw elsewhere, also one that was signed
// under a former name. Errors: ErrNotOurs; ErrFormerName; ErrInconsistent when
// this log signed it and does not contain it. The last two are kept all the
// same, as evidence.
func (l *Log) Pin(ctx context.Context, signed []byte) (tlog.Checkpoint, error) {
	c, err := tlog.CheckpointOf(signed)
	if err != nil {
		return c, fmt.Errorf("%w: %w", ErrNotOurs, err)
	}
	l.mu.Lock()
	list, newest, restarts := l.keys.list(c.Origin), l.newest, l.restarts
	l.mu.Unlock()
	if _, _, err := list.Open(signed); err != nil {
		return c, fmt.Errorf("%w: %w", ErrNotOurs, err)
	}
	former := c.Origin != l.origin
	switch {
	case newest == nil || c.Size > newest.Size:
		err = ErrInconsistent
	case c.Size > 0:
		err = l.follows(ctx, newest.Size, newest.Root, c)
	}
	if former {
		restarts = 0 // it may be of any: it is kept for what it says
		if errors.Is(err, ErrInconsistent) {
			err = ErrFormerName
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return c, errors.Join(err, l.pins.keep(&Pin{Restarts: restarts, Note: signed, Checkpoint: c}))
}
