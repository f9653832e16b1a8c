// Package retention finds what the retention of has ended and orders its
// erasure (GDPR 5(1)(e)).
//
// It goes over the people in the order of their tokens. A list of them may lag;
// what is overdue is folded from each one's own events, and every order is
// decided by the ledger, so that a run that was cut off, is run twice or by two
// at once orders nothing twice: a person whose erasure is under way is passed
// over, and comes again the next time. Nothing is kept but the page at hand.
package retention

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"time"

	"golang.org/x/sync/errgroup"

	"lethe/domain"
	"lethe/domain/subject"
	"lethe/internal/ledger"
)

// Job goes over the people.
type Job struct {
	Ledger *ledger.Ledger
	// People lists tokens behind one, in their order; fewer than limit when
	// these are all.
	People func(ctx context.Context, after domain.Token, limit int) ([]domain.Token, error)
	// Linked lists a person's other records, whose holds bind this one.
	Linked func(ctx context.Context, token domain.Token) ([]domain.Token, error)
	Count  func(ctx context.Context) (uint64, error) // of people, for the report of progress
	Rand   io.Reader
	Wake   func() // something was ordered

	page int // people looked at between two reports of progress; 0 = 500. Tests set it.
}

const (
	pageSize = 500
	parallel = 16
)

// Person is somebody of whom something is overdue.
type Person struct {
	Token    domain.Token      `json:"token"`
	Overdue  []subject.Expired `json:"overdue"`
	Underway domain.ID         `json:"underway,omitzero"` // an erasure of the record is under way: this comes after it

	linked []domain.Token
}

// Look lists the people behind a token of whom something is overdue, of at most
// so many. last is the token to go on behind, "" when these were all; looked is
// how many people there were.
func (j *Job) Look(ctx context.Context, after domain.Token, most int) (found []Person, looked int, last domain.Token, err error) {
	for looked < most {
		size := min(most-looked, cmp.Or(j.page, pageSize))
		tokens, err := j.People(ctx, after, size)
		if err != nil {
			return nil, 0, "", fmt.Errorf("listing people: %w", err)
		}
		people, err := j.people(ctx, tokens)
		if err != nil {
			return nil, 0, "", err
		}
		found, looked = append(found, people...), looked+len(tokens)
		if len(tokens) < size {
			return found, looked, "", nil
		}
		after = tokens[size-1]
	}
	return found, looked, after, nil
}

// people are those among tokens of whom something is overdue.
func (j *Job) people(ctx context.Context, tokens []domain.Token) ([]Person, error) {
	all := make([]Person, len(tokens))
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(parallel)
	for i, token := range tokens {
		g.Go(func() (err error) {
			all[i], err = j.person(ctx, token)
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	found := all[:0]
	for _, p := range all {
		if len(p.Overdue) > 0 {
			found = append(found, p)
		}
	}
	return found, nil
}

func (j *Job) person(ctx context.Context, token domain.Token) (p Person, err error) {
	s, err := j.Ledger.Fold(ctx, token)
	if err != nil {
		return p, fmt.Errorf("looking at a record: %w", err)
	}
	p.Token = token
	if p.Overdue, err = j.Ledger.Overdue(ctx, s, nil); err != nil || len(p.Overdue) == 0 {
		return p, err
	}
	if len(s.At(time.Time{}, time.Time{}).Links) > 0 {
		if p.linked, err = j.Linked(ctx, token); err != nil {
			return p, fmt.Errorf("looking at linked records: %w", err)
		}
		if p.Overdue, err = j.Ledger.Overdue(ctx, s, p.linked); err != nil {
			return p, err
		}
	}
	for _, e := range s.Erasures() {
		if e.State == subject.IsOrdered || e.State == subject.IsStarted {
			p.Underway = e.ID
		}
	}
	return p, nil
}
