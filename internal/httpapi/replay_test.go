package httpapi_test

import (
	"context"
	"crypto/rand"
	"fmt"
	"net/url"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"lethe/domain"
	"lethe/domain/principal"
	"lethe/eventstore"
	"lethe/internal/httpapi"
)

// unsealed answers no leaves, which come in the middle of what is compared.
func unsealed(o *httpapi.Options) { o.Leaves = nil }

// newsletter is an act on somebody's consent to the newsletter, at a time; ""
// is now.
func (w *world) newsletter(token, act, effective string, also ...m) *answer {
	w.t.Helper()
	b := m{"medium": "web", "method": "checkbox"}
	if act == "give" || act == "renew" {
		b["notice"] = w.notice("newsletter-text")
	}
	if effective != "" {
		b["effective"] = effective
	}
	for _, more := range also {
		for k, v := range more {
			b[k] = v
		}
	}
	return w.do("POST", "/v1/subjects/"+token+"/consents/newsletter/"+act, b).is(200)
}

// consenting are people who gave consent to the newsletter, in the order of tokens.
func (w *world) consenting(n int) (tokens []string) {
	w.t.Helper()
	for i := range n {
		token := w.person(fmt.Sprintf("p%d@example.com", i))
		w.newsletter(token, "give", "2024-05-01T10:00:00Z")
		tokens = append(tokens, token)
	}
	slices.Sort(tokens)
	return tokens
}

// everyPage follows next from page to page, and gives all items.
func (w *world) everyPage(path string, each func(page *answer)) (items []any) {
	w.t.Helper()
	after := ""
	for range 100 {
		page := w.do("GET", path+after, nil).is(200)
		if each != nil {
			each(page)
		}
		if list, ok := page.get("items").([]any); ok {
			items = append(items, list...)
		}
		if page.get("next") == nil {
			return items
		}
		after = "&after=" + page.text("next")
	}
	w.t.Fatal("pages without end")
	return nil
}

func members(items []any, name string) (list []string) {
	for _, item := range items {
		list = append(list, item.(m)[name].(string))
	}
	return list
}

const newsletterPeople = "/v1/purposes/newsletter/consents?"

func TestAPurposesPeopleComeInPagesOfOneMoment(t *testing.T) {
	w := newWorld(t, unsealed)
	w.declare()
	w.person("nobody@example.com")
	tokens := w.consenting(5)
	// Also as of a moment that is yet to come, which stamps do not cut.
	for i, asOf := range []string{"", "&as_of=2100-01-01"} {
		var moments []string
		items := w.everyPage(newsletterPeople+"limit=2"+asOf, func(page *answer) {
			moments = append(moments, page.text("as_of")+" "+page.text("position"))
			if len(moments) == 1 { // what is recorded now is not in the pages to come
				w.newsletter(tokens[3+i], "withdraw", "2024-06-01T10:00:00Z")
				w.newsletter(w.person(fmt.Sprintf("late%d@example.com", i)), "give", "2024-05-01T10:00:00Z")
			}
		})
		if i == 0 {
			require.Equal(t, tokens, members(items, "token"))
			require.Equal(t, "ConsentGiven", items[3].(m)["consents"].([]any)[0].(m)["status"])
			require.Equal(t, 2.0, items[3].(m)["revision"], "as it was known then")
		} else {
			require.Len(t, items, 6)
			at := slices.Index(members(items, "token"), tokens[4])
			require.Equal(t, "ConsentGiven", items[at].(m)["consents"].([]any)[0].(m)["status"])
		}
		require.Len(t, slices.Compact(moments), 1)
	}
	again := w.do("GET", newsletterPeople+"limit=500", nil).is(200)
	require.Len(t, again.get("items"), 7)
	require.Nil(t, again.get("next"))
	require.Equal(t, "newsletter", again.get("purpose"))
	require.Empty(t, w.everyPage("/v1/purposes/club/consents?", nil))
}

