package catalogue

import (
	"slices"
	"strings"
	"time"

	"lethe/domain"
)

// reserved are the first segments of the names under which built-in sealed
// texts are kept: a field of that name would be taken for one of them.
var reservedPrefixes = [...]string{
	"consent", "source", "rectification", "removal", "basis", "objection", "restriction", "hold", "link", "age",
	"request", "command", "controller", "recipient", "notice", "principal", "import", "erasure", "breach",
}

func (s *State) declareField(c DeclareField) ([]domain.Event, error) {
	e := c.FieldDeclared
	e.Enumeration = set(e.Enumeration)
	if err := firstError(validField(&e), s.sameShape(&e), s.groupOfItsOwn(&e)); err != nil {
		return nil, err
	}
	if old, ok := s.fields[e.ID]; ok && sameFacts(old, &e) {
		return nil, nil
	}
	return one(&e)
}

func validField(e *FieldDeclared) error {
	first, _, dotted := strings.Cut(string(e.ID), ".")
	taken := slices.Contains([]domain.Name{evidencing, domain.RecordGroup, Group, "staff", "import"}, e.Group)
	return firstError(
		validName("id", e.ID), validName("group", e.Group), validNames("enumeration", e.Enumeration),
		check(!dotted || !slices.Contains(reservedPrefixes[:], first), "field.reserved", "id", "", "names that begin with %q are the ledger's own: choose another", first+"."),
		check(!taken, "field.group_reserved", "group", "", "this retention group is the ledger's own: choose another"),
		check(e.Type.Valid(), "field.type", "type", "", "the type is one of text, email, phone, date, boolean, enumeration, integer, decimal, money"),
		check(e.Category.Valid(), "field.category", "category", "GDPR 30(1)(c)", "give the data category, a term of a vocabulary such as dpv-pd:EmailAddress"),
		check((e.Type == Enumeration) == (len(e.Enumeration) > 0), "field.enumeration", "enumeration", "", "an enumeration lists its values, other types list none"),
		check(e.Currency == "" || (e.Type == Money && e.Currency.Valid()), "field.currency", "currency", "", "only money has a currency, an ISO 4217 code such as EUR"),
		check(e.Lookup == NoLookup || lookupFits(e), "field.lookup", "lookup", "",
			"look-up by email needs the type email, by phone the type phone, by external_id text or integer"),
	)
}

func lookupFits(e *FieldDeclared) bool {
	switch e.Lookup {
	case LookupEmail:
		return e.Type == Email
	case LookupPhone:
		return e.Type == Phone
	case LookupExternalID:
		return e.Type == Text || e.Type == Integer
	case NoLookup:
	}
	return false
}

// sameShape refuses what would give stored values another meaning.
func (s *State) sameShape(e *FieldDeclared) error {
	old, ok := s.fields[e.ID]
	if !ok {
		return nil
	}
	kept := !slices.ContainsFunc(old.Enumeration, func(v domain.Name) bool { return !slices.Contains(e.Enumeration, v) })
	frozen := func(same bool, field string) error {
		return check(same, "field.frozen", field, "", "the %s of a field is fixed when it is first declared: declare a new field", field)
	}
	return firstError(
		frozen(old.Type == e.Type, "type"), frozen(old.Group == e.Group, "group"),
		frozen(old.Currency == e.Currency, "currency"), frozen(old.Lookup == e.Lookup, "lookup"),
		check(kept, "field.enumeration_narrowed", "enumeration", "", "values of an enumeration can be added, not taken out: they may be in use"),
		check(!old.Many || e.Many, "field.frozen", "many", "", "a field that holds many values cannot go back to one: declare a new field"),
		check(!old.Special || e.Special, "field.special_lifted", "special", "GDPR 9", "a special category stays one: declare a new field"),
		check(!old.Criminal || e.Criminal, "field.criminal_lifted", "criminal", "GDPR 10", "criminal data stays that: declare a new field"),
	)
}

