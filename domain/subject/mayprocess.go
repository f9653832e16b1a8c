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
	held   []Field // lazily folded
	folded bool
}

// verdict is what one row says of one field or of the person.
type verdict struct {
	row     Rule
	allowed bool
	reason  access.Reason
	message string
	rests   []Ref
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

// overall puts the fields' verdicts and the person's together: the earliest
// row that denies a needed field denies all.
func (j *judge) overall() Answer {
	asked := j.q.Fields
	if len(asked) == 0 {
		asked = slices.Concat(j.p.Fields, j.p.Optional)
	}
	var person, denied, kept, left *verdict
	var fields, withheld []domain.Name
	if len(asked) == 0 {
		person = j.person()
	}
	for _, f := range asked {
		v := j.field(f)
		switch {
		case v == nil:
			if person == nil {
				person = j.person()
			}
			fields = append(fields, f)
		case v.allowed:
			kept, fields = v, append(fields, f)
		case slices.Contains(j.p.Optional, f):
			withheld, left = append(withheld, f), earliest(left, v)
		default:
			denied = earliest(denied, v)
		}
	}
	if person != nil && !person.allowed {
		denied = earliest(denied, person)
	}
	if denied == nil && left != nil && len(fields) == 0 { // nothing is left to process
		denied = left
	}
	final := denied
	if final == nil {
		if final = kept; person != nil {
			final = person
		}
		if refusal := j.handedOver(); refusal != nil {
			final = refusal
		}
	}
	a := final.answer()
	a.Version, a.Basis = j.p.Version, j.p.Basis
	if a.Allowed {
		a.Fields, a.Withheld = fields, withheld
	} else {
		a.Withheld = slices.Clone(asked)
	}
	return a
}

func earliest(a, b *verdict) *verdict {
	if a == nil || strings.Compare(string(b.row), string(a.row)) < 0 {
		return b
	}
	return a
}

// field tries the rows that look at one field: a, b and c. nil goes on to
// the person.
func (j *judge) field(id domain.Name) *verdict {
	f, ok := j.cat.Field(id)
	if !ok || !j.p.Needs(id) {
		return j.unneeded()
	}
	for i, r := range j.people {
		if (i == 0 || r.Linked) && r.Fenced[f.Group] {
			return no(RuleUnknown, access.RuleErased, "this data has been erased or is about to be")
		}
	}
	if v := j.kept(f); v != nil {
		return v
	}
	return j.special(f)
}

// unneeded: what the purpose does not need has no basis; but who is
// restricted or objected is told that first.
func (j *judge) unneeded() *verdict {
	if v := j.person(); !v.allowed {
		return v
	}
	return no(RuleElse, access.RuleNoBasis, "the purpose does not need one of these fields")
}

// kept is row b.
func (j *judge) kept(f *catalogue.FieldDeclared) *verdict {
	var rests []Ref
	keeps, own := false, false
	for i, r := range j.people {
		if i > 0 && !r.Linked {
			continue
		}
		for _, h := range r.State.holds(j.w) {
			if h.Group != f.Group {
				continue
			}
			rests = append(rests, ref(r.State, h.Rest))
			if h.Purpose == j.p.ID {
				keeps, own = true, own || i == 0
			}
		}
	}
	purposes, refs := j.duty(f.ID)
	if len(purposes) > 0 {
		rests = append(rests, refs...)
		if slices.Contains(purposes, j.p.ID) {
			keeps, own = true, true
		}
	}
	switch {
	case len(rests) == 0:
		return nil
	case own:
		return yes(RuleKept, "this data is kept for this purpose", rests...)
	case keeps: // held on a linked record: that denies others and grants nothing here
		return nil
	}
	return no(RuleKept, access.RuleKept, "this data is kept for another purpose alone", rests...)
}

// duty finds the purposes that keep a field by a duty (GDPR 17(3)) when no
// other purpose holds any value of it: then it is kept, for them alone.
func (j *judge) duty(id domain.Name) (purposes []domain.Name, refs []Ref) {
	if !j.folded {
		j.held, j.folded = j.self.fields(j.w), true
	}
	for _, f := range j.held {
		if f.Field != id {
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
		if c, why := j.consent(); why != nil || !c.Grant.Explicit {
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
