package civicrm

import (
	"strings"

	"lethe/domain"
	"lethe/domain/subject"
	"lethe/internal/importer/record"
	"lethe/internal/importer/source"
)

// Purposes of the starter catalogue.
const (
	service domain.Name = "customer.service"
	mailing domain.Name = "marketing.email"
)

// parent is what later rows need to know of a contact.
type parent struct {
	fate    domain.Name // "" or why it was left out
	noEmail bool
	noPhone bool
	noSMS   bool
}

// mapper turns records into rows.
type mapper struct {
	codes   *codes
	parents map[string]parent
}

// contact reads civicrm_contact.
func (m *mapper) contact(r *record.Record, out *source.Row) {
	out.Purpose, out.Jurisdiction = service, m.codes.home[out.Key]
	out.Created, out.Modified = r.Time("created_date"), r.Time("modified_date")
	leave := fate(r)
	if leave == "" {
		m.person(r, out)
		privacy(r, out)
		out.Creates = true // without a name too: the e-mail address is another table's
	}
	if leave != "" {
		out.Leave(leave)
		out.Denials = nil
	}
	optOut := r.Flag("is_opt_out")
	m.parents[out.Key] = parent{
		fate:    leave,
		noEmail: r.Flag("do_not_email") || optOut,
		noPhone: r.Flag("do_not_phone"), noSMS: r.Flag("do_not_sms"),
	}
}

// fate is why a contact is left out: only an individual is one person, and
// what is in the bin is not brought back.
func fate(r *record.Record) domain.Name {
	switch {
	case r.Flag("is_deleted"):
		return source.LeftOutDeleted
	case r.Text("contact_type") == "Organization":
		return source.LeftOutOrganisation
	case r.Text("contact_type") == "Household":
		return source.LeftOutHousehold
	case r.Text("contact_type") != "Individual":
		return source.LeftOutUndetermined
	}
	return ""
}

// person reads the fields of an individual.
func (m *mapper) person(r *record.Record, out *source.Row) {
	given, family := r.Text("first_name"), r.Text("last_name")
	out.Add("name.title", m.codes.option("individual_prefix", r.Text("prefix_id")), subject.Provided, "prefix_id")
	out.Add("name.given", strings.TrimSpace(given+" "+r.Text("middle_name")), subject.Provided, "first_name")
	out.Add("name.family", family, subject.Provided, "last_name")
	if given+family == "" {
		// Without a name, CiviCRM shows the e-mail address in its place.
		if shown := r.Text("display_name"); !strings.Contains(shown, "@") {
			out.Add("name.full", shown, subject.Provided, "display_name")
		}
	}
	out.Add("gender", m.codes.gender(r.Text("gender_id")), subject.Provided, "gender_id")
	birth, ok := r.Date("birth_date")
	if !ok {
		out.Refuse(source.RuleDate, "birth.date", "birth_date")
	}
	out.Add("birth.date", birth, subject.Provided, "birth_date")
	out.Add("job.title", r.Text("job_title"), subject.Provided, "job_title")
	out.Add("company.name", r.Text("organization_name"), subject.Provided, "organization_name")
	out.Add("language.preferred", language(r.Text("preferred_language")), subject.Provided, "preferred_language")
	out.Add("external.id", r.Text("external_identifier"), subject.Observed, "external_identifier")
	out.Add("national.id", r.Text("legal_identifier"), subject.Provided, "legal_identifier")
	if r.Flag("is_deceased") {
		out.Add("deceased", "true", subject.Observed, "is_deceased")
		out.Find(source.RuleDeceased, "deceased", "is_deceased")
	}
}

func language(code string) string {
	tag := domain.Language(strings.ReplaceAll(code, "_", "-"))
	if !tag.Valid() {
		return ""
	}
	return string(tag)
}

// privacy turns the columns into objections. The do_not columns name a
// channel and no purpose; is_opt_out is about bulk mail. None has a date.
func privacy(r *record.Record, out *source.Row) {
	for _, d := range []struct {
		column  string
		scope   source.Scope
		purpose domain.Name
		channel subject.Channel
	}{
		{"do_not_email", source.Marketing, "", subject.Email},
		{"do_not_phone", source.Marketing, "", subject.Phone},
		{"do_not_mail", source.Marketing, "", subject.Post},
		{"do_not_sms", source.Marketing, "", subject.SMS},
		{"do_not_trade", source.Disclosure, "", ""},
		{"is_opt_out", source.Marketing, mailing, subject.Email},
	} {
		if r.Flag(d.column) {
			out.Denials = append(out.Denials, source.Denial{
				Kind: source.Objection, Scope: d.scope, Purpose: d.purpose, Channel: d.channel,
				Rule: domain.Name(d.column), Column: d.column,
			})
		}
	}
}
