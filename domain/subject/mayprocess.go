package subject

import (
	"slices"
	"strings"

	"lethe/domain"
	"lethe/domain/access"
	"lethe/domain/catalogue"
)

// MayProcess answers by the decision table (rows a to i, see Rule): the
// first row that matches decides. Rows a, b and c look at each field by its
// own, the others at the person. Denials of linked records unite, grants
// never cross. The catalogue and the records are taken as known at q.KnownAt.
func MayProcess(cat *catalogue.State, people []Record, q Question) Answer {
	j := judge{cat: cat.KnownAt(q.KnownAt), people: people, q: q, w: window{q.KnownAt, q.At}}
	if len(people) > 0 {
		j.self = people[0].State
	}
	reg, at := j.self.registered(j.w)
	if reg == nil || q.At.IsZero() {
		return no(RuleUnknown, access.UnknownSubject, "this person is not known").answer()
	}
	j.reg = reg
	p, ok := j.cat.InForce(q.Purpose, q.At)
	if !ok || (q.Version != 0 && q.Version != p.Version) {
		return no(RuleUnknown, access.NoSuchPurpose, "this version of the purpose is not in force", ref(j.self, at)).answer()
	}
	j.p = p
	return j.overall()
}

// judge is one question with everything it is judged by.
type judge struct {
	cat    *catalogue.State
	people []Record
	self   *State
	reg    *Registered
	p      *catalogue.PurposeDeclared
	q      Question
	w      window
	held   []Field // folded when asked for
	folded bool
	asked  *verdict // of the person, once it was asked for

	stands  Consent // and why it does not count, once weighed
	fails   *verdict
	weighed bool
}

// verdict is what one row says of one field or of the person.
type verdict struct {
	row     Rule
	allowed bool
	reason  access.Reason
	message string
	rests   []Ref
	linked  domain.Token // the linked record that denies; "": not one
}

func no(row Rule, reason access.Reason, message string, rests ...Ref) *verdict {
	return &verdict{row: row, reason: reason, message: message, rests: rests}
}

func yes(row Rule, message string, rests ...Ref) *verdict {
	return &verdict{row: row, allowed: true, message: message, rests: rests}
}

func (v *verdict) answer() Answer {
	return Answer{Allowed: v.allowed, Row: v.row, Reason: v.reason, Message: v.message, RestsOn: v.rests}
}

func ref(s *State, r *domain.Recorded) Ref {
	return Ref{Token: s.Token(), Revision: r.Revision, EventID: r.ID}
}

// overall puts the fields' verdicts together: the earliest row that denies a
// needed field denies all, an optional field that is denied is withheld, and
// when nothing is left that denies too.
func (j *judge) overall() Answer {
	asked := j.q.Fields
	if len(asked) == 0 {
		asked = slices.Concat(j.p.Fields, j.p.Optional)
	}
	var granted, denied, left *verdict
	var fields, withheld []domain.Name
	var shut shutFields
	if len(asked) == 0 {
		granted = j.person()
	}
	for _, f := range asked {
		v := j.field(f)
		switch {
		case v.allowed:
			granted, fields = latest(granted, v), append(fields, f)
		case slices.Contains(j.p.Optional, f):
			left, withheld = earliest(left, v), append(withheld, f)
		default:
			denied = earliest(denied, v)
			shut.note(j, f, v)
		}
	}
	if denied == nil && len(fields) == 0 && left != nil {
		denied = left
	}
	if denied == nil {
		denied = j.handedOver()
	}
	if denied == nil && granted.allowed {
		a := granted.answer()
		a.Version, a.Basis, a.Fields, a.Withheld = j.p.Version, j.p.Basis, fields, withheld
		return a
	}
	if denied == nil {
		denied = granted
	}
	a := denied.answer()
	a.Version, a.Basis, a.Withheld = j.p.Version, j.p.Basis, slices.Clone(asked)
	shut.tell(&a, asked, fields)
	return a
}

func earliest(a, b *verdict) *verdict {
	if a == nil || strings.Compare(string(b.row), string(a.row)) < 0 {
		return b
	}
	return a
}

// latest prefers what rests on the person to what rests on one field.
func latest(a, b *verdict) *verdict {
	if a == nil || strings.Compare(string(b.row), string(a.row)) > 0 {
		return b
	}
	return a
}

// field tries the rows that look at one field, a, b and c, and then those
// that look at the person.
func (j *judge) field(id domain.Name) *verdict {
	f, ok := j.cat.Field(id)
	if !ok || !j.p.Needs(id) {
		return j.unneeded()
	}
	for i, r := range j.people {
		if (i == 0 || r.Linked) && (r.Fenced[f.Group] || r.State.closed(j.w)[f.Group]) {
			v := no(RuleUnknown, access.RuleErased, "this data has been erased or is about to be")
			if i > 0 {
				v.linked = r.State.Token()
			}
			return v
		}
	}
	if v := j.kept(f); v != nil {
		return v
	}
	if v := j.special(f); v != nil {
		return v
	}
	return j.person()
}

// unneeded: what the purpose does not need has no basis; but who is
// restricted or objected is told that first.
func (j *judge) unneeded() *verdict {
	if v := j.person(); !v.allowed {
		return v
	}
	return no(RuleElse, access.RuleNoBasis, "the purpose does not need one of these fields")
}

