package importer

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"lethe/domain"
	"lethe/domain/access"
	"lethe/domain/catalogue"
	"lethe/domain/importing"
	"lethe/domain/personal"
	"lethe/domain/principal"
	"lethe/domain/subject"
	"lethe/internal/auth"
	"lethe/internal/demodata"
	"lethe/internal/keyring"
)

const people = `version: 1
system: shop
table: people
key: [id]
purpose: customer.service
acquired: from_person
jurisdiction: DE
fields:
  - {column: id, field: external.id, class: observed}
  - {column: name, field: name.full, class: provided}
  - {column: email, field: email, class: provided}
  - {column: city, field: address.city, class: provided}
  - {column: job, field: job.title, class: provided}
denials:
  - {when: [{column: stop, in: ["yes"]}], kind: objection, scope: marketing, channel: email, contact: email, rule: stop}
  - {when: [{column: no, in: ["yes"]}], kind: refusal, scope: marketing, purpose: marketing.sms, rule: no}
optional: [job, no]
`

const ada = "id,name,email,city,stop\n1,Ada Lovelace,ada@example.org,London,\n"

func table(t *testing.T, r Report) importing.Table {
	t.Helper()
	require.Len(t, r.Tables, 1)
	sums(t, r.Tables[0])
	return r.Tables[0]
}

func TestAPersonIsOneRecordWithProvenance(t *testing.T) {
	w := start(t)
	rep := w.csv(people, ada)
	tab := table(t, rep)
	require.EqualValues(t, 1, tab.Created)
	require.EqualValues(t, 4, tab.Values)
	s := w.who(catalogue.LookupEmail, "ada@example.org")
	snap := w.snap(s)
	require.Equal(t, subject.Source{System: "shop", Table: "people", Import: rep.Import}, snap.Registration.Source)
	require.Equal(t, domain.Place("DE"), snap.Registration.Jurisdiction)
	require.Len(t, snap.Fields, 4)
	for _, f := range snap.Fields {
		require.Equal(t, snap.Registration.Source, f.Source)
	}
	require.Len(t, snap.Bases, 1)
	same, err := w.ledger.Matches(context.Background(), snap.Registration.Row, "1")
	require.NoError(t, err)
	require.True(t, same)
	state, err := w.ledger.Import(context.Background(), rep.Import)
	require.NoError(t, err)
	require.NotNil(t, state.Completed)
	require.NotEqual(t, personal.Absent, state.Started.FileName.State())
}

func TestAChangedFileSendsOnlyTheChange(t *testing.T) {
	w := start(t)
	w.csv(people, ada+"2,Bob,bob@example.org,Paris,\n")
	before, _ := w.events()
	rep := w.csv(people, strings.Replace(ada, "London", "Turin", 1)+"2,Bob,bob@example.org,Paris,\n")
	tab := table(t, rep)
	require.EqualValues(t, 1, tab.Updated)
	require.EqualValues(t, 1, tab.Unchanged)
	require.EqualValues(t, 1, tab.Values)
	after, _ := w.events()
	require.Equal(t, before+1+2, after, "one rectification, beside the start and the end of the import")
	s := w.who(catalogue.LookupEmail, "ada@example.org")
	entries := s.Entries()
	last, ok := entries[len(entries)-1].Event.(*subject.FieldsRectified)
	require.True(t, ok)
	require.Len(t, last.Items, 1)
	require.True(t, w.holds(s, "address.city", "Turin"))
	require.False(t, w.holds(s, "address.city", "London"))
}

func TestWhatTheSourceAddsIsRecorded(t *testing.T) {
	w := start(t)
	w.csv(people, ada)
	rep := w.csv(people, "id,name,email,city,stop,job\n1,Ada Lovelace,ada@example.org,London,,Mathematician\n")
	require.EqualValues(t, 1, table(t, rep).Values)
	s := w.who(catalogue.LookupEmail, "ada@example.org")
	require.True(t, w.holds(s, "job.title", "Mathematician"))
	require.Len(t, w.snap(s).Bases, 1)
}

