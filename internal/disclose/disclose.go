// Package disclose is the only door through which personal data leaves.
//
// Every request passes the same steps in the same order: is the caller
// allowed; may each person's data be processed for this purpose, over all
// linked records; record the access, durably; only then open, and open
// exactly the fields that the purpose needs. If the access cannot be
// recorded, nothing is opened. Refusals are recorded too; floods of them
// are counted and recorded as one.
package disclose

import (
	"context"
	"log/slog"
	"slices"
	"time"

	"lethe/domain"
	"lethe/domain/access"
	"lethe/domain/catalogue"
	"lethe/domain/personal"
	"lethe/domain/principal"
	"lethe/domain/subject"
	"lethe/eventstore"
	"lethe/internal/auth"
	"lethe/internal/codec"
	"lethe/internal/keyring"
	"lethe/internal/ledger"
)

// Door opens personal data for callers that may have it.
type Door struct {
	ledger  *ledger.Ledger
	codec   *codec.Codec
	keys    *keyring.Keyring
	log     *slog.Logger
	denials *denials
}

// New makes a door.
func New(l *ledger.Ledger, c *codec.Codec, keys *keyring.Keyring, log *slog.Logger) *Door {
	d := &Door{ledger: l, codec: c, keys: keys, log: log}
	d.denials = newDenials(d.recordDenial, l.Now)
	return d
}

// Ask is one request for personal data.
type Ask struct {
	Caller      auth.Caller
	Door        access.Door
	Purpose     domain.Name
	Version     uint32 // 0 = the version in force
	Operation   access.Operation
	Channel     subject.Channel
	Recipient   domain.Name // of a disclosure
	Regime      domain.Name
	Fields      []domain.Name // none = all that the purpose needs
	Tokens      []domain.Token
	Correlation domain.ID
}

// Field is one opened value.
type Field struct {
	subject.Field                // where it is from and for which purposes it is held
	Opened        personal.Value // Present, Erased, KeyMissing, Tampered or Lost
}

// Opened is what the door gives of one person.
type Opened struct {
	Token    domain.Token
	Answer   subject.Answer
	State    *subject.State
	Fields   []Field
	Revision uint64

	opens []domain.Name // the fields that are going to be opened, as recorded
}

// Answer is the door's whole answer. Access is the event that recorded it,
// zero when everything was refused.
type Answer struct {
	Subjects []Opened
	Access   domain.ID
	Position eventstore.Position
}

// Open answers a request. A refusal of one person among several is in that
// person's Answer; when every person is refused Open fails with the first
// refusal. Errors: *domain.Error.
func (d *Door) Open(ctx context.Context, ask Ask) (Answer, error) {
	cat, err := d.admit(ctx, ask)
	if err != nil {
		return Answer{}, err
	}
	judged := make([]Opened, 0, len(ask.Tokens))
	for _, token := range ask.Tokens {
		people, err := d.People(ctx, token)
		if err != nil {
			return Answer{}, err
		}
		o, err := d.judge(ctx, cat, people, token, ask)
		if err != nil {
			return Answer{}, err
		}
		judged = append(judged, o)
	}
	answer, err := d.grant(ctx, ask, judged)
	if err != nil {
		return Answer{}, err
	}
	for i := range judged {
		if judged[i].Answer.Allowed {
			if err := d.fill(ctx, cat, ask.Purpose, &judged[i]); err != nil {
				return Answer{}, err
			}
		}
	}
	return answer, nil
}

// grant records the refusals, and then, durably, the access to those who are
// left: nothing is opened before it has returned.
func (d *Door) grant(ctx context.Context, ask Ask, judged []Opened) (Answer, error) {
	if err := d.refuse(ctx, ask, judged); err != nil {
		return Answer{}, err
	}
	res, id, err := d.record(ctx, ask, judged)
	if err != nil {
		return Answer{}, err
	}
	return Answer{Subjects: judged, Access: id, Position: res.Position}, nil
}

// admit checks the caller and the purpose before anything is looked at. A
// purpose that is not declared is refused here: its name is the caller's
// free choice and must not get into a record.
func (d *Door) admit(ctx context.Context, ask Ask) (*catalogue.State, error) {
	cat, err := d.ledger.Catalogue(ctx)
	if err != nil {
		return nil, err
	}
	if _, declared := cat.Purpose(ask.Purpose, 1); !declared {
		named := ask.Purpose != ""
		ask.Purpose = ""
		if err := auth.Allow(ask.Caller, auth.OpenData); err != nil {
			return nil, d.turnAway(ctx, ask, access.RoleMissing, err)
		}
		if !named {
			return nil, domain.Invalid("access.purpose_missing", "purpose",
				"say what the data is needed for: purpose= with a purpose of the catalogue").Citing("GDPR 5(1)(b)")
		}
		err := domain.NotFound("access.purpose_unknown", "purpose", "there is no such purpose in the catalogue").Citing("GDPR 5(1)(b)")
		return nil, d.turnAway(ctx, ask, access.NoSuchPurpose, err)
	}
	if err := d.permit(ctx, ask); err != nil {
		return nil, err
	}
	return cat, wellPut(cat, ask.Purpose, ask.Version, ask.Operation, ask.Channel, ask.Fields, d.ledger.Now())
}

