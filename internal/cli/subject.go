package cli

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"lethe/domain"
	"lethe/domain/catalogue"
	"lethe/domain/subject"
	"lethe/internal/httpapi"
)

type subjectCmd struct {
	Register   subjectRegisterCmd   `cmd:"" help:"Open a person's record."`
	Record     subjectRecordCmd     `cmd:"" help:"Record values, or correct them."`
	Remove     subjectRemoveCmd     `cmd:"" help:"Take a field out of a purpose."`
	Show       subjectShowCmd       `cmd:"" help:"Open what a purpose needs of a person."`
	Lookup     subjectLookupCmd     `cmd:"" help:"Find people by e-mail address, phone number or external ID."`
	History    subjectHistoryCmd    `cmd:"" help:"Show everything that was recorded of a person."`
	MayProcess subjectMayProcessCmd `cmd:"" help:"Ask whether a person's data may be processed, and why."`
	Basis      subjectBasisCmd      `cmd:"" help:"Rely on a purpose's basis other than consent, or end that."`
	Accesses   subjectAccessesCmd   `cmd:"" help:"Show who opened a person's data, or was refused."`
	Restrict   subjectRestrictCmd   `cmd:"" help:"Restrict what is done with a person's data (GDPR 18)."`
	Lift       subjectLiftCmd       `cmd:"" help:"End a restriction."`
	Object     subjectObjectCmd     `cmd:"" help:"The person objects (GDPR 21), or opts out of a channel."`
	Objection  subjectObjectionCmd  `cmd:"" help:"Override, uphold or withdraw an objection."`
	Link       subjectLinkCmd       `cmd:"" help:"Say that two records are, or are not, one person."`
}

type subjectRegisterCmd struct {
	Acquired     string `name:"acquired" default:"from_person" placeholder:"HOW" help:"from_person, from_third_party, from_public_source, from_migration (GDPR 13 or 14)."`
	Jurisdiction string `name:"jurisdiction" required:"" placeholder:"COUNTRY" help:"ISO 3166 country whose law protects the person, such as DE."`
	Purpose      string `name:"purpose" placeholder:"PURPOSE" help:"What the values are needed for."`
	Values       string `name:"values" placeholder:"FILE|-" help:"JSON object of field and value; - is standard input."`
	System       string `name:"source" placeholder:"SYSTEM" help:"The system that the record comes from."`
	Effective    moment `name:"effective" placeholder:"TIME" help:"Since when; now when left out."`
	writing      `embed:""`
}

// Help is shown by --help.
func (subjectRegisterCmd) Help() string {
	return `Prints the person's token, a pseudonym that everything else goes by. With --key, a repeat finds the same person instead of making another.

Examples:

    echo '{"name.full": "Ada Lovelace", "email": ["ada@example.com"]}' | lethe subject register --jurisdiction DE --purpose customer.service --values -
    lethe subject register --jurisdiction FR --acquired from_third_party`
}

func (c *subjectRegisterCmd) Run(ctx context.Context, s *shell) error {
	b := httpapi.Registration{
		Acquired: subject.Acquisition(c.Acquired), Jurisdiction: domain.Place(c.Jurisdiction), Effective: c.Effective.Time,
	}
	if c.System != "" {
		b.Source = &httpapi.SourceBody{System: domain.Name(c.System)}
	}
	if (c.Values != "") != (c.Purpose != "") {
		return usage("--values and --purpose go together: values are recorded for a purpose (GDPR 5(1)(b))")
	}
	if c.Values != "" {
		values, err := s.fieldValues(c.Values)
		if err != nil {
			return err
		}
		b.Records = []httpapi.PurposeValues{{Purpose: domain.Name(c.Purpose), Values: values}}
	}
	return wrote(ctx, s, call{method: http.MethodPost, path: []string{"subjects"}, body: &b, header: c.header()})
}

type subjectRecordCmd struct {
	Token     string `arg:"" help:"The person's token."`
	Purpose   string `name:"purpose" required:"" placeholder:"PURPOSE" help:"What the values are needed for."`
	Values    string `name:"values" required:"" placeholder:"FILE|-" help:"JSON object of field and value; - is standard input."`
	Rectify   bool   `name:"rectify" help:"The values correct inaccurate ones, for every purpose that holds them (GDPR 16)."`
	Reason    string `name:"reason-file" placeholder:"FILE" help:"File that says why it was corrected; kept sealed."`
	System    string `name:"source" placeholder:"SYSTEM" help:"The system that the values come from."`
	Effective moment `name:"effective" placeholder:"TIME" help:"Since when; now when left out."`
	writing   `embed:""`
}

