package importer

import (
	"bytes"
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"lethe/domain"
	"lethe/domain/catalogue"
	"lethe/domain/importing"
	"lethe/domain/personal"
	"lethe/domain/subject"
	"lethe/eventstore"
	"lethe/internal/erasure"
	"lethe/internal/keyring"
)

// todo is what a test ordered.
type todo []erasure.Item

func (t todo) Due(context.Context, time.Time, int) ([]erasure.Item, error)     { return t, nil }
func (t todo) Started(context.Context, int) ([]erasure.Item, error)            { return nil, nil }
func (t todo) Waiting(context.Context, time.Time, int) ([]domain.Token, error) { return nil, nil }
func (t todo) Confirm(_ context.Context, upTo eventstore.Position, _ []erasure.Item) ([]subject.SinkConfirmed, error) {
	return []subject.SinkConfirmed{{Sink: "test", Guarantee: subject.Destroyed, Position: uint64(upTo), At: time.Now().UTC()}}, nil
}

// erase erases everything of people, to the end.
func (w *world) erase(marks keyring.Marks, tokens ...domain.Token) {
	w.t.Helper()
	w.eraseSome(marks, subject.Scope{Everything: true}, tokens...)
}

func (w *world) eraseSome(marks keyring.Marks, scope subject.Scope, tokens ...domain.Token) {
	w.t.Helper()
	ctx := context.Background()
	var items todo
	for _, token := range tokens {
		it := erasure.Item{Token: token, Erasure: domain.ID{0xe, byte(len(items)), byte(len(items) >> 8)}}
		_, err := w.ledger.OrderErasure(ctx, (&run{job: Job{Caller: w.caller}}).request(domain.Digest{}), token,
			subject.OrderErasure{Erasure: it.Erasure, Scope: scope})
		require.NoError(w.t, err)
		items = append(items, it)
	}
	p := &erasure.Process{
		Ledger: w.ledger, Keys: w.keys, Todo: items, Sinks: []erasure.Sink{items}, System: domain.ID{2},
		Log: slog.New(slog.DiscardHandler), Marks: marks, Settle: time.Nanosecond,
	}
	_, err := p.Round(ctx)
	require.NoError(w.t, err)
	for _, it := range items {
		s, err := w.ledger.Subject(ctx, it.Token)
		require.NoError(w.t, err)
		e, _ := s.Erasure(it.Erasure)
		require.Equal(w.t, subject.IsCompleted, e.State, p.Trouble(it.Token, it.Erasure))
	}
}

// footprint is everything that an import could make for somebody: people,
// their events, and keys.
type footprint struct {
	people map[domain.Token]int // events
	keys   int
}

func (w *world) footprint() footprint {
	w.t.Helper()
	ctx := context.Background()
	f := footprint{people: map[domain.Token]int{}}
	for e, err := range w.store.ReadAll(ctx, 0) {
		require.NoError(w.t, err)
		if token, ok := strings.CutPrefix(e.Stream, "subject-"); ok {
			f.people[domain.Token(token)]++
		}
	}
	for token := range f.people {
		keys, err := w.keys.Keys(ctx, token.Stream())
		require.NoError(w.t, err)
		f.keys += len(keys)
	}
	return f
}

func everyone(f footprint) (tokens []domain.Token) {
	for token := range f.people {
		tokens = append(tokens, token)
	}
	return tokens
}

func suppressedRows(rep Report) (n uint64) {
	for _, t := range rep.Tables {
		n += t.Suppressed
	}
	return n
}

func made(rep Report) (n uint64) {
	for _, t := range rep.Tables {
		n += t.Created + t.Updated + t.Values + t.Denials + t.Consents
	}
	return n
}

func findings(t importing.Table, rule domain.Name) (n uint64) {
	for _, f := range t.Findings {
		if f.Rule == rule {
			n += f.Count
		}
	}
	return n
}

// Import, erase everybody (of a large file some), import again, the same file and a newer export of
// it: reported as suppressed, nothing created, no claim, no key, no event.
func pitfall23(t *testing.T, w *world, job func() Job) {
	t.Helper()
	first := w.run(job())
	before := w.footprint()
	require.NotEmpty(t, before.people)
	gone := everyone(before)
	gone = gone[:min(len(gone), 250)]
	w.erase(keyring.MarkSource, gone...)
	erased := w.footprint()

	newer := job()
	file := make([]byte, newer.Size)
	_, err := newer.File.ReadAt(file, 0)
	require.NoError(t, err)
	file = append(file, '\n')
	newer.File, newer.Size = bytes.NewReader(file), int64(len(file))
	dry := newer
	dry.DryRun = true
	var refused bytes.Buffer
	again := job()
	again.Refused = &refused
	for _, of := range []struct {
		name string
		Job
	}{{"a dry run", dry}, {"the same file", again}, {"a newer export", newer}} {
		name, rep := of.name, w.run(of.Job)
		require.False(t, rep.Earlier, name)
		require.GreaterOrEqual(t, suppressedRows(rep), uint64(len(gone)), name)
		require.Zero(t, made(rep), name)
		for i, table := range rep.Tables {
			sums(t, table)
			if len(gone) == len(before.people) {
				require.LessOrEqual(t, first.Tables[i].Created, table.Suppressed, "%s: %s", name, table.Name)
			}
		}
		listed := uint64(0)
		for _, x := range rep.Refusals {
			if x.Rule == ruleSuppressed {
				listed++
			}
		}
		require.Equal(t, suppressedRows(rep), listed, "%s: an officer sees which rows they are", name)
		require.Equal(t, erased, w.footprint(), name)
	}
	events, _ := w.events()
	require.True(t, w.run(job()).Earlier, "nothing was erased since: it is that report")
	after, _ := w.events()
	require.Equal(t, events, after)
}

