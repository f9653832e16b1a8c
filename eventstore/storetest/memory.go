package storetest

import (
	"context"
	"iter"
	"sort"
	"sync"
	"time"

	"lethe/eventstore"
)

// MemoryOptions shape a Memory store.
type MemoryOptions struct {
	// Gap is how far a position lies behind the one before; 1 when 0.
	Gap uint64
	// SystemEvents puts an event of the store's own, which no read returns,
	// between the appends, as EventStoreDB does: positions have irregular gaps.
	SystemEvents bool
	// Now stamps the recorded time; a clock that advances by a millisecond a
	// call when nil.
	Now func() time.Time
	// RecentIDs bounds the IDs remembered for appends that expect no revision;
	// 4096 when 0.
	RecentIDs int
}

// Memory is the reference store: the contract in its plainest form, for tests.
// It is strict: what an iterator yielded is overwritten at its next step, so
// that a caller who keeps it without Clone finds out.
type Memory struct {
	opts MemoryOptions

	mu      sync.Mutex
	all     []*eventstore.Recorded
	streams map[string][]*eventstore.Recorded
	recent  []recentID
	last    eventstore.Position
	clock   time.Time
	closed  bool
	news    chan struct{}
}

type recentID struct {
	id eventstore.EventID
	at *eventstore.Recorded
}

var (
	_ eventstore.Store   = (*Memory)(nil)
	_ eventstore.Statser = (*Memory)(nil)
)

// NewMemory makes an empty store.
func NewMemory(opts MemoryOptions) *Memory {
	if opts.Gap == 0 {
		opts.Gap = 1
	}
	if opts.RecentIDs == 0 {
		opts.RecentIDs = 4096
	}
	m := &Memory{opts: opts, streams: make(map[string][]*eventstore.Recorded), news: make(chan struct{})}
	if opts.Now == nil {
		now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
		m.opts.Now = func() time.Time {
			now = now.Add(time.Millisecond)
			return now
		}
	}
	return m
}

// Append implements eventstore.Store.
func (m *Memory) Append(ctx context.Context, stream string, expected eventstore.Expected, events []eventstore.Event) (eventstore.Result, error) {
	if err := eventstore.CheckAppend(stream, events); err != nil {
		return eventstore.Result{}, err
	}
	if err := ctx.Err(); err != nil {
		return eventstore.Result{}, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return eventstore.Result{}, eventstore.ErrClosed
	}
	if first, ok, err := m.check(stream, expected, events); err != nil || ok {
		if err != nil {
			return eventstore.Result{}, err
		}
		return m.result(stream, first, len(events), true), nil
	}
	first := uint64(len(m.streams[stream]))
	m.write(stream, events)
	return m.result(stream, first, len(events), false), nil
}

// check says where the same append is already, or why this one is refused.
func (m *Memory) check(stream string, expected eventstore.Expected, events []eventstore.Event) (first uint64, duplicate bool, err error) {
	have := m.streams[stream]
	conflict := &eventstore.ConflictError{Stream: stream, Expected: expected, Current: uint64(len(have)) - 1}
	next := uint64(0)
	switch rev, exact := expected.Exactly(); {
	case exact && rev == eventstore.NoRevision:
		return 0, false, conflict
	case exact:
		next = rev + 1
	case !expected.IsNoStream():
		at := m.remembered(stream, events[0].ID)
		if at == nil {
			if expected.IsStreamExists() && len(have) == 0 {
				return 0, false, conflict
			}
			return 0, false, nil
		}
		next = at.Revision
	}
	if next == uint64(len(have)) {
		return 0, false, nil
	}
	if next > uint64(len(have)) || uint64(len(have))-next < uint64(len(events)) {
		return 0, false, conflict
	}
	for i := range events {
		if have[next+uint64(i)].ID != events[i].ID {
			return 0, false, conflict
		}
	}
	return next, true, nil
}

func (m *Memory) remembered(stream string, id eventstore.EventID) *eventstore.Recorded {
	for i := len(m.recent) - 1; i >= 0; i-- {
		if r := m.recent[i]; r.id == id && r.at.Stream == stream {
			return r.at
		}
	}
	return nil
}

func (m *Memory) write(stream string, events []eventstore.Event) {
	if now := m.opts.Now().UTC().Truncate(time.Microsecond); now.After(m.clock) {
		m.clock = now
	}
	if m.opts.SystemEvents {
		m.last += 1 + m.last%3
	}
	for i := range events {
		m.last += eventstore.Position(m.opts.Gap)
		rec := &eventstore.Recorded{
			Event: events[i], Stream: stream, Revision: uint64(len(m.streams[stream])),
			Position: m.last, Recorded: m.clock,
		}
		rec = rec.Clone()
		rec.Effective = rec.Effective.UTC().Truncate(time.Microsecond)
		m.streams[stream] = append(m.streams[stream], rec)
		m.all = append(m.all, rec)
		m.recent = append(m.recent, recentID{rec.ID, rec})
	}
	if excess := len(m.recent) - m.opts.RecentIDs; excess > 0 {
		m.recent = m.recent[excess:]
	}
	close(m.news)
	m.news = make(chan struct{})
}

