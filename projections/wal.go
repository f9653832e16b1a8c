package projections

import (
	"context"
	"errors"
	"fmt"
	"os"

	"lethe/internal/slack"
)

// walBytes is how large the write-ahead log gets before it is moved into the
// file. SQLite does not do it by itself: what belongs to no row is wiped first,
// so that the file never has a copy of something that is deleted.
const walBytes = 16 << 20

// errBusy: somebody reads what the write-ahead log has.
var errBusy = errors.New("moving the write-ahead log into the file: it is being read")

// relieve moves the write-ahead log into the file when it is large. When it is
// being read it grows on, and is tried again once it has grown as much again.
func (f *file) relieve() error {
	if f.bulk {
		return nil
	}
	info, err := os.Stat(f.path + "-wal")
	if err != nil {
		return fmt.Errorf("looking at the write-ahead log: %w", err)
	}
	if info.Size() < f.enough {
		return nil
	}
	err = f.checkpoint(0)
	if errors.Is(err, errBusy) {
		f.enough = info.Size() + walBytes
		return nil
	}
	f.enough = walBytes
	return err
}

// checkpoint moves everything into the main file, so that it stands alone, and
// cuts the write-ahead log to nothing. It waits for readers a few milliseconds:
// errBusy. No transaction may be open.
func (f *file) checkpoint(patience int) error {
	pages, err := slack.InWAL(f.path + "-wal")
	if err != nil {
		return err
	}
	if err := f.wipe(pages); err != nil {
		return err
	}
	if err := f.pragma(fmt.Sprintf("busy_timeout = %d", patience)); err != nil {
		return err
	}
	var busy, frames, moved int
	row := f.conn.QueryRowContext(context.Background(), "PRAGMA wal_checkpoint(TRUNCATE)")
	err = errors.Join(row.Scan(&busy, &frames, &moved), f.pragma("busy_timeout = 10000"))
	switch {
	case err != nil:
		return fmt.Errorf("moving the write-ahead log into the file: %w", err)
	case busy != 0:
		return errBusy
	}
	return f.hook("file.moved")
}

func (f *file) pragma(set string) error {
	if _, err := f.conn.ExecContext(context.Background(), "PRAGMA "+set); err != nil {
		return fmt.Errorf("setting %s: %w", set, err)
	}
	return nil
}

// wipe overwrites what belongs to no row on these pages.
func (f *file) wipe(pages []uint32) (err error) {
	if len(pages) == 0 {
		return nil
	}
	ctx := context.Background()
	if _, err := f.conn.ExecContext(ctx, "BEGIN IMMEDIATE"); err != nil {
		return fmt.Errorf("wiping pages: %w", err)
	}
	for _, n := range pages {
		if err := f.wipePage(ctx, n); err != nil {
			_, rollback := f.conn.ExecContext(ctx, "ROLLBACK")
			return fmt.Errorf("wiping page %d: %w", n, errors.Join(err, rollback))
		}
	}
	if _, err := f.conn.ExecContext(ctx, "COMMIT"); err != nil {
		return fmt.Errorf("wiping pages: %w", err)
	}
	return nil
}

func (f *file) wipePage(ctx context.Context, n uint32) error {
	var page []byte
	err := f.Query("SELECT data FROM sqlite_dbpage WHERE pgno = ?", []any{int64(n)}, func(row Row) error { return row.Scan(&page) })
	if err != nil || !slack.Wipe(page, n) {
		return err
	}
	_, err = f.conn.ExecContext(ctx, "UPDATE sqlite_dbpage SET data = ? WHERE pgno = ?", page, int64(n))
	return err
}

// slackPages lists the pages of a file that have something to wipe. It reads
// the whole file.
func slackPages(ctx context.Context, q Querier) (pages []uint32, err error) {
	rows, err := q.QueryContext(ctx, "SELECT pgno, data FROM sqlite_dbpage")
	if err != nil {
		return nil, fmt.Errorf("reading the view's pages: %w", err)
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		var n uint32
		var page []byte
		if err := rows.Scan(&n, &page); err != nil {
			return nil, fmt.Errorf("reading the view's pages: %w", err)
		}
		if slack.Wipe(page, n) {
			pages = append(pages, n)
		}
	}
	return pages, rows.Err()
}
