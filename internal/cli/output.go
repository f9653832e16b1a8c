package cli

import (
	"fmt"
	"io"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"
	"unicode"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// json prints a value or an answer as it came, indented.
func (s *shell) json(v any) error { return writeJSON(s.process.Stdout, v) }

func writeJSON(w io.Writer, v any) error {
	raw, ok := v.(jsontext.Value)
	if !ok {
		var err error
		if raw, err = json.Marshal(v); err != nil {
			return fmt.Errorf("writing JSON: %w", err)
		}
	}
	if len(raw) == 0 { // an answer without a body
		raw = jsontext.Value("{}")
	}
	raw = raw.Clone()
	if err := raw.Indent(jsontext.WithIndent("  ")); err != nil {
		return fmt.Errorf("indenting JSON: %w", err)
	}
	if _, err := fmt.Fprintf(w, "%s\n", raw); err != nil {
		return fmt.Errorf("writing the output: %w", err)
	}
	return nil
}

// page is output for people: lines and tables, written at once.
type page struct {
	text  strings.Builder
	table *tabwriter.Writer
}

// line writes a line of text, ending a table.
func (p *page) line(format string, args ...any) {
	p.end()
	fmt.Fprintf(&p.text, format+"\n", args...)
}

// row adds a row to the table under way. Cells are cleaned of what could
// steer a terminal: values come from strangers' files.
func (p *page) row(cells ...string) {
	if p.table == nil {
		p.table = tabwriter.NewWriter(&p.text, 0, 8, 2, ' ', 0)
	}
	for i, c := range cells {
		if c == "" {
			c = "-"
		}
		cells[i] = printable(c)
	}
	fmt.Fprintln(p.table, strings.Join(cells, "\t"))
}

// head adds a table's heading.
func (p *page) head(cells ...string) {
	p.end()
	for i := range cells {
		cells[i] = strings.ToUpper(cells[i])
		if cells[i] == "" {
			cells[i] = " "
		}
	}
	p.row(cells...)
}

func (p *page) end() {
	if p.table != nil {
		_ = p.table.Flush() // into memory
		p.table = nil
	}
}

func (p *page) writeTo(w io.Writer) error {
	p.end()
	var out strings.Builder
	for line := range strings.Lines(p.text.String()) {
		out.WriteString(strings.TrimRight(line, " \n") + "\n") // tables pad their last column
	}
	if _, err := io.WriteString(w, out.String()); err != nil {
		return fmt.Errorf("writing the output: %w", err)
	}
	return nil
}

// printable replaces control characters and those that reorder text.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) {
			return '�'
		}
		return r
	}, s)
}

// stamp is a time in UTC, to the second; "" for none.
func stamp(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format("2006-01-02 15:04:05Z")
}

// count writes a number with a space between thousands.
func count[N int | int64 | uint64 | uint32](n N) string {
	s := strconv.FormatInt(int64(n), 10)
	for i := len(s) - 3; i > 0 && s[i-1] != '-'; i -= 3 {
		s = s[:i] + " " + s[i:]
	}
	return s
}

func words[S ~string](list []S) string {
	out := make([]string, len(list))
	for i, s := range list {
		out[i] = string(s)
	}
	return strings.Join(out, ", ")
}
