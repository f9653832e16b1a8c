package keyring

import (
	"context"
	"errors"
	"fmt"
	"os"
)

const (
	meansJournal = "a key store that is restored from before an erasure could keep keys that were destroyed: " +
		"keep it from being restored, move the journal away and start, which writes it again from the key store"
	meansHead       = "losing the journal could not be told from losing erasures: start again, which writes the head's second copy again"
	meansMarksFile  = "a key store that is restored from before an erasure would not get these marks back: start again, which writes the file again"
	journalMaxTries = 3
)

// journal checks the erasure journal with its head, and the marks' file,
// against the key store. The order of reading is that of writing turned
// round, so that an erasure under way makes no finding.
func (c *checking) journal(ctx context.Context) error {
	j := c.k.journal
	if j == nil {
		return nil
	}
	st, err := scanState(&c.k.secrets, c.k.read.state.QueryRowContext(ctx).Scan)
	if err != nil {
		return c.damaged(storeFile, "state", meansKeys, err)
	}
	copied, _, err := j.readHead()
	if err != nil {
		return err
	}
	if j.headDir != "" && st.journal.after(&copied) {
		c.report(Finding{File: headFile, Where: "the file", What: "it is missing or older than the key store", Means: meansHead})
	}
	if err := c.entries(st, &copied); err != nil {
		return err
	}
	return c.marksFile(ctx)
}

// entries goes over the whole journal.
func (c *checking) entries(st *state, copied *head) error {
	finding := func(what string) {
		c.report(Finding{File: journalFile, Where: "the file", What: what, Means: meansJournal})
	}
	var keys uint64
	seen := st.journal.seq == 0
	got, err := c.k.journal.scan(func(e *entry, at *head) {
		keys += uint64(len(e.keys))
		seen = seen || *at == st.journal
	})
	switch {
	case errors.Is(err, errNoJournal) || errors.Is(err, ErrNewer) || errors.Is(err, errEntry):
		finding(err.Error())
		return nil
	case err != nil:
		return err
	}
	switch { // it has what the key store has, and what its head says
	case !seen:
		finding(fmt.Sprintf("it is damaged behind entry %d: %d bytes are not what was written", got.last.seq, got.torn))
	case copied.after(&got.last):
		finding(fmt.Sprintf("its last entry is %d, and its head's second copy says %d", got.last.seq, copied.seq))
	case keys < st.fences.count:
		finding(fmt.Sprintf("it names %d keys, and the key store has %d fences", keys, st.fences.count))
	}
	return nil
}

// scan visits every entry of the file from the first on.
func (j *journal) scan(visit func(*entry, *head)) (found, error) {
	f, err := os.Open(j.path())
	if err != nil {
		return found{}, fmt.Errorf("%w: %w", errNoJournal, err)
	}
	defer f.Close() //nolint:errcheck // read only
	at, err := j.readHeader(f)
	if err != nil {
		return found{}, err
	}
	return j.walk(f, at, visit)
}

// marksFile compares the file with the table. While marks come in meanwhile it
// looks again.
func (c *checking) marksFile(ctx context.Context) error {
	for range journalMaxTries {
		before, err := scanState(&c.k.secrets, c.k.read.state.QueryRowContext(ctx).Scan)
		if err != nil {
			return c.damaged(storeFile, "state", meansMarks, err)
		}
		got, err := c.k.readMarksFile()
		if err != nil && !errors.Is(err, ErrNewer) {
			return err
		}
		var sum tally
		for i := range got.rows {
			sum.add(got.rows[i].rowMAC)
		}
		after, err := scanState(&c.k.secrets, c.k.read.state.QueryRowContext(ctx).Scan)
		if err != nil {
			return c.damaged(storeFile, "state", meansMarks, err)
		}
		if before.marks != after.marks {
			continue
		}
		if !got.there || got.torn || sum != after.marks {
			what := fmt.Sprintf("its %d marks are not the %d of the key store", sum.count, after.marks.count)
			c.report(Finding{File: marksFile, Where: "the file", What: what, Means: meansMarksFile})
		}
		return nil
	}
	return nil
}
