package operations

import (
	"slices"
	"time"

	"lethe/domain"
	"lethe/domain/personal"
)

// KeyChange is what happened to a key that signs the log's checkpoints.
type KeyChange string

// Changes of a signing key.
const (
	KeyAdded      KeyChange = "added"
	KeyRetired    KeyChange = "retired"
	KeyDistrusted KeyChange = "distrusted"
)

// Valid reports whether c is a known change.
func (c KeyChange) Valid() bool {
	return slices.Contains([]KeyChange{KeyAdded, KeyRetired, KeyDistrusted}, c)
}

// LogKeyChanged: a key that signs checkpoints was added, retired or
// distrusted. Key is the SHA-256 of its verifier key (C2SP signed-note), and
// Size the first that it signs, the last that it signed, or the first from
// which its signatures do not count.
type LogKeyChanged struct {
	Key    domain.Digest `json:"key"`
	Change KeyChange     `json:"change"`
	Size   uint64        `json:"size"`
}

// LogRestarted: the log had come back with fewer events than a checkpoint of
// it covers, as from a restored backup, and goes on under a new origin. Its
// tree repeats the first Common leaves of the old one; what the old checkpoint
// covered beyond them is lost.
type LogRestarted struct {
	Number uint64        `json:"number"` // of the restart, from 1
	Size   uint64        `json:"size"`   // of the newest checkpoint known under the old origin
	Root   domain.Digest `json:"root"`   // its root; zero when only its size is known
	Common uint64        `json:"common"` // events that are left of it
}

func (*LogKeyChanged) isOperationsEvent() {}
func (*LogRestarted) isOperationsEvent()  {}

// EventType is the stored name and version.
func (*LogKeyChanged) EventType() domain.Type { return domain.Type{Name: "LogKeyChanged", Version: 1} }

// EventType is the stored name and version.
func (*LogRestarted) EventType() domain.Type { return domain.Type{Name: "LogRestarted", Version: 1} }

// Personal lists nothing: the event is facts only.
func (*LogKeyChanged) Personal(dst []personal.Slot) []personal.Slot { return dst }

// Personal lists nothing: the event is facts only.
func (*LogRestarted) Personal(dst []personal.Slot) []personal.Slot { return dst }

// ChangeLogKey records what was done to a signing key.
type ChangeLogKey struct{ LogKeyChanged }

// RestartLog records a restart, once.
type RestartLog struct{ LogRestarted }

// EffectiveAt is now.
func (ChangeLogKey) EffectiveAt() time.Time { return time.Time{} }

// EffectiveAt is now.
func (RestartLog) EffectiveAt() time.Time { return time.Time{} }

func (ChangeLogKey) isOperationsCommand() {}
func (RestartLog) isOperationsCommand()   {}

func changeLogKey(c ChangeLogKey) ([]domain.Event, error) {
	if c.Key.IsZero() || !c.Change.Valid() {
		return nil, domain.Invalid("log_key.malformed", "key", "a change of a signing key names the key and what was done")
	}
	return []domain.Event{&c.LogKeyChanged}, nil
}

func restartLog(s *State, c RestartLog) ([]domain.Event, error) {
	switch {
	case s != nil && c.Number <= s.restarts:
		return nil, nil
	case c.Number == 0 || c.Common > c.Size:
		return nil, domain.Invalid("log_restart.malformed", "number", "a restart has a number, and fewer events than before")
	}
	return []domain.Event{&c.LogRestarted}, nil
}

// Restarts is the number of the last restart.
func (s *State) Restarts() uint64 {
	if s == nil {
		return 0
	}
	return s.restarts
}
