package projections

import (
	"context"
	"path/filepath"

	"lethe/eventstore"
)

// Mark is the highest checkpoint of the live files below dir, before anything
// is opened: events up to it were acknowledged, so a log that ends earlier
// has lost some. Views that cannot be read count for nothing.
func Mark(ctx context.Context, dir string, views ...Projection) eventstore.Position {
	var mark eventstore.Position
	for _, p := range views {
		d := directory{path: filepath.Join(dir, p.Name()), hook: func(string) error { return nil }}
		n, err := d.live()
		if err != nil || n == 0 {
			continue
		}
		r, err := openReader(d.file(n))
		if err != nil {
			continue
		}
		var at int64
		err = r.read(ctx, func(q Querier) error {
			return q.QueryRowContext(ctx, "SELECT position FROM lethe_checkpoint WHERE id = 1").Scan(&at)
		})
		if err == nil {
			mark = max(mark, eventstore.Position(at))
		}
		_ = r.db.Close()
	}
	return mark
}
