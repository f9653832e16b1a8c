package catalogue

import (
	"crypto/sha256"
	"reflect"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"lethe/domain"
	"lethe/domain/personal"
)

// Bounds of what one declaration may hold.
const (
	maxText    = 64 << 10  // bytes of a contact text
	maxNotice  = 256 << 10 // bytes of a notice
	maxListed  = 1000      // names in one list
	maxAhead   = 5 * time.Minute
	evidencing = domain.EvidenceGroup
)

// Decide answers with the events that c makes, or a *domain.Error. What is
// already declared identically makes none.
func Decide(s *State, now time.Time, c Command) ([]domain.Event, error) {
	if s == nil {
		s = &State{}
	}
	if c == nil {
		return nil, domain.Internal("deciding on the catalogue without a command", nil)
	}
	switch c := c.(type) {
	case DeclareController:
		return s.declareController(c)
	case DeclareField:
		return s.declareField(c)
	case DeclarePurpose:
		return s.declarePurpose(now, c)
	case EndPurpose:
		return s.endPurpose(now, c)
	case PublishNotice:
		return s.publishNotice(now, c)
	case DeclareRecipient:
		return s.declareRecipient(c)
	}
	return nil, domain.Internal("deciding on the catalogue: a command of another kind", nil)
}

func one(e Event) ([]domain.Event, error) { return []domain.Event{e}, nil }

func (s *State) declareController(c DeclareController) ([]domain.Event, error) {
	e := c.ControllerDeclared
	e.JointControllers, e.Processors = set(e.JointControllers), set(e.Processors)
	if err := firstError(
		validName("id", e.ID), validNames("joint_controllers", e.JointControllers), validNames("processors", e.Processors),
		check(e.Country.Valid(), "controller.country", "country", "GDPR 13(1)(a)", "give the controller's country as an ISO 3166 code, such as DE"),
		check(!slices.Contains(e.JointControllers, e.ID), "controller.joint", "joint_controllers", "GDPR 26", "a controller is not its own joint controller: leave it out"),
		check(present(e.Name), "controller.name", "name", "GDPR 13(1)(a)", "give the controller's name"),
		validTexts(&e),
	); err != nil {
		return nil, err
	}
	for _, p := range e.Processors {
		r, ok := s.recipients[p]
		if !ok || r.Kind != IsProcessor {
			return nil, domain.Invalid("controller.processor_undeclared", "processors",
				"%s is not declared as a recipient of the kind processor: declare it first", p).Citing("GDPR 28")
		}
	}
	if old, ok := s.controllers[e.ID]; ok && sameFacts(old, &e) && sameTexts(c.Opened, old, &e) {
		return nil, nil
	}
	return one(&e)
}

func (s *State) declareRecipient(c DeclareRecipient) ([]domain.Event, error) {
	e := c.RecipientDeclared
	if err := firstError(
		validName("id", e.ID),
		check(e.Kind.Valid(), "recipient.kind", "kind", "GDPR 4(9)", "say whether the recipient is a processor, controller or authority"),
		check(e.Country.Valid(), "recipient.country", "country", "GDPR 44", "give the recipient's country as an ISO 3166 code, such as DE"),
		check(e.Safeguard == "" || e.Safeguard.Valid(), "recipient.safeguard", "safeguard", "GDPR 46",
			"a safeguard is one of adequacy, standard_clauses, binding_rules, derogation"),
		check(present(e.Name), "recipient.name", "name", "GDPR 13(1)(e)", "give the recipient's name: people are told it"),
		validTexts(&e),
	); err != nil {
		return nil, err
	}
	if old, ok := s.recipients[e.ID]; ok && sameFacts(old, &e) && sameTexts(c.Opened, old, &e) {
		return nil, nil
	}
	return one(&e)
}

