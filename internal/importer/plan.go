package importer

import (
	"crypto/sha256"
	"encoding/binary"
	"slices"
	"strings"
	"time"

	"lethe/domain"
	"lethe/domain/catalogue"
	"lethe/domain/subject"
	"lethe/internal/importer/source"
	"lethe/internal/keyring"
)

// Rules of this package.
const (
	ruleParentRefused domain.Name = "parent_refused"       // the record that the row refers to was not taken
	ruleDuplicateKey  domain.Name = "duplicate_key"        // an earlier row of the file has the same key
	ruleTwice         domain.Name = "field.twice"          // a field that holds one value is given several
	ruleNoPurpose     domain.Name = "purpose.missing"      // nothing says what the row is kept for
	ruleLongName      domain.Name = "field.name_too_long"  // it leaves no room for the slot in a claim
	ruleCallerPurpose domain.Name = "access.purpose"       // the caller's token is not for the purpose
	ruleRestricted    domain.Name = "restriction.forbids"  // GDPR 18(2)
	ruleErased        domain.Name = "group.erased"         // GDPR 17: nothing is written there again
	ruleUnbindable    domain.Name = "denial.scope"         // a no of a kind that the ledger has no place for
	ruleChanged       domain.Name = "changed_in_ledger"    // conflict: somebody else changed the value since
	ruleRemoved       domain.Name = "removed_in_ledger"    // conflict: the value was taken out since
	ruleHeld          domain.Name = "other_value_held"     // conflict: the record holds another value, from elsewhere
	ruleDeniedSince   domain.Name = "denied_since"         // conflict: the person said no after this yes
	ruleTakenBack     domain.Name = "objection_taken_back" // conflict: the person took the objection back after it
	ruleEmptied       domain.Name = "emptied_in_source"    // finding: a value that was imported is gone from the file
	ruleDenialGone    domain.Name = "denial_gone_in_source"
	ruleNobody        domain.Name = "opt_out_of_nobody"      // finding: nobody has the address that the no is for
	ruleShared        domain.Name = "address_shared_by_many" // finding: too many records share it to propose links
)

// fault names a rule and the field it is about.
type fault struct{ field, rule domain.Name }

// value is one value of a row that may be recorded, in stored form.
type value struct {
	field    *catalogue.FieldDeclared
	purposes []domain.Name
	text     string
	class    subject.ProvenanceClass
	mac      keyring.ValueMAC
}

type denial struct {
	source.Denial
	at  time.Time // zero = now
	mac keyring.ValueMAC
}

type consent struct {
	source.Consent
	mac keyring.ValueMAC
}

// plan is what a row comes to by the catalogue alone.
type plan struct {
	refused  *fault // the whole row
	values   []value
	denials  []denial
	consents []consent
	faults   []fault // values that are left out
}

func (r *run) plan(row *source.Row, own keyring.SourceKey, now time.Time) (p plan) {
	purpose := row.Purpose
	if len(row.Fields) > 0 || row.Creates && purpose != "" {
		switch {
		case purpose == "":
			p.refused = &fault{rule: ruleNoPurpose}
		case r.purposes[purpose] == nil:
			p.refused = &fault{rule: "purpose.not_in_force"}
		case !r.job.Caller.For(purpose):
			p.refused = &fault{rule: ruleCallerPurpose}
		}
		if p.refused != nil {
			return p
		}
	}
	for i := range row.Fields {
		r.planValue(&p, row, &row.Fields[i])
	}
	for i := range p.values {
		v := &p.values[i]
		v.mac = r.Keys.ValueMACOf(own, v.field.ID, valueText(v))
	}
	for i := range row.Denials {
		r.planDenial(&p, row, own, row.Denials[i], now)
	}
	for _, c := range row.Consents {
		p.consents = append(p.consents, consent{Consent: c, mac: r.Keys.ValueMACOf(own, markConsent, consentText(&c))})
	}
	return p
}

// valueText is what a value's MAC is over: the value and what it is kept for.
func valueText(v *value) string {
	if len(v.purposes) == 1 {
		return v.text + "\x00" + string(v.purposes[0])
	}
	var b strings.Builder
	b.WriteString(v.text)
	for _, p := range v.purposes {
		b.WriteString("\x00" + string(p))
	}
	return b.String()
}

