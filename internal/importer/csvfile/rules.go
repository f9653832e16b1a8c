package csvfile

import (
	"regexp"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"lethe/domain"
	"lethe/domain/subject"
	"lethe/internal/importer/source"
)

// rules is a mapping whose columns were found in a file. A column of −1 is
// missing and reads as empty.
type rules struct {
	m                 *Mapping
	columns           []string
	width             int
	key, refers       []int
	secret            []int
	place             int
	places            map[string]string
	created, modified momentRule
	newlines          bool
	fields            []fieldRule
	denials           []denialRule
	consents          []consentRule
	leftOut, findings []namedRule
}

type momentRule struct {
	column int
	layout string
}

type conditionRule struct {
	column    int
	is        string
	in, notIn map[string]bool
}

type fieldRule struct {
	m        *FieldMap
	column   int
	when     []conditionRule
	none     map[string]bool
	values   map[string]string
	layout   string
	currency int
}

type denialRule struct {
	m       *DenialMap
	when    []conditionRule
	contact int
	at      momentRule
}

type consentRule struct {
	m        *ConsentMap
	when     []conditionRule
	at       momentRule
	evidence []int
}

type namedRule struct {
	m    *RuleMap
	when []conditionRule
}

// values of one row, by column.
type values []string

func (v values) at(i int) string {
	if i < 0 || i >= len(v) {
		return ""
	}
	return strings.TrimSpace(v[i])
}

// joined is several columns as one key; "" when all are empty.
func (v values) joined(columns []int) string {
	parts := make([]string, len(columns))
	some := false
	for i, c := range columns {
		parts[i] = v.at(c)
		some = some || parts[i] != ""
	}
	if !some {
		return ""
	}
	return strings.Join(parts, "\x1f")
}

func hold(when []conditionRule, v values) bool {
	for _, c := range when {
		text := fold(v.at(c.column))
		switch {
		case c.is == "present" && text == "", c.is == "empty" && text != "",
			len(c.in) > 0 && !c.in[text], len(c.notIn) > 0 && c.notIn[text]:
			return false
		}
	}
	return true
}

// parse reads the moment; ok is false when there is text that is no date.
func (m momentRule) parse(v values) (at time.Time, ok bool) {
	text := v.at(m.column)
	if text == "" {
		return time.Time{}, true
	}
	at, err := time.Parse(m.layout, text)
	return at.UTC(), err == nil
}

// row applies the mapping to one record.
func (r *rules) row(table domain.Name, number int, line int64, v values) *source.Row {
	out := &source.Row{
		Table: table, Number: number, Line: line,
		Purpose: domain.Name(r.m.Purpose.V), Acquired: subject.Acquisition(r.m.Acquired.V),
		Jurisdiction: domain.Place(r.m.Jurisdiction.V), Columns: r.columns,
	}
	if out.Acquired == "" {
		out.Acquired = subject.FromMigration
	}
	if len(v) == r.width+1 && strings.TrimSpace(v[r.width]) == "" {
		v = v[:r.width] // the separator at the end of the line
	}
	out.Raw = r.raw(v)
	if len(v) != r.width {
		out.Refuse(source.RuleColumnCount, "", "")
		return out
	}
	if r.newlines {
		v = withNewlines(v)
	}
	r.identify(out, v)
	if !r.leave(out, v) {
		r.fill(out, v)
	}
	return out
}

func (r *rules) raw(v values) []string {
	raw := append([]string(nil), v...)
	for _, i := range r.secret {
		if i >= 0 && i < len(raw) {
			raw[i] = ""
		}
	}
	return raw
}

func withNewlines(v values) values {
	out := make(values, len(v))
	for i, s := range v {
		out[i] = strings.ReplaceAll(s, `\n`, "\n")
	}
	return out
}

// identify says whose row it is.
func (r *rules) identify(out *source.Row, v values) {
	out.Key = v.joined(r.key)
	out.Person, out.Creates = source.Key{Table: out.Table, ID: out.Key}, true
	if r.refers != nil {
		out.Person, out.Creates = source.Key{Table: domain.Name(r.m.Refers.Table.V), ID: v.joined(r.refers)}, false
	}
	if out.Key == "" || out.Person.ID == "" {
		out.Refuse(source.RuleNoKey, "", "")
	}
	place := domain.Place(strings.ToUpper(v.at(r.place)))
	if r.places != nil {
		place = domain.Place(r.places[fold(v.at(r.place))])
	}
	if place.Valid() {
		out.Jurisdiction = place
	}
	out.Created, _ = r.created.parse(v)
	out.Modified, _ = r.modified.parse(v)
}

// leave applies the rules for rows that are not imported; the first counts.
func (r *rules) leave(out *source.Row, v values) bool {
	for _, f := range r.findings {
		if hold(f.when, v) {
			column := ""
			if i := f.when[0].column; i >= 0 {
				column = r.columns[i]
			}
			out.Find(domain.Name(f.m.Rule.V), domain.Name(f.m.Field.V), column)
		}
	}
	for _, l := range r.leftOut {
		if hold(l.when, v) {
			out.Leave(domain.Name(l.m.Rule.V))
			return true
		}
	}
	return false
}

func (r *rules) fill(out *source.Row, v values) {
	for i := range r.fields {
		r.fields[i].add(out, v, r.columns)
	}
	for _, d := range r.denials {
		r.deny(out, d, v)
	}
	for _, c := range r.consents {
		r.consent(out, c, v)
	}
	weighConsents(out)
	if len(out.Fields)+len(out.Denials)+len(out.Consents)+len(out.Refusals) == 0 {
		out.Leave(source.LeftOutNoPersonal)
	}
}

