package starter

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"lethe/domain"
)

// Format is the first key's value.
const Format = "lethe-catalogue/1"

// Bounds of a file.
const (
	MaxBytes = 4 << 20
	maxItems = 10_000 // of one section
)

// document is the file's form.
type document struct {
	Format      string
	Controllers []controller
	Recipients  []recipient
	Fields      []field
	Purposes    []purpose
	Notices     []notice
}

// Parse reads a catalogue file. Its errors are *domain.Error of the code
// catalogue_file.malformed; they name lines and keys, never a value.
func Parse(r io.Reader) ([]Declaration, error) {
	data, err := io.ReadAll(io.LimitReader(r, MaxBytes+1))
	if err != nil {
		return nil, fmt.Errorf("reading the catalogue file: %w", err)
	}
	if len(data) > MaxBytes {
		return nil, malformed("a catalogue file has at most %d bytes", MaxBytes)
	}
	var doc document
	dec := yaml.NewDecoder(bytes.NewReader(data))
	dec.KnownFields(true)
	if err := dec.Decode(&doc); err != nil {
		return nil, unreadable(err)
	}
	if err := dec.Decode(&document{}); !errors.Is(err, io.EOF) {
		return nil, malformed("the file holds more than one document: one file, one catalogue")
	}
	if doc.Format != Format {
		return nil, malformed("line 1: a catalogue file says format: %s", Format)
	}
	lines, err := linesOf(data)
	if err != nil {
		return nil, err
	}
	return doc.declarations(lines)
}

func malformed(format string, args ...any) *domain.Error {
	return domain.Invalid("catalogue_file.malformed", "file", format, args...)
}

var (
	goType  = regexp.MustCompile(` in type [\w.]+`)
	goValue = regexp.MustCompile("cannot unmarshal (!!\\w+)(?: `[^`]*`?)? into .*")
	lineNo  = regexp.MustCompile(`line \d+`)
)

// unreadable says in the file's own terms what the YAML reader says in Go's,
// and leaves out the values that it quotes.
func unreadable(err error) error {
	if errors.Is(err, io.EOF) {
		return malformed("the file is empty")
	}
	var types *yaml.TypeError
	if !errors.As(err, &types) {
		at := lineNo.FindString(err.Error())
		if at == "" {
			at = "the file"
		}
		return malformed("%s: this is not YAML: check indentation, quotes and colons", at)
	}
	var out []string
	for _, e := range types.Errors {
		e = goType.ReplaceAllString(e, "")
		out = append(out, goValue.ReplaceAllString(e, "a value of another kind is expected than $1"))
	}
	const shown = 10
	if len(out) > shown {
		out = append(out[:shown], fmt.Sprintf("and %d more", len(out)-shown))
	}
	return malformed("%s", strings.Join(out, "; "))
}

// linesOf finds where each entry of each section begins.
func linesOf(data []byte) (map[string][]int, error) {
	var root yaml.Node
	if err := yaml.Unmarshal(data, &root); err != nil {
		return nil, unreadable(err)
	}
	lines := map[string][]int{}
	top := root.Content[0]
	for i := 0; i+1 < len(top.Content); i += 2 {
		for _, entry := range top.Content[i+1].Content {
			lines[top.Content[i].Value] = append(lines[top.Content[i].Value], entry.Line)
		}
	}
	return lines, nil
}

// moment is a date or an RFC 3339 time.
type moment struct{ time.Time }

func (m *moment) UnmarshalYAML(node *yaml.Node) error {
	for _, layout := range []string{time.DateOnly, time.RFC3339} {
		if t, err := time.Parse(layout, node.Value); err == nil {
			m.Time = t.UTC()
			return nil
		}
	}
	return &yaml.TypeError{Errors: []string{fmt.Sprintf("line %d: a time is written 2006-01-31 or 2006-01-31T09:00:00Z", node.Line)}}
}