func (r *run) planValue(p *plan, row *source.Row, f *source.Field) {
	purpose := f.Purpose
	if purpose == "" {
		purpose = row.Purpose
	}
	leave := func(rule domain.Name) { p.faults = append(p.faults, fault{f.Name, rule}) }
	declared, ok := r.cat.Field(f.Name)
	in := r.purposes[purpose]
	switch {
	case !ok:
		leave("field.undeclared")
	case in == nil:
		leave("purpose.not_in_force")
	case !r.job.Caller.For(purpose):
		leave(ruleCallerPurpose)
	case !in.Needs(f.Name):
		leave("field.not_needed")
	case len(f.Name) > maxMarked:
		leave(ruleLongName)
	default:
		text, err := declared.Canonical(f.Text)
		if err != nil {
			leave(ruleOf(err))
			return
		}
		if !p.add(declared, purpose, text, f.Class) {
			leave(ruleTwice)
		}
	}
}

// add puts a value to the others; the same value for another purpose is one
// value. It is false when the field holds one value and has another.
func (p *plan) add(f *catalogue.FieldDeclared, purpose domain.Name, text string, class subject.ProvenanceClass) bool {
	for i := range p.values {
		v := &p.values[i]
		if v.field.ID != f.ID {
			continue
		}
		if v.text == text {
			if !slices.Contains(v.purposes, purpose) {
				v.purposes = append(v.purposes, purpose)
			}
			return true
		}
		if !f.Many {
			return false
		}
	}
	p.values = append(p.values, value{field: f, purposes: []domain.Name{purpose}, text: text, class: class})
	return true
}

// planDenial dates a no: by itself, else by when its row was last changed,
// never later than now.
func (r *run) planDenial(p *plan, row *source.Row, own keyring.SourceKey, d source.Denial, now time.Time) {
	at := d.At
	if at.IsZero() {
		at = row.Modified
	}
	if at.IsZero() {
		at = row.Created
	}
	if at.After(now) {
		at = time.Time{}
	}
	if d.Purpose != "" && r.purposes[d.Purpose] == nil {
		if _, ok := r.cat.Purpose(d.Purpose, 0); !ok {
			p.faults = append(p.faults, fault{rule: "purpose.undeclared"})
			return
		}
	}
	if _, ok := scopeOf(d.Scope); !ok && d.Kind == source.Objection || d.Kind == source.Refusal && d.Purpose == "" {
		p.faults = append(p.faults, fault{rule: ruleUnbindable})
		return
	}
	p.denials = append(p.denials, denial{Denial: d, at: at, mac: r.Keys.ValueMACOf(own, markDenial, denialText(&d))})
}

// scopeOf is the objection that a scope of the source comes to.
func scopeOf(s source.Scope) (subject.ObjectionScope, bool) {
	switch s {
	case source.Marketing:
		return subject.ToMarketing, true
	case source.Processing:
		return subject.ToProcessing, true
	case source.Disclosure:
		return subject.ToDisclosure, true
	}
	return "", false
}

// texts joins texts so that different lists never read the same.
func texts(parts ...string) string {
	h := sha256.New()
	for _, p := range parts {
		h.Write(binary.BigEndian.AppendUint32(nil, uint32(len(p)))) //nolint:gosec // a length
		h.Write([]byte(p))
	}
	return string(h.Sum(nil))
}

func denialText(d *source.Denial) string {
	at := ""
	if !d.At.IsZero() {
		at = d.At.UTC().Format(time.RFC3339Nano)
	}
	return texts(string(d.Kind), string(d.Scope), string(d.Purpose), string(d.Channel), d.Contact, at)
}

func consentText(c *source.Consent) string {
	parts := []string{
		string(c.Purpose), string(binary.BigEndian.AppendUint32(nil, c.Version)), c.Notice.String(), string(c.Language),
		string(c.Medium), string(c.Method), c.At.UTC().Format(time.RFC3339Nano), c.Evidence,
	}
	for _, ch := range c.Channels {
		parts = append(parts, string(ch))
	}
	return texts(parts...)
}

// ruleOf is a refusal's code as a rule of a report.
func ruleOf(err error) domain.Name {
	if e, ok := domain.AsError(err); ok && domain.Name(e.Code).Valid() {
		return domain.Name(e.Code)
	}
	return "refused"
}