// groupOfItsOwn: special categories and criminal data get retention groups,
// and so keys, of their own.
func (s *State) groupOfItsOwn(e *FieldDeclared) error {
	for _, f := range s.fields {
		if f.ID != e.ID && f.Group == e.Group && (f.Special != e.Special || f.Criminal != e.Criminal) {
			return domain.Invalid("field.group_mixed", "group",
				"special categories and criminal data are kept in groups of their own: choose another group").Citing("GDPR 9, 10")
		}
	}
	return nil
}

func (s *State) declarePurpose(now time.Time, c DeclarePurpose) ([]domain.Event, error) {
	e := c.PurposeDeclared
	e.Controllers, e.Fields, e.Optional = set(e.Controllers), set(e.Fields), set(e.Optional)
	e.Recipients, e.ThirdCountries = set(e.Recipients), set(e.ThirdCountries)
	e.Version, e.Material = 1, false
	if err := firstError(validPurpose(&e), s.fieldsAllowed(&e), s.recipientsAllowed(&e)); err != nil {
		return nil, err
	}
	asked := e.InForce
	if e.InForce.IsZero() {
		e.InForce = now
	}
	last, ok := s.Purpose(e.ID, 0)
	if !ok {
		return one(&e)
	}
	e.Version = last.Version + 1
	material := last.material(&e)
	e.Material = material || c.Change == Material
	if s.declared(last, &e, asked, now) {
		return nil, nil
	}
	if material && c.Change == NotMaterial {
		return nil, domain.Invalid("purpose.material", "material",
			"this change is material: it adds data, a controller, a third country or changes the purpose or its basis, so consent must be given anew").
			Citing("GDPR 6(4), 7; EDPB 05/2020")
	}
	if !e.InForce.After(last.InForce) {
		return nil, domain.Conflict("purpose.in_force_order", "in_force",
			"version %d is in force from %s: a new version begins later", last.Version, last.InForce.UTC().Format(time.RFC3339))
	}
	return one(&e)
}

// declared reports whether the newest version says the same already and is
// not ended.
func (s *State) declared(last, e *PurposeDeclared, asked, now time.Time) bool {
	same := *e
	same.Version, same.Material = last.Version, last.Material
	if asked.IsZero() {
		same.InForce = last.InForce
	}
	return sameFacts(last, &same) && !s.purposes[e.ID].endedBetween(last.InForce, now)
}

func validPurpose(e *PurposeDeclared) error {
	keeps := e.Basis == domain.LegalObligation || e.Basis == domain.PublicTask || e.Exemption == Claims ||
		e.Article9 == PublicHealth || e.Article9 == Research
	return firstError(
		validName("id", e.ID), validNames("controllers", e.Controllers), validNames("fields", e.Fields),
		validNames("optional", e.Optional), validNames("recipients", e.Recipients),
		check(len(e.Controllers) > 0, "purpose.controllers", "controllers", "GDPR 30(1)(a)", "name the controller"),
		check(e.Basis.Valid(), "purpose.basis", "basis", "GDPR 6(1)", "name the lawful basis"),
		check(e.Article9 == "" || e.Article9.Valid(), "purpose.article_9", "article_9", "GDPR 9(2)", "this is not one of the conditions of Article 9(2)"),
		check(e.Article9 != ExplicitConsent || e.Explicit, "purpose.explicit", "explicit", "GDPR 9(2)(a)", "consent to special categories must be explicit: set explicit"),
		check(e.Exemption == "" || e.Exemption.Valid(), "purpose.exemption", "exemption", "GDPR 18(2)", "this is not one of the exemptions of Article 18(2)"),
		check(e.Retention.Valid(), "purpose.retention", "retention", "GDPR 5(1)(e)", "say how long the data is kept, such as P3Y"),
		check(e.RetentionStart.Valid(), "purpose.retention_start", "retention_start", "GDPR 5(1)(e)", "say what the retention period runs from"),
		check(e.Review == "" || e.Review.Valid(), "purpose.review", "review", "", "a review interval is an ISO 8601 period such as P1Y"),
		check(e.Validity == "" || e.Validity.Valid(), "purpose.validity", "validity", "", "a validity is an ISO 8601 period such as P2Y"),
		check(e.DPV.Valid(), "purpose.dpv", "dpv", "", "name the purpose's term in the Data Privacy Vocabulary"),
		check(e.Fideslang == "" || e.Fideslang.Valid(), "purpose.fideslang", "fideslang", "", "this is not a fideslang term"),
		check(!e.SoftOptIn || (e.Marketing && e.Basis == domain.LegitimateInterests), "purpose.soft_opt_in", "soft_opt_in", "ePrivacy 13(2)",
			"the soft opt-in is for marketing on legitimate interests only"),
		check(!e.DoubleOptIn || e.TakesConsent(), "purpose.double_opt_in", "double_opt_in", "GDPR 7", "only a purpose that takes consent can ask for a double opt-in"),
		check(!e.Keeps || keeps, "purpose.keeps", "keeps", "GDPR 17(3)", "only a legal obligation, a public task, legal claims, public health or archiving keeps data from erasure"),
	)
}

