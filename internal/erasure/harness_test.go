package erasure

import (
	"context"
	"crypto/rand"
	"errors"
	"log/slog"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"lethe/domain"
	"lethe/domain/catalogue"
	"lethe/domain/personal"
	"lethe/domain/subject"
	"lethe/eventstore"
	"lethe/eventstore/segment"
	"lethe/internal/codec"
	"lethe/internal/keyring"
	"lethe/internal/ledger"
)

var (
	ctx      = context.Background()
	me       = domain.ID{1}
	errCrash = errors.New("crashed here")
)

// world is a ledger on a directory that survives what is opened on it.
type world struct {
	*Process
	t      *testing.T
	dir    string
	store  *segment.Store
	codec  *codec.Codec
	people []domain.Token // whom the world's Todo looks at
	n      byte           // commands so far
	purge  time.Duration  // for which the key store's disk keeps what was deleted
}

func newWorld(t *testing.T) *world {
	w := &world{t: t, dir: t.TempDir()}
	w.open()
	w.declare()
	t.Cleanup(func() { w.close() })
	return w
}

func (w *world) keyOptions() keyring.Options {
	in := func(name string) string { return filepath.Join(w.dir, name) }
	return keyring.Options{
		Dir: in("keys"), EpochDir: in("epochs"), LookupDir: in("lookup"), JournalDir: in("journal"), HeadDir: in("pins"),
		RootKeyFile: in("root.key"), CreateRoot: true, Now: time.Now, Rand: rand.Reader, PurgeAfter: w.purge,
	}
}

func (w *world) open() {
	w.t.Helper()
	var err error
	w.store, err = segment.Open(filepath.Join(w.dir, "log"), segment.Options{SegmentBytes: 64 << 10})
	require.NoError(w.t, err)
	keys, err := keyring.Open(ctx, w.keyOptions())
	require.NoError(w.t, err)
	w.codec, err = codec.New()
	require.NoError(w.t, err)
	l, err := ledger.New(ledger.Options{
		Store: w.store, Keys: keys, Codec: w.codec, Now: time.Now, Rand: rand.Reader, Logger: slog.New(slog.DiscardHandler),
		EvidenceRetention: "P3Y",
	})
	require.NoError(w.t, err)
	w.Process = &Process{
		Ledger: l, Keys: keys, Todo: w, Sinks: []Sink{okSink{}}, System: domain.ID{2}, Log: slog.New(slog.DiscardHandler),
		Marks: keyring.MarkSource, Settle: time.Millisecond, Every: time.Millisecond,
	}
}

func (w *world) close() {
	w.t.Helper()
	require.NoError(w.t, w.store.Close())
	require.NoError(w.t, w.Keys.Close())
}

// again closes everything and opens it anew, as after a crash.
func (w *world) again() {
	w.close()
	w.open()
}

type okSink struct{}

func (okSink) Confirm(_ context.Context, upTo eventstore.Position, _ []Item) ([]subject.SinkConfirmed, error) {
	return []subject.SinkConfirmed{{Sink: "test", Guarantee: subject.Destroyed, Position: uint64(upTo), At: time.Now().UTC()}}, nil
}

// downSink is a sink that does not answer until it is up.
type downSink struct{ up bool }

func (s *downSink) Confirm(ctx context.Context, upTo eventstore.Position, of []Item) ([]subject.SinkConfirmed, error) {
	if !s.up {
		return nil, errors.New("the mailer's copy does not answer")
	}
	return okSink{}.Confirm(ctx, upTo, of)
}

// Due implements Todo by folding everybody.
func (w *world) Due(_ context.Context, now time.Time, _ int) ([]Item, error) {
	return w.find(func(e *subject.Erasure) bool { return e.State == subject.IsOrdered && !now.Before(e.Ordered.Due) })
}

// Started implements Todo.
func (w *world) Started(context.Context, int) ([]Item, error) {
	return w.find(func(e *subject.Erasure) bool { return e.State == subject.IsStarted })
}

// Waiting implements Todo.
func (w *world) Waiting(_ context.Context, now time.Time, _ int) ([]domain.Token, error) {
	var list []domain.Token
	for _, token := range w.people {
		if slices.ContainsFunc(w.state(token).Waiting(), func(x subject.Wait) bool { return !x.Until.IsZero() && !now.Before(x.Until) }) {
			list = append(list, token)
		}
	}
	return list, nil
}

func (w *world) find(is func(*subject.Erasure) bool) ([]Item, error) {
	var list []Item
	for _, token := range w.people {
		for _, e := range w.state(token).Erasures() {
			if is(&e) {
				list = append(list, Item{Token: token, Erasure: e.ID})
			}
		}
	}
	return list, nil
}

func (w *world) state(token domain.Token) *subject.State {
	s, err := w.Ledger.Subject(ctx, token)
	require.NoError(w.t, err)
	return s
}

func (w *world) req() ledger.Request {
	w.n++
	return ledger.Request{Principal: me, Command: domain.Digest{w.n, byte(len(w.people))}, Body: domain.Digest{w.n}}
}

// reqOf is a request of its own for each writer.
func (w *world) reqOf(i int) ledger.Request {
	return ledger.Request{Principal: me, Command: domain.Digest{0xff, byte(i >> 8), byte(i)}, Body: domain.Digest{1}}
}

