package httpapi_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// past is a ledger with a random past: acts on a few people that are recorded
// late or at once, in any order, with ties; some are refused by the rules.
type past struct {
	*world
	random *rand.Rand
	tokens []string // in order
	times  []string // at which something was recorded or took effect
}

var replayed = []string{"newsletter", "service", "claims"}

func newPast(t *testing.T, people, acts int) *past {
	p := &past{world: newWorld(t, unsealed), random: rand.New(rand.NewPCG(7, 1))}
	p.declare()
	for i := range people {
		p.tokens = append(p.tokens, p.person(fmt.Sprintf("p%d@example.com", i)))
	}
	slices.Sort(p.tokens)
	done := 0
	for range acts {
		if p.act() {
			done++
		}
	}
	require.Greater(t, done, acts/2, "most acts are done")
	return p
}

func (p *past) pick(list ...string) string { return list[p.random.IntN(len(list))] }

// day is one of a few, so that ties are frequent.
func (p *past) day() string {
	return time.Date(2024, 5, 1+p.random.IntN(12), 10, 0, 0, 0, time.UTC).Format(time.RFC3339)
}

func (p *past) act() bool {
	at := "/v1/subjects/" + p.pick(p.tokens...)
	b := m{"medium": "web", "method": "checkbox"}
	if p.random.IntN(4) > 0 {
		b["effective"] = p.day()
		p.times = append(p.times, b["effective"].(string))
	}
	act := p.pick("give", "give", "give", "renew", "withdraw", "refuse", "defer", "revoke", "invalidate", "basis", "end", "object", "settle")
	switch act {
	case "basis":
		b = m{"purpose": p.pick("service", "claims"), "basis": "contract", "reference": "K-1", "effective": p.day()}
		if b["purpose"] == "claims" {
			b["basis"] = "legitimate_interests"
		}
		if p.random.IntN(2) == 0 {
			b["until"] = "2024-05-10T10:00:00Z"
		}
		return p.sent("POST", at+"/basis", b)
	case "end":
		return p.sent("DELETE", at+"/basis/"+p.pick("service", "claims"), m{"effective": p.day()})
	case "object":
		b = m{"scope": p.pick("marketing", "processing"), "effective": p.day()}
		if of := p.pick("", "newsletter", "claims"); of != "" {
			b["purpose"] = of
		}
		return p.sent("POST", at+"/objection", b)
	case "settle":
		for _, e := range p.do("GET", at+"/history", nil).get("events").([]any) {
			if event := e.(m); event["type"] == "Objected" {
				return p.sent("POST", at+"/objection/"+event["event"].(string)+"/"+p.pick("uphold", "withdraw"), m{"effective": p.day()})
			}
		}
		return true
	case "give", "renew":
		b["notice"] = p.notice("newsletter-text")
		if p.random.IntN(3) == 0 {
			b["until"] = "2024-05-09T10:00:00Z"
		}
	case "revoke", "invalidate":
		b["by"] = "controller"
	}
	return p.sent("POST", at+"/consents/newsletter/"+act, b)
}

func (p *past) sent(method, path string, body m) bool {
	a := p.do(method, path, body)
	require.Less(p.t, a.status, 500, "%s", a.body)
	if a.status == 200 && a.get("recorded") != nil {
		p.times = append(p.times, a.text("recorded"))
	}
	return a.status == 200
}

// replay is one person's own replay, nil when nothing names the purpose.
func (p *past) replay(token, purpose, query string) m {
	at := "/v1/subjects/" + token
	one := p.do("GET", at+"/consents?about="+purpose+query, nil).is(200)
	events := p.do("GET", at+"/history?about="+purpose+query, nil).is(200).get("events").([]any)
	named := slices.ContainsFunc(events, func(e any) bool { return e.(m)["facts"].(m)["purpose"] == purpose })
	if !named {
		return nil
	}
	return m{
		"token": token, "events": events,
		"consents": one.get("consents"), "bases": one.get("bases"), "objections": one.get("objections"),
	}
}

// The replay of a purpose is the union of its people's own.
func TestAPurposesReplayIsTheUnionOfItsPeoples(t *testing.T) {
	p := newPast(t, 8, 120)
	for range 12 {
		query := "&by=" + p.pick("recorded", "effective") + "&as_of=" + p.pick(p.times...)
		for _, purpose := range replayed {
			var want []any
			for _, token := range p.tokens {
				if one := p.replay(token, purpose, query); one != nil {
					want = append(want, one)
				}
			}
			got := p.everyPage("/v1/purposes/"+purpose+"/consents?events=true&limit=3"+query, nil)
			for _, item := range got {
				delete(item.(m), "revision") // of what was known then, here; of the whole record, there
			}
			require.Equal(t, want, got, "%s %s", purpose, query)
			p.requireTotals(purpose, query, got)
		}
	}
}

