package cli

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"lethe/domain"
	"lethe/domain/subject"
	"lethe/internal/httpapi"
)

type eraseCmd struct {
	Order  eraseOrderCmd  `cmd:"" default:"withargs" help:"Order the erasure of a person's data, or say what it would do."`
	Show   eraseShowCmd   `cmd:"" help:"Show a person's erasures and how far they have come."`
	List   eraseListCmd   `cmd:"" help:"List erasures of all people."`
	Cancel eraseCancelCmd `cmd:"" help:"Call off an erasure that has not started."`
	Reopen eraseReopenCmd `cmd:"" help:"Let a person who was erased be recorded anew."`

	eraseDocuments `embed:""`
}

type eraseOrderCmd struct {
	person     `embed:""`
	Everything bool          `name:"everything" help:"All that may go; also withdraws every consent and objects to marketing."`
	Groups     []string      `name:"group" placeholder:"GROUP" help:"A retention group; may be repeated."`
	Values     []string      `name:"value" placeholder:"FIELD[:SLOT]" help:"A single value; the others of its group stay. May be repeated."`
	Superseded []string      `name:"superseded" placeholder:"GROUP" help:"What was rectified or removed in a retention group; what stands stays. May be repeated."`
	Ground     string        `name:"ground" placeholder:"GROUND" help:"no_longer_necessary, consent_withdrawn, objected, unlawful, legal_duty, child_service (GDPR 17(1)(a) to (f)); what follows from the record when left out."`
	Cause      string        `name:"cause" placeholder:"CAUSE" help:"request, decision, retention, rectification; request when left out."`
	By         string        `name:"by" placeholder:"PARTY" help:"Who asked: subject, guardian, controller, processor, authority."`
	Grace      *string       `name:"grace" placeholder:"PERIOD" help:"How long it can be cancelled, such as P7D, at most 30 days; the server's setting when left out."`
	Reason     string        `name:"reason-file" placeholder:"FILE|-" help:"File that says why; kept sealed; - is standard input."`
	DryRun     bool          `name:"dry-run" short:"n" help:"Only say what would go, what would stay, and why."`
	Wait       time.Duration `name:"wait" default:"2m" placeholder:"TIME" help:"How long to wait for the end of an erasure that is due."`
	NoWait     bool          `name:"no-wait" help:"Do not wait for the end; lethe erase show tells how far it has come."`
	writing    `embed:""`
}

// Help is shown by --help.
func (eraseOrderCmd) Help() string {
	return `Each retention group is weighed by the rules of GDPR 17: what goes, what stays, by which rule and until when. What goes is closed at once and, after the grace period, weighed again; then its keys are destroyed, here and in every copy that comes back. That cannot be undone.

The command waits until the erasure is completed, of linked records too. When it is not by then the exit code is 1; the erasure goes on by itself.

Examples:

    lethe erase TOKEN --everything --dry-run
    lethe erase TOKEN --everything
    lethe erase TOKEN --group contact --ground unlawful
    lethe erase TOKEN --superseded contact --cause rectification`
}

func (c *eraseOrderCmd) Run(ctx context.Context, s *shell) error {
	b, err := c.body(s)
	if err != nil {
		return err
	}
	a, err := s.ask(ctx, call{method: http.MethodPost, path: c.path("erasure"), body: b, header: c.header()})
	if err != nil {
		return c.unheard(ctx, err)
	}
	var e httpapi.Erasure
	if err := a.into(&e); err != nil {
		return err
	}
	var open error
	if !c.DryRun && !c.NoWait && !e.Due.After(e.Ordered) {
		e, open = awaitErasure(ctx, s, e, c.Wait)
	}
	if s.root.JSON {
		return errors.Join(s.json(e), open)
	}
	var p page
	writeErasure(&p, &e)
	return errors.Join(p.writeTo(s.process.Stdout), open)
}

// unheard tells of an order that was cut off before its answer came.
func (c *eraseOrderCmd) unheard(ctx context.Context, err error) error {
	if ctx.Err() == nil || c.DryRun {
		return err
	}
	return &problem{Code: "interrupted", Detail: "interrupted before the answer came: whether the erasure is ordered says `lethe erase show " + string(c.Token) + "`"}
}

