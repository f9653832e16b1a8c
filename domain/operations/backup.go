package operations

import (
	"slices"
	"time"

	"lethe/domain"
	"lethe/domain/personal"
)

// BackupOf is what a backup is of.
type BackupOf string

// What backups are of.
const (
	LedgerBackup BackupOf = "ledger"
	KeysBackup   BackupOf = "keys"
)

// Valid reports whether b is known.
func (b BackupOf) Valid() bool { return slices.Contains([]BackupOf{LedgerBackup, KeysBackup}, b) }

// BackupMade: a copy of the ledger or of its keys was made, so that whoever is
// asked later knows that it may exist. Where it lies is nowhere in the ledger.
type BackupMade struct {
	Of       BackupOf      `json:"of"`
	Taken    time.Time     `json:"taken"`    // when it was begun, which names it
	Manifest domain.Digest `json:"manifest"` // SHA-256 of its MANIFEST
	Events   uint64        `json:"events"`   // that the log had then
	Fences   uint64        `json:"fences"`   // destructions of keys up to this number are in it
}

func (*BackupMade) isOperationsEvent() {}

// EventType is the stored name and version.
func (*BackupMade) EventType() domain.Type { return domain.Type{Name: "BackupMade", Version: 1} }

// Personal lists nothing: the event is facts only.
func (*BackupMade) Personal(dst []personal.Slot) []personal.Slot { return dst }

// NoteBackup records a backup.
type NoteBackup struct{ BackupMade }

// EffectiveAt is now.
func (NoteBackup) EffectiveAt() time.Time { return time.Time{} }

func (NoteBackup) isOperationsCommand() {}

func noteBackup(c NoteBackup) ([]domain.Event, error) {
	if !c.Of.Valid() || c.Taken.IsZero() || c.Manifest.IsZero() {
		return nil, domain.Invalid("backup.malformed", "of", "a backup is of the ledger or of its keys, and has a time and a manifest")
	}
	return []domain.Event{&c.BackupMade}, nil
}
