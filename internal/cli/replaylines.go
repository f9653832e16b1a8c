package cli

import (
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json"

	"lethe/domain"
	"lethe/internal/httpapi"
)

// A replay's lines, as a table for people and as CSV for programs. Both are
// made of the same columns; CSV has them all, to the microsecond.

// column is one column of lines of T.
type column[T any] struct {
	name string
	cell func(T, style) string
	only string // formatTable or formatCSV, where it is in one only; ofMany
}

// ofMany is a column that a table needs when it is of more than one person.
const ofMany = "many"

// style is how a format writes what both have.
type style struct {
	csv  bool
	many bool // lines of several people
}

func (f style) has(only string) bool {
	switch only {
	case formatCSV:
		return f.csv
	case formatTable:
		return !f.csv
	case ofMany:
		return f.csv || f.many
	}
	return true
}

func (f style) time(t time.Time) string {
	if f.csv && !t.IsZero() {
		return t.UTC().Format(time.RFC3339Nano)
	}
	return stamp(t)
}

// short cuts a text where a table would become too wide.
func (f style) short(text string, most int) string {
	if f.csv {
		return text
	}
	return shortened(text, most)
}

// facts is what an event says in clear; CSV has it as it is stored.
func (f style) facts(name string, facts []byte) string {
	if f.csv {
		return string(facts)
	}
	return shortened(inWords(name, facts), 60)
}

// proof is the event's leaf once it is sealed, else the address of its proof;
// CSV has both.
func (f style) proof(p httpapi.Proved) string {
	if p.Leaf != nil && !f.csv {
		return "leaf " + leafText(p)
	}
	return p.Proof
}

func leafText(p httpapi.Proved) string {
	if p.Leaf == nil {
		return ""
	}
	return strconv.FormatUint(*p.Leaf, 10)
}

func idText(i domain.ID) string {
	if i.IsZero() {
		return ""
	}
	return i.String()
}

// stood is one consent, basis or objection of a person.
type stood struct {
	token    domain.Token
	what     string // consent, basis or objection
	purpose  domain.Name
	kind     string // the basis, or what is objected to
	status   string
	version  uint32
	since    time.Time
	until    time.Time
	channels string
	consent  httpapi.Consent // of a consent
	granted  domain.ID
	rest     domain.ID
	httpapi.Proved
}

// stoodLines lists what stood for a person.
func stoodLines(token domain.Token, s httpapi.Stand) (lines []stood) {
	for _, c := range s.Consents {
		lines = append(lines, stoodConsent(token, c))
	}
	for _, b := range s.Bases {
		lines = append(lines, stoodBasis(token, b))
	}
	for _, o := range s.Objections {
		lines = append(lines, stoodObjection(token, o))
	}
	return lines
}

func stoodConsent(token domain.Token, c httpapi.Consent) stood {
	return stood{
		token: token, what: "consent", purpose: c.Purpose, status: string(c.Status), version: c.Version, since: c.Since, until: c.Until,
		channels: words(c.Channels), consent: c, granted: c.Granted, rest: c.Rest, Proved: c.Proved,
	}
}

func stoodBasis(token domain.Token, b httpapi.PastBasis) stood {
	return stood{
		token: token, what: "basis", purpose: b.Purpose, kind: string(b.Basis), status: string(b.State), version: b.Version,
		since: b.Since, until: b.Until, granted: b.Asserted, rest: b.Rest, Proved: b.Proved,
	}
}

func stoodObjection(token domain.Token, o httpapi.PastObjection) stood {
	return stood{
		token: token, what: "objection", purpose: o.Purpose, kind: string(o.Scope), status: string(o.State), since: o.Since,
		channels: string(o.Channel), granted: o.Event, rest: o.Rest, Proved: o.Proved,
	}
}

// told is the status in words: "ConsentGiven", "contract ended", "objection to marketing pending".
func (s *stood) told() string {
	switch s.what {
	case "basis":
		return s.kind + " " + s.status
	case "objection":
		return "objection to " + s.kind + " " + s.status
	}
	return s.status
}

func (s *stood) number() string {
	if s.version == 0 {
		return ""
	}
	return number(s.version)
}

func stoodColumns() []column[stood] {
	return []column[stood]{
		{"token", func(s stood, _ style) string { return string(s.token) }, ofMany},
		{"what", func(s stood, _ style) string { return s.what }, formatCSV},
		{"purpose", func(s stood, _ style) string { return string(s.purpose) }, ""},
		{"status", func(s stood, _ style) string { return s.told() }, formatTable},
		{"kind", func(s stood, _ style) string { return s.kind }, formatCSV},
		{"status", func(s stood, _ style) string { return s.status }, formatCSV},
		{"version", func(s stood, _ style) string { return s.number() }, ""},
		{"since", func(s stood, f style) string { return f.time(s.since) }, ""},
		{"until", func(s stood, f style) string { return f.time(s.until) }, ""},
		{"channels", func(s stood, _ style) string { return s.channels }, ""},
		{"evidence", func(s stood, _ style) string { return s.consent.Class }, ""},
		{"notice", func(s stood, _ style) string { return digestText(s.consent.Notice) }, formatCSV},
		{"language", func(s stood, _ style) string { return string(s.consent.Language) }, formatCSV},
		{"medium", func(s stood, _ style) string { return string(s.consent.Medium) }, formatCSV},
		{"method", func(s stood, _ style) string { return string(s.consent.Method) }, formatCSV},
		{"by", func(s stood, _ style) string { return string(s.consent.By) }, formatCSV},
		{"granted", func(s stood, _ style) string { return idText(s.granted) }, ""},
		{"rests_on", func(s stood, _ style) string { return idText(s.rest) }, ""},
		{"leaf", func(s stood, _ style) string { return leafText(s.Proved) }, formatCSV},
		{"proof", func(s stood, f style) string { return f.proof(s.Proved) }, ""},
	}
}