func TestWhatTheLedgerChangedMeanwhileIsAConflict(t *testing.T) {
	changed := strings.NewReplacer("London", "Turin", "ada@example.org", "ada@new.example", "Ada Lovelace", "Ada King").Replace(ada)
	w := start(t)
	w.csv(people, ada)
	s := w.who(catalogue.LookupEmail, "ada@example.org")
	w.on(s, subject.RectifyFields{Items: []subject.Entry{{Field: "email", Text: personal.Of("ada@home.example")}}})
	w.on(s, subject.RemoveField{Purpose: "customer.service", Field: "address.city"})
	for range 2 { // unsettled conflicts are told again by the next changed file
		rep := w.csv(people, changed)
		tab := table(t, rep)
		require.EqualValues(t, 2, tab.Conflicts)
		require.ElementsMatch(t, []importing.Refusal{
			{Table: "people", Row: 1, Field: "email", Rule: ruleChanged, Conflict: true},
			{Table: "people", Row: 1, Field: "address.city", Rule: ruleRemoved, Conflict: true},
		}, rep.Conflicts)
		changed += "9,Eve,,Rome,\n"
	}
	s = w.who(catalogue.LookupExternalID, "1")
	require.True(t, w.holds(s, "email", "ada@home.example"))
	require.False(t, w.holds(s, "email", "ada@new.example"))
	require.False(t, w.holds(s, "address.city", "Turin"))
	require.True(t, w.holds(s, "name.full", "Ada King"))
}

func TestACorrectionThatTheSourceCatchesUpWithIsNoConflict(t *testing.T) {
	w := start(t)
	w.csv(people, ada)
	s := w.who(catalogue.LookupEmail, "ada@example.org")
	w.on(s, subject.RectifyFields{Items: []subject.Entry{{Field: "address.city", Text: personal.Of("Turin")}}})
	rep := w.csv(people, strings.Replace(ada, "London", "Turin", 1))
	tab := table(t, rep)
	require.Zero(t, tab.Conflicts)
	require.EqualValues(t, 1, tab.Unchanged)
}

func TestAnEmptiedCellErasesNothing(t *testing.T) {
	w := start(t)
	w.csv(people, ada)
	rep := w.csv(people, strings.Replace(ada, "London", "", 1))
	tab := table(t, rep)
	require.EqualValues(t, 1, tab.Unchanged)
	require.Equal(t, []importing.RuleCount{{Rule: ruleEmptied, Count: 1}}, tab.Findings)
	require.True(t, w.holds(w.who(catalogue.LookupExternalID, "1"), "address.city", "London"))
}

func TestRestrictedPeopleAreRefused(t *testing.T) {
	w := start(t)
	w.csv(people, ada)
	s := w.who(catalogue.LookupEmail, "ada@example.org")
	w.on(s, subject.PlaceRestriction{Ground: subject.AccuracyContested})
	changed := strings.Replace(ada, "London,", "Turin,yes", 1)
	rep := w.csv(people, changed)
	require.Equal(t, []importing.Refusal{{Table: "people", Row: 1, Field: "address.city", Rule: ruleRestricted}}, rep.Refusals)
	s = w.who(catalogue.LookupEmail, "ada@example.org")
	require.True(t, w.holds(s, "address.city", "London"))
	require.Len(t, w.snap(s).Objections, 1, "a no is taken all the same")

	w.on(s, subject.LiftRestriction{Ground: subject.AccuracyContested, Informed: time.Now().Add(-time.Minute)})
	rep = w.csv(people, changed+"2,Bob,,Paris,\n")
	require.Empty(t, rep.Refusals)
	s = w.who(catalogue.LookupEmail, "ada@example.org")
	require.True(t, w.holds(s, "address.city", "Turin"))
	require.Len(t, w.snap(s).Objections, 1)
}