func (c *eraseOrderCmd) body(s *shell) (*httpapi.ErasureBody, error) {
	reason, err := s.note(c.Reason)
	if err != nil {
		return nil, err
	}
	b := &httpapi.ErasureBody{
		Everything: c.Everything, Groups: names(c.Groups), Superseded: names(c.Superseded), Ground: subject.ErasureGround(c.Ground),
		Cause: subject.ErasureCause(c.Cause), By: subject.Party(c.By), Reason: reason, DryRun: c.DryRun,
	}
	if c.Grace != nil {
		g := domain.Duration(*c.Grace)
		b.Grace = &g
	}
	for _, v := range c.Values {
		ref, err := valueRef(v)
		if err != nil {
			return nil, err
		}
		b.Values = append(b.Values, ref)
	}
	return b, nil
}

// valueRef reads FIELD or FIELD:SLOT. A slot that was left empty, as by a
// variable that is not set, is no slot.
func valueRef(v string) (subject.ValueRef, error) {
	field, slot, numbered := strings.Cut(v, ":")
	ref := subject.ValueRef{Field: domain.Name(field)}
	if !numbered {
		return ref, nil
	}
	n, err := strconv.ParseUint(slot, 10, 16)
	if err != nil {
		return ref, domain.Invalid("erasure.value", "value", "a value is named as FIELD for the first or the only one, "+
			"or as FIELD:SLOT with its number from 0, such as invoice:2")
	}
	ref.Slot = uint16(n)
	return ref, nil
}

type eraseShowCmd struct {
	person  `embed:""`
	Erasure string `arg:"" optional:"" help:"The erasure, as lethe erase printed it; all when left out."`
}

// Help is shown by --help.
func (eraseShowCmd) Help() string {
	return `Examples:

    lethe erase show TOKEN
    lethe erase show TOKEN ERASURE`
}

func (c *eraseShowCmd) Run(ctx context.Context, s *shell) error {
	a, err := s.ask(ctx, call{method: http.MethodGet, path: c.path("erasure")})
	if err != nil {
		return err
	}
	var all httpapi.Erasures
	if err := a.into(&all); err != nil {
		return err
	}
	if c.Erasure != "" {
		return c.one(s, &all)
	}
	if s.root.JSON {
		return s.json(a.body)
	}
	p := &page{}
	writeErasures(p, &all)
	return p.writeTo(s.process.Stdout)
}

// one shows one of them alone.
func (c *eraseShowCmd) one(s *shell, all *httpapi.Erasures) error {
	for i := range all.Items {
		e := &all.Items[i]
		if e.Erasure.String() != c.Erasure {
			continue
		}
		if s.root.JSON {
			return s.json(e)
		}
		p := &page{}
		writeErasure(p, e)
		return p.writeTo(s.process.Stdout)
	}
	return &problem{Code: "erasure.unknown", Detail: "there is no such erasure of this record: `lethe erase show " + c.Token + "` lists them"}
}

func writeErasures(p *page, all *httpapi.Erasures) {
	if len(all.Items) == 0 && len(all.Unordered) == 0 {
		p.line("No erasure was ordered of this record.")
	}
	for _, u := range all.Unordered {
		writeUnordered(p, &u)
	}
	for i := range all.Items {
		if i > 0 {
			p.line("")
		}
		writeErasure(p, &all.Items[i])
	}
	if len(all.Closed) > 0 {
		p.line("")
		p.line("Closed: %s", words(all.Closed))
	}
	for _, w := range all.Waiting {
		what := string(w.Group)
		if w.Earlier {
			what += " of an earlier lifecycle"
		}
		p.line("Waiting: %s, kept by %s%s", what, w.Rule, untilText(w.Until))
	}
}

// writeUnordered tells of an erasure that an older copy of the ledger does not
// know of.
func writeUnordered(p *page, u *httpapi.ErasedAgain) {
	var groups []domain.Name
	for _, k := range u.Keys {
		if !slices.Contains(groups, k.Group) {
			groups = append(groups, k.Group)
		}
	}
	p.line("Erasure %s was carried out again %s: %s of %s destroyed.", u.Erasure, stamp(u.At), keyWords(len(u.Keys)), words(groups))
	if len(u.Left) > 0 {
		p.line("Of %s it had left something, which is lost with the events that sealed it again: %s. That is not erased: bring it in again from its source.",
			words(u.Left), cmp.Or(valueNames(u.Lost), "no value that the ledger has"))
	}
	p.line("Its order is in a range of the ledger that is lost, and so are withdrawals and objections that came with it: record them again, or order it again. " +
		"Legal holds and restrictions may be lost, too: place them again before an officer accepts what is lost.")
}

type eraseListCmd struct {
	State string `name:"state" placeholder:"STATE" help:"ordered, started, completed, cancelled, stopped; all when left out."`
	Limit int    `name:"limit" default:"100" help:"Rows to show, at most 500."`
	Older string `name:"before" placeholder:"POSITION" help:"Only those before this, as the last line of a page says."`
}

