package cli

import (
	"context"
	"net/http"
	"net/url"

	"lethe/internal/httpapi"
)

type auditReplayCmd struct {
	Subject string     `name:"subject" placeholder:"TOKEN" help:"Of a person: the token."`
	Purpose string     `name:"purpose" placeholder:"PURPOSE" help:"Of a purpose: everybody whom a consent, basis or objection to it is known of. With --subject only what is about it."`
	AsOf    pastMoment `name:"as-of" placeholder:"TIME" help:"The moment to look back to: 2026-01-31 (the end of that day, UTC) or 2026-01-31T09:00:00Z; now when left out."`
	By      string     `name:"by" default:"recorded" enum:"recorded,effective" help:"recorded: what was known then; effective: what is known now about then."`
	Since   pastMoment `name:"changes-since" placeholder:"TIME" help:"Compare this earlier moment with --as-of: what stood before and after, and the events between."`
	Show    string     `name:"show" placeholder:"WHAT" default:"" enum:",consents,history,both" help:"consents (with other bases and objections), history (events), or both. When left out: both of a person, consents of a purpose; in CSV, which has one, the history of a person."`
	Totals  bool       `name:"totals" help:"Of a purpose: how many people stood how."`
	OpenFor string     `name:"open-for" placeholder:"PURPOSE" help:"Open the values in a person's history that this purpose needs; the access is recorded. Nothing is opened when left out."`
	reached `embed:""`
	Format  string `name:"format" placeholder:"FORMAT" default:"" enum:",table,json,csv" help:"table, json or csv; table when left out."`
	Out     string `name:"out" short:"o" placeholder:"FILE" help:"Write to a new file (0600) instead of standard output."`
	Force   bool   `name:"force" help:"Replace the file if it is there."`
}

// Help is shown by --help.
func (auditReplayCmd) Help() string {
	return `By recorded time the answer is what the ledger would have answered at that moment. By effective time it is what is known today about that moment: what was recorded late counts, and a consent found invalid never stood.

Each line has the event that it rests on and where that event's proof is. A purpose's people come in the order of tokens, however many there are, all as of the same moment.

CSV is that of RFC 4180 with a heading, times in UTC. A field that begins with = + - @ has ' before it, so that a spreadsheet does not compute it.

Examples:

    lethe audit replay --subject TOKEN --as-of 2026-01-31
    lethe audit replay --subject TOKEN --as-of 2026-01-31T12:00:00Z --by effective --json
    lethe audit replay --subject TOKEN --purpose marketing.sms --format csv -o history.csv
    lethe audit replay --subject TOKEN --open-for customer.service
    lethe audit replay --purpose marketing.sms --as-of 2026-01-31 --format csv -o consents.csv
    lethe audit replay --purpose marketing.sms --as-of 2026-01-31 --totals
    lethe audit replay --purpose marketing.sms --changes-since 2026-01-01 --as-of 2026-01-31`
}

func (c *auditReplayCmd) Run(ctx context.Context, s *shell) error {
	if err := c.settle(s); err != nil {
		return err
	}
	out, err := s.newReplay(c)
	if err != nil {
		return err
	}
	defer out.discard()
	do := c.ofPurpose
	switch {
	case c.Totals:
		do = c.totals
	case c.Subject != "" && !c.Since.IsZero():
		do = c.subjectChanges
	case c.Subject != "":
		do = c.ofSubject
	case !c.Since.IsZero():
		do = c.purposeChanges
	}
	if err := do(ctx, s, out); err != nil {
		return err
	}
	return out.keep()
}

// settle refuses flags that do not go together, and fills in what was left out.
func (c *auditReplayCmd) settle(s *shell) error {
	of := c.Subject != ""
	for _, wrong := range []struct {
		is   bool
		says string
	}{
		{!of && c.Purpose == "", "name a person (--subject TOKEN), a purpose (--purpose PURPOSE), or both"},
		{c.Totals && of, "--totals counts the people of a purpose: leave --subject out"},
		{c.Totals && (!c.Since.IsZero() || c.Show != ""), "--totals goes without --changes-since and --show"},
		{c.OpenFor != "" && (!of || !c.Since.IsZero() || c.Show == "consents"), "--open-for opens values in the history of a person: it goes with --subject, without --changes-since and --show consents"},
		{c.Channel != "" && c.OpenFor == "", "--channel says how a person will be reached, which --open-for may need to know: give that too"},
		{c.Since.today, "--changes-since: a date is the end of that day, which this one has not reached: give a time, such as 2026-01-31T09:00:00Z"},
		{s.root.JSON && c.Format != "" && c.Format != formatJSON, "--json and --format " + c.Format + " contradict each other"},
		{c.Format == formatCSV && c.Show == "both", "a CSV file has one kind of lines: --show consents or --show history"},
		{c.Force && c.Out == "", "--force replaces the file that --out names: name one"},
	} {
		if wrong.is {
			return usage("%s", wrong.says)
		}
	}
	switch {
	case s.root.JSON:
		c.Format = formatJSON
	case c.Format == "":
		c.Format = formatTable
	}
	if c.Show == "" {
		c.Show = c.shownByItself()
	}
	return nil
}

func (c *auditReplayCmd) shownByItself() string {
	changes := !c.Since.IsZero()
	switch {
	case c.Format == formatCSV && c.Subject != "" && !changes:
		return "history"
	case c.Format == formatCSV, c.Subject == "" && !changes:
		return "consents"
	}
	return "both"
}

func (c *auditReplayCmd) consents() bool { return c.Show != "history" }
func (c *auditReplayCmd) history() bool  { return c.Show != "consents" }

// replayed is the answer's JSON.
type replayed struct {
	Consents *httpapi.Consents `json:"consents,omitempty"`
	History  *httpapi.History  `json:"history,omitempty"`
}

func (c *auditReplayCmd) ofSubject(ctx context.Context, s *shell, out *replay) error {
	var r replayed
	ask := func(part string, into any, pairs ...string) error {
		q := queryOf(append(pairs, "as_of", c.AsOf.query(), "by", c.By, "about", c.Purpose)...)
		a, err := s.ask(ctx, call{method: http.MethodGet, path: []string{"subjects", c.Subject, part}, query: q})
		if err != nil {
			return err
		}
		return a.into(into)
	}
	if c.consents() {
		r.Consents = &httpapi.Consents{}
		if err := ask("consents", r.Consents); err != nil {
			return err
		}
	}
	if c.history() {
		r.History = &httpapi.History{}
		if err := ask("history", r.History, "purpose", c.OpenFor, "channel", c.Channel); err != nil {
			return err
		}
	}
	return out.subject(r)
}

func (c *auditReplayCmd) between() url.Values {
	return queryOf("from", c.Since.query(), "to", c.AsOf.query(), "by", c.By)
}

func (c *auditReplayCmd) subjectChanges(ctx context.Context, s *shell, out *replay) error {
	q := call{method: http.MethodGet, path: []string{"subjects", c.Subject, "changes"}, query: c.between()}
	if c.Purpose != "" {
		q.query.Set("about", c.Purpose)
	}
	a, err := s.ask(ctx, q)
	if err != nil {
		return err
	}
	if out.format == formatJSON {
		return writeJSON(out, a.body)
	}
	var v httpapi.SubjectChanges
	if err := a.into(&v); err != nil {
		return err
	}
	return out.changes(c, v.Moments, "", []httpapi.PersonChanges{v.PersonChanges})
}