func TestErasedGroupsAreRefused(t *testing.T) {
	w := start(t)
	w.csv(people, ada)
	s := w.who(catalogue.LookupEmail, "ada@example.org")
	infos, err := w.keys.Keys(context.Background(), s.Token().Stream())
	require.NoError(t, err)
	var contact []keyring.KeyInfo
	for _, i := range infos {
		if i.Compartment.Group == "contact" {
			contact = append(contact, i)
		}
	}
	require.Len(t, contact, 1)
	_, err = w.keys.Destroy(context.Background(), "erasure", keyring.Destruction{Keys: contact})
	require.NoError(t, err)
	rep := w.csv(people, strings.NewReplacer("London", "Turin", "Ada Lovelace", "Ada King").Replace(ada))
	require.Equal(t, []importing.Refusal{{Table: "people", Row: 1, Field: "address.city", Rule: ruleErased}}, rep.Refusals)
	s = w.who(catalogue.LookupExternalID, "1")
	require.True(t, w.holds(s, "name.full", "Ada King"))
	require.False(t, w.holds(s, "address.city", "Turin"))
}

// The claims are in no backup: made anew from the log they know who a row is,
// and the record itself tells what it said.
func TestAfterTheClaimsWereLostNothingIsWrittenTwice(t *testing.T) {
	place := newPlace(t)
	w := place.open()
	w.declare()
	file := "id,name,email,city,stop\n1,Ada,ada@example.org,London,yes\n2,Bob,bob@example.org,Rome,\n"
	w.csv(people, file)
	s := w.who(catalogue.LookupEmail, "ada@example.org")
	w.on(s, subject.RectifyFields{Items: []subject.Entry{{Field: "email", Text: personal.Of("ada@home.example")}}})
	before, _ := w.events()
	w = place.forget(w)
	defer w.close()
	rep := w.csv(people+"secret: []\n", file) // under another mapping: it is read again
	require.EqualValues(t, 2, table(t, rep).Unchanged)
	after, _ := w.events()
	require.Equal(t, before+2, after, "the start and the end of the import")
}

func TestARefusedValueLeavesTheRestAndARefusedRowIsTriedAgain(t *testing.T) {
	const mapping = people + "secret: []\n"
	w := start(t)
	file := "id,name,email,city,stop\n1,Ada,no address,London,\n,Nobody,x@example.org,Rome,\n1,Twice,y@example.org,Rome,\n"
	var out bytes.Buffer
	j := w.job(CSV, []byte(file), []byte(mapping))
	j.Refused = &out
	rep := w.run(j)
	tab := table(t, rep)
	require.EqualValues(t, 1, tab.Created)
	require.EqualValues(t, 2, tab.Refused)
	require.Equal(t, []importing.Refusal{
		{Table: "people", Row: 1, Field: "email", Rule: "field.type"},
		{Table: "people", Row: 2, Rule: "key_missing"},
		{Table: "people", Row: 3, Rule: ruleDuplicateKey},
	}, rep.Refusals)
	require.Equal(t, "id,name,email,city,stop,refused_row,refused_field,refused_rule\n"+
		"1,Ada,no address,London,,1,email,field.type\n,Nobody,x@example.org,Rome,,2,,key_missing\n"+
		"1,Twice,y@example.org,Rome,,3,,duplicate_key\n", out.String())

	mended := strings.NewReplacer("no address", "ada@example.org", "\n,Nobody", "\n2,Nobody", "\n1,Twice", "\n3,Twice").Replace(out.String())
	tab = table(t, w.csv(mapping, mended))
	require.EqualValues(t, 2, tab.Created)
	require.EqualValues(t, 1, tab.Updated)
	require.EqualValues(t, 1, tab.Values-8)
}

const orders = `version: 1
system: shop
table: orders
key: [number]
refers: {table: people, key: [person]}
purpose: customer.service
fields:
  - {column: amount, field: purchase.amount, class: observed, decimal: ".", currency: EUR}
`

