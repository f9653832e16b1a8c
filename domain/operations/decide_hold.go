package operations

import (
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"lethe/domain"
	"lethe/domain/catalogue"
	"lethe/domain/personal"
)

// PlaceGroupHold places a hold for a group of people. Officers only.
type PlaceGroupHold struct {
	GroupHoldPlaced
	Officer   bool             // the actor may do what only officers may
	Catalogue *catalogue.State // that it is judged by
}

// ReleaseGroupHold ends it. Officers only.
type ReleaseGroupHold struct {
	Hold    domain.ID
	Officer bool
}

// EffectiveAt is now.
func (PlaceGroupHold) EffectiveAt() time.Time { return time.Time{} }

// EffectiveAt is now.
func (ReleaseGroupHold) EffectiveAt() time.Time { return time.Time{} }

func (PlaceGroupHold) isOperationsCommand()   {}
func (ReleaseGroupHold) isOperationsCommand() {}

const (
	maxText  = 64 << 10 // bytes
	maxHolds = 1000     // that stand: every one is asked of everybody who is erased
)

func placeGroupHold(s *State, now time.Time, c PlaceGroupHold) ([]domain.Event, error) {
	if err := officerOnly(c.Officer, "place a hold"); err != nil {
		return nil, err
	}
	if _, taken := s.GroupHold(c.Hold); taken {
		return nil, domain.Conflict("hold.exists", "hold", "this hold was placed already")
	}
	p, declared := c.Catalogue.InForce(c.Purpose, now)
	standing := 0
	for _, h := range s.GroupHolds() {
		if h.Released.IsZero() {
			standing++
		}
	}
	switch {
	case c.Hold.IsZero():
		return nil, domain.Invalid("hold.id", "hold", "a hold has an ID")
	case !groupKnown(c.Catalogue, c.Group):
		return nil, domain.Invalid("hold.group", "group", "no declared field belongs to this group: check its name").Citing("GDPR 17(3)")
	case !declared || !p.Keeps && p.Exemption != catalogue.Claims:
		return nil, domain.Invalid("hold.purpose", "purpose",
			"a hold keeps data for a legal duty or for claims: name a purpose that is declared for one").Citing("GDPR 17(3)")
	case !c.Review.After(now):
		return nil, domain.Invalid("hold.review", "review", "say when the hold is reviewed: a day to come").Citing("GDPR 5(1)(e)")
	case standing >= maxHolds:
		return nil, domain.Conflict("hold.many", "hold", "%d holds for groups of people stand: release those that are not needed", standing)
	}
	if err := choice(&c.GroupHoldPlaced, c.Catalogue); err != nil {
		return nil, err
	}
	if err := needText("hold.authority", "authority", "say on whose authority the hold is placed", c.Authority); err != nil {
		return nil, err
	}
	return []domain.Event{&c.GroupHoldPlaced}, nil
}

// choice refuses a hold that does not say whom it is about, or says it twice.
func choice(e *GroupHoldPlaced, cat *catalogue.State) error {
	said := []bool{e.People == WithPurpose, e.People == FromImport, e.People == FromSystem}
	if !e.People.Valid() || !slices.Equal(said, []bool{e.For != "", !e.Import.IsZero(), e.System != ""}) {
		return domain.Invalid("hold.people", "people",
			"say whom it is about: everyone, or people of one purpose, one import or one source system, and name it").Citing("GDPR 17(3)")
	}
	if _, declared := cat.Purpose(e.For, 0); e.For != "" && !declared {
		return domain.Invalid("purpose.undeclared", "for", "this purpose is not declared: check its name")
	}
	if e.System != "" && !e.System.Valid() {
		return domain.Invalid("hold.people", "system", "a source system is a name: lower-case letters and digits joined by . _ or -")
	}
	return nil
}

func groupKnown(cat *catalogue.State, group domain.Name) bool {
	return group == domain.EvidenceGroup ||
		slices.ContainsFunc(cat.Fields(), func(f *catalogue.FieldDeclared) bool { return f.Group == group })
}

// needText checks a text that the caller chose. Its content is never told.
func needText(code, field, why string, v personal.Value) error {
	text, _ := v.Reveal()
	if strings.TrimSpace(text) == "" {
		return domain.Invalid(code, field, "%s", why).Citing("GDPR 17(3)")
	}
	if len(text) > maxText || !utf8.ValidString(text) || strings.ContainsRune(text, 0) {
		return domain.Invalid("text.malformed", field, "%s must be UTF-8 without NUL, at most %d bytes", field, maxText)
	}
	return nil
}

func releaseGroupHold(s *State, c ReleaseGroupHold) ([]domain.Event, error) {
	if err := officerOnly(c.Officer, "release a hold"); err != nil {
		return nil, err
	}
	if h, ok := s.GroupHold(c.Hold); !ok || !h.Released.IsZero() {
		return nil, domain.NotFound("hold.unknown", "hold", "there is no such hold of many people, or it was released: one of a single person is released on the record (--subject TOKEN, /v1/subjects/{token}/holds/{hold}/release)")
	}
	return []domain.Event{&GroupHoldReleased{Hold: c.Hold}}, nil
}

func officerOnly(officer bool, what string) error {
	if officer {
		return nil
	}
	return domain.Forbidden("officer.required", "", "only a data-protection officer may %s: ask one", what).Citing("GDPR 38, 39")
}