// More people than are looked up, or folded, at once.
func TestAPurposeMayHaveManyPeople(t *testing.T) {
	const many = 510
	w := newWorld(t, unsealed)
	w.declare()
	var busy sync.WaitGroup
	for g := range 8 {
		busy.Go(func() {
			for i := g; i < many; i += 8 {
				w.newsletter(w.person(fmt.Sprintf("p%d@example.com", i)), "refuse", "")
			}
		})
	}
	busy.Wait()
	all := w.do("GET", "/v1/purposes/newsletter/totals", nil).is(200)
	require.EqualValues(t, many, all.get("people"))
	require.EqualValues(t, many, all.get("totals.0.people"))
	require.Nil(t, all.get("next"))
	require.Len(t, w.everyPage(newsletterPeople+"limit=500", nil), many)
	require.Len(t, w.everyPage("/v1/purposes/newsletter/changes?from=2024-01-01&limit=500", nil), many)
}

func TestOneAnswerFoldsABoundedNumberOfPeople(t *testing.T) {
	w := newWorld(t, func(o *httpapi.Options) { o.Limits.MaxFolded = 2 })
	w.declare()
	tokens := w.consenting(5)
	w.newsletter(tokens[4], "withdraw", "")
	sum, pages := 0.0, 0
	w.everyPage("/v1/purposes/newsletter/totals?", func(page *answer) {
		sum += page.get("people").(float64)
		pages++
	})
	require.Equal(t, 5.0, sum)
	require.Equal(t, 3, pages)
	pages = 0
	items := w.everyPage("/v1/purposes/newsletter/changes?by=effective&from=2024-06-01", func(*answer) { pages++ })
	require.Equal(t, tokens[4:], members(items, "token"))
	require.Equal(t, 3, pages, "a page may have nobody and go on")
}

func TestAPurposeIsReplayedByEitherTime(t *testing.T) {
	w := newWorld(t, unsealed)
	w.declare()
	token := w.person("ada@example.com")
	given := w.newsletter(token, "give", "2024-05-01T10:00:00Z") // recorded late
	status := func(asOf, by string) any {
		page := w.do("GET", newsletterPeople+"by="+by+"&as_of="+asOf, nil).is(200)
		if len(page.get("items").([]any)) == 0 {
			return nil
		}
		return page.get("items.0.consents.0.status")
	}
	require.Nil(t, status("2024-06-01", "recorded"), "it was not known then")
	require.Equal(t, "ConsentGiven", status("2024-06-01", "effective"))
	require.Nil(t, status("2024-04-30", "effective"), "it had not taken effect then")
	require.Equal(t, "ConsentGiven", status(given.text("recorded"), "recorded"))

	w.newsletter(token, "invalidate", "", m{"by": "controller"})
	require.Equal(t, "ConsentInvalidated", status("2024-06-01", "effective"), "it never was valid")
	require.Equal(t, "ConsentGiven", status(given.text("recorded"), "recorded"), "which was not known then")
	then := w.do("GET", newsletterPeople+"as_of="+given.text("recorded"), nil)
	require.Equal(t, given.get("revision"), then.get("items.0.revision"), "the record was shorter then")
	page := w.do("GET", newsletterPeople+"by=effective&as_of=2024-06-01", nil)
	require.Equal(t, given.text("event"), page.get("items.0.consents.0.granted"))
	require.NotEqual(t, given.text("event"), page.get("items.0.consents.0.rests_on"))
	require.Equal(t, "2024-06-01T23:59:59.999999Z", page.get("as_of"))
	require.Greater(t, page.text("known"), "2026", "of what is known now")

	for _, order := range [][]string{{"give", "withdraw"}, {"withdraw", "give"}} { // in a tie the denial counts
		other := w.person(order[0] + "@example.com")
		for _, act := range order {
			w.newsletter(other, act, "2024-07-01T10:00:00Z")
		}
		at := w.do("GET", "/v1/subjects/"+other+"/consents?about=newsletter&by=effective&as_of=2024-07-01T10:00:00Z", nil)
		require.Equal(t, "ConsentWithdrawn", at.get("consents.0.status"))
		for _, item := range w.everyPage(newsletterPeople+"by=effective&as_of=2024-07-01T10:00:00Z", nil) {
			if item.(m)["token"] == other {
				require.Equal(t, at.get("consents"), item.(m)["consents"])
			}
		}
	}
	require.Empty(t, w.everyPage(newsletterPeople+"as_of=0001-01-01T00:00:00Z", nil), "the first moment is no lack of one")
	require.Equal(t, []any{}, w.do("GET", "/v1/subjects/"+token+"/consents?as_of=0001-01-01T00:00:00Z", nil).get("consents"))
	require.Len(t, w.everyPage(newsletterPeople+"as_of="+url.QueryEscape("9999-12-31T23:59:59-23:00"), nil), 3)
}

