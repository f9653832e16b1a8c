package civicrm

import (
	"strings"

	"lethe/domain"
	"lethe/domain/subject"
	"lethe/internal/importer/record"
	"lethe/internal/importer/source"
)

// child names the contact that a row belongs to and leaves the row out where
// the contact was. false: there is nothing more to do with the row, except
// that it may carry a denial for its address.
func (m *mapper) child(r *record.Record, out *source.Row) (parent, bool) {
	id := r.ID("contact_id")
	out.Purpose = service
	out.Person = source.Key{Table: contacts, ID: id}
	p, known := m.parents[id]
	switch {
	case id == "":
		out.Leave(source.LeftOutNoPerson)
	case !known:
		out.Leave(source.LeftOutOrphan)
	case p.fate != "":
		out.Leave(p.fate)
	}
	out.Jurisdiction = m.codes.home[id]
	return p, out.LeftOut == ""
}

// email reads civicrm_email. on_hold 2 is the person's opt-out for the
// address, 1 is a bounce. Where the contact is left out but said no, the
// address keeps the no: somebody else may have it too.
func (m *mapper) email(r *record.Record, out *source.Row) {
	p, ok := m.child(r, out)
	address := r.Text("email")
	deny := func(rule domain.Name, purpose domain.Name, column string) {
		if address != "" {
			out.Denials = append(out.Denials, source.Denial{
				Kind: source.Objection, Scope: source.Marketing, Purpose: purpose, Channel: subject.Email,
				Contact: address, Rule: rule, Column: column,
			})
		}
	}
	switch r.Text("on_hold") {
	case "2":
		deny("on_hold_opt_out", mailing, "on_hold")
	case "1":
		out.Find(source.RuleBounced, "email", "on_hold")
	}
	if ok {
		m.add(out, "email", address, "email")
	} else if p.noEmail {
		deny("do_not_email", "", "email")
	}
}

// phone reads civicrm_phone.
func (m *mapper) phone(r *record.Record, out *source.Row) {
	p, ok := m.child(r, out)
	number := r.Text("phone")
	if ok {
		m.add(out, m.codes.phoneField(r.Text("phone_type_id")), number, "phone")
		return
	}
	for _, d := range []struct {
		said    bool
		rule    domain.Name
		channel subject.Channel
	}{{p.noPhone, "do_not_phone", subject.Phone}, {p.noSMS, "do_not_sms", subject.SMS}} {
		if d.said && number != "" {
			out.Denials = append(out.Denials, source.Denial{
				Kind: source.Objection, Scope: source.Marketing, Channel: d.channel, Contact: number, Rule: d.rule, Column: "phone",
			})
		}
	}
}

// address reads civicrm_address. A person has one address here: the primary.
func (m *mapper) address(r *record.Record, out *source.Row) {
	if _, ok := m.child(r, out); !ok {
		return
	}
	if r.Has("is_primary") && !r.Flag("is_primary") {
		out.Leave(source.LeftOutSecondary)
		return
	}
	var lines []string
	for _, column := range []string{"street_address", "supplemental_address_1", "supplemental_address_2", "supplemental_address_3"} {
		if line := r.Text(column); line != "" {
			lines = append(lines, line)
		}
	}
	postcode := r.Text("postal_code")
	if suffix := r.Text("postal_code_suffix"); suffix != "" && postcode != "" {
		postcode += "-" + suffix
	}
	out.Add("address.street", strings.Join(lines, "\n"), subject.Provided, "street_address")
	out.Add("address.postcode", postcode, subject.Provided, "postal_code")
	out.Add("address.city", r.Text("city"), subject.Provided, "city")
	out.Add("address.region", m.codes.provinces[r.Text("state_province_id")], subject.Provided, "state_province_id")
	out.Add("address.country", m.codes.countries[r.Text("country_id")], subject.Provided, "country_id")
	if len(out.Fields) == 0 {
		out.Leave(source.LeftOutNoPersonal)
	}
}

// website reads civicrm_website.
func (m *mapper) website(r *record.Record, out *source.Row) {
	if _, ok := m.child(r, out); ok {
		m.add(out, "website", r.Text("url"), "url")
	}
}

func (m *mapper) add(out *source.Row, field domain.Name, text, column string) {
	if out.Add(field, text, subject.Provided, column); text == "" {
		out.Leave(source.LeftOutNoPersonal)
	}
}

// subscription reads civicrm_subscription_history. Added by an administrator
// is not the person's doing; added by the person is, but without the notice
// that was shown it proves no consent. Removed by the person from a group
// that mail goes to is an objection; removed by an administrator tells
// nothing about what the person wants. Being added in spite of do_not_email
// is a contradiction for an officer.
func (m *mapper) subscription(r *record.Record, out *source.Row) {
	p, ok := m.child(r, out)
	out.Created = r.Time("date")
	if !ok {
		return
	}
	mailed, known := m.codes.mailing[r.Text("group_id")]
	if !known {
		mailed = true // a file without its groups: take it for one
	}
	byPerson := r.Text("method") == "Email" || r.Text("method") == "Web" || r.Text("method") == "Form"
	status := r.Text("status")
	if status == "Added" && mailed && p.noEmail {
		out.Conflicts = append(out.Conflicts, source.Finding{Field: "email", Column: "status", Rule: source.RuleDeniedButAdded})
	}
	switch {
	case status == "Added" && byPerson:
		out.Leave(source.LeftOutNoNotice)
	case status == "Added":
		out.Leave(source.LeftOutAddedByAdmin)
	case status == "Removed" && mailed && byPerson:
		out.Denials = append(out.Denials, source.Denial{
			Kind: source.Objection, Scope: source.Marketing, Purpose: mailing, Channel: subject.Email,
			At: out.Created, Rule: "removed_from_group", Column: "status",
		})
	default:
		out.Leave(source.LeftOutNoPersonal)
	}
}
