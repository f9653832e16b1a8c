package cli

import (
	"bufio"
	"encoding/csv"
	"fmt"
	"slices"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"lethe/internal/httpapi"
)

// Formats of a replay.
const (
	formatTable = "table"
	formatJSON  = "json"
	formatCSV   = "csv"
)

// replay writes a replay in one of its formats, as its pages come.
type replay struct {
	*bufio.Writer
	file   *outFile // nil: standard output
	format string
	style  style
	csv    *csv.Writer
	clean  bool   // of what could steer a terminal
	begun  bool   // what stands once is written
	comma  string // before the next item
}

func (s *shell) newReplay(c *auditReplayCmd) (*replay, error) {
	r := &replay{format: c.Format, style: style{csv: c.Format == formatCSV, many: c.Subject == ""}}
	to := s.process.Stdout
	if c.Out != "" {
		file, err := newOutFile(c.Out, c.Force)
		if err != nil {
			return nil, err
		}
		r.file, to = file, file
	}
	r.clean = r.file == nil && terminal(s.process.Stdout)
	r.Writer = bufio.NewWriter(to)
	r.csv = csv.NewWriter(r.Writer)
	r.csv.UseCRLF = true // RFC 4180, 2.1
	return r, nil
}

func (r *replay) keep() error {
	if err := r.Flush(); err != nil {
		return fmt.Errorf("writing the output: %w", err)
	}
	if r.file == nil {
		return nil
	}
	return r.file.keep()
}

func (r *replay) discard() { r.file.discard() }

// writeLines adds lines to a CSV file, under a heading that stands once, or to a
// table, under one for each page.
func writeLines[T any](r *replay, p *page, columns []column[T], list []T) error {
	columns = slices.DeleteFunc(columns, func(c column[T]) bool { return !r.style.has(c.only) })
	rows := make([][]string, 1, 1+len(list))
	for _, c := range columns {
		rows[0] = append(rows[0], c.name)
	}
	for _, one := range list {
		row := make([]string, len(columns))
		for i, c := range columns {
			row[i] = c.cell(one, r.style)
		}
		rows = append(rows, row)
	}
	if r.format == formatCSV {
		return r.records(rows)
	}
	if len(list) > 0 {
		for i, name := range rows[0] {
			rows[0][i] = strings.ReplaceAll(name, "_", " ")
		}
		p.head(rows[0]...)
		for _, row := range rows[1:] {
			p.row(row...)
		}
	}
	return nil
}

// records writes CSV rows, of which the first is the heading.
func (r *replay) records(rows [][]string) error {
	if r.begun {
		rows = rows[1:]
	}
	r.begun = true
	for _, row := range rows {
		for i := range row {
			row[i] = inert(row[i])
			if r.clean {
				row[i] = printable(row[i])
			}
		}
	}
	if err := r.csv.WriteAll(rows); err != nil {
		return fmt.Errorf("writing the output: %w", err)
	}
	return nil
}

// inert puts ' before what a spreadsheet would take for a formula.
func inert(field string) string {
	if field != "" && strings.ContainsRune("=+-@\t\r", rune(field[0])) {
		return "'" + field
	}
	return field
}

// subject writes one person's replay.
func (r *replay) subject(v replayed) error {
	if r.format == formatJSON {
		return writeJSON(r, v)
	}
	p := &page{}
	if c := v.Consents; c != nil {
		list := stoodLines(c.Token, c.Stand)
		p.line("%s as of %s by %s time", c.Token, stamp(c.AsOf), c.By)
		if len(list) == 0 {
			p.line("No consent was asked for or given, no other basis and no objection was known.")
		}
		if err := writeLines(r, p, stoodColumns(), list); err != nil {
			return err
		}
	}
	if h := v.History; h != nil {
		if v.Consents != nil {
			p.line("")
		}
		p.line("%s, %s as of %s by %s time", h.Token, counted(len(h.Events), "event"), stamp(h.AsOf), h.By)
		if err := writeLines(r, p, eventColumns(), eventLines(h.Token, h.Events)); err != nil {
			return err
		}
		if !h.Access.IsZero() {
			p.line("Access recorded as event %s.", h.Access)
		}
	}
	return r.page(p)
}

// page writes a table's page; a CSV file has none.
func (r *replay) page(p *page) error {
	if r.format != formatTable {
		return nil
	}
	return p.writeTo(r)
}

func counted(n int, what string) string {
	if n != 1 {
		what += "s"
	}
	return count(n) + " " + what
}