func TestChildrenShareTheirParentsFate(t *testing.T) {
	w := start(t)
	w.csv(people, ada)
	rep := w.csv(orders, "number,person,amount\na,1,12.50\nb,7,3\nc,1,4\n")
	tab := table(t, rep)
	require.EqualValues(t, 2, tab.Updated)
	require.Equal(t, []importing.Refusal{{Table: "orders", Row: 2, Rule: ruleParentRefused}}, rep.Refusals)
	s := w.who(catalogue.LookupExternalID, "1")
	require.True(t, w.holds(s, "purchase.amount", "12.50 EUR"))
	require.True(t, w.holds(s, "purchase.amount", "4 EUR"))
	rep = w.csv(orders, "number,person,amount\na,1,12.75\nb,7,3\nc,1,4\n")
	require.EqualValues(t, 1, table(t, rep).Updated)
	s = w.who(catalogue.LookupExternalID, "1")
	require.False(t, w.holds(s, "purchase.amount", "12.50 EUR"))
	require.True(t, w.holds(s, "purchase.amount", "12.75 EUR"))
	require.True(t, w.holds(s, "purchase.amount", "4 EUR"))
}

// mayMail asks whether marketing may write to somebody by e-mail.
func (w *world) mayPost(s *subject.State, channel subject.Channel) subject.Answer {
	w.t.Helper()
	list, err := w.door.People(context.Background(), s.Token())
	require.NoError(w.t, err)
	cat, err := w.ledger.Catalogue(context.Background())
	require.NoError(w.t, err)
	now := w.ledger.Now()
	return subject.MayProcess(cat, list, subject.Question{
		Purpose: "marketing.post", Operation: access.Use, Channel: channel, At: now, KnownAt: now, Fields: []domain.Name{"name.full"},
	})
}

func TestAnOptOutBindsEverybodyWithTheAddress(t *testing.T) {
	w := start(t)
	const other = `version: 1
system: forum
table: users
key: [id]
purpose: customer.service
acquired: from_person
jurisdiction: DE
fields:
  - {column: mail, field: email, class: provided}
  - {column: mail, field: name.full, class: provided}
`
	w.csv(other, "id,mail\n9,SAME@example.org\n")
	s := w.who(catalogue.LookupEmail, "same@example.org")
	require.NotEqual(t, subject.RuleObjected, w.mayPost(s, subject.Email).Row)
	rep := w.csv(people, "id,name,email,city,stop\n1,Ada,same@example.org,London,yes\n")
	require.EqualValues(t, 1, table(t, rep).Denials)
	require.Equal(t, subject.RuleObjected, w.mayPost(s, subject.Email).Row)
	require.NotEqual(t, subject.RuleObjected, w.mayPost(s, subject.Post).Row)

	require.Len(t, rep.Links, 1)
	require.Equal(t, s.Token(), rep.Links[0].B, "the newer record is linked to the older one")
	newer, err := w.ledger.Subject(context.Background(), rep.Links[0].A)
	require.NoError(t, err)
	require.Equal(t, subject.LinkOpen, w.snap(newer).Links[0].State)

	w.on(newer, subject.UndoLink{Other: s.Token()})
	rep = w.csv(people, "id,name,email,city,stop\n1,Ada B,same@example.org,London,yes\n")
	require.Empty(t, rep.Links, "what an officer undid is not proposed again")
}

