// Package projections keeps the read views: tables that are computed from the
// event log and from nothing else, each in a database file of its own.
//
// A view's checkpoint commits in the transaction of its rows, so a view is at
// every moment exactly the fold of a prefix of the log: after a crash it
// resumes where it stood, and neither loses nor repeats an event. A view can
// be thrown away and rebuilt while the old one keeps serving; the rebuilt file
// equals the live one row for row. For that to hold a Projection is
// deterministic: its rows follow from the events alone, never from a clock,
// from chance, or from an automatic number.
//
// Views hold facts in clear and personal values only as the sealed bytes in
// which they were stored, beside what opening them needs. No key comes here,
// and that a value is erased is known from events, never from a failed open.
//
// Files are not a compatibility promise: one of another schema version is
// rebuilt from the log.
package projections

import (
	"lethe/domain"
	"lethe/eventstore"
)

// Decoder reads a stored event: its facts into the domain's type, its personal
// values as sealed. It is called from several goroutines at once. What it
// returns may share the bytes of the event given.
type Decoder interface {
	Decode(stored *eventstore.Recorded) (domain.Recorded, error)
}

// Projection declares a view. It is immutable and shared; what one file's fold
// must remember between events lives in the Fold.
type Projection interface {
	// Name is the view's name and that of its directory.
	Name() string
	// Schema is what its files hold. Raise Version whenever the tables or the
	// meaning of a row change: files of another version are rebuilt.
	Schema() Schema
	// Events are the stored names of the event types that it wants; others are
	// neither decoded nor delivered.
	Events() []string
	// NewFold starts the fold of one file, from wherever the file stands; empty
	// tells that its tables are.
	NewFold(empty bool) Fold
}

// Fold turns events into rows. It is used by one goroutine at a time, and
// dropped with the transaction whenever one of its methods fails.
type Fold interface {
	// Apply writes what the event changes, or remembers it until Flush. The
	// event is shared with other views: it must not be changed. An error stops
	// the view; what history holds is no reason for one.
	Apply(tx Tx, e *domain.Recorded) error
	// Flush writes what Apply only remembered. It is called before every commit.
	Flush(tx Tx) error
}

// Finisher is a Fold that puts work off while a new file is loaded in bulk,
// because it needs the indexes.
type Finisher interface {
	// Unfinished reports whether anything was put off.
	Unfinished() bool
	// Finish does it, after a Flush, and puts nothing off from then on.
	Finish(tx Tx) error
}

// Tx is the transaction that a batch of events is applied in. Values are
// int64, string, []byte and nil, in the order of the table's columns.
type Tx interface {
	// Add inserts a row. Its key must be new.
	Add(t *Table, row ...any) error
	// Put inserts a row or replaces the one that has its key.
	Put(t *Table, row ...any) error
	// Delete removes the rows whose key begins with these values.
	Delete(t *Table, key ...any) error
	// Query calls scan for each row; it sees what was written before. The
	// query is one of a few constant strings, with ? for each argument.
	Query(query string, args []any, scan func(Row) error) error
	// Stream reads a stream's events again, up to and including a position, to
	// bring back what an event had taken away and a later one has not.
	Stream(name string, until uint64, with func(*domain.Recorded) error) error
}

// Row is a result row to be scanned.
type Row interface {
	Scan(into ...any) error
}

// Types are the stored names of the events' types, for Projection.Events.
func Types(events ...domain.Event) []string {
	names := make([]string, len(events))
	for i, e := range events {
		names[i] = e.EventType().Name
	}
	return names
}