// Help is shown by --help.
func (eraseListCmd) Help() string {
	return `Examples:

    lethe erase list --state started
    lethe erase list --json`
}

func (c *eraseListCmd) Run(ctx context.Context, s *shell) error {
	q := queryOf("state", c.State, "limit", strconv.Itoa(c.Limit), "before", c.Older)
	return show(ctx, s, call{method: http.MethodGet, path: []string{"erasures"}, query: q}, func(p *page, all httpapi.ErasureLines) error {
		if len(all.Items) == 0 {
			p.line("There are no such erasures.")
			return nil
		}
		p.head("person", "state", "cause", "ordered", "due", "completed", "groups kept", "what is missing")
		for _, e := range all.Items {
			p.row(string(e.Token), string(e.State), string(e.Cause), stamp(e.Ordered), stamp(e.Due), stamp(e.Completed), count(e.Kept), e.Incomplete)
		}
		if all.Next != "" {
			p.line("")
			p.line("There are more: --before %s", all.Next)
		}
		return nil
	})
}

type eraseCancelCmd struct {
	person  `embed:""`
	Erasure string `arg:"" help:"The erasure, as lethe erase printed it."`
	By      string `name:"by" placeholder:"PARTY" help:"Who called it off; the person when left out."`
	Reason  string `name:"reason-file" placeholder:"FILE|-" help:"File that says why; kept sealed; - is standard input."`
	writing `embed:""`
}

// Help is shown by --help.
func (eraseCancelCmd) Help() string {
	return `Only within the grace period. Consents that the order withdrew stay withdrawn.

Example:

    lethe erase cancel TOKEN ERASURE`
}

func (c *eraseCancelCmd) Run(ctx context.Context, s *shell) error {
	reason, err := s.note(c.Reason)
	if err != nil {
		return err
	}
	b := httpapi.CancelBody{By: subject.Party(c.By), Reason: reason}
	q := call{method: http.MethodPost, path: c.path("erasure", c.Erasure, "cancel"), body: &b, header: c.header()}
	return show(ctx, s, q, func(p *page, e httpapi.Erasure) error {
		writeErasure(p, &e)
		return nil
	})
}

type eraseReopenCmd struct {
	person  `embed:""`
	By      string `name:"by" placeholder:"PARTY" help:"Who asked for it; the person when left out."`
	Reason  string `name:"reason-file" placeholder:"FILE|-" help:"File that says why; kept sealed; - is standard input."`
	writing `embed:""`
}

// Help is shown by --help.
func (eraseReopenCmd) Help() string {
	return `An officer opens a new lifecycle: what is recorded from now on gets keys of its own. What was erased stays erased, and an objection to marketing stays until the person consents anew. A linked record that was erased too is reopened by a command of its own: until then, what is closed there cannot be used here either.

Example:

    lethe erase reopen TOKEN`
}

func (c *eraseReopenCmd) Run(ctx context.Context, s *shell) error {
	reason, err := s.note(c.Reason)
	if err != nil {
		return err
	}
	b := httpapi.CancelBody{By: subject.Party(c.By), Reason: reason}
	return wrote(ctx, s, call{method: http.MethodPost, path: c.path("lifecycle"), body: &b, header: c.header()})
}

// writeErasure prints one erasure, and those of linked records after it.
func writeErasure(p *page, e *httpapi.Erasure) {
	p.row("person", string(e.Token))
	if !e.Erasure.IsZero() {
		p.row("erasure", e.Erasure.String())
	}
	p.row("state", e.State)
	if e.State == string(subject.IsOrdered) && e.Due.After(e.Ordered) {
		p.row("can be cancelled until", stamp(e.Due))
	}
	if e.Incomplete != "" {
		p.row("what is missing", e.Incomplete)
	}
	if !e.Completed.IsZero() {
		p.row("completed", stamp(e.Completed))
		p.row("keys destroyed", count(len(e.Keys)))
		p.row("confirmed by", sinkNames(e.Sinks))
		if !e.DeadFrom.IsZero() {
			p.row("in no backup from", stamp(e.DeadFrom))
		}
	}
	p.line("")
	p.head("group", "what happens", "why", "until")
	for _, g := range e.Groups {
		p.row(string(g.Group), happens(e, &g), why(&g), stamp(g.Until))
	}
	for i := range e.Linked {
		p.line("")
		p.line("The linked record of the same person:")
		writeErasure(p, &e.Linked[i])
	}
}
