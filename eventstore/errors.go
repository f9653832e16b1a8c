package eventstore

import (
	"errors"
	"fmt"
)

// Errors of a store. Test with errors.Is and errors.As.
var (
	// ErrOutcomeUnknown: the append may or may not be durable. Repeat it with
	// the same IDs; a duplicate is recognised.
	ErrOutcomeUnknown = errors.New("the outcome of the append is unknown: repeat it with the same event IDs")
	// ErrTooLarge: the append exceeds MaxAppendBytes, MaxParts or a name's bound.
	ErrTooLarge = errors.New("the append is too large")
	// ErrInvalid: the append names no stream, no event, or an event without a
	// type or an ID. No repetition helps.
	ErrInvalid = errors.New("the append is not valid")
	// ErrFatal: the store stopped itself because its state is not known. Reopen it.
	ErrFatal = errors.New("the store stopped: reopen it to recover")
	// ErrReadOnly: the store was opened, or its medium turned, read-only.
	ErrReadOnly = errors.New("the store is read-only")
	// ErrNoSpace: the medium is full; nothing was written.
	ErrNoSpace = errors.New("no space left for the event log")
	// ErrClosed: the store was closed.
	ErrClosed = errors.New("the store is closed")
	// ErrLocked: another process holds the data directory.
	ErrLocked = errors.New("the data directory is in use by another process")
	// ErrNoSection: the section is of another store, or was replaced. Ask for
	// the sections again.
	ErrNoSection = errors.New("the log has no such section")
)

// NoRevision stands for "no such stream" in a ConflictError.
const NoRevision = ^uint64(0)

// ConflictError says that the stream was not where the append expected it.
type ConflictError struct {
	Stream   string
	Expected Expected
	Current  uint64 // last revision, NoRevision when the stream does not exist
}

func (e *ConflictError) Error() string {
	if e.Current == NoRevision {
		return fmt.Sprintf("stream %s: expected %s, but it does not exist", e.Stream, e.Expected)
	}
	return fmt.Sprintf("stream %s: expected %s, but it is at revision %d", e.Stream, e.Expected, e.Current)
}

// CorruptError names damage that was found: where it is and what it means.
type CorruptError struct {
	File   string
	Offset int64
	What   string
}

func (e *CorruptError) Error() string {
	return fmt.Sprintf("corrupt event log: %s at %s offset %d", e.What, e.File, e.Offset)
}

// ErrFormat: the store's own note of its formats names what this program does
// not know: a newer program wrote it, or it is damaged.
var ErrFormat = errors.New("a newer program wrote it, or the file is damaged")