func TestAPurposesPeopleAlsoHaveBasesAndObjections(t *testing.T) {
	w := newWorld(t, unsealed)
	w.declare()
	token := w.served("ada@example.com")
	at := "/v1/subjects/" + token
	people := "/v1/purposes/service/consents?events=true"
	stands := w.do("GET", people, nil).is(200)
	require.Equal(t, "asserted", stands.get("items.0.bases.0.state"))
	require.Equal(t, []any{}, stands.get("items.0.consents"))
	require.Equal(t, m{"field": "basis.reference", "value": m{"state": "sealed"}}, stands.get("items.0.events.0.values.0"))
	require.NotContains(t, string(stands.body), "K-1")
	w.do("DELETE", at+"/basis/service", nil).is(200)
	over := w.do("GET", people, nil).is(200)
	require.Equal(t, "ended", over.get("items.0.bases.0.state"))
	require.Len(t, over.get("items.0.events"), 2)
	require.Equal(t, over.get("items.0.events.1.event"), over.get("items.0.bases.0.rests_on"))

	objects := func(token, purpose string) string {
		b := m{"scope": "marketing", "reason": "no more"}
		if purpose != "" {
			b["purpose"] = purpose
		}
		return w.do("POST", "/v1/subjects/"+token+"/objection", b).is(200).text("event")
	}
	all := objects(w.person("general@example.com"), "") // names no purpose
	named := w.person("named@example.com")
	event := objects(named, "newsletter")
	objects(named, "")
	w.do("POST", "/v1/subjects/"+named+"/objection/"+event+"/withdraw", nil).is(200)
	listed := w.do("GET", newsletterPeople+"events=true", nil).is(200)
	require.Equal(t, []string{named}, members(listed.get("items").([]any), "token"))
	require.NotContains(t, string(listed.body), all)
	require.Equal(t, "withdrawn", listed.get("items.0.objections.0.state"))
	require.Equal(t, "newsletter", listed.get("items.0.objections.0.purpose"))
	require.Equal(t, "pending", listed.get("items.0.objections.1.state"), "one to every purpose may cover it")
	require.Len(t, listed.get("items.0.events"), 3, "with what settled it")
	require.NotContains(t, string(listed.body), "no more")

	totals := w.do("GET", "/v1/purposes/newsletter/totals", nil).is(200)
	require.Equal(t, 1.0, totals.get("people"))
	require.Equal(t, []any{
		m{"what": "objection", "status": "pending", "people": 1.0}, m{"what": "objection", "status": "withdrawn", "people": 1.0},
	}, totals.get("totals"))
}

