package keyring

import (
	"context"
	"fmt"

	"lethe/domain"
)

// MarkCount tells how many marks there are, in force or not.
type MarkCount struct {
	Source  uint64 // of keys in sources
	Contact uint64 // of e-mail addresses and phone numbers
	// Changes counts what was done to the marks of keys in sources: each was
	// left, prolonged or lifted. What an import of a file may create is the same
	// as long as it is.
	Changes uint64
}

// CountMarks counts the marks.
func (k *Keyring) CountMarks(ctx context.Context) (n MarkCount, err error) {
	rows, err := k.reads.QueryContext(ctx, "SELECT by_what, count(*), sum(version) FROM marks GROUP BY by_what")
	if err != nil {
		return n, fmt.Errorf("counting marks: %w", err)
	}
	defer rows.Close() //nolint:errcheck // read only
	for rows.Next() {
		var by domain.Name
		var count, changes uint64
		if err := rows.Scan(&by, &count, &changes); err != nil {
			return n, fmt.Errorf("counting marks: %w", err)
		}
		if by == MarkedSource {
			n.Source, n.Changes = count, changes
		} else {
			n.Contact += count
		}
	}
	if err := rows.Err(); err != nil {
		return n, fmt.Errorf("counting marks: %w", err)
	}
	return n, nil
}

// MarkDigest names the mark of a row's key in a source in an event: a keyed
// hash under a label of its own, so that it is not the mark itself.
func (k *Keyring) MarkDigest(of SourceKey) domain.Digest {
	return hmacOf(&k.secrets.marks, lp(lp(lp(nil, "mark digest"), MarkedSource), of[:]))
}