func (s *State) fieldsAllowed(e *PurposeDeclared) error {
	for _, id := range slices.Concat(e.Fields, e.Optional) {
		f, ok := s.fields[id]
		switch {
		case !ok:
			return domain.Invalid("field.undeclared", "fields", "the field %s is not declared: declare it first", id).Citing("GDPR 5(1)(b)")
		case f.Special && e.Article9 == "":
			return domain.Invalid("purpose.special", "article_9",
				"%s is a special category of data: name the condition of Article 9(2), or leave the field out", id).Citing("GDPR 9")
		case f.Criminal && !e.Article10:
			return domain.Invalid("purpose.criminal", "article_10",
				"%s is about criminal convictions: only official authority or law allows it", id).Citing("GDPR 10")
		case slices.Contains(e.Fields, id) && slices.Contains(e.Optional, id):
			return domain.Invalid("purpose.optional", "optional", "%s is listed as needed and as optional: choose one", id)
		}
	}
	return nil
}

func (s *State) recipientsAllowed(e *PurposeDeclared) error {
	for _, c := range e.ThirdCountries {
		if !c.Valid() {
			return domain.Invalid("purpose.third_country", "third_countries", "a third country is an ISO 3166 code, such as US").Citing("GDPR 44")
		}
	}
	for _, id := range e.Controllers {
		if _, ok := s.controllers[id]; !ok {
			return domain.Invalid("controller.undeclared", "controllers", "the controller %s is not declared: declare it first", id).Citing("GDPR 30(1)(a)")
		}
	}
	for _, id := range e.Recipients {
		r, ok := s.recipients[id]
		if !ok {
			return domain.Invalid("recipient.undeclared", "recipients", "the recipient %s is not declared: declare it first", id).Citing("GDPR 13(1)(e)")
		}
		if r.Kind == IsProcessor && r.ContractReview.IsZero() {
			return domain.Invalid("recipient.contract", "recipients",
				"the processor %s has no contract review date: declare it with one", id).Citing("GDPR 28(3)")
		}
		if err := s.transferAllowed(e, r); err != nil {
			return err
		}
	}
	return nil
}

func (s *State) transferAllowed(e *PurposeDeclared, r *RecipientDeclared) error {
	for _, id := range e.Controllers {
		if !Transfer(s.controllers[id].Country, r.Country) {
			continue
		}
		if r.Safeguard == "" {
			return domain.Invalid("recipient.safeguard", "recipients",
				"%s is in a third country and has no safeguard: declare it with one", r.ID).Citing("GDPR 44, 46")
		}
		if !slices.ContainsFunc(e.ThirdCountries, func(p domain.Place) bool { return p.Country() == r.Country.Country() }) {
			return domain.Invalid("purpose.third_country", "third_countries",
				"%s is in a third country: list %s among the third countries", r.ID, r.Country.Country()).Citing("GDPR 13(1)(f), 30(1)(e)")
		}
	}
	return nil
}

// Transfer reports whether sending data from one country to the other leaves
// the area in which it moves freely: the country itself or, between its
// members, the European Economic Area (GDPR 1(3), 44).
func Transfer(from, to domain.Place) bool {
	const eea = "AT BE BG CY CZ DE DK EE ES FI FR GR HR HU IE IS IT LI LT LU LV MT NL NO PL PT RO SE SI SK"
	if from.Country() == to.Country() {
		return false
	}
	return !strings.Contains(eea, from.Country()) || !strings.Contains(eea, to.Country())
}