// wellPut refuses questions that the table cannot answer to the point. With
// no channel said, an opt-out of one channel would be passed by: marketing
// says how it reaches people.
func wellPut(
	cat *catalogue.State, purpose domain.Name, version uint32, op access.Operation, by subject.Channel, fields []domain.Name, at time.Time,
) error {
	p, ok := cat.InForce(purpose, at)
	if !ok {
		p, ok = cat.Purpose(purpose, version)
	}
	if !ok {
		return nil
	}
	if p.Marketing && op != access.Store && by == subject.NoChannel {
		return domain.Invalid("access.channel_missing", "channel",
			"this purpose is marketing: say by which channel the person is to be reached (email, sms, phone, post, push)").Citing("GDPR 21(3)")
	}
	for _, f := range fields {
		if _, declared := cat.Field(f); !declared {
			return domain.NotFound("access.field_unknown", "fields", "one of the fields is not declared in the catalogue")
		}
		if !p.Needs(f) {
			return domain.Invalid("access.field_not_needed", string(f), "the purpose does not need the field %s", f).Citing("GDPR 5(1)(c)")
		}
	}
	return nil
}

func (d *Door) permit(ctx context.Context, ask Ask) error {
	if len(ask.Tokens) > access.MaxTokens {
		return domain.Invalid("access.too_many", "tokens", "at most %d people in one request: use pages", access.MaxTokens)
	}
	if err := auth.Allow(ask.Caller, auth.OpenData); err != nil {
		return d.turnAway(ctx, ask, access.RoleMissing, err)
	}
	if !ask.Caller.For(ask.Purpose) {
		err := domain.Forbidden("access.purpose", "purpose", "your token is not for this purpose")
		return d.turnAway(ctx, ask, access.PurposeForbidden, err)
	}
	return nil
}

func (d *Door) turnAway(ctx context.Context, ask Ask, why access.Reason, err error) error {
	if rerr := d.denials.note(ctx, ask, why, ask.Tokens); rerr != nil {
		return rerr
	}
	return err
}

// lostRange reports whether the log had lost events at a time that nobody had
// accepted by then.
func (d *Door) lostRange(ctx context.Context, at time.Time) (bool, error) {
	ops, err := d.ledger.Operations(ctx)
	return ops.LostRange(at) > 0, err
}

func (d *Door) judge(ctx context.Context, cat *catalogue.State, people []subject.Record, token domain.Token, ask Ask) (Opened, error) {
	now := d.ledger.Now()
	lost, err := d.lostRange(ctx, now)
	if err != nil {
		return Opened{}, err
	}
	o := Opened{Token: token, State: people[0].State}
	q := subject.Question{
		Purpose: ask.Purpose, Version: ask.Version, Operation: ask.Operation, Channel: ask.Channel,
		Recipient: ask.Recipient, Fields: ask.Fields, Regime: ask.Regime, At: now, KnownAt: now,
		LostRange: lost,
	}
	o.Answer = subject.MayProcess(cat, people, q)
	if ask.Door == access.Lookup && len(o.Answer.Closed) > 0 {
		// Who is found by a value that stays is found, without what was erased:
		// else the same person would be registered once more.
		q.Fields = slices.DeleteFunc(slices.Clone(o.Answer.Withheld), func(f domain.Name) bool { return slices.Contains(o.Answer.Closed, f) })
		o.Answer = subject.MayProcess(cat, people, q)
	}
	if o.State != nil {
		o.Revision = o.State.Revision()
	}
	if o.Answer.Allowed {
		o.opens = d.opens(ask, &o)
	}
	return o, nil
}

// refuse records the people who were refused, and fails when nobody is left.
func (d *Door) refuse(ctx context.Context, ask Ask, judged []Opened) error {
	byReason := map[access.Reason][]domain.Token{}
	var first *subject.Answer
	allowed := len(judged) == 0
	for i := range judged {
		a := &judged[i].Answer
		if a.Allowed {
			allowed = true
			continue
		}
		if first == nil {
			first = a
		}
		byReason[a.Reason] = append(byReason[a.Reason], judged[i].Token)
	}
	for why, tokens := range byReason {
		if err := d.denials.note(ctx, ask, why, tokens); err != nil {
			return err
		}
	}
	if allowed || ask.Door == access.Lookup { // whoever looks up does not learn that somebody is there who may not be opened
		return nil
	}
	return Refusal(*first)
}

