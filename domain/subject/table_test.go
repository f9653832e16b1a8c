package subject_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"lethe/domain"
	"lethe/domain/access"
	"lethe/domain/catalogue"
	"lethe/domain/subject"
)

// The decision table written a second time, as a table, for questions about
// one field. Its facts come from the slow folds.

type facts struct {
	unknown, notInForce       bool
	needed, erased            bool
	kept, keptForThis         bool // on the own record
	heldLinked, heldForThis   bool // on linked ones
	specialMissing            bool
	restricted, restrictedOwn bool
	storing                   bool
	exempt, consentSince      bool
	objected, contested       bool
	electronicMissing         bool
	basis                     bool
	recipientOK               bool
}

type tableRow struct {
	row   subject.Rule
	match func(facts) bool
	yes   func(facts) bool
}

func never(facts) bool  { return false }
func always(facts) bool { return true }

func table() []tableRow {
	refused := func(f facts) bool { return f.objected || f.contested || f.electronicMissing }
	return []tableRow{
		{"a", func(f facts) bool { return f.unknown || f.notInForce || (f.needed && f.erased) }, never},
		{"b", func(f facts) bool { return f.needed && f.kept }, func(f facts) bool { return f.keptForThis }},
		{"b", func(f facts) bool { return f.needed && f.heldLinked && !f.heldForThis }, never},
		{"c", func(f facts) bool { return f.needed && f.specialMissing }, never},
		{"d", func(f facts) bool { return f.restrictedOwn && (f.storing || f.exempt) }, always},
		{"d", func(f facts) bool { return f.restricted && !f.storing && !f.exempt && !f.consentSince }, never},
		{"d", func(f facts) bool { return f.restrictedOwn && f.consentSince && !refused(f) }, always},
		{"e", func(f facts) bool { return f.objected }, never},
		{"f", func(f facts) bool { return f.contested }, never},
		{"g", func(f facts) bool { return f.electronicMissing }, never},
		{"h", func(f facts) bool { return f.basis }, always},
		{"i", always, never},
	}
}

func lookUp(f facts) (subject.Rule, bool) {
	for _, r := range table() {
		if !r.match(f) {
			continue
		}
		if r.yes(f) && (!f.needed || !f.recipientOK) {
			return "i", false
		}
		return r.row, r.yes(f)
	}
	return "", false
}

// gather finds the facts of a question about one field.
func gather(cat *catalogue.State, people []subject.Record, q subject.Question) facts {
	f := facts{}
	self, known := people[0].State, q.KnownAt
	if known.IsZero() {
		known = day(9999)
	}
	cat = cat.KnownAt(known)
	var reg *subject.Registered
	for _, r := range seen(self, known, time.Time{}) {
		if e, ok := r.Event.(*subject.Registered); ok && reg == nil {
			reg = e
		}
	}
	f.unknown = reg == nil
	p, ok := cat.InForce(q.Purpose, q.At)
	f.notInForce = !ok || (q.Version != 0 && q.Version != p.Version)
	if f.unknown || f.notInForce {
		return f
	}
	field, declared := cat.Field(q.Fields[0])
	f.needed = declared && p.Needs(field.ID)
	same := []subject.Record{people[0]}
	for _, r := range people[1:] {
		if r.Linked {
			same = append(same, r)
		}
	}
	c := naiveConsentOf(self, known, q.At, p.ID)
	consents := consentCounts(cat, p, same, q, known, c)

	for i, r := range same {
		f.erased = f.erased || r.Fenced[field.Group]
		for _, h := range naiveHolds(r.State, known, q.At) {
			switch {
			case h.Group != field.Group:
			case i == 0:
				f.kept, f.keptForThis = true, f.keptForThis || h.Purpose == p.ID
			default:
				f.heldLinked, f.heldForThis = true, f.heldForThis || h.Purpose == p.ID
			}
		}
	}
	if duty := keptByDuty(cat, naiveFields(self, known), field.ID); len(duty) > 0 {
		f.kept, f.keptForThis = true, f.keptForThis || slices.Contains(duty, string(p.ID))
	}
	f.specialMissing = field.Criminal && !p.Article10 || field.Special &&
		(p.Article9 == "" || p.Article9 == catalogue.ExplicitConsent && !(consents && c.grant.Explicit))

	f.storing, f.exempt, f.consentSince = q.Operation == access.Store, p.Exemption != "", consents
	for i, r := range same {
		for _, since := range naiveRestrictions(r.State, known, q.At) {
			f.restricted, f.restrictedOwn = true, f.restrictedOwn || i == 0
			f.consentSince = f.consentSince && c.granted.Effective.After(since)
		}
	}
	f.objected, f.contested = objections(p, people, q, known, consents, c)
	f.electronicMissing = p.Marketing && (q.Channel == subject.Email || q.Channel == subject.SMS) && !consents &&
		!(p.SoftOptIn && reg.Acquired == subject.FromPerson)
	if f.basis = consents; p.Basis != domain.Consent {
		f.basis = naiveBases(self, known, q.At)[fmt.Sprint(p.ID, " ", p.Basis)] != nil
	}
	f.recipientOK = q.Operation != access.Disclose || slices.Contains(p.Recipients, q.Recipient)
	return f
}

