package seal

import (
	"fmt"

	"github.com/cockroachdb/pebble/v2/vfs"

	"lethe/eventstore"
	"lethe/internal/durable"
	"lethe/internal/tlog"
)

// STATE is where the seal stands: one line "lethe-seal 1 <CRC-32C>", then
// JSON. It is replaced whole, after the tiles and entries that it stands for
// are durable and before the checkpoint of its size is signed.
type state struct {
	Base     string              `json:"base"`     // the configured origin
	Restarts uint64              `json:"restarts"` // times that the log was found shorter than a checkpoint of it
	Size     uint64              `json:"size"`
	Position eventstore.Position `json:"position"` // of the last event sealed; 0 for none
	Root     []byte              `json:"root"`     // 32 bytes
	Restart  *Restart            `json:"restart,omitempty"`
	Copied   bool                `json:"copied,omitempty"` // of a copy that was put in place: the next opening begins a new origin
	Newest   []byte              `json:"newest,omitempty"` // of a copy: the newest checkpoint that was signed before it was taken
}

// Restart says that the log had lost what an earlier checkpoint covers, so
// that it goes on under a new origin.
type Restart struct {
	Number     uint64              `json:"number"`     // of the restart, from 1
	Checkpoint []byte              `json:"checkpoint"` // the newest known under the old origin, a signed note
	Position   eventstore.Position `json:"position"`   // that was given in the lost range; 0 = not known
	Size       uint64              `json:"size"`       // that was known under the old origin
	Common     uint64              `json:"common"`     // events that the log still had of it
	Recorded   bool                `json:"recorded"`   // an event says so
	Earlier    []uint64            `json:"earlier"`    // Common of each restart before this one; the log may have lost their events
	From       uint64              `json:"from"`       // the restart whose origin the log that came back was of
	Left       uint64              `json:"left"`       // events that it had
}

const (
	stateHead = "lethe-seal 1"
	stateName = "STATE"
	stateMax  = 1 << 20
)

// origin names the log: the base, and after a restart its number.
func (s *state) origin() string {
	if s.Restarts == 0 {
		return s.Base
	}
	return fmt.Sprintf("%s/restart-%d", s.Base, s.Restarts)
}

// tiles is the directory of the origin's files.
func (s *state) tiles() string { return fmt.Sprintf("log-%d", s.Restarts) }

// readState gives nil when there is none.
func readState(fs vfs.FS, dir string) (*state, error) {
	b, err := durable.ReadFile(fs, fs.PathJoin(dir, stateName), stateMax)
	if durable.IsNotExist(err) {
		return nil, nil
	}
	s := new(state)
	if err == nil {
		err = durable.DecodeJSON(stateHead, b, s)
	}
	if err == nil && (s.Base == "" || len(s.Root) != hashSize) {
		err = fmt.Errorf("%w: it lacks the origin or the root", durable.ErrDamaged)
	}
	if err != nil {
		return nil, fmt.Errorf("reading the seal's state (%s): %w", stateName, err)
	}
	return s, nil
}

func (s *state) write(fs vfs.FS, dir string) error {
	b, err := durable.EncodeJSON(stateHead, s)
	if err != nil {
		return err
	}
	return durable.ReplaceFile(fs, dir, stateName, b)
}

func (s *state) root() tlog.Hash { return tlog.Hash(s.Root) }

// Mark is the highest position that the seal in dir has made durable, so that
// a log that ends before it is known to have lost events. 0 when there is no
// seal, or none that can be read.
func Mark(dir string) eventstore.Position {
	s, err := readState(vfs.Default, dir)
	if err != nil || s == nil {
		return 0
	}
	return s.Position
}
