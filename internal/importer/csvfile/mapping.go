package csvfile

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strconv"

	"go.yaml.in/yaml/v3"

	"lethe/domain"
)

// maxMapping bounds a mapping file.
const maxMapping = 1 << 20

// Mapping says what the columns of a file mean. It is written in YAML and
// read strictly: a word that is not known is an error, not ignored.
type Mapping struct {
	Version Text   `yaml:"version"` // 1
	System  Text   `yaml:"system"`  // a name for where the file comes from
	Table   Text   `yaml:"table"`   // a name for what a row is
	File    Format `yaml:"file"`

	Key      []Column `yaml:"key"`      // makes two rows the same person
	Refers   *Refers  `yaml:"refers"`   // the row belongs to a person of another file
	Optional []Column `yaml:"optional"` // may be missing from the file; read as empty then
	Secret   []Column `yaml:"secret"`   // never copied, not even to the file of refused rows

	Purpose            Text            `yaml:"purpose"`
	Acquired           Text            `yaml:"acquired"`
	Jurisdiction       Text            `yaml:"jurisdiction"`
	JurisdictionColumn *Column         `yaml:"jurisdiction_column"`
	JurisdictionValues map[string]Text `yaml:"jurisdiction_values"`
	Created            *Moment         `yaml:"created"`
	Modified           *Moment         `yaml:"modified"`

	Fields   []FieldMap   `yaml:"fields"`
	Denials  []DenialMap  `yaml:"denials"`
	Consents []ConsentMap `yaml:"consents"`
	LeftOut  []RuleMap    `yaml:"left_out"`
	Findings []RuleMap    `yaml:"findings"`
}

// Format says how the file is written; what it leaves out is found out.
type Format struct {
	Delimiter         Text `yaml:"delimiter"` // , ; tab |
	Encoding          Text `yaml:"encoding"`  // utf-8, iso-8859-1, windows-1252
	Header            Text `yaml:"header"`    // false: the first line is a row
	BackslashNewlines Text `yaml:"backslash_newlines"`
}

// Refers names the person of another file that a row belongs to.
type Refers struct {
	Table Text     `yaml:"table"`
	Key   []Column `yaml:"key"`
}

// Moment is a column with a date, or a date and time (UTC).
type Moment struct {
	Column Column `yaml:"column"`
	Date   Text   `yaml:"date"`
}

// Condition holds for a row by the value of one column. Exactly one of the
// others is given. Values are compared without case and outer white space.
type Condition struct {
	Column Column `yaml:"column"`
	Is     Text   `yaml:"is"` // present or empty
	In     []Text `yaml:"in"`
	NotIn  []Text `yaml:"not_in"`
}

// FieldMap maps a column to a catalogue field.
type FieldMap struct {
	Column         Column          `yaml:"column"`
	Field          Text            `yaml:"field"`
	Class          Text            `yaml:"class"`
	Purpose        Text            `yaml:"purpose"` // "" is the mapping's
	When           []Condition     `yaml:"when"`
	None           []Text          `yaml:"none"` // values that mean that there is none
	Values         map[string]Text `yaml:"values"`
	Date           Text            `yaml:"date"`
	Decimal        Text            `yaml:"decimal"` // the decimal mark: . or ,
	Group          Text            `yaml:"group"`   // the mark between thousands
	Currency       Text            `yaml:"currency"`
	CurrencyColumn *Column         `yaml:"currency_column"`
	Case           Text            `yaml:"case"`  // lower or upper
	Split          Text            `yaml:"split"` // the mark between several values
}

// DenialMap is what a no looks like in the file.
type DenialMap struct {
	When    []Condition `yaml:"when"`
	Always  Text        `yaml:"always"` // true: the whole file is of people who said no
	Kind    Text        `yaml:"kind"`
	Scope   Text        `yaml:"scope"`
	Purpose Text        `yaml:"purpose"`
	Channel Text        `yaml:"channel"`
	Contact *Column     `yaml:"contact"`
	At      *Moment     `yaml:"at"`
	Rule    Text        `yaml:"rule"`
}