// kept is row b. What the person's own record keeps decides; a hold on a
// linked record denies other purposes and grants nothing here. One from before
// a new lifecycle is about what had to stay then.
func (j *judge) kept(f *catalogue.FieldDeclared) *verdict {
	purposes, rests := j.duty(f.ID)
	before := j.begun(f)
	own, keeps := len(purposes) > 0, slices.Contains(purposes, j.p.ID)
	for i, r := range j.people {
		if i > 0 && (!r.Linked || own) {
			continue
		}
		for _, h := range r.State.holds(j.w) {
			if h.Group == f.Group && (h.Purpose == j.p.ID || h.Rest.Position > before) {
				rests = append(rests, ref(r.State, h.Rest))
				own, keeps = own || i == 0, keeps || h.Purpose == j.p.ID
			}
		}
	}
	switch {
	case len(rests) == 0 || (keeps && !own):
		return nil
	case keeps:
		return yes(RuleKept, "this data is kept for this purpose", rests...)
	}
	return no(RuleKept, access.RuleKept, "this data is kept for another purpose alone", rests...)
}

// begun is the position at which a lifecycle opened over what had to stay of
// a field's group, 0 when it did not or all of the field is from before.
func (j *judge) begun(f *catalogue.FieldDeclared) (position uint64) {
	j.self.eachErasure(window{recorded: j.w.recorded}, func(r *domain.Recorded) {
		if e, ok := r.Event.(*LifecycleOpened); ok && slices.Contains(e.Waits, f.Group) {
			position = r.Position
		}
	})
	if position == 0 {
		return 0
	}
	held := j.fields()
	if of := func(x Field) bool { return x.Field == f.ID }; slices.ContainsFunc(held, of) && !Anew(held, f.ID) {
		return 0
	}
	return position
}

// Anew reports whether a field has a value that is not of an earlier lifecycle.
func Anew(held []Field, id domain.Name) bool {
	return slices.ContainsFunc(held, func(x Field) bool { return x.Field == id && x.Earlier == 0 })
}

// Opens reports whether one of a record's values may be read for a purpose that
// may have its field: what is of an earlier lifecycle, beside a newer value,
// only for what keeps it.
func (s *Snapshot) Opens(cat *catalogue.State, f *Field, purpose domain.Name) bool {
	return !Anew(s.Fields, f.Field) || s.Finds(cat, f, purpose)
}

// Finds reports whether a person may be found for a purpose by one of the
// record's values: by what had to stay of an earlier lifecycle only for what
// keeps it.
func (s *Snapshot) Finds(cat *catalogue.State, f *Field, purpose domain.Name) bool {
	if f.Earlier == 0 {
		return true
	}
	p, ok := cat.Purpose(purpose, 0)
	return ok && p.Keeps && slices.Contains(f.Purposes, purpose) ||
		slices.ContainsFunc(s.Holds, func(h Hold) bool { return h.Group == f.Group && h.Purpose == purpose })
}

func (j *judge) fields() []Field {
	if !j.folded {
		j.held, j.folded = j.self.fields(j.w), true
	}
	return j.held
}

// duty finds the purposes that keep a field by a duty (GDPR 17(3)) when no
// other purpose holds any value of it: then it is kept, for them alone.
func (j *judge) duty(id domain.Name) (purposes []domain.Name, refs []Ref) {
	held := j.fields()
	anew := Anew(held, id)
	for _, f := range held {
		if f.Field != id || anew && f.Earlier > 0 && !slices.Contains(f.Purposes, j.p.ID) {
			continue
		}
		for _, holder := range f.Purposes {
			p, ok := j.cat.Purpose(holder, 0)
			if !ok || !p.Keeps {
				return nil, nil
			}
			if !slices.Contains(purposes, holder) {
				purposes = append(purposes, holder)
			}
		}
		refs = append(refs, ref(j.self, f.At))
	}
	return purposes, refs
}

// special is row c.
func (j *judge) special(f *catalogue.FieldDeclared) *verdict {
	if f.Criminal && !j.p.Article10 {
		return no(RuleSpecial, access.RuleSpecial, "criminal data needs official authority or law (GDPR 10)")
	}
	if !f.Special {
		return nil
	}
	if j.p.Article9 == "" {
		return no(RuleSpecial, access.RuleSpecial, "a special category needs a condition of Article 9(2)")
	}
	if j.p.Article9 == catalogue.ExplicitConsent {
		c, why := j.consent()
		if why.lost() {
			return why
		}
		if why != nil || !c.Grant.Explicit {
			var rests []Ref
			if c.Rest != nil {
				rests = append(rests, ref(j.self, c.Rest))
			}
			return no(RuleSpecial, access.RuleSpecial, "a special category needs explicit consent (GDPR 9(2)(a))", rests...)
		}
	}
	return nil
}

// handedOver: disclosing needs a recipient that the purpose names.
func (j *judge) handedOver() *verdict {
	if !j.q.Operation.Valid() {
		return no(RuleElse, access.RuleNoBasis, "the operation is store, use or disclose")
	}
	if j.q.Operation != access.Disclose {
		return nil
	}
	if err := recipientAllowed(j.cat, j.p, j.q.Recipient); err != nil {
		message := "the recipient is not allowed"
		if e, ok := domain.AsError(err); ok {
			message = e.Message
		}
		return no(RuleElse, access.BadRecipient, message)
	}
	return nil
}

func recipientAllowed(cat *catalogue.State, p *catalogue.PurposeDeclared, id domain.Name) error {
	r, ok := cat.Recipient(id)
	switch {
	case !ok || !slices.Contains(p.Recipients, id):
		return domain.Invalid("recipient.undeclared", "recipient", "the purpose %s does not name this recipient: declare it", p.ID).Citing("GDPR 13(1)(e), 30(1)(d)")
	case r.Kind == catalogue.IsProcessor && r.ContractReview.IsZero():
		return domain.Invalid("recipient.contract", "recipient", "the processor has no contract review date: declare it with one").Citing("GDPR 28(3)")
	}
	return nil
}
