package importer

import (
	"context"
	"strconv"

	"golang.org/x/sync/errgroup"

	"lethe/domain"
	"lethe/domain/catalogue"
	"lethe/domain/subject"
	"lethe/internal/keyring"
)

// after is what needs all rows: opt-outs of addresses that other records
// have, and links.
func (r *run) after(ctx context.Context, b *book) error {
	if err := r.bind(ctx, b); err != nil {
		return err
	}
	b.addresses = nil
	if r.job.DryRun {
		return b.paired.close(ctx, b)
	}
	return r.link(ctx, b)
}

// bind makes the opt-outs of addresses that stood on rows that were left out,
// or on records that do not have the address themselves. One record with the
// address carries the objection; it binds every record that has it. Where
// nobody has it, that is reported, and the next import looks again.
func (r *run) bind(ctx context.Context, b *book) error {
	results := make([]presence, len(b.addresses))
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(r.job.Workers)
	for i := range b.addresses {
		g.Go(func() (err error) {
			results[i], err = r.bindOne(ctx, b, &b.addresses[i])
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return err
	}
	for i, found := range results {
		t := &b.tables[b.addresses[i].table]
		switch found {
		case standing:
			t.Denials++
		case takenBack:
			t.Conflicts++
		case absent:
			tally(&t.Findings, ruleNobody, 1)
		}
	}
	return nil
}

func (r *run) bindOne(ctx context.Context, b *book, a *address) (presence, error) {
	kind := kindOf(a.Channel)
	holders, err := r.holders(ctx, kind, a.Contact)
	if err != nil {
		return absent, err
	}
	if r.job.DryRun && len(holders) == 0 && b.paired.has(kind, r.Keys.Normalise(kind, a.Contact)) {
		return standing, nil
	}
	if len(holders) == 0 {
		return absent, nil
	}
	c := r.objection(b.tables[a.table].Name, &a.denial)
	now := r.Ledger.Now()
	for _, s := range holders {
		if found := stands(s.At(now, now), c); found != absent {
			return found, nil
		}
	}
	if r.job.DryRun {
		return standing, nil
	}
	what := string(b.tables[a.table].Name) + "\x00" + strconv.Itoa(a.row) + "\x00" + denialText(&a.Denial)
	_, err = r.Ledger.On(ctx, r.request(r.command("address", what)), holders[0].Token(), subject.Env{}, c)
	if err != nil {
		return absent, err
	}
	return standing, r.crash("address bound")
}

// holders are the records that have an address now.
func (r *run) holders(ctx context.Context, kind catalogue.LookupKind, text string) ([]*subject.State, error) {
	hits, err := r.Keys.Find(ctx, kind, text)
	if err != nil {
		return nil, domain.Internal("looking for an address", err)
	}
	var out []*subject.State
	for _, h := range hits {
		s, err := r.current(ctx, h)
		if err != nil {
			return nil, err
		}
		if s != nil {
			out = append(out, s)
		}
	}
	return out, nil
}

// current is the state of the record of a hit, nil when the record has
// another value now: rows of the index go in before their event and may
// outlive it.
func (r *run) current(ctx context.Context, h keyring.Hit) (*subject.State, error) {
	s, err := r.Ledger.Subject(ctx, h.Token)
	if err != nil || s == nil {
		return nil, err
	}
	now := r.Ledger.Now()
	for _, f := range s.At(now, now).Fields {
		if f.Field == h.Field && f.EventID == h.EventID {
			return s, nil
		}
	}
	return nil, nil //nolint:nilnil // it is none
}
