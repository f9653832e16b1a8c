package dolibarr

import (
	"strings"

	"lethe/domain"
	"lethe/domain/subject"
	"lethe/internal/importer/record"
	"lethe/internal/importer/source"
)

// extra reads the custom fields of one table of people, among them those of
// the data-policy module: its objections are objections (its date is theirs),
// its consent is no evidence of any.
func (m *mapper) extra(parent domain.Name) func(*record.Record, *source.Row) {
	return func(r *record.Record, out *source.Row) {
		out.Person = source.Key{Table: parent, ID: r.ID("fk_object")}
		out.Modified = r.Time("tms")
		at := r.Time("datapolicy_date")
		for _, d := range []struct {
			column string
			scope  source.Scope
		}{
			{"datapolicy_opposition_traitement", source.Processing},
			{"datapolicy_opposition_prospection", source.Marketing},
		} {
			if r.Flag(d.column) {
				out.Denials = append(out.Denials, source.Denial{
					Kind: source.Objection, Scope: d.scope, At: at, Rule: domain.Name(d.column), Column: r.Column(d.column),
				})
			}
		}
		if consent := "datapolicy_consentement"; r.Flag(consent) {
			out.Find(source.RuleWeakConsent, "", r.Column(consent))
			if len(out.Denials) > 0 {
				out.Conflicts = append(out.Conflicts, source.Finding{Column: r.Column(consent), Rule: source.RuleConsentAndDenial})
			}
		}
		for _, column := range r.Columns() {
			if name := strings.ToLower(column); custom(name) && r.Text(name) != "" {
				out.Find(source.RuleCustomFields, "", column)
			}
		}
		m.child(out)
	}
}

func custom(column string) bool {
	switch column {
	case "rowid", "tms", "fk_object", "import_key":
		return false
	}
	return !strings.HasPrefix(column, "datapolicy_")
}

// child closes a row that refers to a person: it shares the person's fate,
// and one that says nothing is left out.
func (m *mapper) child(out *source.Row) {
	fate, known := m.parents[out.Person]
	switch {
	case out.Person.ID == "":
		out.Leave(source.LeftOutNoPerson)
		out.Denials = nil
	case !known:
		out.Leave(source.LeftOutOrphan)
		out.Denials = nil
	case fate != "":
		out.Leave(fate)
		out.Denials = nil
	case len(out.Fields) == 0 && len(out.Denials) == 0:
		out.Leave(source.LeftOutNoPersonal)
	}
}

// unsubscribed reads llx_mailing_unsubscribe: an address that must not be
// written to. It creates a record of the address alone, because the objection
// has to bind everybody who has that address, also those who come later.
func (m *mapper) unsubscribed(r *record.Record, out *source.Row) {
	email := r.Text("email")
	out.Purpose = mailing
	out.Created, out.Modified = r.Time("date_creat"), r.Time("tms")
	if email == "" {
		out.Leave(source.LeftOutNoPersonal)
		return
	}
	out.Creates = true
	out.Add("email", email, subject.Observed, r.Column("email"))
	out.Denials = append(out.Denials, optOut(email, "mailing_unsubscribe", r.Column("email")))
	out.Denials[0].At = out.Created
}

func optOut(email string, rule domain.Name, column string) source.Denial {
	return source.Denial{
		Kind: source.Objection, Scope: source.Marketing, Purpose: mailing, Channel: subject.Email,
		Contact: email, Rule: rule, Column: column,
	}
}

// target reads llx_mailing_cibles. A target taken from a contact, member or
// third party is that record's; one from a file is a person of its own.
// Status 3 is an objection for the address, −1 is noted. The time of sending
// is not the time of the objection, which is unknown.
func (m *mapper) target(r *record.Record, out *source.Row) {
	out.Purpose, out.Acquired = mailing, subject.FromThirdParty
	out.Modified = r.Time("tms")
	email := r.Text("email")
	switch r.Text("statut") {
	case "3":
		out.Denials = append(out.Denials, optOut(email, "mailing_target_unsubscribed", r.Column("statut")))
	case "-1":
		out.Find(source.RuleSendError, "email", r.Column("statut"))
	}
	if m.erased(r) != "" {
		out.Leave(source.LeftOutErased)
		out.Denials = nil
		return
	}
	parent, staff := targetOf(r)
	if staff {
		out.Leave(source.LeftOutStaff)
		out.Denials = nil
		return
	}
	fate, known := m.parents[parent]
	switch {
	case known && (fate == "" || len(out.Denials) == 0 || fate == source.LeftOutErased):
		out.Person = parent
		m.child(out)
		return
	case !known && parent.ID != "" && len(out.Denials) == 0:
		out.Leave(source.LeftOutOrphan)
		return
	}
	// From a file, or an opt-out of somebody whose record does not come along:
	// the address keeps the objection.
	out.Creates = true
	m.names(r, out)
	out.Add("email", email, subject.ThirdParty, r.Column("email"))
	for i := range out.Fields {
		out.Fields[i].Class = subject.ThirdParty
	}
	m.decide(out, "")
}

// targetOf names the record that a target was taken from, if from one.
func targetOf(r *record.Record) (parent source.Key, staff bool) {
	id := r.ID("source_id")
	switch r.Text("source_type") {
	case "contact", "contacts", "socpeople":
		if id == "" {
			id = r.ID("fk_contact")
		}
		return source.Key{Table: contacts, ID: id}, false
	case "thirdparty", "societe", "company":
		return source.Key{Table: thirdParties, ID: id}, false
	case "member", "adherent":
		return source.Key{Table: members, ID: id}, false
	case "user":
		return source.Key{}, true
	case "":
		if id := r.ID("fk_contact"); id != "" {
			return source.Key{Table: contacts, ID: id}, false
		}
	}
	return source.Key{}, false
}

// agendaEntry reads llx_actioncomm: free text about dealings with somebody.
// It has no field and no purpose of its own, so it is counted and left out.
func (m *mapper) agendaEntry(r *record.Record, out *source.Row) {
	out.Created, out.Modified = r.Time("datec"), r.Time("tms")
	out.Person = source.Key{Table: contacts, ID: r.ID("fk_contact")}
	if out.Person.ID == "" {
		out.Person = source.Key{Table: thirdParties, ID: r.ID("fk_soc")}
	}
	m.child(out)
	if out.LeftOut == source.LeftOutNoPersonal {
		out.Leave(source.LeftOutAgenda)
		if r.Text("note") != "" {
			out.Find(source.RuleFreeText, "note", r.Column("note"))
		}
	}
}

// login reads llx_events: the log of who used the system, and from where.
func (m *mapper) login(r *record.Record, out *source.Row) {
	out.Created, out.Modified = r.Time("dateevent"), r.Time("tms")
	out.Person = source.Key{Table: users, ID: r.ID("fk_user")}
	out.Leave(source.LeftOutLogin)
	if r.Text("ip") != "" {
		out.Find(source.RuleLoginAddress, "ip.address", r.Column("ip"))
	}
}

// user reads llx_user: the staff, and the logins given to contacts.
func (m *mapper) user(r *record.Record, out *source.Row) {
	out.Created, out.Modified = r.Time("datec"), r.Time("tms")
	password(r, out)
	if r.ID("fk_soc", "fk_societe") != "" || r.ID("fk_socpeople") != "" {
		out.Leave(source.LeftOutExternalUser)
		return
	}
	out.Leave(source.LeftOutStaff)
}
