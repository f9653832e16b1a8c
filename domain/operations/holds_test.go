package operations_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"lethe/domain"
	"lethe/domain/catalogue"
	"lethe/domain/operations"
	"lethe/domain/personal"
	"lethe/domain/subject"
)

func declared(t *testing.T) *catalogue.State {
	t.Helper()
	var s *catalogue.State
	for _, e := range []domain.Event{
		&catalogue.FieldDeclared{ID: "name", Group: "identity"},
		&catalogue.PurposeDeclared{ID: "claims", Version: 1, Exemption: catalogue.Claims},
		&catalogue.PurposeDeclared{ID: "books", Version: 1, Keeps: true},
		&catalogue.PurposeDeclared{ID: "service", Version: 1},
	} {
		s = catalogue.Evolve(s, domain.Recorded{Event: e})
	}
	return s
}

func hold(t *testing.T, change ...func(*operations.PlaceGroupHold)) operations.PlaceGroupHold {
	t.Helper()
	c := operations.PlaceGroupHold{Officer: true, Catalogue: declared(t), GroupHoldPlaced: operations.GroupHoldPlaced{
		Hold: domain.ID{7}, Group: "identity", Purpose: "claims", Review: now.AddDate(1, 0, 0), People: operations.Everyone,
		Authority: personal.Of("court order"),
	}}
	for _, f := range change {
		f(&c)
	}
	return c
}

// somebody has a value for the purpose service that came from a shop.
func somebody() *subject.State {
	from := subject.Source{System: "shop", Import: domain.ID{4}}
	s := subject.Evolve(nil, domain.Recorded{Event: &subject.Registered{}})
	return subject.Evolve(s, domain.Recorded{Revision: 1, Event: &subject.FieldsRecorded{Purpose: "service", Source: from}})
}

func TestAHoldBindsWhomItIsAbout(t *testing.T) {
	nobody := subject.Evolve(nil, domain.Recorded{Event: &subject.Registered{}})
	for name, c := range map[string]struct {
		change func(*operations.PlaceGroupHold)
		others bool // it binds others too
	}{
		"everyone": {func(*operations.PlaceGroupHold) {}, true},
		"purpose":  {func(c *operations.PlaceGroupHold) { c.People, c.For = operations.WithPurpose, "service" }, false},
		"import":   {func(c *operations.PlaceGroupHold) { c.People, c.Import = operations.FromImport, domain.ID{4} }, false},
		"system":   {func(c *operations.PlaceGroupHold) { c.People, c.System = operations.FromSystem, "shop" }, false},
	} {
		s := fold(t, nil, now, hold(t, c.change))
		require.Equal(t, []subject.OutsideHold{{Hold: domain.ID{7}, Group: "identity", Purpose: "claims", Review: now.AddDate(1, 0, 0)}},
			s.HoldsOn(somebody()), name)
		require.Equal(t, c.others, len(s.HoldsOn(nobody)) == 1, name)
		require.Empty(t, s.HoldsOn(nil), "%s: there is nobody", name)
	}
}

func TestLifeOfAHoldForManyPeople(t *testing.T) {
	s := fold(t, nil, now, create(1), hold(t), hold(t, func(c *operations.PlaceGroupHold) { c.Hold = domain.ID{8} }))
	refuses(t, "hold.exists", s, hold(t))
	refuses(t, "officer.required", s, operations.ReleaseGroupHold{Hold: domain.ID{7}})
	old := s
	s = fold(t, s, now, operations.ReleaseGroupHold{Hold: domain.ID{7}, Officer: true})
	refuses(t, "hold.unknown", s, operations.ReleaseGroupHold{Hold: domain.ID{7}, Officer: true})
	refuses(t, "hold.unknown", s, operations.ReleaseGroupHold{Hold: domain.ID{9}, Officer: true})
	refuses(t, "hold.exists", s, hold(t))
	require.Len(t, s.HoldsOn(somebody()), 1)
	require.Len(t, old.HoldsOn(somebody()), 2, "who holds the old state sees the old state")
	released, ok := s.GroupHold(domain.ID{7})
	require.True(t, ok)
	require.Equal(t, now, released.Released)
	require.Len(t, s.GroupHolds(), 2)
	s = fold(t, s, now, create(2))
	require.Len(t, s.GroupHolds(), 2, "tokens leave holds alone")
	require.Len(t, s.Tokens(), 2)
	var none *operations.State
	require.Empty(t, none.GroupHolds())
	require.Empty(t, none.HoldsOn(somebody()))
}

func TestRefusedHolds(t *testing.T) {
	type of = *operations.PlaceGroupHold
	for name, c := range map[string]struct {
		code   string
		change func(of)
	}{
		"an operator":           {"officer.required", func(c of) { c.Officer = false }},
		"no ID":                 {"hold.id", func(c of) { c.Hold = domain.ID{} }},
		"no such group":         {"hold.group", func(c of) { c.Group = "shoes" }},
		"no duty":               {"hold.purpose", func(c of) { c.Purpose = "service" }},
		"no purpose":            {"hold.purpose", func(c of) { c.Purpose = "nothing" }},
		"no review":             {"hold.review", func(c of) { c.Review = now }},
		"no authority":          {"hold.authority", func(c of) { c.Authority = personal.Of(" \n") }},
		"a malformed authority": {"text.malformed", func(c of) { c.Authority = personal.Of("a\x00") }},
		"a long authority":      {"text.malformed", func(c of) { c.Authority = personal.Of(strings.Repeat("a", 64<<10+1)) }},
		"nobody":                {"hold.people", func(c of) { c.People = "" }},
		"whose purpose":         {"hold.people", func(c of) { c.People = operations.WithPurpose }},
		"everyone of one":       {"hold.people", func(c of) { c.System = "shop" }},
		"of two":                {"hold.people", func(c of) { c.People, c.System, c.For = operations.FromSystem, "shop", "service" }},
		"an unknown purpose":    {"purpose.undeclared", func(c of) { c.People, c.For = operations.WithPurpose, "nothing" }},
		"a malformed system":    {"hold.people", func(c of) { c.People, c.System = operations.FromSystem, "My Shop" }},
	} {
		t.Run(name, func(t *testing.T) { refuses(t, c.code, nil, hold(t, c.change)) })
	}
	fold(t, nil, now, hold(t, func(c of) { c.Purpose, c.Group = "books", domain.EvidenceGroup }))
}

func TestHoldsThatStandAreBounded(t *testing.T) {
	s := operations.Evolve(nil, domain.Recorded{})
	for i := range 1000 {
		s = operations.Evolve(s, domain.Recorded{Event: &operations.GroupHoldPlaced{Hold: domain.ID{1, byte(i), byte(i >> 8)}}})
	}
	refuses(t, "hold.many", s, hold(t))
	s = operations.Evolve(s, domain.Recorded{Recorded: now, Event: &operations.GroupHoldReleased{Hold: domain.ID{1}}})
	fold(t, s, now, hold(t))
}
