package importer

import (
	"bufio"
	"encoding/csv"
	"encoding/json"
	"io"
	"strconv"
	"strings"

	"lethe/domain"
	"lethe/internal/importer/csvfile"
	"lethe/internal/importer/source"
)

// refusedRows writes the full rows that were refused, or of which a value
// was, so that they can be mended and imported again. Rows of a CSV file keep
// their columns and delimiter, with three columns after them that an import
// does not look at; rows of a dump are JSON objects, one a line.
type refusedRows struct {
	out    *bufio.Writer
	csv    *csv.Writer
	headed bool
	header bool
}

func newRefusedRows(w io.Writer, src source.Source) (*refusedRows, error) {
	if w == nil {
		return nil, nil //nolint:nilnil // nobody wants them
	}
	f := &refusedRows{out: bufio.NewWriter(w)}
	if s, ok := src.(*csvfile.Source); ok {
		f.csv, f.header = csv.NewWriter(f.out), s.Header()
		f.csv.Comma = rune(s.Delimiter())
	}
	return f, nil
}

func (f *refusedRows) write(row *source.Row, faults []fault) error {
	if f == nil {
		return nil
	}
	var fields, rules []string
	for _, x := range faults {
		fields, rules = append(fields, string(x.field)), append(rules, string(x.rule))
	}
	if f.csv == nil {
		return f.line(row, fields, rules)
	}
	if !f.headed && f.header {
		if err := f.csv.Write(append(row.Columns[:len(row.Columns):len(row.Columns)], "refused_row", "refused_field", "refused_rule")); err != nil {
			return err
		}
	}
	f.headed = true
	n := len(row.Raw)
	return f.csv.Write(append(row.Raw[:n:n], strconv.Itoa(row.Number), strings.Join(fields, " "), strings.Join(rules, " ")))
}

func (f *refusedRows) line(row *source.Row, fields, rules []string) error {
	type column struct {
		Name  string `json:"name"`
		Value string `json:"value"`
	}
	line := struct {
		Table   domain.Name `json:"table"`
		Row     int         `json:"row"`
		Line    int64       `json:"line"`
		Fields  []string    `json:"fields"`
		Rules   []string    `json:"rules"`
		Columns []column    `json:"columns"`
	}{row.Table, row.Number, row.Line, fields, rules, make([]column, 0, len(row.Raw))}
	for i, value := range row.Raw {
		name := strconv.Itoa(i + 1)
		if i < len(row.Columns) {
			name = row.Columns[i]
		}
		line.Columns = append(line.Columns, column{name, value})
	}
	b, err := json.Marshal(line)
	if err != nil {
		return err
	}
	_, err = f.out.Write(append(b, '\n'))
	return err
}

func (f *refusedRows) flush() error {
	if f == nil {
		return nil
	}
	if f.csv != nil {
		f.csv.Flush()
		if err := f.csv.Error(); err != nil {
			return err
		}
	}
	return f.out.Flush()
}
