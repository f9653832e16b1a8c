// Package erasure carries out erasures that were ordered (GDPR 17).
//
//	ordered → (grace) → weighed again, started → journal → keys destroyed and
//	fenced → settled → every sink confirmed → completed
//
// Every step is recorded or repeatable, so that whatever is cut off by a crash
// is finished by the next round: an erasure that is ordered is started when it
// is due, one that is started is destroyed (again, which changes nothing) and
// completed when every sink has confirmed. What cannot be confirmed stays
// started, with its reason, and is tried again. There is no other way to
// "completed".
//
// Erasures are taken in batches: one journal write, one key transaction and
// one settling time serve all of them.
package erasure

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"lethe/domain"
	"lethe/domain/subject"
	"lethe/eventstore"
	"lethe/internal/keyring"
	"lethe/internal/ledger"
)

// Item names one erasure of one record.
type Item = ledger.Due

// Todo tells what there is to do. It may lag: every item is looked at in its
// stream before anything is done.
type Todo interface {
	// Due are ordered erasures whose grace period has ended.
	Due(ctx context.Context, now time.Time, limit int) ([]Item, error)
	// Started are those that are not completed.
	Started(ctx context.Context, limit int) ([]Item, error)
	// Waiting are people of whom a duty that kept something has ended.
	Waiting(ctx context.Context, now time.Time, limit int) ([]domain.Token, error)
}

// Sink is a place that could hold what is erased.
type Sink interface {
	// Confirm says that the place holds nothing any more of what these
	// erasures destroyed, up to a position of the log. It may wait until ctx
	// ends. The error names what has not confirmed.
	Confirm(ctx context.Context, upTo eventstore.Position, of []Item) ([]subject.SinkConfirmed, error)
}

// Process is the worker. One process of a ledger runs it.
type Process struct {
	Ledger *ledger.Ledger
	Keys   *keyring.Keyring
	Todo   Todo
	Sinks  []Sink
	System domain.ID // whom its commands are recorded as
	Log    *slog.Logger

	// Marks are the suppression marks that an erasure of everything leaves,
	// and MarksFor how long they are kept; 0 = without end.
	Marks    keyring.Marks
	MarksFor time.Duration

	Every    time.Duration // between rounds; 0 takes a second
	Settle   time.Duration // between the key transaction and completion; 0 takes two seconds
	Patience time.Duration // for sinks in a round; 0 takes 30 seconds

	// crash is called at each point that a crash could follow; an error ends
	// the round there. Tests set it.
	crash func(point string) error

	ordering sync.Mutex // orders about several records
	wake     chan struct{}
	once     sync.Once
	mu       sync.Mutex
	troubles map[Item]trouble
}

// trouble is why an erasure does not get on, and since when it was not tried.
type trouble struct {
	why   string
	at    time.Time
	waits bool // for another erasure, or for an officer
}

// again is how long an erasure that could not be started waits for the next
// try, so that trying makes no keys without end.
const again = time.Minute

// batch bounds one round, and parallel its commands under way.
const (
	batch    = 2048
	parallel = 64
)

func (p *Process) init() {
	p.once.Do(func() {
		p.wake, p.troubles = make(chan struct{}, 1), map[Item]trouble{}
		set := func(d *time.Duration, to time.Duration) {
			if *d == 0 {
				*d = to
			}
		}
		set(&p.Every, time.Second)
		set(&p.Settle, 2*time.Second)
		set(&p.Patience, 30*time.Second)
		if p.crash == nil {
			p.crash = func(string) error { return nil }
		}
	})
}

// Wake asks for a round now: something was ordered.
func (p *Process) Wake() {
	p.init()
	select {
	case p.wake <- struct{}{}:
	default:
	}
}

// Run makes rounds until ctx ends.
func (p *Process) Run(ctx context.Context) {
	p.init()
	tick := time.NewTicker(p.Every)
	defer tick.Stop()
	for {
		more, err := p.Round(ctx)
		if ctx.Err() != nil {
			return
		}
		if e, ok := domain.AsError(err); ok && e.Kind == domain.KindUnavailable {
			p.Log.DebugContext(ctx, "erasures wait for a view or the store", "error", err)
		} else if err != nil {
			p.Log.ErrorContext(ctx, "a round of erasures failed and is tried again", "error", err)
		}
		if more && err == nil {
			continue
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		case <-p.wake:
		}
	}
}

