package keyring

import (
	"context"
	"errors"
	"fmt"
	"time"

	"lethe/domain"
	"lethe/domain/catalogue"
)

// Bounds of the blind index.
const (
	MaxHits        = 1_000  // of one Find
	MaxPeers       = 10_000 // of one token
	MaxLookupBatch = 65_536 // rows of one call
)

// ErrTooMany: an address belongs to more records than can be answered for.
var ErrTooMany = errors.New("more records share this value than can be listed")

// LookupRow makes a person findable by one value: that of Field in the event.
type LookupRow struct {
	Kind    catalogue.LookupKind
	Text    string
	Token   domain.Token
	Field   domain.Name
	EventID domain.ID
}

// Hit is a row that was found. It counts only if its event is still the
// field's current one and the value matches: rows go in before their event
// and may outlive it.
type Hit struct {
	Token   domain.Token
	Field   domain.Name
	EventID domain.ID
}

// Peer is another record that has, or had, the same value.
type Peer struct {
	Token   domain.Token
	Kind    catalogue.LookupKind
	Field   domain.Name // the peer's
	EventID domain.ID   // the peer's
}

// StoredRow is a row of one token, without its value.
type StoredRow struct {
	Token   domain.Token
	Field   domain.Name
	EventID domain.ID
	Kind    catalogue.LookupKind
	Put     time.Time
}

func (k *Keyring) lookupMAC(kind catalogue.LookupKind, text string) ([]byte, bool) {
	normal := k.Normalise(kind, text)
	if normal == "" {
		return nil, false
	}
	full := hmacOf(&k.secrets.index, lp(lp(lp(lp(nil, "lookup"), kind), []byte{NormaliserVersion}), normal))
	return full[:macSize], true
}

// PutLookups adds rows, durably, before the events that they name are
// appended. Values that normalise to nothing are left out; rows that are
// there stay.
func (k *Keyring) PutLookups(ctx context.Context, rows []LookupRow) error {
	if len(rows) > MaxLookupBatch {
		return fmt.Errorf("adding to the lookup: %d rows are more than %d", len(rows), MaxLookupBatch)
	}
	job := &lookupJob{rows: len(rows), put: make([]lookupRow, 0, len(rows))}
	at := k.opts.Now().UnixMicro()
	var scratch [512]byte
	for i := range rows {
		r := &rows[i]
		if m, ok := k.lookupMAC(r.Kind, r.Text); ok {
			row := lookupRow{
				mac: m, eventID: r.EventID[:], token: string(r.Token), field: string(r.Field), kind: string(r.Kind), at: at,
			}
			row.rowMAC = k.secrets.shortMAC(row.message(scratch[:0]))
			job.put = append(job.put, row)
		}
	}
	if len(job.put) == 0 {
		return nil
	}
	return k.lookups.group.do(ctx, job)
}

// insertRows inserts len(args)/columns rows with few statements.
func insertRows(w *writer, insert string, columns int, args []any) error {
	row := "(" + placeholders("?", columns) + ")"
	for len(args) > 0 {
		n := chunkOf(len(args) / columns)
		if _, err := w.exec(insert+placeholders(row, n), args[:n*columns]...); err != nil {
			return fmt.Errorf("inserting rows: %w", err)
		}
		args = args[n*columns:]
	}
	return nil
}

// Find returns the rows of a value, at most MaxHits, else ErrTooMany.
func (k *Keyring) Find(ctx context.Context, kind catalogue.LookupKind, text string) ([]Hit, error) {
	m, ok := k.lookupMAC(kind, text)
	if !ok {
		return nil, nil
	}
	rows, err := k.lookups.read.find.QueryContext(ctx, m)
	if err != nil {
		return nil, fmt.Errorf("looking up: %w", err)
	}
	defer rows.Close() //nolint:errcheck // read only
	var hits []Hit
	for rows.Next() {
		var h Hit
		var id []byte
		if err := rows.Scan(&h.Token, &h.Field, &id); err != nil {
			return nil, fmt.Errorf("looking up: %w", err)
		}
		copy(h.EventID[:], id)
		hits = append(hits, h)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("looking up: %w", err)
	}
	if len(hits) > MaxHits {
		return nil, fmt.Errorf("looking up: %w", ErrTooMany)
	}
	return hits, nil
}

// Peers returns the other records that share an e-mail address or a phone
// number with a record, at most MaxPeers rows, else ErrTooMany: what binds an
// address must bind all of them, so a part of them is no answer.
func (k *Keyring) Peers(ctx context.Context, token domain.Token) ([]Peer, error) {
	rows, err := k.lookups.read.peers.QueryContext(ctx, string(token))
	if err != nil {
		return nil, fmt.Errorf("looking for peers: %w", err)
	}
	defer rows.Close() //nolint:errcheck // read only
	var peers []Peer
	seen := map[Peer]bool{}
	for rows.Next() && len(peers) <= MaxPeers {
		var p Peer
		var id []byte
		if err := rows.Scan(&p.Token, &p.Kind, &p.Field, &id); err != nil {
			return nil, fmt.Errorf("looking for peers: %w", err)
		}
		copy(p.EventID[:], id)
		if !seen[p] {
			seen[p] = true
			peers = append(peers, p)
		}
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("looking for peers: %w", err)
	}
	if len(peers) > MaxPeers {
		return nil, fmt.Errorf("looking for peers: %w", ErrTooMany)
	}
	return peers, nil
}

// LookupRows lists a token's rows, for the follower that deletes those whose
// event was superseded or never appended. Put tells a row of an append still
// under way from one that never came.
func (k *Keyring) LookupRows(ctx context.Context, token domain.Token) ([]StoredRow, error) {
	rows, err := k.lookups.read.rows.QueryContext(ctx, string(token))
	if err != nil {
		return nil, fmt.Errorf("listing lookup rows: %w", err)
	}
	defer rows.Close() //nolint:errcheck // read only
	var stored []StoredRow
	for rows.Next() {
		r := StoredRow{Token: token}
		var id []byte
		var at int64
		if err := rows.Scan(&r.Field, &id, &r.Kind, &at); err != nil {
			return nil, fmt.Errorf("listing lookup rows: %w", err)
		}
		copy(r.EventID[:], id)
		r.Put = time.UnixMicro(at).UTC()
		stored = append(stored, r)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("listing lookup rows: %w", err)
	}
	return stored, nil
}

// DropLookups deletes the rows of events' fields. Rows that are not there are
// no error.
func (k *Keyring) DropLookups(ctx context.Context, rows []Hit) error {
	if len(rows) > MaxLookupBatch {
		return fmt.Errorf("deleting from the lookup: %d rows are more than %d", len(rows), MaxLookupBatch)
	}
	return k.lookups.submit(ctx, len(rows), func(w *writer) error {
		for _, r := range rows {
			if _, err := w.exec("DELETE FROM lookup WHERE token = ? AND field = ? AND event_id = ?", string(r.Token), string(r.Field), r.EventID[:]); err != nil {
				return fmt.Errorf("deleting from the lookup: %w", err)
			}
		}
		return nil
	})
}

// CutLookup cuts the lookup file's write-ahead log, so that no row that was
// deleted is left in it. *IncompleteError: a reader held it, call again.
func (k *Keyring) CutLookup(ctx context.Context) error {
	job := &lookupJob{rows: 1, clear: true}
	if err := k.lookups.group.do(ctx, job); err != nil {
		return fmt.Errorf("cutting the lookup's log: %w", err)
	}
	return job.notCleared
}