func consentCounts(
	cat *catalogue.State, p *catalogue.PurposeDeclared, same []subject.Record, q subject.Question, known time.Time, c naiveConsent,
) bool {
	if !c.status.Allows() || p.Explicit && !c.grant.Explicit || !cat.SameMaterial(p.ID, c.version, p.Version) {
		return false
	}
	if q.Channel != "" && len(c.grant.Channels) > 0 && !slices.Contains(c.grant.Channels, q.Channel) {
		return false
	}
	for _, r := range same[1:] {
		if d := naiveConsentOf(r.State, known, q.At, p.ID).denied; d != nil && !d.Effective.Before(c.granted.Effective) {
			return false
		}
	}
	return c.contact == "" || !touchedSince(same[0].State, known, q.At, fmt.Sprint(c.contact, "/", c.slot), c.since)
}

// touchedSince compares the value's place before and after each later event.
func touchedSince(s *subject.State, known, at time.Time, place string, since uint64) bool {
	var before *subject.State
	for _, r := range s.Entries() {
		after := subject.Evolve(before, r)
		was, is := naiveFields(before, known)[place], naiveFields(after, known)[place]
		_, removal := r.Event.(*subject.FieldRemoved)
		changed := was != is && !(removal && is != "")
		switch e := r.Event.(type) { // set again by the event itself
		case *subject.FieldsRecorded:
			changed = namesPlace(e.Items, place)
		case *subject.FieldsRectified:
			changed = namesPlace(e.Items, place)
		case *subject.FieldRemoved:
			changed = is == "" && string(e.Field)+"/0" == place
		}
		if changed && r.Revision > since && !r.Recorded.After(known) && !r.Effective.After(at) {
			return true
		}
		before = after
	}
	return false
}

func namesPlace(items []subject.Item, place string) bool {
	return slices.ContainsFunc(items, func(i subject.Item) bool { return fmt.Sprint(i.Field, "/", i.Slot) == place })
}

func keptByDuty(cat *catalogue.State, held map[string]string, field domain.Name) []string {
	var duty []string
	for place, v := range held {
		if !strings.HasPrefix(place, string(field)+"/") {
			continue
		}
		_, list, _ := strings.Cut(v, " [")
		for _, holder := range strings.Fields(strings.TrimSuffix(list, "]")) {
			if p, ok := cat.Purpose(domain.Name(holder), 0); !ok || !p.Keeps {
				return nil
			}
			duty = append(duty, holder)
		}
	}
	return duty
}

func objections(
	p *catalogue.PurposeDeclared, people []subject.Record, q subject.Question, known time.Time, consents bool, c naiveConsent,
) (objected, contested bool) {
	for i, r := range people {
		states := naiveObjections(r.State, known, q.At)
		for _, entry := range r.State.Entries() {
			o, ok := entry.Event.(*subject.Objected)
			if state, in := states[entry.ID]; !ok || !in || state == subject.TakenBack || (o.Purpose != "" && o.Purpose != p.ID) {
				continue
			}
			sharesAddress := o.ContactPoint && o.Channel != "" && slices.Contains(r.SharesContact, o.Channel)
			if i > 0 && !r.Linked && !sharesAddress {
				continue
			}
			optedInSince := consents && c.granted.Effective.After(entry.Effective)
			channel := o.Channel == "" || o.Channel == q.Channel
			switch {
			case o.Scope == subject.ToDisclosure:
				processor := q.Recipient == "mailer" || q.Recipient == "printer"
				objected = objected || q.Operation == access.Disclose && !processor && p.Basis != domain.LegalObligation && channel && !optedInSince
			case o.Scope == subject.ToMarketing:
				objected = objected || p.Marketing && channel && !optedInSince
			case o.Channel != "":
				objected = objected || channel && !optedInSince
			case p.Basis == domain.LegitimateInterests || p.Basis == domain.PublicTask:
				contested = contested || states[entry.ID] != subject.Overridden
			}
		}
	}
	return objected, contested
}