func TestPitfall23AnImportBringsNobodyBack(t *testing.T) {
	for name, f := range map[string]struct {
		format domain.Name
		file   string
	}{
		"dolibarr": {DolibarrSQL, "dolibarr/testdata/policy.sql"},
		"older":    {DolibarrSQL, "dolibarr/testdata/old-3.0.sql"},
		"civicrm":  {CiviCRMSQL, "civicrm/testdata/small.sql"},
	} {
		t.Run(name, func(t *testing.T) {
			file, err := os.ReadFile(filepath.FromSlash(f.file))
			require.NoError(t, err)
			w := start(t)
			pitfall23(t, w, func() Job { return w.job(f.format, file, nil) })
		})
	}
	t.Run("csv", func(t *testing.T) {
		w := start(t)
		pitfall23(t, w, func() Job { return w.job(CSV, []byte(ada+"2,Bob,bob@example.org,Paris,yes\n"), []byte(people)) })
	})
}

func TestPitfall23WithRealDumps(t *testing.T) {
	for _, f := range realFiles() {
		t.Run(f.name, func(t *testing.T) {
			w := start(t)
			pitfall23(t, w, func() Job { return f.job(t, w) })
		})
	}
}

// An officer lets somebody in again: a new record, under a new pseudonym and
// new keys; the others stay out, and what was erased stays so.
func TestWhoIsLetInAgainIsANewRecord(t *testing.T) {
	w := start(t)
	file := ada + "2,Bob,bob@example.org,Paris,\n"
	w.csv(people, file)
	old := w.who(catalogue.LookupEmail, "ada@example.org")
	bob := w.who(catalogue.LookupEmail, "bob@example.org")
	w.erase(keyring.MarkSource, old.Token(), bob.Token())
	tab := table(t, w.csv(people, file))
	require.EqualValues(t, 2, tab.Suppressed)

	n, err := w.keys.LiftMarks(context.Background(), []keyring.Identifier{{Source: w.keys.SourceKeyOf("shop", "people", "1")}}, false)
	require.NoError(t, err)
	require.Equal(t, 1, n)
	before := w.footprint()
	rep := w.csv(people, file)
	tab = table(t, rep)
	require.EqualValues(t, 1, tab.Created)
	require.EqualValues(t, 1, tab.Suppressed)
	fresh := w.who(catalogue.LookupEmail, "ada@example.org")
	require.NotEqual(t, old.Token(), fresh.Token())
	require.True(t, w.holds(fresh, "email", "ada@example.org"))
	again, err := w.ledger.Subject(context.Background(), old.Token())
	require.NoError(t, err)
	require.False(t, w.holds(again, "email", "ada@example.org"))
	require.Len(t, w.footprint().people, len(before.people)+1)
}

// Full rows of an erased person are written nowhere, also when something is
// wrong with them.
func TestRowsOfTheErasedAreNotWrittenOut(t *testing.T) {
	w := start(t)
	w.csv(people, ada)
	w.erase(keyring.MarkSource, w.who(catalogue.LookupEmail, "ada@example.org").Token())
	j := w.job(CSV, []byte(strings.Replace(ada, "ada@example.org", "no address", 1)+"3,Eve,no address,Rome,\n"), []byte(people))
	var refused bytes.Buffer
	j.Refused = &refused
	tab := table(t, w.run(j))
	require.EqualValues(t, 1, tab.Suppressed)
	require.NotContains(t, refused.String(), "Lovelace")
	require.Contains(t, refused.String(), "Eve")
}

// A single value that was erased, as by retention, does not come back with the
// next export either: the row's claim knows that it was said.
func TestASingleErasedValueStaysOut(t *testing.T) {
	for name, scope := range map[string]subject.Scope{
		"a value": {Values: []subject.ValueRef{{Field: "email"}}},
		"all":     {Values: []subject.ValueRef{{Field: "email"}, {Field: "address.city"}, {Field: "name.full"}, {Field: "external.id"}}},
	} {
		t.Run(name, func(t *testing.T) {
			w := start(t)
			w.csv(people, ada)
			s := w.who(catalogue.LookupEmail, "ada@example.org")
			w.eraseSome(0, scope, s.Token())
			rep := w.csv(people, ada+"2,Bob,bob@example.org,Paris,\n")
			tab := table(t, rep)
			require.EqualValues(t, 1, tab.Created)
			require.EqualValues(t, 1, tab.Unchanged)
			again, err := w.ledger.Subject(context.Background(), s.Token())
			require.NoError(t, err)
			require.False(t, w.holds(again, "email", "ada@example.org"))
		})
	}
}

