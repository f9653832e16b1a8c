package verifycmd

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"strings"
	"unicode"

	"lethe/internal/bundle"
)

// output is the report as --json gives it.
type output struct {
	File string `json:"file"`
	*bundle.Report
	Error string `json:"error,omitempty"` // what could not be read
}

func render(o *options, r *bundle.Report, failed error) (string, error) {
	if !o.json {
		return human(o.file, r, failed), nil
	}
	out := output{File: o.file, Report: r}
	if failed != nil {
		out.Error = failed.Error()
	}
	b, err := json.MarshalIndent(out, "", "  ")
	if err != nil {
		return "", fmt.Errorf("writing the report: %w", err)
	}
	return clean(string(b)) + "\n", nil
}

// verdicts say each outcome in a sentence.
var verdicts = map[bundle.Outcome]string{
	bundle.Verified:   "verified",
	bundle.Found:      "NOT VERIFIED: something is not as it should be",
	bundle.Incomplete: "could not be checked as was asked for",
	bundle.Unanchored: "unanchored: consistent in itself, but signed by a key that nobody vouched for here (--key, --policy, --checkpoint)",
}

// page writes lines of two columns and lets nothing through that a terminal
// would act on.
type page struct{ strings.Builder }

func (p *page) row(name, format string, args ...any) {
	text := strings.ReplaceAll(clean(fmt.Sprintf(format, args...)), "\n", "\n              ")
	fmt.Fprintf(p, "  %-10s  %s\n", clean(name), text)
}

func human(file string, r *bundle.Report, failed error) string {
	p := &page{}
	fmt.Fprintf(p, "%s: %s\n\n", clean(filepath.Base(file)), verdicts[r.Outcome])
	if r.Origin != "" {
		p.row("log", "%s, size %d, root %s", r.Origin, r.Size, r.Root)
	}
	if r.Revision != nil {
		p.row("subject", "%s, revisions 0 to %d, %s in all, %s disclosed, %d not",
			r.Subject, *r.Revision, number(r.Events, "event"), number(r.Disclosed, "value"), r.Sealed)
	}
	if !r.AsOf.IsZero() {
		p.row("as of", "%s", r.AsOf.Format("2006-01-02 15:04:05.999999 UTC"))
	}
	if e := r.Entry; e != nil {
		p.entry(e)
	}
	if e := r.Erasure; e != nil {
		p.erasure(e)
	}
	if r.Statement != "" {
		p.row("statement", "%s", r.Statement)
	}
	p.checks(r)
	p.findings(r)
	if failed != nil {
		p.row("failed", "%v", failed)
	}
	return p.String()
}

func (p *page) entry(e *bundle.Entry) {
	p.row("entry", "%d: %s, version %d, of %s, revision %d", e.Index, e.Type, e.TypeVersion, e.Stream, e.Revision)
	p.row("event", "%s", e.EventID)
	p.row("times", "recorded %s, effective %s", e.Recorded, e.Effective)
	p.row("hashes", "facts %s\nmetadata %s\n%s", e.FactsSHA256, e.MetaSHA256, number(e.Sealed, "sealed value"))
}

func (p *page) erasure(e *bundle.Erasure) {
	p.row("erasure", "%s, completed %s", e.ID, e.Completed)
	p.row("person", "%s", strings.Join(e.Tokens, ", "))
	p.row("erased", "%s", either(e.Erased))
	if len(e.InPart) > 0 {
		p.row("in part", "%s", either(e.InPart))
	}
	p.row("keys", "%d", e.Keys)
	p.row("kept", "%s", either(e.Kept))
	p.row("guarantee", "%s: attested for the copies that the operator controls", strings.ReplaceAll(e.Guarantee, "_", " "))
	from := "from when on no backup of the keys can revive it is not known"
	if e.DeadFrom != "" {
		from = "no backup of the keys can revive it from " + e.DeadFrom + " on"
	}
	p.row("backups", "%s", from)
}

func either(names []string) string {
	if len(names) == 0 {
		return "nothing"
	}
	return strings.Join(names, ", ")
}

func (p *page) checks(r *bundle.Report) {
	states := map[bundle.State]string{bundle.Passed: "ok", bundle.Failed: "FAILED", bundle.NotDone: "not done"}
	p.WriteString("\n")
	for _, c := range r.Checks {
		p.row(states[c.State], "%-10s  %s", c.Name, c.Detail)
	}
}

func (p *page) findings(r *bundle.Report) {
	if len(r.Findings) > 0 {
		p.WriteString("\n")
	}
	for _, f := range r.Findings {
		p.row("found", "%s: %s\nmeans: %s", f.Where, f.What, f.Means)
	}
	if r.Omitted > 0 {
		p.row("found", "and %d more", r.Omitted)
	}
}

// number is n with the noun that goes with it.
func number(n int, noun string) string {
	if n != 1 {
		noun += "s"
	}
	return fmt.Sprintf("%d %s", n, noun)
}

// clean replaces what is not printed: names in a file that somebody else made
// may hold anything.
func clean(s string) string {
	return strings.Map(func(c rune) rune {
		if c == '\n' || unicode.IsPrint(c) {
			return c
		}
		return '\uFFFD'
	}, s)
}
