package subject

import (
	"strings"
	"time"
	"unicode/utf8"

	"lethe/domain"
	"lethe/domain/catalogue"
	"lethe/domain/personal"
)

// Bounds of what one command may say.
const (
	maxAhead = 5 * time.Minute // effective times come from other clocks
	maxItems = 200             // values in one event, below the 256 sealed parts it may have
	maxText  = 64 << 10        // bytes of a reason or of evidence
)

// Env is what a decision knows besides the record.
type Env struct {
	Now       time.Time
	Catalogue *catalogue.State
	// Officer: the actor may do what only officers may.
	Officer bool
	// Opened gives the plaintext of a sealed value that the ledger opened for
	// this decision; nil opens nothing.
	Opened func(personal.Value) (string, bool)
	// Fenced names retention groups of this person that were erased or are
	// about to be: nothing is written there.
	Fenced map[domain.Name]bool

	// What erasures are weighed with: holds and restrictions from outside the record, how long
	// evidence of consent is kept ("" = not at all), and, for starting one, the
	// keys that the record has.
	Outside           []OutsideHold
	Restricted        bool // by another record the person asked that the data be kept
	EvidenceRetention domain.Duration
	Keys              []LiveKey
}

// Decide answers with the events that c makes, or a *domain.Error. Every
// rule is judged by what is known now, for the time the command is about.
func Decide(s *State, env Env, c Command) ([]domain.Event, error) {
	if c == nil {
		return nil, domain.Internal("deciding on a subject without a command", nil)
	}
	d := decision{State: s, Env: env, at: c.EffectiveAt()}
	if d.at.IsZero() {
		d.at = env.Now
	}
	if d.at.After(env.Now.Add(maxAhead)) {
		return nil, domain.Invalid("effective.future", "effective",
			"the effective time is more than five minutes ahead: send it when it has come")
	}
	reg, isRegister := c.(Register)
	_, known := s.registered(window{})
	switch {
	case isRegister && known != nil:
		return nil, domain.Conflict("subject.exists", "subject", "this record is open already")
	case isRegister:
		return d.register(reg)
	case known == nil:
		return nil, domain.NotFound("subject.unknown", "subject", "there is no such record: check the token")
	}
	d.shut = s.Closed(time.Time{})
	return d.decide(c)
}

// decision is one call of Decide: the record, what is known, and the time
// that the command is about.
type decision struct {
	*State
	Env
	at   time.Time
	shut map[domain.Name]bool // groups that an erasure names
}

// isClosed reports whether nothing may be written to a group.
func (d *decision) isClosed(group domain.Name) bool { return d.Fenced[group] || d.shut[group] }

// forgot refuses what would begin anew with a person who was erased.
func (d *decision) forgot() error {
	if !d.forgotten() {
		return nil
	}
	return &domain.Error{
		Kind: domain.KindGone, Code: "group.erased", Source: "GDPR 17",
		Message: "everything of this record has been erased or is about to be: an officer has to open a new lifecycle before anything is recorded anew",
	}
}

func (d *decision) decide(c Command) ([]domain.Event, error) {
	switch c := c.(type) {
	case Register:
		return d.register(c)
	case RecordFields:
		return d.recordFields(c)
	case RectifyFields:
		return d.rectifyFields(c)
	case RemoveField:
		return d.removeField(c)
	case RequestConsent:
		return d.requestConsent(c)
	case DeferConsent:
		return d.deferConsent(c)
	case ConfirmConsent:
		return d.confirmConsent(c)
	case GiveConsent:
		return d.giveConsent(c)
	case RenewConsent:
		return d.renewConsent(c)
	case RefuseConsent:
		return d.refuseConsent(c)
	case WithdrawConsent:
		return d.withdrawConsent(c)
	case RevokeConsent:
		return d.revokeConsent(c)
	case InvalidateConsent:
		return d.invalidateConsent(c)
	case ExpireConsent:
		return d.expireConsent(c)
	case AssertBasis:
		return d.assertBasis(c)
	case EndBasis:
		return d.endBasis(c)
	case Object:
		return d.object(c)
	case OverrideObjection:
		return d.overrideObjection(c)
	case UpholdObjection:
		return d.upholdObjection(c)
	case WithdrawObjection:
		return d.withdrawObjection(c)
	case PlaceRestriction:
		return d.placeRestriction(c)
	case LiftRestriction:
		return d.liftRestriction(c)
	case PlaceHold:
		return d.placeHold(c)
	case ReleaseHold:
		return d.releaseHold(c)
	case NoteDisclosure:
		return d.noteDisclosure(c)
	case ProposeLink:
		return d.proposeLink(c)
	case AcceptLink:
		return d.acceptLink(c)
	case UndoLink:
		return d.undoLink(c)
	case AssessAge:
		return d.assessAge(c)
	case OrderErasure:
		return d.orderErasure(c)
	case CancelErasure:
		return d.cancelErasure(c)
	case StartErasure:
		return d.startErasure(c)
	case StopErasure:
		return d.stopErasure(c)
	case CompleteErasure:
		return d.completeErasure(c)
	case NoteReapplied:
		return d.noteReapplied(c)
	case OpenLifecycle:
		return d.openLifecycle(c)
	}
	return nil, domain.Internal("deciding on a subject: a command of another kind", nil)
}