// Round does what there is to do once: starts what is due, destroys and
// completes what is started, and orders anew what a duty kept that has ended.
// more tells that something was done, so that there may be more to do.
func (p *Process) Round(ctx context.Context) (more bool, err error) {
	p.init()
	now := p.Ledger.Now()
	waiting, err := p.Todo.Waiting(ctx, now, batch)
	if err != nil {
		return false, err
	}
	for _, token := range waiting {
		ordered, err := p.Requeue(ctx, token)
		if err != nil {
			return false, err
		}
		more = more || ordered
	}
	due, err := p.Todo.Due(ctx, now, batch)
	if err != nil {
		return false, err
	}
	if due, err = p.startable(ctx, slices.DeleteFunc(due, p.rests)); err != nil {
		return false, err
	}
	ready, err := p.Ledger.RenewKeys(ctx, due)
	if err != nil {
		p.Log.WarnContext(ctx, "keys are renewed one by one", "error", err)
		ready = nil
	}
	began, err := p.each(ctx, due, func(ctx context.Context, it Item) (bool, error) { return p.start(ctx, it, ready[it.Token]) })
	if err != nil {
		return false, err
	}
	if err := p.crash("started"); err != nil {
		return false, err
	}
	open, err := p.Todo.Started(ctx, batch)
	if err != nil {
		return false, err
	}
	done, err := p.finish(ctx, union(began, open))
	return more || done > 0 || len(began) > 0, err
}

// startable are those of the erasures that may start now: all or none. The
// others wait, and say what for.
func (p *Process) startable(ctx context.Context, due []Item) ([]Item, error) {
	err := p.Ledger.MayStart(ctx)
	refused, ok := domain.AsError(err)
	if !ok || refused.Kind != domain.KindConflict {
		return due, err
	}
	for _, it := range due {
		p.trouble(ctx, it, fmt.Errorf("%w: %s", errWaits, refused.Message))
	}
	return nil, nil
}

// union keeps the order and drops repeats.
func union(a, b []Item) []Item {
	seen := map[Item]bool{}
	var all []Item
	for _, list := range [][]Item{a, b} {
		for _, it := range list {
			if !seen[it] {
				seen[it] = true
				all = append(all, it)
			}
		}
	}
	return all
}

// each does one thing for every item, several at a time, and returns those for
// which it did something. What fails is noted as the item's trouble; only the
// end of ctx ends the rest.
func (p *Process) each(ctx context.Context, items []Item, do func(context.Context, Item) (bool, error)) ([]Item, error) {
	did := make([]bool, len(items))
	var g errgroup.Group
	g.SetLimit(parallel)
	for i, it := range items {
		g.Go(func() error {
			var err error
			if did[i], err = do(ctx, it); err != nil {
				p.trouble(ctx, it, err)
			}
			return ctx.Err()
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	var list []Item
	for i, it := range items {
		if did[i] {
			list = append(list, it)
		}
	}
	return list, nil
}

// errWaits: an erasure waits for another one or for an officer, which is in the
// order of things.
var errWaits = errors.New("waiting")

// trouble notes why an erasure does not get on.
func (p *Process) trouble(ctx context.Context, it Item, err error) {
	if ctx.Err() != nil || errors.Is(err, context.Canceled) {
		return
	}
	p.mu.Lock()
	known := p.troubles[it].why
	p.troubles[it] = trouble{err.Error(), p.Ledger.Now(), errors.Is(err, errWaits)}
	p.mu.Unlock()
	if known != err.Error() && !errors.Is(err, errWaits) {
		p.Log.ErrorContext(ctx, "an erasure is incomplete and is tried again", "subject", it.Token, "erasure", it.Erasure.String(), "error", err)
	}
}

// rests reports whether an erasure could not be started a short while ago.
func (p *Process) rests(it Item) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	t, ok := p.troubles[it]
	return ok && !t.waits && p.Ledger.Now().Sub(t.at) < again
}

func (p *Process) solved(it Item) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.troubles, it)
}

// Trouble is why an erasure does not get on, "" when nothing is wrong with it.
func (p *Process) Trouble(token domain.Token, id domain.ID) string {
	p.init()
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.troubles[Item{Token: token, Erasure: id}].why
}

// Incomplete is how many erasures do not get on.
func (p *Process) Incomplete() int {
	p.init()
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.troubles)
}

// request names a command of the process after what it is about, so that a
// repeat of it is recognised.
func (p *Process) request(what string, it Item) ledger.Request {
	return ledger.Request{
		Principal: p.System, Correlation: it.Erasure,
		Command: p.Keys.CommandID(p.System, "erasure/"+what+"/"+string(it.Token)+"/"+it.Erasure.String()),
	}
}