// ConsentMap is what a yes with its evidence looks like. All but Channels is
// required: what cannot be told is not a consent.
type ConsentMap struct {
	When     []Condition `yaml:"when"`
	Purpose  Text        `yaml:"purpose"`
	Version  Text        `yaml:"version"`
	Notice   Text        `yaml:"notice"` // SHA-256 of the text that was shown, 64 hexadecimal digits
	Language Text        `yaml:"language"`
	Medium   Text        `yaml:"medium"`
	Method   Text        `yaml:"method"`
	Channels []Text      `yaml:"channels"`
	At       *Moment     `yaml:"at"`
	Evidence []Column    `yaml:"evidence"` // none of them may be empty
}

// RuleMap names a rule for rows that meet all conditions.
type RuleMap struct {
	When  []Condition `yaml:"when"`
	Rule  Text        `yaml:"rule"`
	Field Text        `yaml:"field"` // of findings only
}

// Text is a scalar that knows its line.
type Text struct {
	V    string
	Line int
}

// UnmarshalYAML reads any scalar as it is written.
func (t *Text) UnmarshalYAML(n *yaml.Node) error {
	if n.Kind != yaml.ScalarNode {
		return &lineError{n.Line, "one value is needed here, not a list or a group"}
	}
	t.V, t.Line = n.Value, n.Line
	if n.Tag == "!!null" {
		t.V = ""
	}
	return nil
}

// Column names a column by its header, or by its position (1-based) when it
// is written as a number. Headers that look like numbers are put in quotes.
type Column struct {
	Name     string
	Position int
	Line     int
}

// UnmarshalYAML reads a header or a position.
func (c *Column) UnmarshalYAML(n *yaml.Node) error {
	if n.Kind != yaml.ScalarNode || n.Value == "" {
		return &lineError{n.Line, "a column is named by its header or by its position"}
	}
	c.Line = n.Line
	if n.Tag != "!!int" {
		c.Name = n.Value
		return nil
	}
	p, err := strconv.Atoi(n.Value)
	if err != nil || p < 1 || p > maxColumns {
		return &lineError{n.Line, "a position is a number from 1 on"}
	}
	c.Position = p
	return nil
}

type lineError struct {
	line int
	text string
}

func (e *lineError) Error() string { return fmt.Sprintf("line %d: %s", e.line, e.text) }

// ParseMapping reads and checks a mapping. Its errors name the line and the
// place in the mapping.
func ParseMapping(r io.Reader) (*Mapping, error) {
	b, err := io.ReadAll(io.LimitReader(r, maxMapping+1))
	if err != nil {
		return nil, fmt.Errorf("reading the mapping: %w", err)
	}
	if len(b) > maxMapping {
		return nil, domain.Invalid("mapping.too_large", "map", "the mapping is larger than %d bytes", maxMapping)
	}
	d := yaml.NewDecoder(bytes.NewReader(b))
	d.KnownFields(true)
	m := &Mapping{}
	if err := d.Decode(m); err != nil {
		return nil, yamlError(err)
	}
	if err := d.Decode(&yaml.Node{}); !errors.Is(err, io.EOF) {
		return nil, domain.Invalid("mapping.form", "map", "the file holds more than one document")
	}
	if err := m.check(); err != nil {
		return nil, err
	}
	return m, nil
}

var (
	unknownKey = regexp.MustCompile(`line (\d+): field ([a-z_]{1,32}) not found`)
	someLine   = regexp.MustCompile(`line (\d+)`)
)

// yamlError says where a mapping is wrong without repeating what stands there.
func yamlError(err error) error {
	if errors.Is(err, io.EOF) {
		return domain.Invalid("mapping.form", "map", "the mapping is empty")
	}
	var at *lineError
	if errors.As(err, &at) {
		return domain.Invalid("mapping.form", "map", "%s", at.Error())
	}
	text := err.Error()
	if m := unknownKey.FindStringSubmatch(text); m != nil {
		return domain.Invalid("mapping.unknown_key", m[2], "line %s: a mapping has no key %q here", m[1], m[2])
	}
	if m := someLine.FindStringSubmatch(text); m != nil {
		return domain.Invalid("mapping.form", "map", "line %s: this is not a mapping that can be read", m[1])
	}
	return domain.Invalid("mapping.form", "map", "this is not YAML that can be read")
}