func (s *State) publishNotice(now time.Time, c PublishNotice) ([]domain.Event, error) {
	e := c.NoticePublished
	text, _ := e.Text.Reveal()
	if err := firstError(
		validName("id", e.ID),
		check(e.Version > 0, "notice.version", "version", "", "a notice's version is 1 or more"),
		check(e.Language.Valid(), "notice.language", "language", "GDPR 12(1)", "give the text's language as a BCP 47 tag, such as de or pt-BR"),
		check(text != "", "notice.text", "text", "GDPR 7(1)", "give the text exactly as it is shown"),
		check(len(text) <= maxNotice, "notice.text", "text", "", "a notice has at most %d bytes", maxNotice),
		check(utf8.ValidString(text), "notice.text", "text", "", "the text must be UTF-8"),
		check(len(e.Purposes) > 0 && len(e.Purposes) <= maxListed, "notice.purposes", "purposes", "GDPR 13(1)(c)",
			"name the purposes (with versions) that the text tells of"),
	); err != nil {
		return nil, err
	}
	for _, ref := range e.Purposes {
		if _, ok := s.Purpose(ref.Purpose, ref.Version); !ok || ref.Version == 0 {
			return nil, domain.Invalid("notice.purpose_unknown", "purposes",
				"a purpose or version that the notice names is not declared: declare it first").Citing("GDPR 13(1)(c)")
		}
	}
	slices.SortFunc(e.Purposes, compareRefs)
	e.Purposes = slices.Compact(slices.Clone(e.Purposes))
	e.Digest = sha256.Sum256([]byte(text))
	if d, ok := s.texts[noticeKey{e.ID, e.Version, e.Language}]; ok && d != e.Digest {
		return nil, domain.Conflict("notice.frozen", "text",
			"this version was published with another text: publish a new version").Citing("GDPR 7(1)")
	}
	for _, old := range s.notices[e.Digest] {
		if old.ID == e.ID && old.Version == e.Version && old.Language == e.Language &&
			slices.Equal(old.Purposes, e.Purposes) && (e.From.IsZero() || e.From.Equal(old.From)) {
			return nil, nil
		}
	}
	if e.From.IsZero() {
		e.From = now
	}
	return one(&e)
}

func compareRefs(a, b PurposeRef) int {
	if n := strings.Compare(string(a.Purpose), string(b.Purpose)); n != 0 {
		return n
	}
	return int(a.Version) - int(b.Version)
}

func (s *State) endPurpose(now time.Time, c EndPurpose) ([]domain.Event, error) {
	at := c.At
	if at.IsZero() {
		at = now
	}
	if at.After(now.Add(maxAhead)) {
		return nil, domain.Invalid("effective.future", "at", "a purpose ends now or ended before: end it when the time comes")
	}
	h := s.purposes[c.ID]
	if h == nil || len(h.versions) == 0 {
		return nil, domain.NotFound("purpose.undeclared", "purpose", "this purpose is not declared: check its name")
	}
	last := h.versions[len(h.versions)-1]
	if h.endedBetween(last.InForce, at) {
		return nil, nil
	}
	return one(&PurposeEnded{ID: c.ID})
}

// sameFacts compares two events of one type without their sealed texts.
func sameFacts(a, b domain.Event) bool {
	va, vb := reflect.ValueOf(a).Elem(), reflect.ValueOf(b).Elem()
	for i := range va.NumField() {
		fa, fb := va.Field(i).Interface(), vb.Field(i).Interface()
		if _, sealed := fa.(personal.Value); sealed {
			continue
		}
		if ta, ok := fa.(time.Time); ok {
			if tb, _ := fb.(time.Time); !ta.Equal(tb) {
				return false
			}
			continue
		}
		if fv := va.Field(i); fv.Kind() == reflect.Slice && fv.Len() == 0 && vb.Field(i).Len() == 0 {
			continue
		}
		if !reflect.DeepEqual(fa, fb) {
			return false
		}
	}
	return true
}

func sameTexts(opened Opened, a, b domain.Event) bool {
	sa, sb := a.Personal(nil), b.Personal(nil)
	for i := range sa {
		if !opened.same(*sa[i].Value, *sb[i].Value) {
			return false
		}
	}
	return true
}

// set sorts names and drops repeats, in a slice of its own.
func set[T ~string](names []T) []T {
	if len(names) == 0 {
		return nil
	}
	names = slices.Clone(names)
	slices.Sort(names)
	return slices.Compact(names)
}

func present(v personal.Value) bool {
	text, ok := v.Reveal()
	return ok && strings.TrimSpace(text) != ""
}

func check(ok bool, code, field, source, format string, args ...any) error {
	if ok {
		return nil
	}
	return domain.Invalid(code, field, format, args...).Citing(source)
}

func firstError(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

func validName(what string, n domain.Name) error {
	_, err := domain.ParseName(what, string(n))
	return err
}

func validNames(what string, names []domain.Name) error {
	if len(names) > maxListed {
		return domain.Invalid("list.long", what, "%s lists at most %d names", what, maxListed)
	}
	for _, n := range names {
		if err := validName(what, n); err != nil {
			return err
		}
	}
	return nil
}

func validTexts(e domain.Event) error {
	for _, slot := range e.Personal(nil) {
		text, ok := slot.Value.Reveal()
		if !ok && !slot.Value.IsZero() {
			return domain.Internal("declaring a text that is not present: "+slot.Field, nil)
		}
		if len(text) > maxText || !utf8.ValidString(text) || strings.ContainsRune(text, 0) {
			return domain.Invalid("text.malformed", slot.Field, "%s must be UTF-8 of at most %d bytes", slot.Field, maxText)
		}
	}
	return nil
}