func (w *world) declare() {
	field := func(id, group domain.Name, typ catalogue.FieldType, lookup catalogue.LookupKind, many bool) catalogue.Command {
		return catalogue.DeclareField{FieldDeclared: catalogue.FieldDeclared{ID: id, Group: group, Type: typ, Category: "Data", Lookup: lookup, Many: many}}
	}
	purpose := func(id domain.Name, basis domain.Basis, keeps bool, fields ...domain.Name) catalogue.Command {
		return catalogue.DeclarePurpose{PurposeDeclared: catalogue.PurposeDeclared{
			ID: id, Controllers: []domain.Name{"acme"}, Basis: basis, Fields: fields, Retention: "P3Y", Keeps: keeps,
			RetentionStart: catalogue.FromCollection, DPV: "dpv:CustomerCare",
			InForce: time.Now().UTC().AddDate(-10, 0, 0),
		}}
	}
	_, err := w.Ledger.Declare(ctx, w.req(),
		catalogue.DeclareController{ControllerDeclared: catalogue.ControllerDeclared{
			ID: "acme", Country: "DE", Name: personal.Of("Acme"), Address: personal.Of("Weg 1"), Contact: personal.Of("DP"),
			Email: personal.Of("p@acme.example"), Phone: personal.Of("+4930123456"), PolicyURL: personal.Of("https://acme.example/p"),
			Withdrawal: personal.Of("https://acme.example/w"),
		}},
		field("name", "identity", catalogue.Text, "", false), field("email", "contact", catalogue.Email, catalogue.LookupEmail, false),
		field("invoice", "billing", catalogue.Text, "", true),
		purpose("service", domain.LegitimateInterests, false, "name", "email"),
		purpose("invoicing", domain.LegalObligation, true, "invoice"),
	)
	require.NoError(w.t, err)
}

// register opens a record with a name, an e-mail and an invoice.
func (w *world) register(email string) domain.Token {
	w.t.Helper()
	token, _, err := w.Ledger.Register(ctx, w.req(), subject.Env{},
		subject.Register{Acquired: subject.FromPerson, Jurisdiction: "DE", Row: personal.Of("row of " + email)},
		subject.RecordFields{Purpose: "service", Items: []subject.Entry{
			{Field: "name", Text: personal.Of("Ada Lovelace")}, {Field: "email", Text: personal.Of(email)},
		}},
		subject.RecordFields{Purpose: "invoicing", Items: []subject.Entry{{Field: "invoice", Text: personal.Of("invoice 7")}}})
	require.NoError(w.t, err)
	w.people = append(w.people, token)
	return token
}

func (w *world) do(token domain.Token, commands ...subject.Command) {
	w.t.Helper()
	_, err := w.Ledger.On(ctx, w.req(), token, subject.Env{Officer: true}, commands...)
	require.NoError(w.t, err)
}

func (w *world) order(token domain.Token, c subject.OrderErasure) Item {
	w.t.Helper()
	if c.Erasure.IsZero() {
		c.Erasure = domain.ID{0xe, w.n}
	}
	for _, other := range c.Linked {
		w.link(token, other)
	}
	_, err := w.Ledger.OrderErasure(ctx, w.req(), token, c)
	require.NoError(w.t, err)
	return Item{Token: token, Erasure: c.Erasure}
}

// link makes two records one person's.
func (w *world) link(a, b domain.Token) {
	w.t.Helper()
	w.do(a, subject.AcceptLink{Other: b, Mirror: true})
	w.do(b, subject.AcceptLink{Other: a, Mirror: true})
}

// unlink says that they are not.
func (w *world) unlink(a, b domain.Token) {
	w.t.Helper()
	w.do(a, subject.UndoLink{Other: b})
	w.do(b, subject.UndoLink{Other: a, Mirror: true})
}

// settleAll makes rounds until nothing is left to do.
func (w *world) settleAll() {
	w.t.Helper()
	for range 20 {
		more, err := w.Round(ctx)
		require.NoError(w.t, err)
		if !more {
			return
		}
	}
	require.Fail(w.t, "it does not come to an end")
}

func (w *world) erasure(it Item) subject.Erasure {
	e, ok := w.state(it.Token).Erasure(it.Erasure)
	require.True(w.t, ok)
	return e
}

// read opens every value that the record ever had, by "field=text", or the
// state of what does not open.
func (w *world) read(token domain.Token) map[string]bool {
	w.t.Helper()
	found := map[string]bool{}
	for rec, err := range w.store.ReadStream(ctx, token.Stream(), eventstore.StreamRange{}) {
		require.NoError(w.t, err)
		d, err := w.codec.Decode(rec)
		require.NoError(w.t, err)
		for _, slot := range d.Event.Personal(nil) {
			if slot.Value.IsZero() {
				continue
			}
			v, err := w.codec.OpenValue(ctx, w.Keys, *slot.Value)
			require.NoError(w.t, err)
			text, ok := v.Reveal()
			if !ok {
				text = "<" + v.State().String() + ">"
			}
			found[slot.Field+"="+text] = true
		}
	}
	return found
}

// count tells how many events of a type the record has.
func (w *world) count(token domain.Token, name string) (n int) {
	for _, r := range w.state(token).Entries() {
		if r.Event.EventType().Name == name {
			n++
		}
	}
	return n
}
