package httpapi_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"lethe/domain"
	"lethe/internal/keyring"
)

// typed declares a field of every type, a list among them, and a purpose that
// reads them all; and registers somebody who has them.
func (w *world) typed() (token string) {
	w.t.Helper()
	values := map[string][]string{
		"text": {"Weg 1"}, "email": {"ada@example.com"}, "phone": {"+491510000001"}, "date": {"1815-12-10"}, "boolean": {"true"},
		"enumeration": {"red"}, "integer": {"42"}, "decimal": {"1.50"}, "money": {"7.00 EUR"}, "list": {"first", "second", "third"},
	}
	fields, entries := []string{}, []m{}
	for typ, texts := range values {
		declared := m{"type": typ, "group": "typed", "category": "pd:Data"}
		switch typ {
		case "list":
			declared["type"], declared["many"] = "text", true
		case "enumeration":
			declared["enumeration"] = []string{"red", "blue"}
		case "money":
			declared["currency"] = "EUR"
		}
		w.do("PUT", "/v1/catalogue/fields/typed-"+typ, declared).is(200)
		fields = append(fields, "typed-"+typ)
		for _, text := range texts {
			entries = append(entries, m{"field": "typed-" + typ, "value": text})
		}
	}
	w.do("PUT", "/v1/catalogue/purposes/typed", m{
		"controllers": []string{"acme"}, "basis": "contract", "fields": []string{"email"}, "optional": fields, "retention": "P3Y",
		"retention_start": "collection", "dpv": "dpv:CustomerCare", "in_force": "2020-01-01T00:00:00Z",
	}).is(200)
	entries = append(entries, m{"field": "email", "value": "other@example.com"})
	token = w.do("POST", "/v1/subjects", m{
		"acquired": "from_person", "jurisdiction": "DE", "records": []m{{"purpose": "typed", "values": entries}},
	}, w.fresh()).is(201).text("token")
	w.do("POST", "/v1/subjects/"+token+"/basis", m{"purpose": "typed", "basis": "contract", "reference": "K-1"}).is(200)
	return token
}

// What was erased is told as erased wherever it was shown before, whatever its
// type: it never becomes an empty text, a zero, a shorter list, or nothing.
func TestPitfall21ErasedIsNeverEmptyInAnAnswer(t *testing.T) {
	w := newWorld(t)
	w.declare()
	token := w.typed()
	s := "/v1/subjects/" + token
	w.do("POST", s+"/consents/newsletter/give", m{
		"notice": w.notice("newsletter-text"), "medium": "web", "method": "checkbox", "evidence": "form 7",
	}).is(200)
	w.tokenFor("auditor")
	w.do("POST", "/v1/holds", m{
		"group": "typed", "purpose": "claims", "people": "everyone", "authority": "4 O 17", "review": "2990-01-31T00:00:00Z",
	}).is(200)
	asked := []string{
		s + "?purpose=typed", s + "/history?purpose=typed", s + "/consents?purpose=typed",
		"/v1/catalogue/controllers", "/v1/catalogue/controllers/acme", "/v1/catalogue/recipients/mailer", "/v1/catalogue/notices/newsletter-text",
		"/v1/tokens?names=true", "/v1/holds?authority=true",
	}
	before := map[string]any{}
	for _, path := range asked {
		before[path] = w.do("GET", path, nil).is(200).get("")
	}
	for _, owner := range []string{"subject-" + token, "controller-acme", "recipient-mailer", "operations"} {
		w.destroy(owner, "contact") // what the purpose needs: without that it is refused as a whole
	}
	erased := 0
	for _, path := range asked {
		erased += sameButErased(t, path, before[path], w.do("GET", path, nil).is(200).get(""))
	}
	require.Greater(t, erased, 30)

	// A receipt with a gap would look whole: there is none.
	for _, format := range []string{"iso27560", "kantara"} {
		w.do("GET", s+"/consents/newsletter/receipt?format="+format, nil).problem(409, "receipt.party_unreadable")
	}
}

// destroy destroys the keys of an owner but those of a group.
func (w *world) destroy(owner string, but domain.Name) {
	w.t.Helper()
	keys, err := w.app.Keys.Keys(w.t.Context(), owner)
	require.NoError(w.t, err)
	keys = slices.DeleteFunc(keys, func(k keyring.KeyInfo) bool { return k.Compartment.Group == but })
	require.NotEmpty(w.t, keys, owner)
	_, err = w.app.Keys.Destroy(w.t.Context(), "request", keyring.Destruction{Keys: keys})
	require.NoError(w.t, err)
}

// sameButErased requires that an answer has all that an earlier one had, each
// value as it was, told to be erased, or its field told to be withheld; and
// counts those that are not as they were.
func sameButErased(t *testing.T, at string, before, after any) (erased int) {
	t.Helper()
	told := func(v any) bool {
		text, _ := json.Marshal(v)
		return slices.Contains([]string{`{"state":"erased"}`, `{"state":"sealed"}`}, string(text)) // sealed: nobody tried to open it
	}
	switch b := before.(type) {
	case map[string]any:
		if b["state"] == "present" {
			if told(after) {
				return 1
			}
			require.Equal(t, before, after, at)
			return 0
		}
		a, ok := after.(map[string]any)
		require.True(t, ok, "%s was an object and is %v", at, after)
		for name := range b {
			require.Contains(t, a, name, at)
			if withheld, ok := a["withheld"].([]any); ok && name == "fields" {
				all, _ := b[name].([]any)
				rest := slices.DeleteFunc(slices.Clone(all), func(f any) bool { return slices.Contains(withheld, f.(m)["field"]) })
				erased += len(all) - len(rest)
				b[name] = rest
			}
			erased += sameButErased(t, at+"."+name, b[name], a[name])
		}
	case []any:
		a, ok := after.([]any)
		require.True(t, ok && len(a) == len(b), "%s had %d items and is %v", at, len(b), after)
		for i := range b {
			erased += sameButErased(t, fmt.Sprintf("%s[%d]", at, i), b[i], a[i])
		}
	case string:
		if told(after) {
			return 1
		}
		require.NotEmpty(t, after, "%s was a text", at)
	default:
		require.IsType(t, before, after, at)
	}
	return erased
}
