package cli

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	"github.com/go-json-experiment/json"

	"lethe/domain"
	"lethe/domain/subject"
	"lethe/internal/httpapi"
	"lethe/internal/retention"
)

type retentionDueCmd struct {
	After string `name:"after" placeholder:"TOKEN" help:"Only the people behind this one."`
}

// Help is shown by --help.
func (retentionDueCmd) Help() string {
	return `A value is overdue when the retention of every purpose that holds it has ended (GDPR 5(1)(e)). Nothing is changed. What a hold keeps, or the person asked to restrict instead (18(1)(b), (c)), is listed with what keeps it.

Examples:

    lethe retention due
    lethe retention due --json`
}

func (c *retentionDueCmd) Run(ctx context.Context, s *shell) error {
	q := call{method: http.MethodGet, path: []string{"retention", "due"}, query: url.Values{}}
	if c.After != "" {
		q.query.Set("after", c.After)
	}
	if s.root.JSON {
		return c.asJSON(ctx, s, q)
	}
	people := 0
	looked, err := eachOverdue(ctx, s, q, func(page []httpapi.OverduePerson) error {
		people += len(page)
		return s.overdue(page)
	})
	if err != nil {
		return err
	}
	p := &page{}
	p.line("%s of %s people have something that is overdue.", count(people), count(looked))
	return p.writeTo(s.process.Stdout)
}

// asJSON writes the pages as one object, one person on each line, since all of
// them may be more than fits into memory.
func (c *retentionDueCmd) asJSON(ctx context.Context, s *shell, q call) error {
	out, comma := bufio.NewWriter(s.process.Stdout), ""
	_, _ = out.WriteString("{\n  \"items\": [") // its error stays until the flush
	looked, err := eachOverdue(ctx, s, q, func(page []httpapi.OverduePerson) error {
		for _, person := range page {
			text, err := json.Marshal(person)
			if err != nil {
				return fmt.Errorf("writing JSON: %w", err)
			}
			_, _ = fmt.Fprintf(out, "%s\n    %s", comma, text)
			comma = ","
		}
		return nil
	})
	if err != nil {
		return err
	}
	_, _ = fmt.Fprintf(out, "\n  ],\n  \"looked\": %d\n}\n", looked)
	if err := out.Flush(); err != nil {
		return fmt.Errorf("writing the output: %w", err)
	}
	return nil
}

// eachOverdue visits every page, and counts the people who were looked at.
func eachOverdue(ctx context.Context, s *shell, q call, visit func([]httpapi.OverduePerson) error) (looked int, err error) {
	for {
		a, err := s.ask(ctx, q)
		if err != nil {
			return looked, err
		}
		var page httpapi.Overdue
		if err := a.into(&page); err != nil {
			return looked, err
		}
		if err := visit(page.Items); err != nil {
			return looked, err
		}
		if looked += page.Looked; page.Next == "" {
			return looked, nil
		}
		q.query.Set("after", string(page.Next))
	}
}

// overdue prints one page's people.
func (s *shell) overdue(people []httpapi.OverduePerson) error {
	if len(people) == 0 {
		return nil
	}
	p := &page{}
	p.head("person", "group", "value", "kept longest by", "retention", "over since", "stays")
	for _, person := range people {
		for _, x := range person.Overdue {
			p.row(string(person.Token), string(x.Group), valueOf(&x), string(x.Purpose), ruleOf(&x), x.Since.UTC().Format(time.DateOnly), staysOf(&person, &x))
		}
	}
	return p.writeTo(s.process.Stdout)
}

func valueOf(x *subject.Expired) string {
	if x.Field == "" {
		return "what was replaced or removed"
	}
	return valueName(x.Field, x.Slot)
}

func ruleOf(x *subject.Expired) string {
	if x.From == "" {
		return string(x.Retention)
	}
	return string(x.Retention) + " from " + string(x.From)
}

func staysOf(p *httpapi.OverduePerson, x *subject.Expired) string {
	switch {
	case x.Stays == subject.KeptByHold:
		return "hold " + x.Hold.String()
	case x.Stays != "":
		return string(x.Stays)
	case !p.Underway.IsZero():
		return "until erasure " + p.Underway.String() + " is done"
	}
	return ""
}

type retentionRunCmd struct {
	DryRun bool   `name:"dry-run" short:"n" help:"Only count."`
	After  string `name:"after" placeholder:"TOKEN" help:"Only the people behind this one, where an earlier run was cut off."`
	Grace  string `name:"grace" placeholder:"PERIOD" help:"How long the erasures can be cancelled, such as P7D; --erasure-grace when left out."`
}

// Help is shown by --help.
func (retentionRunCmd) Help() string {
	return `Orders the erasure of all that is overdue, as lethe retention due lists it: single values, and groups of which only what was replaced or removed is left. Groups stay open for what is recorded anew. Each order is weighed by itself, and again when it starts.

A run that is cut off says where; run again from the start, it orders what is left. Run it once a day.

Examples:

    lethe retention run --dry-run
    lethe retention run --grace P7D
    lethe retention run --server https://ledger.example.com --token-file officer.token --json`
}

func (c *retentionRunCmd) Run(ctx context.Context, s *shell) error {
	b := httpapi.RetentionBody{After: domain.Token(c.After), DryRun: c.DryRun}
	if c.Grace != "" {
		grace := domain.Duration(c.Grace)
		b.Grace = &grace
	}
	res, err := s.stream(ctx, call{method: http.MethodPost, path: []string{"retention", "run"}, body: &b})
	if err != nil {
		return err
	}
	defer res.Close() //nolint:errcheck // read to its end
	report, err := s.followRetention(res)
	if report == nil {
		return err
	}
	if perr := s.retained(report); err == nil {
		err = perr
	}
	return err
}

// retentionLine is one line of the answer.
type retentionLine struct {
	Progress *retention.Tally `json:"progress"`
	Report   *retention.Tally `json:"report"`
	Problem  *problem         `json:"problem"`
}

// followRetention reads the answer to its end. What was done is told also when
// it did not come to its end.
func (s *shell) followRetention(body io.Reader) (last *retention.Tally, err error) {
	bars := newProgress(s.process.Stderr)
	defer func() { bars.end(err == nil) }()
	var end retentionLine
	ended, err := eachLine(body, func(l retentionLine) bool {
		if end = l; l.Progress != nil {
			last = l.Progress
			bars.set("people", int64(last.Looked), int64(last.Total)) //nolint:gosec // people
		}
		return l.Report != nil || l.Problem != nil
	})
	switch {
	case err != nil:
		return last, err
	case end.Problem != nil:
		return end.Report, end.Problem
	case ended:
		return end.Report, nil
	}
	return last, &domain.Error{
		Kind: domain.KindUnavailable, Code: "retention.interrupted",
		Message: "the server stopped before everybody was looked at: run it again, or go on with --after",
	}
}

func (s *shell) retained(r *retention.Tally) error {
	if s.root.JSON {
		return s.json(r)
	}
	p := &page{}
	p.row("people looked at", count(r.Looked))
	p.row("with something overdue", count(r.People))
	p.row("erasures ordered", count(r.Ordered))
	p.row("single values", count(r.Values))
	p.row("groups with leftovers only", count(r.Groups))
	p.row("kept by a hold or by wish", count(r.Kept))
	p.row("another erasure comes first", count(r.Underway))
	switch {
	case r.After != "":
		p.line("Cut off: go on with --after %s", r.After)
	case r.DryRun:
		p.line("Nothing was ordered: this is what would be.")
	default:
		p.line("Done.")
	}
	return p.writeTo(s.process.Stdout)
}
