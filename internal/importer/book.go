package importer

import (
	"context"
	"fmt"
	"slices"

	"lethe/domain"
	"lethe/domain/catalogue"
	"lethe/domain/importing"
	"lethe/internal/importer/source"
	"lethe/internal/keyring"
)

// book is what became of the rows, in the order of the file: the same for one
// run and for several that were cut off.
type book struct {
	*run
	tables    []importing.Table
	at        map[domain.Name]int
	refusals  []importing.Refusal // and conflicts, the first maxListed
	links     []importing.Link
	touched   map[domain.Token]touch
	addresses []address
	refused   *refusedRows
	progress  Progress
	paired    pairing // of a dry run
}

// touch is when a person was created, or what they are found by changed.
type touch struct {
	seq   int
	table int
}

// address is an opt-out for whoever has an address.
type address struct {
	denial
	table int
	row   int
}

func newBook(r *run) (*book, error) {
	b := &book{run: r, at: map[domain.Name]int{}, touched: map[domain.Token]touch{}}
	for _, name := range r.src.Tables() {
		b.table(name)
	}
	if part, ok := r.src.(source.Partial); ok {
		for _, gap := range part.Gaps() {
			tally(&b.tables[b.table(gap.Table)].Findings, gap.Rule, 1)
		}
	}
	var err error
	b.refused, err = newRefusedRows(r.job.Refused, r.src)
	return b, err
}

func (b *book) table(name domain.Name) int {
	i, ok := b.at[name]
	if !ok {
		i = len(b.tables)
		b.at[name], b.tables = i, append(b.tables, importing.Table{Name: name})
	}
	return i
}

// keep books results in order and passes claims on to be closed.
func (b *book) keep(ctx context.Context, results <-chan *result, finished chan<- []keyring.ImportClaim) error {
	waiting := map[int]*result{}
	var claims []keyring.ImportClaim
	send := func() error {
		if len(claims) == 0 {
			return nil
		}
		select {
		case finished <- claims:
			claims = nil
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	next := 0
	for x := range results {
		if x.finish != nil { // in any order: what is acknowledged is done
			claims = append(claims, *x.finish)
			x.finish = nil
		}
		if len(claims) >= closedAtOnce {
			if err := send(); err != nil {
				return err
			}
		}
		waiting[x.task.seq] = x
		for ; waiting[next] != nil; next++ {
			if err := b.enter(waiting[next]); err != nil {
				return err
			}
			delete(waiting, next)
		}
	}
	return send()
}

func (b *book) enter(x *result) error {
	row := x.task.row
	at := b.table(row.Table)
	t := &b.tables[at]
	t.Read++
	b.count(t, x)
	for _, d := range x.addresses {
		b.addresses = append(b.addresses, address{d, at, row.Number})
	}
	if x.did.kind == created || x.did.kind == updated {
		if b.job.DryRun {
			b.paired.see(b, at, x)
		} else if _, ok := b.touched[x.task.token]; !ok {
			b.touched[x.task.token] = touch{x.task.seq, at}
		}
	}
	for _, f := range x.conflicts {
		t.Conflicts++
		b.list(row, f, true)
	}
	for _, f := range x.refusals {
		if x.did.kind != refused {
			tally(&t.Findings, f.rule, 1)
		}
		b.list(row, f, false)
	}
	if x.did.kind == suppressed { // listed by number, and never written out
		b.list(row, fault{rule: ruleSuppressed}, false)
	}
	for _, rule := range x.findings {
		tally(&t.Findings, rule, 1)
	}
	b.tell(row.Table)
	if len(x.refusals) == 0 {
		return nil
	}
	return b.refused.write(row, x.refusals)
}

func (b *book) count(t *importing.Table, x *result) {
	switch x.did.kind {
	case created:
		t.Created++
		b.progress.Created++
	case updated:
		t.Updated++
		b.progress.Updated++
	case unchanged:
		t.Unchanged++
		b.progress.Unchanged++
	case leftOut:
		tally(&t.LeftOut, x.task.row.LeftOut, 1)
		b.progress.LeftOut++
	case refused:
		t.Refused++
		b.progress.RefusedRows++
	case suppressed:
		t.Suppressed++
		b.progress.Suppressed++
	}
	if x.did.kind == created || x.did.kind == updated {
		t.Values += uint64(x.did.values)
		t.Denials += uint64(x.did.denials)
		t.Consents += uint64(x.did.consents)
	}
}

func (b *book) list(row *source.Row, f fault, conflict bool) {
	if len(b.refusals) < maxListed {
		b.refusals = append(b.refusals, importing.Refusal{
			Table: row.Table, Row: uint64(row.Number), Field: f.field, Rule: f.rule, Conflict: conflict, //nolint:gosec // from 1
		})
	}
}

// told is how many rows pass between two reports of progress.
const told = 512

func (b *book) tell(table domain.Name) {
	b.progress.Rows++
	b.progress.Table = table
	if b.job.Progress != nil && b.progress.Rows%told == 0 {
		b.progress.Bytes, b.progress.Total = b.src.Progress()
		b.job.Progress(b.progress)
	}
}

// flush ends the reading: the last progress, and the file of refused rows.
func (b *book) flush() error {
	if b.job.Progress != nil {
		b.progress.Bytes, b.progress.Total = b.src.Progress()
		b.job.Progress(b.progress)
	}
	if err := b.refused.flush(); err != nil {
		return fmt.Errorf("writing the refused rows: %w", err)
	}
	return nil
}

func tally(counts *[]importing.RuleCount, rule domain.Name, n uint64) {
	i := slices.IndexFunc(*counts, func(c importing.RuleCount) bool { return c.Rule == rule })
	if i < 0 {
		*counts = append(*counts, importing.RuleCount{Rule: rule, Count: n})
		return
	}
	(*counts)[i].Count += n
}

// kindOf is what people are found by who are reached through a channel.
func kindOf[T ~string](channel T) catalogue.LookupKind {
	switch channel {
	case "email":
		return catalogue.LookupEmail
	case "sms", "phone":
		return catalogue.LookupPhone
	}
	return catalogue.NoLookup
}