func (r *rules) deny(out *source.Row, d denialRule, v values) {
	if !hold(d.when, v) {
		return
	}
	at, ok := d.at.parse(v)
	if !ok {
		out.Refuse(source.RuleDate, "", r.columns[d.at.column])
	}
	column := ""
	if len(d.when) > 0 && d.when[0].column >= 0 {
		column = r.columns[d.when[0].column]
	}
	out.Denials = append(out.Denials, source.Denial{
		Kind: source.DenialKind(d.m.Kind.V), Scope: source.Scope(d.m.Scope.V), Purpose: domain.Name(d.m.Purpose.V),
		Channel: subject.Channel(d.m.Channel.V), Contact: v.at(d.contact), At: at,
		Rule: domain.Name(d.m.Rule.V), Column: column,
	})
}

// consent takes a yes only with all of its evidence.
func (r *rules) consent(out *source.Row, c consentRule, v values) {
	if !hold(c.when, v) {
		return
	}
	at, ok := c.at.parse(v)
	var evidence []string
	for _, i := range c.evidence {
		text := v.at(i)
		if text == "" {
			ok = false
			break
		}
		evidence = append(evidence, r.columns[i]+"="+text)
	}
	if !ok || at.IsZero() {
		out.Find(source.RuleWeakConsent, "", "")
		return
	}
	version, _ := strconv.ParseUint(c.m.Version.V, 10, 32) // checked with the mapping
	k := source.Consent{
		Purpose: domain.Name(c.m.Purpose.V), Version: uint32(version), Language: domain.Language(c.m.Language.V),
		Medium: subject.Medium(c.m.Medium.V), Method: subject.Method(c.m.Method.V),
		At: at, Evidence: strings.Join(evidence, "\n"), Column: r.columns[c.at.column],
	}
	_ = k.Notice.UnmarshalText([]byte(c.m.Notice.V)) // checked with the mapping
	for _, ch := range c.m.Channels {
		k.Channels = append(k.Channels, subject.Channel(ch.V))
	}
	out.Consents = append(out.Consents, k)
}

// weighConsents drops a yes that stands beside a no of unknown time: which
// came last cannot be told, so the no holds, and an officer is told.
func weighConsents(out *source.Row) {
	undated := false
	for _, d := range out.Denials {
		undated = undated || d.At.IsZero()
	}
	if undated && len(out.Consents) > 0 {
		out.Consents = nil
		out.Conflicts = append(out.Conflicts, source.Finding{Rule: source.RuleConsentAndDenial})
	}
}

// add maps one column.
func (f *fieldRule) add(out *source.Row, v values, columns []string) {
	text := v.at(f.column)
	if text == "" || f.none[fold(text)] || !hold(f.when, v) {
		return
	}
	parts := []string{text}
	if f.m.Split.V != "" {
		parts = strings.Split(text, f.m.Split.V)
	}
	for _, part := range parts {
		f.one(out, strings.TrimSpace(part), v, columns[f.column])
	}
}

// damaged tells what a spreadsheet makes of a long number.
func damaged(text string) bool {
	return len(text) < 32 && strings.ContainsAny(text, "eE") && exponent.MatchString(text)
}

var exponent = regexp.MustCompile(`^[+-]?\d([.,]\d+)?[eE][+-]?\d+$`)

func (f *fieldRule) one(out *source.Row, text string, v values, column string) {
	name := domain.Name(f.m.Field.V)
	switch {
	case text == "":
		return
	case !utf8.ValidString(text):
		out.Refuse("encoding", name, column)
		return
	case f.values != nil:
		mapped, ok := f.values[fold(text)]
		if !ok {
			out.Refuse(source.RuleValue, name, column)
			return
		}
		text = mapped
	case f.layout != "":
		t, err := time.Parse(f.layout, text)
		if err != nil {
			out.Refuse(source.RuleDate, name, column)
			return
		}
		text = t.Format(time.DateOnly)
	case f.m.Decimal.V != "":
		amount, ok := f.amount(text, v)
		if !ok {
			out.Refuse(source.RuleDecimal, name, column)
			return
		}
		text = amount
	case damaged(text):
		out.Find(source.RuleDamaged, name, column)
		return
	}
	switch f.m.Case.V {
	case "lower":
		text = strings.ToLower(text)
	case "upper":
		text = strings.ToUpper(text)
	}
	if text == "" { // a value that is mapped to nothing
		return
	}
	out.Add(name, text, subject.ProvenanceClass(f.m.Class.V), column)
	out.Fields[len(out.Fields)-1].Purpose = domain.Name(f.m.Purpose.V)
}

var plainDecimal = regexp.MustCompile(`^[+-]?\d+(\.\d+)?$`)

// amount brings a number into canonical form; it is never a float.
func (f *fieldRule) amount(text string, v values) (string, bool) {
	if g := f.m.Group.V; g != "" {
		text = strings.ReplaceAll(text, g, "")
	}
	if f.m.Decimal.V == "," {
		if strings.Contains(text, ".") {
			return "", false
		}
		text = strings.Replace(text, ",", ".", 1)
	}
	if !plainDecimal.MatchString(text) {
		return "", false
	}
	text = strings.TrimPrefix(text, "+")
	currency := f.m.Currency.V
	if f.m.CurrencyColumn != nil {
		currency = strings.ToUpper(v.at(f.currency))
	}
	if currency == "" && f.m.CurrencyColumn == nil {
		return text, true
	}
	return text + " " + currency, domain.Currency(currency).Valid()
}