// now is the window of decisions: all that is known, for the command's time.
func (d *decision) now() window { return window{effective: d.at} }

func one(e Event) ([]domain.Event, error) { return []domain.Event{e}, nil }

func (d *decision) register(c Register) ([]domain.Event, error) {
	switch {
	case !c.Acquired.Valid():
		return nil, domain.Invalid("subject.acquired", "acquired",
			"say how the record was obtained: from_person, from_third_party, from_public_source or from_migration").Citing("GDPR 13, 14")
	case !c.Jurisdiction.Valid():
		return nil, domain.Invalid("subject.jurisdiction", "jurisdiction", "give the person's country as an ISO 3166 code, such as DE").Citing("GDPR 3")
	}
	if err := firstError(validSource(c.Source), validText("row", c.Row)); err != nil {
		return nil, err
	}
	return one(&Registered{Source: c.Source, Acquired: c.Acquired, Jurisdiction: c.Jurisdiction, Row: c.Row})
}

// purposeAt finds the version of a purpose that is in force at the command's
// time. An asked version must be that one.
func (d *decision) purposeAt(id domain.Name, version uint32) (*catalogue.PurposeDeclared, error) {
	if _, ok := d.Catalogue.Purpose(id, version); !ok {
		if _, ok := d.Catalogue.Purpose(id, 0); ok {
			return nil, domain.Invalid("purpose.version_unknown", "version",
				"this version of the purpose is not declared: name one that is").Citing("GDPR 5(1)(b), 7(1)")
		}
		return nil, domain.Invalid("purpose.undeclared", "purpose",
			"this purpose is not declared: declare it first").Citing("GDPR 5(1)(b)")
	}
	in, ok := d.Catalogue.InForce(id, d.at)
	switch {
	case !ok:
		return nil, domain.Invalid("purpose.not_in_force", "purpose",
			"this purpose was not in force at that time: it begins later or has ended").Citing("GDPR 5(1)(b)")
	case version != 0 && version != in.Version:
		return nil, domain.Invalid("purpose.superseded", "version",
			"version %d was not in force at that time: version %d was", version, in.Version).Citing("GDPR 5(1)(b), 7(1)")
	}
	return in, nil
}

func (d *decision) officerOnly(what string) error {
	if d.Officer {
		return nil
	}
	return domain.Forbidden("officer.required", "", "only a data-protection officer may %s: ask one", what).Citing("GDPR 38, 39")
}

// restricted refuses a write that a restriction forbids.
func (d *decision) restricted(what string) error {
	if len(d.restrictions(window{})) == 0 {
		return nil
	}
	return domain.Conflict("restriction.forbids", "",
		"this record is restricted: %s is refused until the restriction is lifted", what).Citing("GDPR 18(2)")
}

func firstError(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// validText bounds a text that the caller chose. Its content is never told.
func validText(field string, v personal.Value) error {
	text, present := v.Reveal()
	if !present && !v.IsZero() {
		return domain.Internal("deciding with a text that is not present: "+field, nil)
	}
	if len(text) > maxText || !utf8.ValidString(text) || strings.ContainsRune(text, 0) {
		return domain.Invalid("text.malformed", field, "%s must be UTF-8 without NUL, at most %d bytes", field, maxText)
	}
	return nil
}

func needText(code, field, source, why string, v personal.Value) error {
	if text, ok := v.Reveal(); ok && strings.TrimSpace(text) == "" || v.IsZero() {
		return domain.Invalid(code, field, "%s", why).Citing(source)
	}
	return validText(field, v)
}

func validSource(s Source) error {
	if (s.System != "" && !s.System.Valid()) || (s.Table != "" && !s.Table.Valid()) {
		return domain.Invalid("source.malformed", "source", "system and table are names: lower-case letters and digits joined by . _ or -")
	}
	return nil
}
