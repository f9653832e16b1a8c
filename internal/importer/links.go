package importer

import (
	"cmp"
	"context"
	"math"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"lethe/domain"
	"lethe/domain/catalogue"
	"lethe/domain/importing"
	"lethe/domain/subject"
	"lethe/internal/keyring"
)

const (
	// maxSharing is up to how many records one value proposes links for; an
	// address of a family or an office is more likely than one person.
	maxSharing = 20
	// lookedUp is up to how many people are asked for one by one; for more,
	// going over the whole index once is cheaper.
	lookedUp = 1_000
)

// link proposes that records which share an e-mail address, a phone number or
// an ID are one person: each newer record of this import to the oldest that
// has the value. A link that was proposed, accepted or undone before, from
// either side, is not proposed again.
func (r *run) link(ctx context.Context, b *book) error {
	pairs := map[pair]*proposal{}
	visit := func(s keyring.Shared) error { return r.weigh(ctx, b, s, pairs) }
	// Collected first: the visitor reads the index itself no more, but a long
	// cursor would keep its write-ahead log from being cut.
	var shared []keyring.Shared
	keep := func(s keyring.Shared) error {
		if slices.ContainsFunc(s.Hits, func(h keyring.Hit) bool { _, ok := b.touched[h.Token]; return ok }) || s.Many {
			s.Hits = slices.Clone(s.Hits)
			shared = append(shared, s)
		}
		return nil
	}
	if len(b.touched) > lookedUp {
		if err := r.Keys.SharedValues(ctx, 2*maxSharing, keep); err != nil {
			return domain.Internal("looking for shared values", err)
		}
	} else {
		seen := map[string]bool{}
		for token := range b.touched {
			if err := r.Keys.SharedWith(ctx, token, 2*maxSharing, func(s keyring.Shared) error {
				if id := groupID(&s); !seen[id] {
					seen[id] = true
					return keep(s)
				}
				return nil
			}); err != nil {
				return domain.Internal("looking for shared values", err)
			}
		}
	}
	for _, s := range shared {
		if err := visit(s); err != nil {
			return err
		}
	}
	return r.propose(ctx, b, pairs)
}

// groupID tells the groups of one value from those of others: an event and
// field have one value.
func groupID(s *keyring.Shared) string {
	h := s.Hits[0]
	return string(h.Token) + string(h.Field) + string(h.EventID[:])
}

// pair is two records, the newer one first.
type pair struct{ newer, oldest domain.Token }

type proposal struct {
	pair
	ground subject.LinkGround
	at     touch
	made   bool
}

// weigh turns one shared value into proposals.
func (r *run) weigh(ctx context.Context, b *book, s keyring.Shared, pairs map[pair]*proposal) error {
	var members []member
	for _, h := range s.Hits {
		if slices.ContainsFunc(members, func(m member) bool { return m.token == h.Token }) {
			continue
		}
		state, err := r.current(ctx, h)
		if err != nil {
			return err
		}
		if state == nil {
			continue
		}
		m := member{token: h.Token, seq: -1, since: state.Entries()[0].Recorded}
		if t, ok := b.touched[h.Token]; ok {
			m.seq, m.touch = t.seq, t
		}
		members = append(members, m)
	}
	slices.SortFunc(members, func(a, b member) int {
		if a.seq < 0 && b.seq < 0 {
			return cmp.Or(a.since.Compare(b.since), cmp.Compare(a.token, b.token))
		}
		return cmp.Compare(a.seq, b.seq)
	})
	if s.Many || len(members) > maxSharing {
		if i := slices.IndexFunc(members, func(m member) bool { return m.seq >= 0 }); i >= 0 {
			tally(&b.tables[members[i].touch.table].Findings, ruleShared, 1)
		}
		return nil
	}
	for _, m := range members[min(1, len(members)):] {
		if m.seq < 0 {
			continue
		}
		p := pair{m.token, members[0].token}
		if old := pairs[p]; old == nil || rank(groundOf(s.Kind)) < rank(old.ground) {
			pairs[p] = &proposal{pair: p, ground: groundOf(s.Kind), at: m.touch}
		}
	}
	return nil
}

// member is one record of several that share a value.
type member struct {
	token domain.Token
	seq   int // when this import touched it, −1 when it did not
	touch touch
	since time.Time
}

func groundOf(kind catalogue.LookupKind) subject.LinkGround {
	switch kind {
	case catalogue.LookupEmail:
		return subject.SameEmail
	case catalogue.LookupPhone:
		return subject.SamePhone
	case catalogue.LookupExternalID, catalogue.NoLookup:
	}
	return subject.SameExternalID
}

func rank(g subject.LinkGround) int {
	i := slices.Index([]subject.LinkGround{subject.SameEmail, subject.SamePhone, subject.SameExternalID}, g)
	if i < 0 {
		return math.MaxInt
	}
	return i
}

// propose sends the proposals and books those that this import made, now or
// before it was cut off.
func (r *run) propose(ctx context.Context, b *book, pairs map[pair]*proposal) error {
	list := make([]*proposal, 0, len(pairs))
	for _, p := range pairs {
		list = append(list, p)
	}
	slices.SortFunc(list, func(a, b *proposal) int {
		return cmp.Or(cmp.Compare(a.at.seq, b.at.seq), cmp.Compare(a.oldest, b.oldest))
	})
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(r.job.Workers)
	for _, p := range list {
		g.Go(func() (err error) {
			p.made, err = r.proposeOne(gctx, b, p)
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return err
	}
	for _, p := range list {
		if !p.made {
			continue
		}
		b.tables[p.at.table].Linked++
		if len(b.links) < maxListed {
			b.links = append(b.links, importing.Link{A: p.newer, B: p.oldest, Ground: domain.Name(p.ground)})
		}
	}
	return nil
}

func (r *run) proposeOne(ctx context.Context, b *book, p *proposal) (made bool, err error) {
	now := r.Ledger.Now()
	for _, side := range []pair{p.pair, {p.oldest, p.newer}} {
		s, err := r.Ledger.Subject(ctx, side.newer)
		if err != nil {
			return false, err
		}
		for _, l := range s.At(now, now).Links {
			if l.Other == side.oldest {
				e, ok := l.Rest.Event.(*subject.LinkProposed)
				return ok && e.Source.Import == r.id, nil
			}
		}
	}
	_, err = r.Ledger.On(ctx, r.request(r.command("link", string(p.newer)+string(p.oldest))), p.newer, subject.Env{}, subject.ProposeLink{
		Other: p.oldest, Ground: p.ground,
		Source: subject.Source{System: r.src.System(), Table: b.tables[p.at.table].Name, Import: r.id},
	})
	if err != nil {
		return false, err
	}
	return true, r.crash("link proposed")
}