func TestANoStandsAndAYesDoesNotOverrideALaterNo(t *testing.T) {
	w := start(t)
	w.csv(people, "id,name,email,city,stop,no\n1,Ada,ada@example.org,London,yes,yes\n")
	s := w.who(catalogue.LookupEmail, "ada@example.org")
	require.Equal(t, subject.StatusRefused, w.snap(s).Consent("marketing.sms").Status)
	require.Len(t, w.snap(s).Objections, 1)
	require.True(t, w.snap(s).Objections[0].ContactPoint)

	w.on(s, subject.WithdrawObjection{Objection: w.snap(s).Objections[0].ID})
	rep := w.csv(people, "id,name,email,city,stop,no\n1,Ada,ada@example.org,Paris,yes,yes\n")
	require.Zero(t, table(t, rep).Denials, "the source says nothing new")

	rep = w.csv(people, "id,name,email,city,stop,no\n1,Ada,ada@example.org,Paris,,\n")
	require.Equal(t, []importing.RuleCount{{Rule: ruleDenialGone, Count: 2}}, table(t, rep).Findings)
	s = w.who(catalogue.LookupEmail, "ada@example.org")
	require.Equal(t, subject.StatusRefused, w.snap(s).Consent("marketing.sms").Status)
}

func (w *world) consenting() string {
	w.t.Helper()
	cat, err := w.ledger.Catalogue(context.Background())
	require.NoError(w.t, err)
	for _, n := range cat.Notices() {
		if n.ID == "notice.marketing.sms" && n.Language == "en" {
			return people + fmt.Sprintf(`consents:
  - when: [{column: yes, in: ["1"]}]
    purpose: marketing.sms
    version: 1
    notice: %s
    language: en
    medium: web
    method: checkbox
    at: {column: "on", date: "YYYY-MM-DD HH:mm:ss"}
    evidence: [proof]
`, n.Digest)
		}
	}
	w.t.Fatal("the starter has no such notice")
	return ""
}

func TestEvidencedConsentIsTakenUnlessANoCameAfterIt(t *testing.T) {
	w := start(t)
	mapping := w.consenting()
	row := func(id, city string, at time.Time) string {
		return fmt.Sprintf("%s,Ada,ada%s@example.org,%s,,1,%s,form\n", id, id, city, at.UTC().Format("2006-01-02 15:04:05"))
	}
	const head = "id,name,email,city,stop,yes,on,proof\n"
	soon := time.Now().Add(time.Minute)
	rep := w.csv(mapping, head+row("1", "Rome", soon))
	require.EqualValues(t, 1, table(t, rep).Consents, rep.Refusals)
	s := w.who(catalogue.LookupEmail, "ada1@example.org")
	require.NotEqual(t, subject.StatusUnknown, w.snapAt(s, soon.Add(time.Second)).Consent("marketing.sms").Status)

	w.csv(mapping, head+"2,Ada,ada2@example.org,Rome,,,,\n")
	s = w.who(catalogue.LookupEmail, "ada2@example.org")
	w.on(s, subject.WithdrawConsent{Said: subject.Said{Purpose: "marketing.sms", When: subject.When{At: soon.Add(2 * time.Minute)}}})
	rep = w.csv(mapping, head+row("2", "Rome", soon))
	require.Zero(t, table(t, rep).Consents)
	require.Equal(t, []importing.Refusal{{Table: "people", Row: 1, Rule: ruleDeniedSince, Conflict: true}}, rep.Conflicts)
}

func (w *world) snapAt(s *subject.State, at time.Time) *subject.Snapshot { return s.At(at, at) }

func TestLinksAreBounded(t *testing.T) {
	w := start(t)
	file := "id,name,email,city,stop\n"
	for i := range maxSharing + 1 {
		file += fmt.Sprintf("%d,P,office@example.org,Rome,\n", i)
	}
	rep := w.csv(people, file+"a,P,two@example.org,Rome,\nb,P,two@example.org,Rome,\n")
	require.Len(t, rep.Links, 1)
	require.Equal(t, []importing.RuleCount{{Rule: ruleShared, Count: 1}}, table(t, rep).Findings)
}