func TestTotalsCountEachPersonOnce(t *testing.T) {
	w := newWorld(t, unsealed)
	w.declare()
	tokens := w.consenting(4)
	w.newsletter(tokens[0], "withdraw", "2024-06-01T10:00:00Z")
	w.newsletter(tokens[1], "withdraw", "2024-06-02T10:00:00Z")
	w.served("contract@example.com")
	totals := func(query string) any { return w.do("GET", "/v1/purposes/"+query, nil).is(200).get("totals") }
	given := func(n, withdrawn float64) (list []any) {
		list = append(list, m{"what": "consent", "status": "ConsentGiven", "people": n})
		if withdrawn > 0 {
			list = append(list, m{"what": "consent", "status": "ConsentWithdrawn", "people": withdrawn})
		}
		return list
	}
	require.Equal(t, given(2, 2), totals("newsletter/totals"))
	require.Equal(t, given(3, 1), totals("newsletter/totals?by=effective&as_of=2024-06-01"))
	require.Equal(t, given(4, 0), totals("newsletter/totals?by=effective&as_of=2024-05-31"))
	require.Equal(t, []any{}, totals("newsletter/totals?as_of=2024-05-31"))
	require.Equal(t, []any{m{"what": "basis", "basis": "contract", "status": "asserted", "people": 1.0}}, totals("service/totals"))
}

// sealedLog knows the leaves of the first events.
type sealedLog map[eventstore.EventID]uint64

func (l sealedLog) LeafIndex(id eventstore.EventID) (uint64, bool) {
	leaf, ok := l[id]
	return leaf, ok
}

func TestEachLineLinksItsProof(t *testing.T) {
	leaves := sealedLog{}
	w := newWorld(t, func(o *httpapi.Options) { o.Leaves = leaves })
	w.declare()
	token := w.served("ada@example.com")
	for i, r := range w.stored() {
		leaves[r.ID] = uint64(i)
	}
	given := w.newsletter(token, "give", "") // not sealed yet
	history := w.do("GET", "/v1/subjects/"+token+"/history", nil).is(200)
	events := history.get("events").([]any)
	for i, e := range events {
		event := e.(m)
		require.Equal(t, "/v1/events/"+event["event"].(string)+"/proof", event["proof"])
		if i < len(events)-1 {
			id := w.stored()[int(event["leaf"].(float64))].ID
			require.Equal(t, event["event"], id.String())
		} else {
			require.Nil(t, event["leaf"])
		}
	}
	stand := w.do("GET", "/v1/subjects/"+token+"/consents", nil).is(200)
	require.Equal(t, "/v1/events/"+given.text("event")+"/proof", stand.get("consents.0.proof"))
	require.Equal(t, stand.get("consents.0.proof"), stand.get("consents.0.granted_proof"))
	require.Equal(t, "/v1/events/"+stand.text("bases.0.rests_on")+"/proof", stand.get("bases.0.proof"))
	require.NotNil(t, stand.get("bases.0.leaf"))
	require.Equal(t, stand.get("bases.0"), w.do("GET", "/v1/purposes/service/consents", nil).get("items.0.bases.0"))
	changes := w.do("GET", "/v1/purposes/service/changes?from=2024-01-01", nil).is(200)
	require.Equal(t, stand.get("bases.0"), changes.get("items.0.bases.0.after"))
	require.Nil(t, changes.get("items.0.bases.0.before"))
}