func digestText(d domain.Digest) string {
	if d.IsZero() {
		return ""
	}
	return d.String()
}

// happened is one event of a person.
type happened struct {
	token domain.Token
	httpapi.PastEvent
}

func eventLines(token domain.Token, list []httpapi.PastEvent) (lines []happened) {
	for _, e := range list {
		lines = append(lines, happened{token, e})
	}
	return lines
}

// purpose is what the event is about, if its facts name one.
func (h *happened) purpose() string {
	var facts struct {
		Purpose string `json:"purpose"`
	}
	_ = json.Unmarshal(h.Facts, &facts) // an event whose facts have no such text names none
	return facts.Purpose
}

func (h *happened) values(f style) string {
	list := make([]string, len(h.Values))
	for i, v := range h.Values {
		list[i] = string(v.Field) + "=" + text(v.Value)
	}
	if f.csv {
		return strings.Join(list, "; ")
	}
	return strings.Join(list, " ")
}

func eventColumns() []column[happened] {
	return []column[happened]{
		{"token", func(h happened, _ style) string { return string(h.token) }, ofMany},
		{"rev", func(h happened, _ style) string { return strconv.FormatUint(h.Revision, 10) }, formatTable},
		{"revision", func(h happened, _ style) string { return strconv.FormatUint(h.Revision, 10) }, formatCSV},
		{"position", func(h happened, _ style) string { return h.Position.String() }, formatCSV},
		{"recorded", func(h happened, f style) string { return f.time(h.Recorded) }, ""},
		{"effective", func(h happened, f style) string { return f.time(h.Effective) }, ""},
		{"type", func(h happened, _ style) string { return h.Type }, ""},
		{"principal", func(h happened, _ style) string { return idText(h.Principal) }, formatCSV},
		{"purpose", func(h happened, _ style) string { return h.purpose() }, formatCSV},
		{"facts", func(h happened, f style) string { return f.facts(h.Type, h.Facts) }, ""},
		{"values", func(h happened, f style) string { return f.short(h.values(f), 80) }, ""},
		{"event", func(h happened, _ style) string { return idText(h.Event) }, ""},
		{"leaf", func(h happened, _ style) string { return leafText(h.Proved) }, formatCSV},
		{"proof", func(h happened, f style) string { return f.proof(h.Proved) }, ""},
	}
}

// turned is one consent, basis or objection that stood otherwise afterwards.
type turned struct{ before, after stood }

func turnLines(c httpapi.PersonChanges) (lines []turned) {
	for _, x := range c.Consents {
		lines = append(lines, turnedOf(c.Token, x, stoodConsent))
	}
	for _, x := range c.Bases {
		lines = append(lines, turnedOf(c.Token, x, stoodBasis))
	}
	for _, x := range c.Objections {
		lines = append(lines, turnedOf(c.Token, x, stoodObjection))
	}
	return lines
}

func turnedOf[T any](token domain.Token, x httpapi.Changed[T], line func(domain.Token, T) stood) turned {
	t := turned{after: line(token, x.After)}
	if x.Before != nil {
		t.before = line(token, *x.Before)
	}
	return t
}

func turnColumns() []column[turned] {
	return []column[turned]{
		{"token", func(t turned, _ style) string { return string(t.after.token) }, ofMany},
		{"what", func(t turned, _ style) string { return t.after.what }, formatCSV},
		{"purpose", func(t turned, _ style) string { return string(t.after.purpose) }, ""},
		{"kind", func(t turned, _ style) string { return t.after.kind }, formatCSV},
		{"before", func(t turned, _ style) string { return t.before.told() }, formatTable},
		{"after", func(t turned, _ style) string { return t.after.told() }, formatTable},
		{"since", func(t turned, f style) string { return f.time(t.after.since) }, formatTable},
		{"before", func(t turned, _ style) string { return t.before.status }, formatCSV},
		{"after", func(t turned, _ style) string { return t.after.status }, formatCSV},
		{"version_before", func(t turned, _ style) string { return t.before.number() }, formatCSV},
		{"version_after", func(t turned, _ style) string { return t.after.number() }, formatCSV},
		{"since_before", func(t turned, f style) string { return f.time(t.before.since) }, formatCSV},
		{"since_after", func(t turned, f style) string { return f.time(t.after.since) }, formatCSV},
		{"until_before", func(t turned, f style) string { return f.time(t.before.until) }, formatCSV},
		{"until_after", func(t turned, f style) string { return f.time(t.after.until) }, formatCSV},
		{"rests_on_before", func(t turned, _ style) string { return idText(t.before.rest) }, formatCSV},
		{"leaf_before", func(t turned, _ style) string { return leafText(t.before.Proved) }, formatCSV},
		{"proof_before", func(t turned, f style) string { return f.proof(t.before.Proved) }, formatCSV},
		{"rests_on", func(t turned, _ style) string { return idText(t.after.rest) }, ""},
		{"leaf", func(t turned, _ style) string { return leafText(t.after.Proved) }, formatCSV},
		{"proof", func(t turned, f style) string { return f.proof(t.after.Proved) }, ""},
	}
}

func totalColumns() []column[httpapi.Total] {
	return []column[httpapi.Total]{
		{"what", func(t httpapi.Total, _ style) string { return t.What }, ""},
		{"basis", func(t httpapi.Total, _ style) string { return string(t.Basis) }, ""},
		{"status", func(t httpapi.Total, _ style) string { return t.Status }, ""},
		{"people", func(t httpapi.Total, _ style) string { return strconv.FormatUint(t.People, 10) }, ""},
	}
}