func TestWhoMayImport(t *testing.T) {
	w := start(t)
	j := w.job(CSV, []byte(ada), []byte(people))
	j.Caller.Roles = []principal.Role{principal.Operator}
	_, err := Run(context.Background(), w.deps(), j)
	e, ok := domain.AsError(err)
	require.True(t, ok)
	require.Equal(t, domain.KindForbidden, e.Kind)
	j.Caller = auth.Caller{Principal: domain.ID{2}, Roles: []principal.Role{principal.Officer}, Purposes: []domain.Name{"accounting"}}
	rep := w.run(j)
	require.Equal(t, []importing.Refusal{{Table: "people", Row: 1, Rule: ruleCallerPurpose}}, rep.Refusals)
}

var errCrash = errors.New("crashed here")

// crashAt ends the import at the n-th point it passes.
func crashAt(n int, passed *[]string) func(string) error {
	var mu sync.Mutex
	return func(point string) error {
		mu.Lock()
		defer mu.Unlock()
		*passed = append(*passed, point)
		if len(*passed) == n {
			return errCrash
		}
		return nil
	}
}

// Every point at which importing a row can be cut off: the same file, run
// again, leaves exactly what one run leaves.
func TestEveryCrashPointLeavesOneOutcome(t *testing.T) {
	files := []string{
		"id,name,email,city,stop\n1,Ada,ada@example.org,London,yes\n",
		"id,name,email,city,stop\n1,Ada King,ada@new.example,London,yes\n2,Bob,ada@new.example,Rome,\n",
	}
	want := start(t)
	var reports []string
	for _, f := range files {
		reports = append(reports, counts(want.csv(people, f)))
	}
	total, _ := want.events()
	seen := map[string]bool{}
	for n := 1; ; n++ {
		place, passed := newPlace(t), []string{}
		w := place.open()
		w.declare()
		w.crash = crashAt(n, &passed)
		crashed := false
		for i := 0; i < len(files); {
			j := w.job(CSV, []byte(files[i]), []byte(people))
			j.Workers = 1 // the hooks are counted, so one after the other
			rep, err := Run(context.Background(), w.deps(), j)
			if errors.Is(err, errCrash) {
				crashed = true
				w.close()
				w = place.open()
				continue
			}
			require.NoError(t, err)
			require.Equal(t, reports[i], counts(rep), "cut off at %d, %s", n, passed[len(passed)-1])
			i++
		}
		events, _ := w.events()
		require.Equal(t, total, events, "cut off at %d", n)
		w.close()
		for _, p := range passed {
			seen[p] = true
		}
		if !crashed {
			break
		}
	}
	for _, p := range []string{
		"file claimed", "noted start", "claims reserved", "keys made", "row appended", "closing claims", "claims closed",
		"link proposed", "noted linked 0", "noted completed", "file closed",
	} {
		require.True(t, seen[p], p)
	}
}

func TestAnImportThatIsCutOffGoesOn(t *testing.T) {
	var file bytes.Buffer
	require.NoError(t, demodata.WriteCSV(&file, demodata.Options{People: 700, Seed: 3}))
	whole := start(t)
	one := whole.run(whole.job(CSV, file.Bytes(), []byte(demodata.Mapping())))
	total, _ := whole.events()

	r := rand.New(rand.NewPCG(1, 2)) //nolint:gosec // a test's
	for range 3 {
		w := start(t)
		for range 4 {
			points := int64(50 + r.IntN(600))
			j := w.job(CSV, file.Bytes(), []byte(demodata.Mapping()))
			ctx, cancel := context.WithCancel(context.Background())
			var passed atomic.Int64
			w.crash = func(string) error {
				if passed.Add(1) == points {
					cancel()
				}
				return nil
			}
			_, err := Run(ctx, w.deps(), j)
			cancel()
			if err == nil {
				break
			}
		}
		w.crash = nil
		rep := w.run(w.job(CSV, file.Bytes(), []byte(demodata.Mapping())))
		require.Equal(t, counts(one), counts(rep))
		require.Len(t, rep.Links, len(one.Links))
		events, _ := w.events()
		require.Equal(t, total, events)
	}
}