func TestTwoMomentsAreCompared(t *testing.T) {
	w := newWorld(t, unsealed)
	w.declare()
	tokens := w.consenting(3)
	w.newsletter(tokens[0], "withdraw", "2024-06-01T10:00:00Z")
	w.newsletter(tokens[1], "renew", "2024-06-02T10:00:00Z", m{"until": "2024-07-01T00:00:00Z"})
	compare := func(query string) *answer {
		return w.do("GET", "/v1/purposes/newsletter/changes?by=effective&"+query, nil).is(200)
	}
	first := compare("from=2024-05-15&to=2024-06-01")
	require.Equal(t, tokens[:1], members(first.get("items").([]any), "token"))
	require.Equal(t, "ConsentGiven", first.get("items.0.consents.0.before.status"))
	require.Equal(t, "ConsentWithdrawn", first.get("items.0.consents.0.after.status"))
	require.Len(t, first.get("items.0.events"), 1)
	require.Equal(t, first.get("items.0.events.0.event"), first.get("items.0.consents.0.after.rests_on"))
	require.Equal(t, "2024-06-01T23:59:59.999999Z", first.get("to"))

	expired := compare("from=2024-06-30&to=2024-07-01")
	require.Equal(t, tokens[1:2], members(expired.get("items").([]any), "token"))
	require.Equal(t, "RenewedConsentGiven", expired.get("items.0.consents.0.before.status"))
	require.Equal(t, "ConsentExpired", expired.get("items.0.consents.0.after.status"))
	require.Equal(t, []any{}, expired.get("items.0.events"), "an end comes by itself")

	new := compare("from=2024-04-30&to=2024-05-02")
	require.Len(t, new.get("items"), 3)
	require.Nil(t, new.get("items.0.consents.0.before"))
	require.Equal(t, []any{}, compare("from=2024-08-01&to=2024-09-01").get("items"))

	one := w.do("GET", "/v1/subjects/"+tokens[0]+"/changes?by=effective&from=2024-05-15&to=2024-06-01", nil).is(200)
	require.Equal(t, first.get("items.0.consents"), one.get("consents"))
	require.Equal(t, tokens[0], one.get("token"))
	about := w.do("GET", "/v1/subjects/"+tokens[0]+"/changes?from=2024-05-15&about=service", nil).is(200)
	require.Equal(t, []any{}, about.get("consents"))
	require.Equal(t, []any{}, about.get("events"))
	whole := w.do("GET", "/v1/subjects/"+tokens[0]+"/changes?from=2024-05-15", nil).is(200)
	require.Len(t, whole.get("events"), 4, "registered, recorded, given, withdrawn")

	w.newsletter(tokens[2], "withdraw", "")
	pages := 0
	paged := w.everyPage("/v1/purposes/newsletter/changes?from=2024-05-15&limit=2", func(*answer) { pages++ })
	require.Equal(t, tokens, members(paged, "token"))
	require.Equal(t, 2, pages)
}

// Somebody who came to a purpose after the first moment stood somehow before.
func TestWhatStoodOfSomebodyNewIsNoChange(t *testing.T) {
	w := newWorld(t, unsealed)
	w.declare()
	token := w.person("ada@example.com")
	w.do("POST", "/v1/subjects/"+token+"/objection", m{"scope": "processing", "effective": "2024-05-01T10:00:00Z"}).is(200)
	w.newsletter(token, "refuse", "2024-06-01T10:00:00Z")
	query := "from=2024-05-15&to=2024-06-15&by=effective"
	require.Equal(t, []any{}, w.do("GET", "/v1/purposes/newsletter/consents?by=effective&as_of=2024-05-15", nil).is(200).get("items"))
	stood := w.do("GET", "/v1/subjects/"+token+"/consents?about=newsletter&by=effective&as_of=2024-05-15", nil).is(200)
	require.Len(t, stood.get("objections"), 1)
	changes := w.do("GET", "/v1/purposes/newsletter/changes?"+query, nil).is(200)
	require.Len(t, changes.get("items"), 1)
	require.Equal(t, []any{}, changes.get("items.0.objections"), "it stood at both moments")
	require.Len(t, changes.get("items.0.consents"), 1)
	require.Len(t, changes.get("items.0.events"), 1)
	// When it changes, what stood before is told.
	w.do("POST", "/v1/subjects/"+token+"/objection/"+stood.text("objections.0.event")+"/uphold", m{"effective": "2024-06-10T10:00:00Z"}).is(200)
	changes = w.do("GET", "/v1/purposes/newsletter/changes?"+query, nil).is(200)
	require.Equal(t, stood.get("objections.0"), changes.get("items.0.objections.0.before"))
	require.Equal(t, "upheld", changes.get("items.0.objections.0.after.state"))
}

