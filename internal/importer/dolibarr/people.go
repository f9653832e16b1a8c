package dolibarr

import (
	"regexp"
	"strings"

	"lethe/domain"
	"lethe/domain/subject"
	"lethe/internal/importer/record"
	"lethe/internal/importer/source"
)

// Purposes of the starter catalogue that the tables stand for.
const (
	service    domain.Name = "customer.service"
	membership domain.Name = "membership.administration"
	mailing    domain.Name = "marketing.email"
)

// anonymous is the name that the data-policy module gives to an erased person.
const anonymous = "MAKEANONYMOUS"

// mapper turns records into rows. It remembers of each person only whether
// and why they were left out, and the names of organisations.
type mapper struct {
	codes     *codes
	parents   map[source.Key]domain.Name
	companies map[string]string
}

// decide closes the row of a person: leaves it out by the rule, or creates.
func (m *mapper) decide(out *source.Row, leave domain.Name) {
	switch {
	case leave != "":
		out.Leave(leave)
		out.Denials = nil
	case len(out.Fields) == 0 && len(out.Refusals) == 0:
		out.Leave(source.LeftOutNoPersonal)
	default:
		out.Creates = true
	}
	m.parents[out.Person] = out.LeftOut
}

// thirdParty reads llx_societe. A natural person has a type of person, a
// canvas for persons, the legal form of a sole trader, or is what a physical
// member is billed as; whatever has a mark of an organisation is one; of the
// rest nobody can tell, and an officer has to.
func (m *mapper) thirdParty(r *record.Record, out *source.Row) {
	name := r.Text("nom", "name")
	m.common(r, out, service)
	out.Add("name.full", name, subject.Provided, r.Column("nom", "name"))
	out.Add("email", r.Text("email"), subject.Provided, r.Column("email"))
	out.Add("phone", r.Text("phone", "tel"), subject.Provided, r.Column("phone", "tel"))
	out.Add("phone.fax", r.Text("fax"), subject.Provided, r.Column("fax"))
	out.Add("website", r.Text("url"), subject.Provided, r.Column("url"))
	out.Add("external.id", r.Text("code_client"), subject.Observed, r.Column("code_client"))
	if r.Text("fk_stcomm") == "-1" {
		out.Denials = append(out.Denials, source.Denial{
			Kind: source.Objection, Scope: source.Marketing, Rule: "prospect_do_not_contact", Column: r.Column("fk_stcomm"),
		})
	}
	m.decide(out, m.judge(r, name, out))
	if out.LeftOut == source.LeftOutOrganisation {
		m.companies[out.Key] = name
	}
}

var patientName = regexp.MustCompile(`(?i)^patiente?\b`)

// judge says for which rule a third party is left out, if it is.
func (m *mapper) judge(r *record.Record, name string, out *source.Row) domain.Name {
	canvas := strings.ToLower(r.Text("canvas"))
	switch {
	case name == anonymous:
		return source.LeftOutErased
	case strings.HasPrefix(canvas, "patient") || patientName.MatchString(name):
		out.Find(source.RuleHealth, "health.note", r.Column("canvas"))
		return source.LeftOutSpecial
	case m.isPerson(r, canvas):
		out.Find(source.RuleNaturalPerson, "name.full", r.Column("nom", "name"))
		return ""
	case m.isOrganisation(r):
		return source.LeftOutOrganisation
	case m.codes.personal[out.Key]:
		out.Find(source.RuleNaturalPerson, "name.full", r.Column("nom", "name"))
		return ""
	}
	out.Find(source.RuleMaybePerson, "name.full", r.Column("nom", "name"))
	return source.LeftOutUndetermined
}

func (m *mapper) isPerson(r *record.Record, canvas string) bool {
	switch m.codes.kinds[r.Text("fk_typent")] {
	case "TE_PRIVATE", "TE_HOMME", "TE_FEMME":
		return true
	}
	form := r.Text("fk_forme_juridique") // 11 to 19: French sole traders and liberal professions
	return strings.HasPrefix(canvas, "individual") || len(form) == 2 && form[0] == '1' && form[1] >= '1'
}

func (m *mapper) isOrganisation(r *record.Record) bool {
	switch m.codes.kinds[r.Text("fk_typent")] {
	case "", "TE_UNKNOWN", "TE_OTHER":
	default:
		return true
	}
	for _, column := range []string{"fk_forme_juridique", "fk_effectif", "siren", "siret", "ape", "tva_intra", "capital"} {
		if strings.Trim(r.Text(column), "0.") != "" {
			return true
		}
	}
	return false
}