// Somebody new with an address or number of an erased person: a record, and no
// marketing; an officer is to look.
func TestAnAddressOfAnErasedPersonBlocksMarketingOnly(t *testing.T) {
	w := start(t)
	w.csv(people, ada)
	w.erase(keyring.MarkSource|keyring.MarkObjection, w.who(catalogue.LookupEmail, "ada@example.org").Token())
	other := strings.Replace(ada, "1,Ada", "7,Ida", 1) + "8,Eve,eve@example.org,Rome,\n"
	dry := w.job(CSV, []byte(other), []byte(people))
	dry.DryRun = true
	would := table(t, w.run(dry))
	rep := w.csv(people, other)
	tab := table(t, rep)
	require.EqualValues(t, 2, tab.Created)
	require.EqualValues(t, 1, tab.Denials)
	require.EqualValues(t, 1, findings(tab, ruleMarked))
	require.Equal(t, would.Findings, tab.Findings)
	require.Equal(t, would.Denials, tab.Denials)

	s := w.who(catalogue.LookupEmail, "ada@example.org")
	objections := w.snap(s).Objections
	require.Len(t, objections, 1)
	require.Equal(t, subject.ToMarketing, objections[0].Scope)
	require.Equal(t, subject.Controller, objections[0].Objected.By)
	require.Empty(t, w.snap(w.who(catalogue.LookupEmail, "eve@example.org")).Objections)
	require.True(t, w.holds(s, "email", "ada@example.org"))

	// A mark that says nothing of marketing only proposes the review.
	w.erase(keyring.MarkContact, w.who(catalogue.LookupEmail, "eve@example.org").Token())
	tab = table(t, w.csv(people, "id,name,email,city,stop\n9,Evelyn,eve@example.org,Oslo,\n"))
	require.EqualValues(t, 1, tab.Created)
	require.Zero(t, tab.Denials)
	require.EqualValues(t, 1, findings(tab, ruleMarked))
}

// Every point at which an import of suppressed and marked rows can be cut off.
func TestCutOffAmongSuppressedRows(t *testing.T) {
	file := ada + "7,Ida,ada@example.org,Rome,\n"
	whole := ""
	for n := 0; ; n++ {
		p := newPlace(t)
		w := p.open()
		w.declare()
		w.csv(people, ada)
		w.erase(keyring.MarkSource|keyring.MarkObjection, w.who(catalogue.LookupEmail, "ada@example.org").Token())
		passed := 0
		w.crash = func(string) error {
			if passed++; passed == n {
				return errCrash
			}
			return nil
		}
		_, err := Run(context.Background(), w.deps(), w.job(CSV, []byte(file), []byte(people)))
		cut := err != nil
		if n > 0 && cut {
			require.ErrorIs(t, err, errCrash)
		}
		w.crash = nil
		rep := w.csv(people, file)
		require.EqualValues(t, 1, table(t, rep).Suppressed)
		require.Len(t, w.footprint().people, 2)
		require.Len(t, w.snap(w.who(catalogue.LookupEmail, "ada@example.org")).Objections, 1)
		if whole == "" {
			whole = counts(rep)
		}
		w.close()
		if n > 0 && !cut {
			return
		}
	}
}

// Registering asks the same marks.
func TestRegisteringAsksTheMarks(t *testing.T) {
	w := start(t)
	w.csv(people, ada)
	w.erase(keyring.MarkSource|keyring.MarkObjection, w.who(catalogue.LookupEmail, "ada@example.org").Token())
	before := w.footprint()
	register := func(key byte, row string) (domain.Token, []domain.Name, error) {
		req := (&run{job: Job{Caller: w.caller}}).request(domain.Digest{key})
		token, out, err := w.ledger.Register(context.Background(), req, subject.Env{},
			subject.Register{
				Acquired: subject.FromPerson, Jurisdiction: "DE", Source: subject.Source{System: "shop", Table: "people"}, Row: personal.Of(row),
			},
			subject.RecordFields{Purpose: "customer.service", Items: []subject.Entry{{Field: "email", Text: personal.Of("ADA@example.org")}}})
		return token, out.Suppressed, err
	}
	_, _, err := register(1, "1")
	e, ok := domain.AsError(err)
	require.True(t, ok)
	require.Equal(t, "subject.suppressed", e.Code)
	require.Equal(t, before, w.footprint())

	token, hits, err := register(2, "70")
	require.NoError(t, err)
	require.Equal(t, []domain.Name{"email"}, hits)
	s, err := w.ledger.Subject(context.Background(), token)
	require.NoError(t, err)
	require.Len(t, w.snap(s).Objections, 1)
	repeated, _, err := register(2, "70")
	require.NoError(t, err)
	require.Equal(t, token, repeated)
}