// Refusal is a may-process answer as an error.
func Refusal(a subject.Answer) error {
	if a.Reason == access.UnknownSubject {
		return domain.NotFound("subject.unknown", "token", "there is no such person")
	}
	return domain.Forbidden("access."+string(a.Reason), "purpose", "%s", a.Message).Citing(sources[a.Row])
}

// sources are where the rows of the may-process table come from.
var sources = map[subject.Rule]string{
	subject.RuleUnknown: "GDPR 5(1)(b)", subject.RuleKept: "GDPR 17(3)", subject.RuleSpecial: "GDPR 9, 10",
	subject.RuleRestricted: "GDPR 18(2)", subject.RuleObjected: "GDPR 21(3)", subject.RuleContested: "GDPR 21(1)",
	subject.RuleElectronic: "Directive 2002/58/EC 13", subject.RuleBasis: "GDPR 6(1)", subject.RuleElse: "GDPR 6(1)",
}

func (d *Door) record(ctx context.Context, ask Ask, judged []Opened) (eventstore.Result, domain.ID, error) {
	granted := &access.Granted{
		Purpose: ask.Purpose, Operation: ask.Operation, Door: ask.Door,
		Channel: domain.Name(ask.Channel), Recipient: ask.Recipient,
	}
	for i := range judged {
		a := &judged[i].Answer
		if !a.Allowed {
			continue
		}
		granted.Version = a.Version
		granted.Subjects = append(granted.Subjects, access.Subject{
			Token: judged[i].Token, Fields: judged[i].opens, Basis: a.Basis,
		})
	}
	return d.ledger.Record(ctx, access.Stream(ask.Caller.Principal, d.ledger.Now()), d.request(ask), granted)
}

// opens lists the allowed fields that the person has a value of, and for an
// officer's look at history also evidence and reasons: what is going to be
// opened, and no more.
func (d *Door) opens(ask Ask, o *Opened) []domain.Name {
	has := map[domain.Name]bool{}
	now := d.ledger.Now()
	for _, held := range o.State.At(now, now).Fields {
		has[held.Field] = true
	}
	var fields []domain.Name
	for _, f := range o.Answer.Fields {
		if has[f] {
			fields = append(fields, f)
		}
	}
	if (ask.Door == access.History || ask.Door == access.Evidence) && ask.Caller.Has(principal.Officer) {
		for f := range builtIns(o.State, ask.Purpose) {
			if !slices.Contains(fields, f) {
				fields = append(fields, f)
			}
		}
	}
	return fields
}

func (d *Door) request(ask Ask) ledger.Request {
	return ledger.Request{Principal: ask.Caller.Principal, Purpose: ask.Purpose, Correlation: ask.Correlation}
}

func (d *Door) recordDenial(ctx context.Context, ask Ask, denied *access.Denied) error {
	_, _, err := d.ledger.Record(ctx, access.Stream(ask.Caller.Principal, d.ledger.Now()), d.request(ask), denied)
	return err
}

// fill opens the fields that the answer allows.
func (d *Door) fill(ctx context.Context, cat *catalogue.State, purpose domain.Name, o *Opened) error {
	now := d.ledger.Now()
	snap := o.State.At(now, now)
	for _, held := range snap.Fields {
		if !slices.Contains(o.Answer.Fields, held.Field) || !snap.Opens(cat, &held, purpose) {
			continue
		}
		v, err := d.reveal(ctx, held.Value)
		if err != nil {
			return err
		}
		if held.Lost && v.State() == personal.Erased {
			v = personal.Unreadable(personal.Lost)
		}
		o.Fields = append(o.Fields, Field{Field: held, Opened: v})
	}
	return nil
}

func (d *Door) reveal(ctx context.Context, v personal.Value) (personal.Value, error) {
	if v.State() != personal.Sealed {
		return v, nil
	}
	opened, err := d.codec.OpenValue(ctx, d.keys, v)
	if err != nil {
		return personal.Value{}, domain.Internal("opening a sealed value", err)
	}
	d.alarm(ctx, v, opened.State())
	return opened, nil
}

// alarm logs that a sealed value could neither be opened nor was erased.
func (d *Door) alarm(ctx context.Context, v personal.Value, s personal.State) {
	if s == personal.KeyMissing || s == personal.Tampered {
		d.log.ErrorContext(ctx, "ALARM: a sealed value cannot be read and was not erased",
			"state", s.String(), "stream", v.Ref().Stream, "type", v.Ref().Type)
	}
}

// Close records the refusals that were only counted so far.
func (d *Door) Close(ctx context.Context) error { return d.denials.flush(ctx, time.Time{}) }
