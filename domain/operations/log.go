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

// LostRangeAccepted: an officer takes the log as it came back, at a restart
// and those before it. Until then nobody knows whether a withdrawal was among
// what is lost, so purposes based on consent stay off (GDPR 5(2), 7(3)).
type LostRangeAccepted struct {
	Number uint64 `json:"number"` // of the restart
}

func (*LogKeyChanged) isOperationsEvent()     {}
func (*LogRestarted) isOperationsEvent()      {}
func (*LostRangeAccepted) isOperationsEvent() {}

// EventType is the stored name and version.
func (*LogKeyChanged) EventType() domain.Type { return domain.Type{Name: "LogKeyChanged", Version: 1} }

// EventType is the stored name and version.
func (*LogRestarted) EventType() domain.Type { return domain.Type{Name: "LogRestarted", Version: 1} }

// EventType is the stored name and version.
func (*LostRangeAccepted) EventType() domain.Type {
	return domain.Type{Name: "LostRangeAccepted", Version: 1}
}

// Personal lists nothing: the event is facts only.
func (*LogKeyChanged) Personal(dst []personal.Slot) []personal.Slot { return dst }

// Personal lists nothing: the event is facts only.
func (*LogRestarted) Personal(dst []personal.Slot) []personal.Slot { return dst }

// Personal lists nothing: the event is facts only.
func (*LostRangeAccepted) Personal(dst []personal.Slot) []personal.Slot { return dst }

// ChangeLogKey records what was done to a signing key.
type ChangeLogKey struct{ LogKeyChanged }

// RestartLog records a restart, once.
type RestartLog struct{ LogRestarted }

// AcceptLostRange records that an officer accepts what a restart lost.
type AcceptLostRange struct{ Number uint64 }

// EffectiveAt is now.
func (ChangeLogKey) EffectiveAt() time.Time { return time.Time{} }

// EffectiveAt is now.
func (RestartLog) EffectiveAt() time.Time { return time.Time{} }

// EffectiveAt is now.
func (AcceptLostRange) EffectiveAt() time.Time { return time.Time{} }

func (ChangeLogKey) isOperationsCommand()    {}
func (RestartLog) isOperationsCommand()      {}
func (AcceptLostRange) isOperationsCommand() {}

func changeLogKey(c ChangeLogKey) ([]domain.Event, error) {
	if c.Key.IsZero() || !c.Change.Valid() {
		return nil, domain.Invalid("log_key.malformed", "key", "a change of a signing key names the key and what was done")
	}
	return []domain.Event{&c.LogKeyChanged}, nil
}

func restartLog(s *State, c RestartLog) ([]domain.Event, error) {
	switch {
	case c.Number <= s.LastRestart():
		return nil, nil
	case c.Number == 0 || c.Common > c.Size:
		return nil, domain.Invalid("log_restart.malformed", "number", "a restart has a number, and fewer events than before")
	}
	return []domain.Event{&c.LogRestarted}, nil
}

func acceptLostRange(s *State, c AcceptLostRange) ([]domain.Event, error) {
	i := slices.IndexFunc(s.Restarts(), func(r Restart) bool { return r.Number == c.Number })
	switch {
	case i < 0:
		return nil, domain.NotFound("log_restart.unknown", "number", "the log has no restart of this number: list them to see those there are")
	case !s.Restarts()[i].Accepted.IsZero():
		return nil, nil
	}
	return []domain.Event{&LostRangeAccepted{Number: c.Number}}, nil
}

// Restart is a restart of the log and what became of it.
type Restart struct {
	*LogRestarted
	Recorded time.Time
	Accepted time.Time // when an officer accepted the lost range; zero = not yet
}

// Restarts lists the restarts, from the first.
func (s *State) Restarts() []Restart {
	if s == nil {
		return nil
	}
	return s.restarts
}

// LastRestart is the number of the newest restart; 0 when there is none.
func (s *State) LastRestart() (number uint64) {
	for _, r := range s.Restarts() {
		number = max(number, r.Number)
	}
	return number
}

// LostRange is the number of the newest restart whose lost range nobody had
// accepted at a time; 0 when there was none. Purposes based on consent are off
// then.
func (s *State) LostRange(at time.Time) (number uint64) {
	for _, r := range s.Restarts() {
		if !r.Recorded.After(at) && (r.Accepted.IsZero() || r.Accepted.After(at)) {
			number = max(number, r.Number)
		}
	}
	return number
}

// accept marks a restart and those before it.
func accept(restarts []Restart, number uint64, at time.Time) []Restart {
	restarts = slices.Clone(restarts)
	for i := range restarts {
		if r := &restarts[i]; r.Number <= number && r.Accepted.IsZero() {
			r.Accepted = at
		}
	}
	return restarts
}