func drawPeople(t *rapid.T) []subject.Record {
	people := []subject.Record{{State: drawState(t, "a")}}
	for i := range rapid.IntRange(0, 2).Draw(t, "others") {
		people = append(people, subject.Record{
			State: drawState(t, string(rune('b'+i))), Linked: rapid.Bool().Draw(t, "linked"),
			SharesContact: pick(t, [][]subject.Channel{nil, {subject.Email}, {subject.Email, subject.SMS}}, "shares"),
		})
	}
	for i := range people {
		if rapid.IntRange(0, 9).Draw(t, "fenced") == 9 {
			people[i].Fenced = map[domain.Name]bool{pick(t, someGroups, "group"): true}
		}
	}
	return people
}

func drawQuestion(t *rapid.T) subject.Question {
	q := subject.Question{
		Purpose:   pick(t, append([]domain.Name{"nothing"}, somePurposes...), "purpose"),
		Version:   pick(t, []uint32{0, 0, 0, 0, 0, 0, 0, 1, 2}, "version"),
		Operation: pick(t, []access.Operation{access.Store, access.Use, access.Use, access.Disclose}, "operation"),
		Channel:   pick(t, someChannels, "channel"), Recipient: pick(t, []domain.Name{"mailer", "printer", "court", ""}, "recipient"),
		At: moment(t, 2, 20, "at"),
	}
	if rapid.IntRange(0, 2).Draw(t, "as known then") == 0 {
		q.KnownAt = moment(t, 2, 20, "known")
	}
	return q
}

func TestMayProcessAgreesWithTheTable(t *testing.T) {
	cat := testCatalogue(t)
	met := map[string]int{}
	rows := []string{"a false", "b false", "b true", "c false", "d false", "d true", "e false", "f false", "g false", "h true", "i false"}
	untilMet(t, rows, met, func(t *rapid.T) {
		people, q := drawPeople(t), drawQuestion(t)
		drawn, odd := pick(t, someFields, "field"), rapid.IntRange(0, 3).Draw(t, "odd") == 3
		for _, q.Purpose = range append([]domain.Name{q.Purpose}, somePurposes...) {
			q.Fields = []domain.Name{drawn}
			if p, ok := cat.Purpose(q.Purpose, 0); ok && !odd {
				q.Fields = p.Fields[:1]
			}
			for _, q.Channel = range someChannels {
				row, yes := lookUp(gather(cat, people, q))
				a := subject.MayProcess(cat, people, q)
				require.Equal(t, row, a.Row, "%s by %q: %s", q.Purpose, q.Channel, a.Message)
				require.Equal(t, yes, a.Allowed)
				met[fmt.Sprint(row, " ", yes)]++
			}
		}
	})
}

// untilMet checks a property over random histories until they have met
// everything that they are there to meet, so that it cannot pass unasked.
func untilMet(t *testing.T, want []string, met map[string]int, property func(*rapid.T)) {
	t.Helper()
	missing := func() (names []string) {
		for _, name := range want {
			if met[name] == 0 {
				names = append(names, name)
			}
		}
		return names
	}
	const rounds = 60
	for range rounds {
		rapid.Check(t, property)
		if t.Failed() || len(missing()) == 0 {
			break
		}
	}
	require.Empty(t, missing(), "no history led to these; met were %v", met)
}

// An answer about several fields follows from the answers about each.
func TestAnswersCompose(t *testing.T) {
	cat := testCatalogue(t)
	rapid.Check(t, func(t *rapid.T) {
		people, q := drawPeople(t), drawQuestion(t)
		whole := subject.MayProcess(cat, people, q)
		p, ok := cat.InForce(q.Purpose, q.At)
		if !ok {
			require.False(t, whole.Allowed)
			return
		}
		var fields, withheld []domain.Name
		needed, optional := subject.Rule("z"), subject.Rule("z")
		for _, f := range slices.Concat(p.Fields, p.Optional) {
			one := q
			one.Fields = []domain.Name{f}
			a := subject.MayProcess(cat, people, one)
			switch {
			case a.Allowed:
				fields = append(fields, f)
			case slices.Contains(p.Optional, f):
				withheld, optional = append(withheld, f), min(optional, a.Row)
			default:
				needed = min(needed, a.Row)
			}
		}
		if len(fields) == 0 && needed == "z" {
			needed = optional
		}
		require.Equal(t, needed == "z", whole.Allowed)
		if whole.Allowed {
			require.Equal(t, fields, whole.Fields)
			require.Equal(t, withheld, whole.Withheld)
		} else {
			require.Equal(t, needed, whole.Row)
		}
	})
}

// A linked record can only take away.
func TestLinkedRecordsNeverGrant(t *testing.T) {
	cat := testCatalogue(t)
	rapid.Check(t, func(t *rapid.T) {
		people, q := drawPeople(t), drawQuestion(t)
		for _, q.Purpose = range somePurposes {
			if subject.MayProcess(cat, people, q).Allowed {
				require.True(t, subject.MayProcess(cat, people[:1], q).Allowed)
			}
		}
	})
}