// Help is shown by --help.
func (subjectRecordCmd) Help() string {
	return `Every value is checked against the catalogue: an undeclared field, a wrong type or a field that the purpose does not need is refused.

Examples:

    echo '{"email": "ada@example.org"}' | lethe subject record TOKEN --purpose customer.service --values -
    lethe subject record TOKEN --purpose customer.service --rectify --values corrected.json --if-match 4`
}

func (c *subjectRecordCmd) Run(ctx context.Context, s *shell) error {
	values, err := s.fieldValues(c.Values)
	if err != nil {
		return err
	}
	b := httpapi.Change{Purpose: domain.Name(c.Purpose), Effective: c.Effective.Time}
	if c.Rectify {
		b.Rectify = values
	} else {
		b.Record = values
	}
	if c.Reason != "" {
		text, err := s.read(c.Reason, maxInput)
		if err != nil {
			return err
		}
		b.Reason = strings.TrimSpace(string(text))
	}
	if c.System != "" {
		b.Source = &httpapi.SourceBody{System: domain.Name(c.System)}
	}
	return wrote(ctx, s, call{method: http.MethodPatch, path: []string{"subjects", c.Token}, body: &b, header: c.header()})
}

type subjectRemoveCmd struct {
	Token   string `arg:"" help:"The person's token."`
	Field   string `arg:"" help:"Field of the catalogue."`
	Purpose string `name:"purpose" required:"" placeholder:"PURPOSE" help:"The purpose that no longer holds it."`
	writing `embed:""`
}

// Help is shown by --help.
func (subjectRemoveCmd) Help() string {
	return `When no purpose holds a value any more it is out of the record; history keeps it sealed.

Example:

    lethe subject remove TOKEN birth.date --purpose customer.service`
}

func (c *subjectRemoveCmd) Run(ctx context.Context, s *shell) error {
	return wrote(ctx, s, call{
		method: http.MethodDelete, path: []string{"subjects", c.Token, "fields", c.Field},
		query: queryOf("purpose", c.Purpose), header: c.header(),
	})
}

// opening says what personal data is opened for.
type opening struct {
	Purpose   string   `name:"purpose" required:"" placeholder:"PURPOSE" help:"What the data is needed for; the access is recorded."`
	Channel   string   `name:"channel" placeholder:"CHANNEL" help:"How the person will be reached: email, sms, phone, post, push."`
	Recipient string   `name:"recipient" placeholder:"RECIPIENT" help:"To whom it goes: then the access is a disclosure."`
	Fields    []string `name:"fields" placeholder:"FIELD" help:"Only these; all that the purpose needs when left out."`
}

func (o *opening) query() url.Values {
	return queryOf("purpose", o.Purpose, "channel", o.Channel, "recipient", o.Recipient, "fields", strings.Join(o.Fields, ","))
}

// queryOf leaves out what is empty.
func queryOf(pairs ...string) url.Values {
	q := url.Values{}
	for i := 0; i+1 < len(pairs); i += 2 {
		if pairs[i+1] != "" {
			q.Set(pairs[i], pairs[i+1])
		}
	}
	return q
}

type subjectShowCmd struct {
	Token   string `arg:"" help:"The person's token."`
	opening `embed:""`
}

// Help is shown by --help.
func (subjectShowCmd) Help() string {
	return `Asks whether the data may be processed for the purpose, records the access, and only then opens exactly what the purpose needs. A refusal is recorded too.

Examples:

    lethe subject show TOKEN --purpose customer.service
    lethe subject show TOKEN --purpose marketing.post --channel post --json`
}

func (c *subjectShowCmd) Run(ctx context.Context, s *shell) error {
	q := call{method: http.MethodGet, path: []string{"subjects", c.Token}, query: c.query()}
	return show(ctx, s, q, func(p *page, v httpapi.PersonAnswer) error {
		personLines(p, v.Person)
		p.line("Access recorded as event %s.", v.Access)
		return nil
	})
}

