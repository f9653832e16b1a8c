package cli

import (
	"context"
	"errors"
	"net/http"
	"sort"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"lethe/domain"
	"lethe/internal/httpapi"
)

// writing is what commands that change something take besides.
type writing struct {
	Key     string `name:"key" placeholder:"KEY" help:"Idempotency key: a repeat with the same key is answered, not done again. Random when left out."`
	IfMatch string `name:"if-match" placeholder:"REVISION" help:"Do it only if the record is still at this revision."`
}

func (w *writing) header() http.Header {
	h := http.Header{}
	if w.Key != "" {
		h.Set("Idempotency-Key", w.Key)
	}
	if w.IfMatch != "" {
		h.Set("If-Match", `"`+strings.Trim(w.IfMatch, `"`)+`"`)
	}
	return h
}

// wrote prints the outcome of a write.
func wrote(ctx context.Context, s *shell, q call) error { return show(ctx, s, q, writeOutcome) }

func writeOutcome(p *page, out httpapi.Outcome) error {
	switch {
	case out.Events == 0:
		p.line("It was so already; nothing was changed.")
	case out.Repeated:
		p.line("This was done before with the same key; nothing was done again.")
	default:
		p.line("Recorded.")
	}
	if out.Token != "" {
		p.row("  person", string(out.Token))
	}
	p.row("  revision", strconv.FormatUint(out.Revision, 10))
	if !out.Event.IsZero() {
		p.row("  event", out.Event.String())
		p.row("  recorded", stamp(out.Recorded))
	}
	p.row("  position", out.Position.String())
	if len(out.Suppressed) > 0 {
		p.row("  to review", "somebody with this "+words(out.Suppressed)+" was erased; marketing is off if that person had objected to it")
	}
	for _, other := range out.LinkedClosed {
		p.row("  closed still", "the linked record "+string(other)+" was erased too, and what is closed there cannot be used here: `lethe erase reopen "+string(other)+"`")
	}
	return nil
}

// moment is a time on the command line: a date (its beginning, UTC) or
// RFC 3339.
type moment struct{ time.Time }

// UnmarshalText reads it.
func (m *moment) UnmarshalText(text []byte) error {
	for _, layout := range []string{time.DateOnly, time.RFC3339, "2006-01-02T15:04:05"} {
		if t, err := time.Parse(layout, string(text)); err == nil {
			m.Time = t.UTC()
			return nil
		}
	}
	return errors.New("a time is written 2006-01-31 or 2006-01-31T09:00:00Z")
}

// pastMoment is a time that is looked back to. A date is that day's end (UTC),
// or now as long as the day lasts: what was decided on a day counts for it.
type pastMoment struct {
	moment
	today bool
}

// UnmarshalText reads it.
func (m *pastMoment) UnmarshalText(text []byte) error {
	day, err := time.Parse(time.DateOnly, string(text))
	if err != nil {
		return m.moment.UnmarshalText(text)
	}
	m.Time = day.AddDate(0, 0, 1).Add(-time.Microsecond)
	m.today = day.Equal(time.Now().UTC().Truncate(24 * time.Hour))
	return nil
}

func (m pastMoment) query() string {
	if m.today {
		return "" // the answer's own default
	}
	return m.moment.query()
}

func (m moment) query() string {
	if m.IsZero() {
		return ""
	}
	return m.Format(time.RFC3339Nano)
}

// personal reads a JSON object of personal values into a request. Unknown
// members are refused, since a misspelt one would be lost; the error names
// the place, never what is there.
func (s *shell) personal(name string, into any) error {
	if name == "" {
		return nil
	}
	text, err := s.read(name, maxInput)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(text, into, json.RejectUnknownMembers(true)); err != nil {
		return notUnderstood(err)
	}
	return nil
}

func notUnderstood(err error) error {
	var semantic *json.SemanticError
	if errors.As(err, &semantic) {
		if errors.Is(err, json.ErrUnknownName) {
			return usage("--values: it has a member that this command does not take%s", httpapi.NoneOf(semantic.GoType))
		}
		return usage("--values: a member is not of the type that it must have (%s)", semantic.GoType)
	}
	return usage("--values: this is not one JSON object in UTF-8")
}

// fieldValues reads {"field": "text", "field": ["text", …]}.
func (s *shell) fieldValues(name string) ([]httpapi.FieldValue, error) {
	text, err := s.read(name, maxInput)
	if err != nil {
		return nil, err
	}
	var members map[string]jsontext.Value
	if err := json.Unmarshal(text, &members); err != nil {
		return nil, notUnderstood(err)
	}
	fields := make([]string, 0, len(members))
	for f := range members {
		fields = append(fields, f)
	}
	sort.Strings(fields)
	var out []httpapi.FieldValue
	for _, f := range fields {
		if !domain.Name(f).Valid() {
			return nil, usage("--values: a member's name must be a field of the catalogue; see `lethe catalogue show fields`")
		}
		texts, err := oneOrMore(members[f])
		if err != nil {
			return nil, usage("--values: %s must be a text or a list of texts", f)
		}
		for i, text := range texts {
			v := httpapi.FieldValue{Field: domain.Name(f), Value: text}
			if len(texts) > 1 {
				slot := uint16(i)
				v.Slot = &slot
			}
			out = append(out, v)
		}
	}
	return out, nil
}

func oneOrMore(v jsontext.Value) ([]string, error) {
	switch v.Kind() {
	case '[':
		var list []string
		err := json.Unmarshal(v, &list)
		return list, err
	case 't', 'f', '0': // booleans and numbers as they are written
		return []string{string(v)}, nil
	}
	var one string
	err := json.Unmarshal(v, &one)
	return []string{one}, err
}