// contact reads llx_socpeople: people, but for a user's private contacts.
func (m *mapper) contact(r *record.Record, out *source.Row) {
	m.common(r, out, service)
	m.names(r, out)
	out.Add("job.title", r.Text("poste"), subject.Provided, r.Column("poste"))
	out.Add("company.name", m.companies[r.ID("fk_soc")], subject.Provided, r.Column("fk_soc"))
	m.reach(r, out)
	m.birth(r, out, "birthday")
	if r.Flag("no_email") {
		out.Denials = append(out.Denials, source.Denial{
			Kind: source.Objection, Scope: source.Marketing, Purpose: mailing, Channel: subject.Email,
			Contact: r.Text("email"), Rule: "no_email", Column: r.Column("no_email"),
		})
	}
	leave := m.erased(r)
	if leave == "" && r.Flag("priv") {
		leave = source.LeftOutPrivate
	}
	m.decide(out, leave)
}

// member reads llx_adherent: physical members are people. A password in clear
// is reported and taken nowhere.
func (m *mapper) member(r *record.Record, out *source.Row) {
	m.common(r, out, membership)
	m.names(r, out)
	m.reach(r, out)
	m.birth(r, out, "birth", "naiss")
	out.Add("gender", gender(r.Text("gender")), subject.Provided, r.Column("gender"))
	out.Add("company.name", r.Text("societe"), subject.Provided, r.Column("societe"))
	out.Add("account.username", r.Text("login"), subject.Provided, r.Column("login"))
	out.Add("member.type", m.codes.memberTypes[r.Text("fk_adherent_type")], subject.Observed, r.Column("fk_adherent_type"))
	since, ok := r.Date("datevalid")
	if !ok {
		out.Refuse(source.RuleDate, "member.since", r.Column("datevalid"))
	}
	out.Add("member.since", since, subject.Observed, r.Column("datevalid"))
	password(r, out)
	leave := m.erased(r)
	if leave == "" && strings.EqualFold(r.Text("morphy"), "mor") {
		leave = source.LeftOutOrganisation
	}
	m.decide(out, leave)
}

func password(r *record.Record, out *source.Row) {
	for _, column := range []string{"pass", "pass_temp"} {
		if r.Text(column) != "" {
			out.Find(source.RulePlaintextPassword, "account.username", r.Column(column))
		}
	}
}

// common reads what every table of people has: address, note, language, dates.
func (m *mapper) common(r *record.Record, out *source.Row, purpose domain.Name) {
	out.Purpose = purpose
	out.Created, out.Modified = r.Time("datec"), r.Time("tms")
	out.Add("address.street", r.Text("address", "adresse"), subject.Provided, r.Column("address", "adresse"))
	out.Add("address.postcode", r.Text("zip", "cp"), subject.Provided, r.Column("zip", "cp"))
	out.Add("address.city", r.Text("town", "ville"), subject.Provided, r.Column("town", "ville"))
	region := []string{"fk_departement", "state_id"}
	out.Add("address.region", m.codes.regions[r.ID(region...)], subject.Provided, r.Column(region...))
	country := []string{"fk_pays", "fk_country", "country", "pays"}
	text, place := m.codes.country(r.ID(country...))
	out.Add("address.country", text, subject.Provided, r.Column(country...))
	out.Jurisdiction = place
	out.Add("language.preferred", language(r.Text("default_lang")), subject.Provided, r.Column("default_lang"))
	out.Add("note", joined(r.Text("note_private", "note"), r.Text("note_public")), subject.Observed, r.Column("note_private", "note"))
}

func joined(a, b string) string {
	if a == "" || b == "" {
		return a + b
	}
	return a + "\n\n" + b
}

func (m *mapper) names(r *record.Record, out *source.Row) {
	out.Add("name.title", r.Text("civility", "civilite"), subject.Provided, r.Column("civility", "civilite"))
	out.Add("name.given", r.Text("firstname", "prenom"), subject.Provided, r.Column("firstname", "prenom"))
	out.Add("name.family", r.Text("lastname", "name", "nom"), subject.Provided, r.Column("lastname", "name", "nom"))
}

func (m *mapper) reach(r *record.Record, out *source.Row) {
	out.Add("email", r.Text("email"), subject.Provided, r.Column("email"))
	out.Add("phone", r.Text("phone"), subject.Provided, r.Column("phone"))
	out.Add("phone", r.Text("phone_perso"), subject.Provided, r.Column("phone_perso"))
	out.Add("phone.mobile", r.Text("phone_mobile"), subject.Provided, r.Column("phone_mobile"))
	out.Add("phone.fax", r.Text("fax"), subject.Provided, r.Column("fax"))
}

func (m *mapper) birth(r *record.Record, out *source.Row, names ...string) {
	date, ok := r.Date(names...)
	if !ok {
		out.Refuse(source.RuleDate, "birth.date", r.Column(names...))
	}
	out.Add("birth.date", date, subject.Provided, r.Column(names...))
}

func (m *mapper) erased(r *record.Record) domain.Name {
	if r.Text("lastname", "name", "nom") == anonymous || r.Text("firstname", "prenom") == anonymous {
		return source.LeftOutErased
	}
	return ""
}

func gender(code string) string {
	switch code {
	case "man":
		return "male"
	case "woman":
		return "female"
	case "other":
		return "other"
	}
	return ""
}