// requireTotals counts the items once more.
func (p *past) requireTotals(purpose, query string, items []any) {
	want := map[string]float64{}
	for _, item := range items {
		counts := map[string]bool{}
		for _, c := range item.(m)["consents"].([]any) {
			counts["consent  "+c.(m)["status"].(string)] = true
		}
		for _, b := range item.(m)["bases"].([]any) {
			counts["basis "+b.(m)["basis"].(string)+" "+b.(m)["state"].(string)] = true
		}
		for _, o := range item.(m)["objections"].([]any) {
			counts["objection  "+o.(m)["state"].(string)] = true
		}
		for c := range counts {
			want[c]++
		}
	}
	a := p.do("GET", "/v1/purposes/"+purpose+"/totals?"+query[1:], nil).is(200)
	got := map[string]float64{}
	for _, total := range a.get("totals").([]any) {
		of := total.(m)
		basis, _ := of["basis"].(string)
		got[strings.Join([]string{of["what"].(string), basis, of["status"].(string)}, " ")] = of["people"].(float64)
	}
	require.Equal(p.t, want, got)
	require.EqualValues(p.t, len(items), a.get("people"))
}

// The difference of a purpose is the union of its people's own: of everybody
// who was among them at either moment. Applied to how each of them stood at
// the first moment, it gives how they stood at the second.
func TestAPurposesDifferenceIsTheUnionOfItsPeoples(t *testing.T) {
	p := newPast(t, 8, 120)
	stood := 0 // people who were not among them yet, and of whom something was known
	for range 12 {
		from, to, by := p.pick(p.times...), p.pick(p.times...), "&by="+p.pick("recorded", "effective")
		if from > to { // one form, so that texts are in the order of time
			from, to = to, from
		}
		for _, purpose := range replayed {
			at := "/v1/purposes/" + purpose
			earlier := byToken(p.everyPage(at+"/consents?as_of="+from+by, nil))
			later := byToken(p.everyPage(at+"/consents?as_of="+to+by, nil))
			state, union := standings{}, []any(nil)
			for _, token := range p.tokens {
				if earlier[token] == nil && later[token] == nil {
					continue
				}
				state[token] = p.stand(token, "?about="+purpose+"&as_of="+from+by)
				if earlier[token] == nil {
					stood += len(state[token])
				}
				if own := p.difference(token, "?about="+purpose+"&from="+from+"&to="+to+by); own != nil {
					union = append(union, own)
				}
			}
			changes := p.everyPage(at+"/changes?limit=3&from="+from+"&to="+to+by, nil)
			require.Equal(t, union, changes, "%s from %s to %s%s", purpose, from, to, by)
			for _, item := range changes {
				p.apply(state, item.(m))
			}
			require.Equal(t, later, state, "%s from %s to %s%s", purpose, from, to, by)
		}
	}
	require.Positive(t, stood)
}

// stand is how one person stood.
func (p *past) stand(token, query string) map[string]m {
	one := p.do("GET", "/v1/subjects/"+token+"/consents"+query, nil).is(200)
	return keyed(m{"consents": one.get("consents"), "bases": one.get("bases"), "objections": one.get("objections")})
}

// difference is one person's own comparison, nil when nothing changed.
func (p *past) difference(token, query string) any {
	one, some := p.do("GET", "/v1/subjects/"+token+"/changes"+query, nil).is(200), false
	own := m{"token": one.get("token"), "revision": one.get("revision")}
	for _, member := range []string{"consents", "bases", "objections", "events"} {
		own[member] = one.get(member)
		some = some || len(own[member].([]any)) > 0
	}
	if !some {
		return nil
	}
	return own
}

type standings map[string]map[string]m

func byToken(items []any) standings {
	all := standings{}
	for _, item := range items {
		all[item.(m)["token"].(string)] = keyed(item.(m))
	}
	return all
}

// keyed names each thing that stands by what it is of.
func keyed(of m) map[string]m {
	all := map[string]m{}
	for _, kind := range []string{"consents", "bases", "objections"} {
		for _, one := range of[kind].([]any) {
			all[keyOf(kind, one.(m))] = one.(m)
		}
	}
	return all
}

func keyOf(kind string, one m) string {
	return fmt.Sprint(kind, one["purpose"], one["basis"], one["event"])
}

func (p *past) apply(state standings, changes m) {
	token := changes["token"].(string)
	for _, kind := range []string{"consents", "bases", "objections"} {
		for _, change := range changes[kind].([]any) {
			after := change.(m)["after"].(m)
			key := keyOf(kind, after)
			before, _ := change.(m)["before"].(m)
			require.Equal(p.t, state[token][key], before, "it stood like this before, or did not")
			state[token][key] = after
		}
	}
}