func (m *Memory) result(stream string, first uint64, n int, duplicate bool) eventstore.Result {
	last := m.streams[stream][first+uint64(n)-1]
	return eventstore.Result{First: first, Last: last.Revision, Position: last.Position, Recorded: last.Recorded, Duplicate: duplicate}
}

// ReadStream implements eventstore.Store.
func (m *Memory) ReadStream(ctx context.Context, stream string, r eventstore.StreamRange) iter.Seq2[*eventstore.Recorded, error] {
	m.mu.Lock()
	have := m.streams[stream]
	m.mu.Unlock()
	return func(yield func(*eventstore.Recorded, error) bool) {
		step, at := 1, int(min(r.From, uint64(len(have))))
		if r.Direction == eventstore.Backward {
			step, at = -1, int(min(r.From, uint64(len(have))-1))
		}
		var out lender
		for n := 0; at >= 0 && at < len(have) && (r.Limit <= 0 || n < r.Limit); n++ {
			if err := m.readable(ctx); err != nil {
				yield(nil, err)
				return
			}
			if !yield(out.lend(have[at]), nil) {
				return
			}
			at += step
		}
	}
}

// ReadAll implements eventstore.Store.
func (m *Memory) ReadAll(ctx context.Context, after eventstore.Position) iter.Seq2[*eventstore.Recorded, error] {
	m.mu.Lock()
	all := m.all
	m.mu.Unlock()
	return func(yield func(*eventstore.Recorded, error) bool) {
		var out lender
		for _, rec := range all[m.upTo(all, after):] {
			if err := m.readable(ctx); err != nil {
				yield(nil, err)
				return
			}
			if !yield(out.lend(rec), nil) {
				return
			}
		}
	}
}

// Subscribe implements eventstore.Store.
func (m *Memory) Subscribe(ctx context.Context, after eventstore.Position) iter.Seq2[eventstore.Message, error] {
	return func(yield func(eventstore.Message, error) bool) {
		var out lender
		caughtUp, at := false, after
		for {
			m.mu.Lock()
			all, news, closed := m.all, m.news, m.closed
			m.mu.Unlock()
			for _, rec := range all[m.upTo(all, at):] {
				if err := m.readable(ctx); err != nil {
					yield(eventstore.Message{}, err)
					return
				}
				at = rec.Position
				if !yield(eventstore.Message{Event: out.lend(rec), Position: rec.Position}, nil) {
					return
				}
			}
			if !caughtUp && !closed {
				caughtUp = true
				if !yield(eventstore.Message{CaughtUp: true, Position: at}, nil) {
					return
				}
			}
			if err := m.await(ctx, news, closed); err != nil {
				yield(eventstore.Message{}, err)
				return
			}
		}
	}
}

func (m *Memory) await(ctx context.Context, news <-chan struct{}, closed bool) error {
	if closed {
		return eventstore.ErrClosed
	}
	select {
	case <-news:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (m *Memory) readable(ctx context.Context) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return eventstore.ErrClosed
	}
	return ctx.Err()
}

func (m *Memory) upTo(all []*eventstore.Recorded, p eventstore.Position) int {
	return sort.Search(len(all), func(i int) bool { return all[i].Position > p })
}

// Close implements eventstore.Store.
func (m *Memory) Close() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if !m.closed {
		m.closed = true
		close(m.news)
	}
	return nil
}

// Stats implements eventstore.Statser.
func (m *Memory) Stats() eventstore.Stats {
	m.mu.Lock()
	defer m.mu.Unlock()
	s := eventstore.Stats{Events: uint64(len(m.all)), Streams: uint64(len(m.streams))}
	for _, r := range m.all {
		s.Bytes += int64(r.Size())
		s.Head = r.Position
	}
	return s
}

// CountAfter implements eventstore.Statser.
func (m *Memory) CountAfter(p eventstore.Position) uint64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	return uint64(len(m.all) - m.upTo(m.all, p))
}

// lender hands out a copy and spoils it when the next one is asked for.
type lender struct{ out *eventstore.Recorded }

func (l *lender) lend(rec *eventstore.Recorded) *eventstore.Recorded {
	if l.out != nil {
		spoil(l.out.Facts)
		spoil(l.out.Metadata)
		for _, p := range l.out.Sealed {
			spoil(p)
		}
		*l.out = eventstore.Recorded{Stream: "(this event was kept beyond the iterator's step)"}
	}
	l.out = rec.Clone()
	return l.out
}

func spoil(b []byte) {
	for i := range b {
		b[i] = 0xDB
	}
}
