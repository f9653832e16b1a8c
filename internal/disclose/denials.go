package disclose

import (
	"context"
	"sync"
	"time"

	"lethe/domain"
	"lethe/domain/access"
)

// A caller's refusals are recorded one by one up to burst in a window; the
// rest of the window's are counted and recorded as one per kind, so that a
// flood can neither fill the log nor hide what happened.
const (
	window = time.Minute
	burst  = 20
	kinds  = 4096 // bound on kinds counted at once
)

type kind struct {
	principal domain.ID
	purpose   domain.Name
	operation access.Operation
	door      access.Door
	reason    access.Reason
}

type counted struct {
	ask   Ask
	count uint32
	since time.Time
}

type recent struct {
	start time.Time
	n     int
}

type denials struct {
	record func(context.Context, Ask, *access.Denied) error
	now    func() time.Time

	mu      sync.Mutex
	recent  map[domain.ID]*recent
	counted map[kind]*counted
}

func newDenials(record func(context.Context, Ask, *access.Denied) error, now func() time.Time) *denials {
	return &denials{record: record, now: now, recent: map[domain.ID]*recent{}, counted: map[kind]*counted{}}
}

// note records or counts a refusal. Tokens of people that do not exist are
// well-formed tokens still, so they say nothing of a person.
func (d *denials) note(ctx context.Context, ask Ask, why access.Reason, tokens []domain.Token) error {
	now := d.now()
	if err := d.flush(ctx, now.Add(-window)); err != nil {
		return err
	}
	if !d.single(ask, why, now, len(tokens)) {
		return nil
	}
	denied := &access.Denied{
		Operation: ask.Operation, Door: ask.Door, Reason: why, Tokens: tokens, Count: uint32(max(1, len(tokens))),
	}
	denied.Purpose = ask.Purpose
	return d.record(ctx, ask, denied)
}

// single reports whether this refusal gets an event of its own; if not, it
// was counted.
func (d *denials) single(ask Ask, why access.Reason, now time.Time, people int) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	r := d.recent[ask.Caller.Principal]
	if r == nil || now.Sub(r.start) >= window {
		if len(d.recent) >= kinds {
			clear(d.recent)
		}
		r = &recent{start: now}
		d.recent[ask.Caller.Principal] = r
	}
	r.n++
	if r.n <= burst {
		return true
	}
	k := kind{ask.Caller.Principal, ask.Purpose, ask.Operation, ask.Door, why}
	c := d.counted[k]
	if c == nil {
		if len(d.counted) >= kinds {
			return true
		}
		c = &counted{ask: ask, since: now}
		d.counted[k] = c
	}
	c.count += uint32(max(1, people))
	return false
}

// flush records what was counted since before; the zero time means all.
func (d *denials) flush(ctx context.Context, before time.Time) error {
	d.mu.Lock()
	var due []*access.Denied
	var asks []Ask
	for k, c := range d.counted {
		if !before.IsZero() && c.since.After(before) {
			continue
		}
		denied := &access.Denied{Operation: k.operation, Door: k.door, Reason: k.reason, Count: c.count, Since: c.since}
		denied.Purpose = k.purpose
		due, asks = append(due, denied), append(asks, c.ask)
		delete(d.counted, k)
	}
	d.mu.Unlock()
	for i := range due {
		if err := d.record(ctx, asks[i], due[i]); err != nil {
			return err
		}
	}
	return nil
}
