package csvfile

import (
	"strconv"
	"strings"

	"lethe/domain"
)

// header is the file's first line.
type header struct {
	names     []string
	anonymous bool // there is none: columns go by position
}

// find gives the column's index, −1 when it is missing.
func (h *header) find(c Column) (int, error) {
	if c.Position > 0 {
		if c.Position > len(h.names) {
			return -1, nil
		}
		return c.Position - 1, nil
	}
	found := -1
	for i, name := range h.names {
		if !strings.EqualFold(strings.TrimSpace(name), strings.TrimSpace(c.Name)) || h.anonymous {
			continue
		}
		if found >= 0 {
			return -1, domain.Invalid("mapping.ambiguous", "column",
				"line %d: the file has several columns of this name (the %s and the %s): name the one meant by its position",
				c.Line, ordinal(found), ordinal(i))
		}
		found = i
	}
	return found, nil
}

func ordinal(i int) string { return strconv.Itoa(i+1) + "." }

// binder finds columns and remembers the first that is missing.
type binder struct {
	header   *header
	optional map[string]bool // columns that may be missing
	err      error
}

// index finds a column; a missing one is an error unless it is optional.
func (b *binder) index(c Column) int {
	i, err := b.header.find(c)
	if err == nil && i < 0 && !b.optional[columnKey(c)] {
		err = domain.Invalid("mapping.missing_column", "column",
			"the mapping's line %d names a column the file does not have; one that may be missing is listed under optional", c.Line)
	}
	if err != nil && b.err == nil {
		b.err = err
	}
	return i
}

func columnKey(c Column) string {
	if c.Position > 0 {
		return strconv.Itoa(c.Position)
	}
	return "=" + strings.ToLower(strings.TrimSpace(c.Name))
}

func (b *binder) maybe(c *Column) int {
	if c == nil {
		return -1
	}
	return b.index(*c)
}

func (b *binder) all(list []Column) []int {
	out := make([]int, len(list))
	for i, c := range list {
		out[i] = b.index(c)
	}
	return out
}

// bind turns a mapping into rules for a file with this header.
func bind(m *Mapping, h *header) (*rules, error) {
	b := &binder{header: h, optional: map[string]bool{}}
	for _, c := range m.Optional {
		b.optional[columnKey(c)] = true
	}
	r := &rules{
		m: m, columns: columnNames(h), width: len(h.names),
		key: b.all(m.Key), secret: b.all(m.Secret), place: b.maybe(m.JurisdictionColumn),
		places:  folded(m.JurisdictionValues),
		created: b.moment(m.Created), modified: b.moment(m.Modified),
		newlines: m.File.BackslashNewlines.V == "true",
	}
	if m.Refers != nil {
		r.refers = b.all(m.Refers.Key)
	}
	for i := range m.Fields {
		r.fields = append(r.fields, b.field(&m.Fields[i]))
	}
	for i := range m.Denials {
		d := &m.Denials[i]
		r.denials = append(r.denials, denialRule{
			m: d, when: b.conditions(d.When), contact: b.maybe(d.Contact), at: b.moment(d.At),
		})
	}
	for i := range m.Consents {
		c := &m.Consents[i]
		r.consents = append(r.consents, consentRule{
			m: c, when: b.conditions(c.When), at: b.moment(c.At), evidence: b.all(c.Evidence),
		})
	}
	r.leftOut, r.findings = b.rules(m.LeftOut), b.rules(m.Findings)
	return r, b.err
}

// columnNames are the headers, or the positions where there are none.
func columnNames(h *header) []string {
	out := make([]string, len(h.names))
	for i, name := range h.names {
		if out[i] = strings.TrimSpace(name); out[i] == "" {
			out[i] = strconv.Itoa(i + 1)
		}
	}
	return out
}

func folded(values map[string]Text) map[string]string {
	if values == nil {
		return nil
	}
	out := make(map[string]string, len(values))
	for k, v := range values {
		out[fold(k)] = v.V
	}
	return out
}

func fold(s string) string { return strings.ToLower(strings.TrimSpace(s)) }

func foldedSet(list []Text) map[string]bool {
	out := make(map[string]bool, len(list))
	for _, t := range list {
		out[fold(t.V)] = true
	}
	return out
}

func (b *binder) moment(m *Moment) momentRule {
	if m == nil {
		return momentRule{column: -1}
	}
	layout, _ := parseLayout(m.Date.V) // checked when the mapping was read
	return momentRule{column: b.index(m.Column), layout: layout}
}

func (b *binder) conditions(list []Condition) []conditionRule {
	out := make([]conditionRule, len(list))
	for i, c := range list {
		out[i] = conditionRule{column: b.index(c.Column), is: c.Is.V, in: foldedSet(c.In), notIn: foldedSet(c.NotIn)}
	}
	return out
}

func (b *binder) rules(list []RuleMap) []namedRule {
	out := make([]namedRule, len(list))
	for i := range list {
		out[i] = namedRule{m: &list[i], when: b.conditions(list[i].When)}
	}
	return out
}

func (b *binder) field(m *FieldMap) fieldRule {
	f := fieldRule{
		m: m, column: b.index(m.Column), when: b.conditions(m.When), none: foldedSet(m.None),
		values: folded(m.Values), currency: b.maybe(m.CurrencyColumn),
	}
	if m.Date.V != "" {
		f.layout, _ = parseLayout(m.Date.V)
	}
	return f
}