func TestHistoryIsNarrowedToAPurpose(t *testing.T) {
	w := newWorld(t, unsealed)
	w.declare()
	token := w.served("ada@example.com")
	w.newsletter(token, "give", "")
	auditor := bearer(w.tokenFor(principal.Auditor))
	before := w.app.Store.Stats().Events
	narrow := w.anyone("GET", "/v1/subjects/"+token+"/history?about=newsletter", nil, auditor).is(200)
	require.Equal(t, []string{"ConsentGiven"}, members(narrow.get("events").([]any), "type"))
	stand := w.anyone("GET", "/v1/subjects/"+token+"/consents?about=newsletter", nil, auditor).is(200)
	require.Len(t, stand.get("consents"), 1)
	require.Equal(t, []any{}, stand.get("bases"))
	w.anyone("GET", newsletterPeople, nil, auditor).is(200)
	w.anyone("GET", "/v1/purposes/newsletter/totals", nil, auditor).is(200)
	w.anyone("GET", "/v1/purposes/newsletter/changes?from=2024-01-01", nil, auditor).is(200)
	require.Equal(t, before, w.app.Store.Stats().Events, "facts are no access")
	w.anyone("GET", newsletterPeople, nil, bearer(w.tokenFor(principal.Operator))).problem(403, "auth.role")
}

// behind is a view that never catches up.
type behind struct{ httpapi.Views }

func (behind) WaitFor(ctx context.Context, _ string, _ eventstore.Position) error {
	<-ctx.Done()
	return ctx.Err()
}

func TestAViewThatIsBehindLeavesNobodyOut(t *testing.T) {
	w := newWorld(t, func(o *httpapi.Options) { o.Views, o.Limits.Wait = behind{o.Views}, time.Millisecond })
	w.declare()
	w.do("GET", newsletterPeople, nil).problem(503, "view.behind")
	w.do("GET", "/v1/purposes/newsletter/totals", nil).problem(503, "view.behind")
}

func TestALookBackThatCannotBeIsRefused(t *testing.T) {
	w := newWorld(t, unsealed)
	w.declare()
	token := w.consenting(2)[0]
	for _, path := range []string{"consents?", "totals?", "changes?from=2024-01-01&"} {
		at := "/v1/purposes/newsletter/" + path
		require.Equal(t, "purpose", w.do("GET", "/v1/purposes/nothing/"+path, nil).problem(404, "catalogue.undeclared").get("field"))
		w.do("GET", "/v1/purposes/No%20Name/"+path, nil).is(422)
		w.do("GET", at+"by=colour", nil).problem(422, "request.parameter")
		w.do("GET", at+"after=nonsense", nil).problem(422, "request.parameter")
		w.do("GET", at+"after=1.2.3.s"+token[2:28]+"77", nil).is(400)
		w.do("GET", at+"after=99999999999999999999.2.3."+token, nil).is(400)
		w.do("GET", at+"after=1.2.9223372036854775807."+token, nil).is(400)
	}
	w.do("GET", newsletterPeople+"limit=501", nil).problem(422, "request.parameter")
	w.do("GET", newsletterPeople+"limit=0", nil).problem(422, "request.parameter")
	cursor := w.do("GET", newsletterPeople+"limit=1", nil).is(200).text("next")
	w.do("GET", "/v1/purposes/newsletter/changes?from=2024-01-01&after="+cursor, nil).problem(400, "request.malformed")
	for _, at := range []string{"/v1/purposes/newsletter/changes", "/v1/subjects/" + token + "/changes"} {
		require.Equal(t, "from", w.do("GET", at+"?from=2024-02-01&to=2024-01-01", nil).problem(422, "request.order").get("field"))
		w.do("GET", at, nil).is(422)
		w.do("GET", at+"?from=yesterday", nil).problem(422, "request.parameter")
	}
	stranger, err := domain.NewToken(rand.Reader)
	require.NoError(t, err)
	w.do("GET", "/v1/subjects/"+string(stranger)+"/changes?from=2024-01-01", nil).problem(404, "subject.unknown")
}
