package cli

import (
	"fmt"
	"strings"
	"time"

	"lethe/internal/audit"
)

// verifyPage shows an audit's result to people: the steps, the findings, and
// one line on what was checked and what was not.
func verifyPage(p *page, res audit.Result) {
	p.head("step", "checked", "", "unchanged", "found", "took")
	for _, s := range res.Steps {
		skipped := ""
		if s.Skipped > 0 {
			skipped = count(s.Skipped)
		}
		took := time.Duration(s.Seconds * float64(time.Second))
		p.row(s.Name, count(s.Checked), s.Of, skipped, count(s.Findings), took.Round(roundTo(took)).String())
	}
	for _, s := range res.Steps {
		for _, n := range s.Notes {
			p.line("%s: %s", s.Name, printable(n))
		}
	}
	for i, f := range res.Findings {
		p.line("")
		p.line("%d. %s, %s", i+1, f.Step, printable(f.Where))
		p.line("   %s", printable(f.What))
		p.line("   Means: %s", printable(f.Means))
	}
	if res.More > 0 {
		p.line("")
		p.line("%s more findings are not listed.", count(res.More))
	}
	p.line("")
	p.line("%s", conclusion(res))
}

func roundTo(d time.Duration) time.Duration {
	if d < time.Second {
		return time.Millisecond
	}
	return 10 * time.Millisecond
}

// conclusion says what the result stands for.
func conclusion(res audit.Result) string {
	found := len(res.Findings) + res.More
	if len(res.Steps) == 1 && found > 0 {
		return "The data directory is damaged and was not opened: the rest was not checked."
	}
	var says string
	switch c := res.Checkpoint; {
	case c == nil && found == 0:
		says = "Nothing was found, and no checkpoint is known yet: nothing proves it."
	case c == nil:
		says = amount(found, "finding", "findings") + ". No known checkpoint fits the log: nothing proves it."
	case found == 0:
		says = fmt.Sprintf("Clean up to event %s under %s.", count(c.Size), underOf(res))
	default:
		says = fmt.Sprintf("%s. The order and the bytes of the events are those of %s.", amount(found, "finding", "findings"), underOf(res))
	}
	if res.LogOnly {
		says += " Index, events, keys and views were not looked at."
	}
	return says
}

// underOf names the checkpoint, and what it does not cover.
func underOf(res audit.Result) string {
	c := res.Checkpoint
	s := fmt.Sprintf("checkpoint %s, signed by %s", count(c.Size), strings.Join(c.Signers, ", "))
	if !c.Published {
		s += ", not published"
	}
	if later := res.Events - min(c.Size, res.Events); later > 0 {
		s += fmt.Sprintf("; %s not sealed yet", amount(int(later), "later event is", "later events are"))
	}
	return s
}

func amount(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return count(n) + " " + many
}
