package csvfile

import (
	"fmt"
	"strconv"
	"strings"

	"lethe/domain"
	"lethe/domain/subject"
	"lethe/internal/importer/source"
)

// checker gathers the first thing that is wrong with a mapping.
type checker struct{ err error }

func (c *checker) fail(line int, field, format string, args ...any) {
	if c.err != nil {
		return
	}
	where := field
	if line > 0 {
		where = "line " + strconv.Itoa(line) + ", " + field
	}
	c.err = domain.Invalid("mapping.invalid", field, "%s: %s", where, fmt.Sprintf(format, args...))
}

func (c *checker) name(t Text, field string, needed bool) {
	if t.V == "" && !needed {
		return
	}
	if !domain.Name(t.V).Valid() {
		c.fail(t.Line, field, "needed is a name of lower-case letters and digits joined by . _ or -")
	}
}

func (c *checker) oneOf(t Text, field string, ok bool, allowed string) {
	if !ok {
		c.fail(t.Line, field, "needed is %s", allowed)
	}
}

// check validates everything that can be told without the file.
func (m *Mapping) check() error {
	c := &checker{}
	c.oneOf(m.Version, "version", m.Version.V == "1", "1")
	c.name(m.System, "system", true)
	c.name(m.Table, "table", true)
	m.File.check(c)
	if len(m.Key) == 0 {
		c.fail(m.Table.Line, "key", "the columns that tell one row's person from another's are needed")
	}
	if m.Refers != nil {
		c.name(m.Refers.Table, "refers.table", true)
		if len(m.Refers.Key) == 0 {
			c.fail(m.Refers.Table.Line, "refers.key", "the columns that name the other record are needed")
		}
	}
	c.name(m.Purpose, "purpose", false)
	c.oneOf(m.Acquired, "acquired", m.Acquired.V == "" || subject.Acquisition(m.Acquired.V).Valid(),
		"from_person, from_third_party, from_public_source or from_migration")
	m.checkPlaces(c)
	c.moment(m.Created, "created")
	c.moment(m.Modified, "modified")
	if len(m.Fields)+len(m.Denials)+len(m.Consents) == 0 {
		c.fail(m.Table.Line, "fields", "a mapping without fields, denials and consents imports nothing")
	}
	for i := range m.Fields {
		m.Fields[i].check(c, "fields["+strconv.Itoa(i)+"]")
	}
	for i := range m.Denials {
		m.Denials[i].check(c, "denials["+strconv.Itoa(i)+"]")
	}
	for i := range m.Consents {
		m.Consents[i].check(c, "consents["+strconv.Itoa(i)+"]")
	}
	checkRules(c, m.LeftOut, "left_out", false)
	checkRules(c, m.Findings, "findings", true)
	return c.err
}

func (f *Format) check(c *checker) {
	switch f.Delimiter.V {
	case "", ",", ";", "|", "tab":
	default:
		c.fail(f.Delimiter.Line, "file.delimiter", `needed is ",", ";", "|" or tab`)
	}
	switch strings.ToLower(f.Encoding.V) {
	case "", "utf-8", "iso-8859-1", "windows-1252":
	default:
		c.fail(f.Encoding.Line, "file.encoding", "needed is utf-8, iso-8859-1 or windows-1252")
	}
	c.boolean(f.Header, "file.header")
	c.boolean(f.BackslashNewlines, "file.backslash_newlines")
}

func (c *checker) boolean(t Text, field string) {
	c.oneOf(t, field, t.V == "" || t.V == "true" || t.V == "false", "true or false")
}

func (m *Mapping) checkPlaces(c *checker) {
	const form = "an ISO 3166-1 code such as DE, or a subdivision such as US-CA"
	c.oneOf(m.Jurisdiction, "jurisdiction", m.Jurisdiction.V == "" || domain.Place(m.Jurisdiction.V).Valid(), form)
	for _, t := range m.JurisdictionValues {
		c.oneOf(t, "jurisdiction_values", domain.Place(t.V).Valid(), form)
	}
	if m.JurisdictionValues != nil && m.JurisdictionColumn == nil {
		c.fail(m.Jurisdiction.Line, "jurisdiction_column", "needed with jurisdiction_values")
	}
}

func (c *checker) moment(m *Moment, field string) {
	if m == nil {
		return
	}
	c.column(m.Column, field+".column")
	c.layout(m.Date, field+".date")
}

func (c *checker) layout(t Text, field string) {
	if _, err := parseLayout(t.V); err != nil {
		c.fail(t.Line, field, "%s", err)
	}
}

func (c *checker) column(col Column, field string) {
	if col.Name == "" && col.Position == 0 {
		c.fail(col.Line, field, "a column is needed")
	}
}

func (c *checker) conditions(list []Condition, field string) {
	for i, w := range list {
		at := field + ".when[" + strconv.Itoa(i) + "]"
		c.column(w.Column, at+".column")
		given := 0
		if w.Is.V != "" {
			given++
			c.oneOf(w.Is, at+".is", w.Is.V == "present" || w.Is.V == "empty", "present or empty")
		}
		if len(w.In) > 0 {
			given++
		}
		if len(w.NotIn) > 0 {
			given++
		}
		if given != 1 {
			c.fail(w.Column.Line, at, "exactly one of is, in and not_in is needed")
		}
	}
}