// people writes a page of a purpose's people.
func (r *replay) people(c *auditReplayCmd, v httpapi.PurposeStand) error {
	if r.format == formatJSON {
		return jsonItems(r, v.PurposeAsOf, v.Items)
	}
	p := &page{}
	r.heading(p, "%s as of %s by %s time", v.Purpose, stamp(v.AsOf), v.By)
	var stand []stood
	var history []happened
	for _, person := range v.Items {
		stand = append(stand, stoodLines(person.Token, person.Stand)...)
		history = append(history, eventLines(person.Token, person.Events)...)
	}
	return r.both(c, p, func() error { return writeLines(r, p, stoodColumns(), stand) }, history)
}

// heading stands before a table's first page.
func (r *replay) heading(p *page, format string, args ...any) {
	if r.format == formatTable && !r.begun {
		r.begun = true
		p.line(format, args...)
	}
}

// both writes what stood, the events, or both.
func (r *replay) both(c *auditReplayCmd, p *page, stand func() error, history []happened) error {
	if c.consents() {
		if err := stand(); err != nil {
			return err
		}
	}
	if c.history() {
		if c.consents() && len(history) > 0 {
			p.line("")
		}
		if err := writeLines(r, p, eventColumns(), history); err != nil {
			return err
		}
	}
	return r.page(p)
}

func (r *replay) endPeople(of httpapi.PurposeAsOf, people int) error {
	if r.format == formatJSON {
		return r.endItems()
	}
	p := &page{}
	p.line("%s, up to position %s of the log.", persons(people), of.Position)
	return r.page(p)
}

func persons(n int) string {
	if n == 1 {
		return "1 person"
	}
	return count(n) + " people"
}

// changes writes what changed for people, with a heading before the first.
func (r *replay) changes(c *auditReplayCmd, m httpapi.Moments, of string, list []httpapi.PersonChanges) error {
	p := &page{}
	if of == "" && len(list) > 0 {
		of = string(list[0].Token)
	}
	r.heading(p, "%s from %s to %s by %s time", of, stamp(m.From), stamp(m.To), m.By)
	var turn []turned
	var history []happened
	for _, person := range list {
		turn = append(turn, turnLines(person)...)
		history = append(history, eventLines(person.Token, person.Events)...)
	}
	if c.Subject != "" && len(turn) == 0 {
		p.line("Nothing stood otherwise.")
	}
	return r.both(c, p, func() error { return writeLines(r, p, turnColumns(), turn) }, history)
}

func (r *replay) changedPeople(c *auditReplayCmd, v httpapi.PurposeChanges) error {
	if r.format != formatJSON {
		return r.changes(c, v.Moments, string(v.Purpose), v.Items)
	}
	return jsonItems(r, v.PurposeMoments, v.Items)
}

func (r *replay) endChanged(of httpapi.PurposeChanges, people int) error {
	if r.format == formatJSON {
		return r.endItems()
	}
	p := &page{}
	p.line("Something changed for %s, up to position %s of the log.", persons(people), of.Position)
	return r.page(p)
}

func (r *replay) sums(t httpapi.PurposeTotals) error {
	if r.format == formatJSON {
		return writeJSON(r, t)
	}
	p := &page{}
	p.line("%s as of %s by %s time: %s, up to position %s of the log", t.Purpose, stamp(t.AsOf), t.By, persons(int(t.People)), t.Position)
	if err := writeLines(r, p, totalColumns(), t.Totals); err != nil {
		return err
	}
	return r.page(p)
}

// jsonItems writes a page of a list that may be longer than memory, as one JSON
// object over all pages: the head's members, then items, one on each line.
func jsonItems[T any](r *replay, head any, list []T) error {
	if !r.begun {
		text, err := json.Marshal(head, jsontext.WithIndent("  "))
		if err != nil {
			return fmt.Errorf("writing JSON: %w", err)
		}
		r.begun = true
		_, _ = r.WriteString(strings.TrimSuffix(string(text), "\n}") + ",\n  \"items\": [") // its error stays until the flush
	}
	for _, one := range list {
		text, err := json.Marshal(one)
		if err != nil {
			return fmt.Errorf("writing JSON: %w", err)
		}
		_, _ = fmt.Fprintf(r, "%s\n    %s", r.comma, text)
		r.comma = ","
	}
	return nil
}

func (r *replay) endItems() error {
	_, err := r.WriteString("\n  ]\n}\n")
	return err
}