func personLines(p *page, v httpapi.Person) {
	p.line("%s at revision %d, for %s", v.Token, v.Revision, v.Purpose)
	if v.Refused != nil {
		p.line("  not opened: %s", v.Refused.Message)
		return
	}
	if v.Restricted {
		p.line("  processing is restricted (GDPR 18)")
	}
	for _, f := range v.Fields {
		name := string(f.Field)
		if f.Slot > 0 {
			name += "[" + strconv.Itoa(int(f.Slot)) + "]"
		}
		p.row("  "+name, text(f.Value), string(f.Class), stamp(f.Recorded))
	}
	if len(v.Withheld) > 0 {
		p.line("  withheld: %s", words(v.Withheld))
	}
	p.end()
}

// text is a value, or in brackets why there is none: nothing erased may look
// like data.
func text(v httpapi.Value) string {
	if v.Text != nil {
		return *v.Text
	}
	return "[" + v.State + "]"
}

type subjectLookupCmd struct {
	Kind    string `name:"kind" default:"email" enum:"email,phone,external_id" help:"What the value is: ${enum}."`
	Value   string `name:"value" default:"-" placeholder:"FILE|-" help:"File with the value; standard input by default."`
	opening `embed:""`
}

// Help is shown by --help.
func (subjectLookupCmd) Help() string {
	return `The value comes by standard input or file: an argument is read by everybody on the machine. One access is recorded however many people are found, and one also when nobody is.

Examples:

    echo ada@example.com | lethe subject lookup --purpose customer.service
    echo +4930123456 | lethe subject lookup --kind phone --purpose customer.service --json`
}

func (c *subjectLookupCmd) Run(ctx context.Context, s *shell) error {
	value, err := s.read(c.Value, 4<<10)
	if err != nil {
		return err
	}
	b := httpapi.LookupBody{
		Kind: catalogue.LookupKind(c.Kind), Value: strings.TrimSpace(string(value)), Purpose: domain.Name(c.Purpose),
		Channel: subject.Channel(c.Channel), Recipient: domain.Name(c.Recipient), Fields: names(c.Fields),
	}
	q := call{method: http.MethodPost, path: []string{"subjects", "lookup"}, body: &b}
	return show(ctx, s, q, func(p *page, v httpapi.People) error {
		if len(v.Items) == 0 {
			p.line("Nobody is found by this.")
		}
		for _, person := range v.Items {
			personLines(p, person)
		}
		p.line("Access recorded as event %s.", v.Access)
		return nil
	})
}

func names(texts []string) []domain.Name {
	var out []domain.Name
	for _, t := range texts {
		out = append(out, domain.Name(t))
	}
	return out
}

// past is as of when, and by which time.
type past struct {
	AsOf pastMoment `name:"as-of" placeholder:"TIME" help:"The moment to look back to, such as 2026-01-31 (the end of that day, UTC); now when left out."`
	By   string     `name:"by" default:"recorded" enum:"recorded,effective" help:"recorded: what was known then; effective: what is known now about then."`
}

// reached says how the person will be reached, which marketing must say.
type reached struct {
	Channel string `name:"channel" placeholder:"CHANNEL" help:"How the person will be reached, if the purpose is marketing: email, sms, phone, post, push."`
}

type subjectHistoryCmd struct {
	Token   string `arg:"" help:"The person's token."`
	Purpose string `name:"purpose" placeholder:"PURPOSE" help:"Open the values that this purpose needs; the access is recorded. Nothing is opened when left out."`
	reached `embed:""`
	past    `embed:""`
}

// Help is shown by --help.
func (subjectHistoryCmd) Help() string {
	return `Examples:

    lethe subject history TOKEN
    lethe subject history TOKEN --as-of 2026-01-31 --by effective --json`
}

func (c *subjectHistoryCmd) Run(ctx context.Context, s *shell) error {
	q := call{
		method: http.MethodGet, path: []string{"subjects", c.Token, "history"},
		query: queryOf("as_of", c.AsOf.query(), "by", c.By, "purpose", c.Purpose, "channel", c.Channel),
	}
	return show(ctx, s, q, func(p *page, h httpapi.History) error {
		historyLines(p, h)
		return nil
	})
}

func historyLines(p *page, h httpapi.History) {
	p.line("%s, %d events as of %s by %s time", h.Token, len(h.Events), stamp(h.AsOf), h.By)
	p.head("rev", "recorded", "effective", "event", "what", "values")
	for _, e := range h.Events {
		var values []string
		for _, v := range e.Values {
			values = append(values, string(v.Field)+"="+text(v.Value))
		}
		p.row(strconv.FormatUint(e.Revision, 10), stamp(e.Recorded), stamp(e.Effective), e.Type,
			shortened(inWords(e.Type, e.Facts), 60), shortened(strings.Join(values, " "), 80))
	}
}

