package keyring

import (
	"context"
	"database/sql"
	"fmt"
)

// lookupStatements are the lookup file's queries outside the write connection.
// A bound is written into its query: SQLite plans a query anew for every
// parameter that it gets as its LIMIT. An outer DISTINCT costs six times the
// query itself, so that who asks for peers leaves out what occurs twice.
type lookupStatements struct {
	find, peers, rows, shared     *sql.Stmt
	creation, claim, claims, file *sql.Stmt
	sources, contacts             *sql.Stmt
}

func (r *lookupStatements) prepare(ctx context.Context, db *sql.DB) error {
	const claims = "SELECT " + importColumns + " FROM imports WHERE mac "
	err := prepare(ctx, db, []query{
		{&r.find, fmt.Sprintf("SELECT token, field, event_id FROM lookup WHERE mac = ? LIMIT %d", MaxHits+1)},
		{&r.peers, `
			SELECT p.token, p.kind, p.field, p.event_id
			FROM (SELECT DISTINCT mac FROM lookup WHERE token = ?1 AND kind IN ('email', 'phone')) m
			CROSS JOIN lookup p ON p.mac = m.mac
			WHERE p.token <> ?1`},
		{&r.rows, "SELECT field, event_id, kind, at FROM lookup WHERE token = ?"},
		{&r.shared, fmt.Sprintf(sharedRows, "SELECT DISTINCT mac FROM lookup WHERE token = ?")},
		{&r.creation, "SELECT token, body FROM creations WHERE principal = ? AND command = ?"},
		{&r.claim, claims + "= ?"},
		{&r.claims, claims + "IN (" + placeholders("?", chunkRows) + ")"},
		{&r.file, "SELECT import, done FROM files WHERE mac = ?"},
		{&r.sources, "SELECT mac FROM imports WHERE token = ?"},
		{&r.contacts, "SELECT mac, kind, field FROM lookup WHERE token = ? AND kind IN ('email', 'phone')"},
	})
	if err != nil {
		return fmt.Errorf("preparing to read the lookup: %w", err)
	}
	return nil
}

func (r *lookupStatements) close() error {
	return closeAll(r.find, r.peers, r.rows, r.shared, r.creation, r.claim, r.claims, r.file, r.sources, r.contacts)
}