func (f *FieldMap) check(c *checker, at string) {
	c.column(f.Column, at+".column")
	c.name(f.Field, at+".field", true)
	c.name(f.Purpose, at+".purpose", false)
	c.oneOf(f.Class, at+".class", subject.ProvenanceClass(f.Class.V).Valid(), "provided, observed, inferred or third_party")
	c.conditions(f.When, at)
	if f.Date.V != "" {
		c.layout(f.Date, at+".date")
	}
	c.oneOf(f.Case, at+".case", f.Case.V == "" || f.Case.V == "lower" || f.Case.V == "upper", "lower or upper")
	f.checkNumber(c, at)
	if f.Date.V != "" && (f.Decimal.V != "" || f.Values != nil) || f.Decimal.V != "" && f.Values != nil {
		c.fail(f.Column.Line, at, "only one of date, decimal and values can be given")
	}
}

func (f *FieldMap) checkNumber(c *checker, at string) {
	c.oneOf(f.Decimal, at+".decimal", f.Decimal.V == "" || f.Decimal.V == "." || f.Decimal.V == ",", `"." or ","`)
	switch {
	case f.Group.V == "":
	case f.Decimal.V == "" || f.Group.V == f.Decimal.V:
		c.fail(f.Group.Line, at+".group", "a mark between thousands needs another decimal mark")
	default:
		c.oneOf(f.Group, at+".group", len([]rune(f.Group.V)) == 1 && !strings.ContainsAny(f.Group.V, "0123456789+-"), "one character")
	}
	c.oneOf(f.Currency, at+".currency", f.Currency.V == "" || domain.Currency(f.Currency.V).Valid(), "an ISO 4217 code such as EUR")
	if f.Currency.V != "" && f.CurrencyColumn != nil {
		c.fail(f.Currency.Line, at+".currency", "only one of currency and currency_column can be given")
	}
	if (f.Currency.V != "" || f.CurrencyColumn != nil) && f.Decimal.V == "" {
		c.fail(f.Column.Line, at+".decimal", "an amount needs its decimal mark named")
	}
}

func (d *DenialMap) check(c *checker, at string) {
	line := d.Rule.Line
	c.conditions(d.When, at)
	c.boolean(d.Always, at+".always")
	if (d.Always.V == "true") == (len(d.When) > 0) {
		c.fail(line, at+".when", "either conditions or always: true is needed")
	}
	kind, scope := source.DenialKind(d.Kind.V), source.Scope(d.Scope.V)
	c.oneOf(d.Kind, at+".kind", kind == source.Objection || kind == source.Refusal, "objection or refusal")
	c.oneOf(d.Scope, at+".scope", scope == source.Marketing || scope == source.Processing || scope == source.Disclosure,
		"marketing, processing or disclosure")
	c.name(d.Purpose, at+".purpose", kind == source.Refusal)
	c.oneOf(d.Channel, at+".channel", d.Channel.V == "" || subject.Channel(d.Channel.V).Valid(), "email, sms, phone, post or push")
	if d.Contact != nil && d.Channel.V == "" {
		c.fail(line, at+".channel", "an address needs its channel named")
	}
	c.moment(d.At, at+".at")
	c.name(d.Rule, at+".rule", true)
}

func (k *ConsentMap) check(c *checker, at string) {
	line := k.Purpose.Line
	if len(k.When) == 0 {
		c.fail(line, at+".when", "what a yes looks like is needed; a whole file is no evidence")
	}
	c.conditions(k.When, at)
	c.name(k.Purpose, at+".purpose", true)
	if v, err := strconv.ParseUint(k.Version.V, 10, 32); err != nil || v == 0 {
		c.fail(k.Version.Line, at+".version", "the version of the purpose is needed, a number from 1 on")
	}
	var notice domain.Digest
	if notice.UnmarshalText([]byte(k.Notice.V)) != nil || notice.IsZero() {
		c.fail(k.Notice.Line, at+".notice", "the SHA-256 of the text that was shown is needed, 64 hexadecimal digits")
	}
	c.oneOf(k.Language, at+".language", domain.Language(k.Language.V).Valid(), "the language of the text, such as en")
	c.oneOf(k.Medium, at+".medium", subject.Medium(k.Medium.V).Valid(), "web, app, api, email, phone, paper, in_person or import")
	c.oneOf(k.Method, at+".method", subject.Method(k.Method.V).Valid(), "the act by which it was given, such as checkbox")
	for _, ch := range k.Channels {
		c.oneOf(ch, at+".channels", subject.Channel(ch.V).Valid(), "email, sms, phone, post or push")
	}
	if k.At == nil {
		c.fail(line, at+".at", "the column that tells when it was given is needed")
	}
	c.moment(k.At, at+".at")
	if len(k.Evidence) == 0 {
		c.fail(line, at+".evidence", "the columns that show it are needed")
	}
}

func checkRules(c *checker, list []RuleMap, what string, field bool) {
	for i, r := range list {
		at := what + "[" + strconv.Itoa(i) + "]"
		if len(r.When) == 0 {
			c.fail(r.Rule.Line, at+".when", "at least one condition is needed")
		}
		c.conditions(r.When, at)
		c.name(r.Rule, at+".rule", true)
		if c.name(r.Field, at+".field", false); r.Field.V != "" && !field {
			c.fail(r.Field.Line, at+".field", "a row is left out as a whole")
		}
	}
}