type subjectMayProcessCmd struct {
	Token     string     `arg:"" help:"The person's token."`
	Purpose   string     `name:"purpose" required:"" placeholder:"PURPOSE" help:"What for."`
	Operation string     `name:"operation" default:"use" enum:"store,use,disclose" help:"${enum}."`
	Channel   string     `name:"channel" placeholder:"CHANNEL" help:"How the person will be reached: email, sms, phone, post, push."`
	Recipient string     `name:"recipient" placeholder:"RECIPIENT" help:"To whom it goes."`
	Fields    []string   `name:"fields" placeholder:"FIELD" help:"Only these; all that the purpose names when left out."`
	Regime    string     `name:"regime" placeholder:"REGIME" help:"Law asked about: eu or uk; the person's own when left out."`
	At        pastMoment `name:"at" placeholder:"TIME" help:"The moment asked about; now when left out."`
	KnownAt   pastMoment `name:"known-at" placeholder:"TIME" help:"By what was known then; now when left out."`
}

// Help is shown by --help.
func (subjectMayProcessCmd) Help() string {
	return `Ends with exit code 3 when the answer is no. Nothing is opened and nothing recorded.

Examples:

    lethe subject may-process TOKEN --purpose marketing.sms --channel sms && send
    lethe subject may-process TOKEN --purpose marketing.sms --at 2026-01-31`
}

func (c *subjectMayProcessCmd) Run(ctx context.Context, s *shell) error {
	q := call{
		method: http.MethodGet, path: []string{"subjects", c.Token, "may-process"},
		query: queryOf("purpose", c.Purpose, "operation", c.Operation, "channel", c.Channel, "recipient", c.Recipient,
			"fields", strings.Join(c.Fields, ","), "regime", c.Regime, "at", c.At.query(), "known_at", c.KnownAt.query()),
	}
	a, err := s.ask(ctx, q)
	if err != nil {
		return err
	}
	var v httpapi.Verdict
	if err := a.into(&v); err != nil {
		return err
	}
	if s.root.JSON {
		err = s.json(a.body)
	} else {
		p := &page{}
		verdictLines(p, v)
		err = p.writeTo(s.process.Stdout)
	}
	if err == nil && !v.Allowed {
		return errFound
	}
	return err
}

func verdictLines(p *page, v httpapi.Verdict) {
	word := "Yes."
	if !v.Allowed {
		word = "No."
	}
	if v.Message != "" {
		word += " " + v.Message
	}
	p.line("%s", word)
	p.row("  rule", fmt.Sprint(v.Rule))
	p.row("  basis", string(v.Basis))
	p.row("  fields", words(v.Fields))
	if len(v.Withheld) > 0 {
		p.row("  withheld", words(v.Withheld))
	}
	for _, r := range v.RestsOn {
		p.row("  rests on", fmt.Sprintf("%s revision %d", r.Token, r.Revision))
	}
}

type subjectAccessesCmd struct {
	Token  string `arg:"" help:"The person's token."`
	Limit  int    `name:"limit" default:"100" help:"At most so many, newest first; up to 500."`
	Before string `name:"before" placeholder:"CURSOR" help:"The page after: next of the page before (--json)."`
}

// Help is shown by --help.
func (subjectAccessesCmd) Help() string {
	return `Example:

    lethe subject accesses TOKEN`
}

func (c *subjectAccessesCmd) Run(ctx context.Context, s *shell) error {
	q := call{
		method: http.MethodGet, path: []string{"subjects", c.Token, "accesses"},
		query: queryOf("limit", strconv.Itoa(c.Limit), "before", c.Before),
	}
	head := []string{"recorded", "answer", "purpose", "operation", "basis or reason", "fields", "principal"}
	return showList(ctx, s, q, head, func(a httpapi.Access) []string {
		answer, why := "granted", string(a.Basis)
		if !a.Granted {
			answer, why = "denied", string(a.Reason)
			if a.Count > 1 {
				answer += " ×" + count(a.Count)
			}
		}
		return []string{stamp(a.Recorded), answer, string(a.Purpose), string(a.Operation), why, words(a.Fields), a.Principal.String()}
	})
}
