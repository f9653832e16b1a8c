package cli

import (
	"context"
	"net/http"
	"strconv"

	"lethe/domain"
	"lethe/internal/httpapi"
	"lethe/internal/starter"
)

type catalogueCmd struct {
	Load     catalogueLoadCmd     `cmd:"" help:"Declare everything in a catalogue file, all or nothing."`
	Show     catalogueShowCmd     `cmd:"" help:"Show what is declared."`
	Template catalogueTemplateCmd `cmd:"" help:"Print the starter catalogue for a CRM, to copy and change."`
}

type catalogueLoadCmd struct {
	File    string `arg:"" optional:"" help:"Catalogue file (YAML); - is standard input."`
	Starter bool   `name:"starter" help:"Load the starter catalogue for a CRM that ships with Lethe."`
}

// Help is shown by --help.
func (catalogueLoadCmd) Help() string {
	return `Loading a file twice changes nothing. A purpose that reads otherwise becomes its next version, and the rules compute whether consent must be given anew.

Examples:

    lethe catalogue template > catalogue.yaml
    lethe catalogue load catalogue.yaml
    lethe catalogue load --starter`
}

func (c *catalogueLoadCmd) Run(ctx context.Context, s *shell) error {
	text := []byte(starter.Text())
	switch {
	case c.Starter == (c.File != ""):
		return usage("name a catalogue file, or give --starter")
	case c.File != "":
		var err error
		if text, err = s.read(c.File, starter.MaxBytes); err != nil {
			return err
		}
	}
	return show(ctx, s, call{
		method: http.MethodPost, path: []string{"catalogue"}, raw: text, media: "application/yaml",
	}, func(p *page, out httpapi.CatalogueOutcome) error {
		if out.Events == 0 {
			p.line("Everything was declared like this already; nothing was changed.")
			return nil
		}
		p.line("Recorded %s declarations; the catalogue is at revision %d.", count(out.Events), out.Revision)
		if len(out.Purposes) > 0 {
			p.head("purpose", "version", "consent to the version before")
		}
		for _, made := range out.Purposes {
			p.row(string(made.ID), number(made.Version), consentAfter(made))
		}
		return nil
	})
}

// consentAfter is what becomes of consent given to the version before.
func consentAfter(made httpapi.PurposeMade) string {
	switch {
	case made.Version == 1:
		return ""
	case made.Material:
		return "must be given anew"
	}
	return "goes on"
}

type catalogueTemplateCmd struct{}

func (catalogueTemplateCmd) Run(s *shell) error {
	p := &page{}
	p.text.WriteString(starter.Text())
	return p.writeTo(s.process.Stdout)
}

type catalogueShowCmd struct {
	Kind string `arg:"" optional:"" default:"purposes" enum:"controllers,fields,purposes,notices,recipients" help:"${enum}."`
	ID   string `arg:"" optional:"" help:"One of them, with its texts and all its versions."`
}

// Help is shown by --help.
func (catalogueShowCmd) Help() string {
	return `Examples:

    lethe catalogue show
    lethe catalogue show fields
    lethe catalogue show purposes newsletter
    lethe catalogue show notices --json`
}

func (c *catalogueShowCmd) Run(ctx context.Context, s *shell) error {
	q := call{method: http.MethodGet, path: []string{"catalogue", c.Kind}}
	if c.ID != "" {
		return c.one(ctx, s, q)
	}
	switch c.Kind {
	case "controllers":
		return showList(ctx, s, q, []string{"controller", "country", "processors"}, func(e httpapi.Controller) []string {
			return []string{string(e.ID), string(e.Country), words(e.Processors)}
		})
	case "fields":
		return showList(ctx, s, q, []string{"field", "type", "group", "category", "found by", "notes"}, fieldRow)
	case "notices":
		return showList(ctx, s, q, []string{"notice", "version", "language", "from", "digest"}, noticeRow)
	case "recipients":
		return showList(ctx, s, q, []string{"recipient", "kind", "country", "safeguard"}, func(e httpapi.Recipient) []string {
			return []string{string(e.ID), string(e.Kind), string(e.Country), string(e.Safeguard)}
		})
	}
	return showList(ctx, s, q, []string{"purpose", "version", "basis", "retention", "consent", "needs"}, purposeRow)
}

// one shows a single declaration; its texts and versions differ by kind, so
// for people it is the answer's JSON as well.
func (c *catalogueShowCmd) one(ctx context.Context, s *shell, q call) error {
	q.path = append(q.path, c.ID)
	if c.Kind == "purposes" {
		return show(ctx, s, q, func(p *page, v httpapi.PurposeVersions) error {
			for _, e := range v.Versions {
				purposeLines(p, e)
			}
			return nil
		})
	}
	a, err := s.ask(ctx, q)
	if err != nil {
		return err
	}
	return s.json(a.body)
}

type items[T any] struct {
	Items []T `json:"items"`
}

// showList prints the answer's items as a table.
func showList[T any](ctx context.Context, s *shell, q call, heads []string, row func(T) []string) error {
	return show(ctx, s, q, func(p *page, v items[T]) error {
		if len(v.Items) == 0 {
			p.line("None.")
			return nil
		}
		p.head(heads...)
		for _, e := range v.Items {
			p.row(row(e)...)
		}
		return nil
	})
}

func fieldRow(e httpapi.FieldAnswer) []string {
	notes := ""
	switch {
	case e.Special:
		notes = "special category (GDPR 9)"
	case e.Criminal:
		notes = "criminal data (GDPR 10)"
	case e.Many:
		notes = "several values"
	}
	return []string{string(e.ID), string(e.Type), string(e.Group), string(e.Category), string(e.Lookup), notes}
}

func noticeRow(e httpapi.NoticeAnswer) []string {
	return []string{string(e.ID), number(e.Version), string(e.Language), stamp(e.From), e.Digest.String()}
}

func purposeRow(e httpapi.PurposeAnswer) []string {
	consent := ""
	if e.Basis == domain.Consent {
		consent = "simple"
		if e.Explicit {
			consent = "explicit"
		}
		if e.DoubleOptIn {
			consent += ", double opt-in"
		}
	}
	return []string{string(e.ID), number(e.Version), string(e.Basis), string(e.Retention), consent, shortened(words(e.Fields), 60)}
}

func purposeLines(p *page, e httpapi.PurposeAnswer) {
	state := "not in force"
	if e.Current {
		state = "in force"
	}
	p.line("%s, version %d (%s since %s)", e.ID, e.Version, state, stamp(e.InForce))
	row := purposeRow(e)
	p.row("  basis", row[2])
	p.row("  consent", row[4])
	p.row("  controllers", words(e.Controllers))
	p.row("  needs", words(e.Fields))
	p.row("  may use", words(e.Optional))
	p.row("  recipients", words(e.Recipients))
	p.row("  kept", string(e.Retention)+" from "+string(e.RetentionStart))
	p.row("  terms", string(e.DPV)+" "+string(e.Fideslang))
	p.end()
}

func number(n uint32) string { return strconv.FormatUint(uint64(n), 10) }

func shortened(s string, most int) string {
	if len(s) <= most {
		return s
	}
	return s[:most] + "…"
}
