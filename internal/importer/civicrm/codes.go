package civicrm

import (
	"context"
	"strings"

	"lethe/domain"
	"lethe/internal/importer/record"
)

// mostCodes bounds a table of codes; CiviCRM ships five thousand provinces.
const mostCodes = 100_000

// codes are what the tables of codes say, and each contact's country, which
// has to be known when the contact is registered but stands in another table.
type codes struct {
	countries map[string]string // id → ISO 3166-1 alpha-2
	provinces map[string]string // id → name
	options   map[string]string // group name + value → label
	mailing   map[string]bool   // groups that mail is sent to
	home      map[string]domain.Place
}

func (s *Source) readCodes(ctx context.Context) error {
	c := &s.codes
	*c = codes{
		countries: map[string]string{}, provinces: map[string]string{}, options: map[string]string{},
		mailing: map[string]bool{}, home: map[string]domain.Place{},
	}
	groups := map[string]string{}
	for _, t := range []struct {
		table string
		most  int
		read  func(*record.Record)
	}{
		{"civicrm_country", mostCodes, func(r *record.Record) { c.countries[r.Text("id")] = r.Text("iso_code") }},
		{"civicrm_state_province", mostCodes, func(r *record.Record) { c.provinces[r.Text("id")] = r.Text("name") }},
		{"civicrm_option_group", mostCodes, func(r *record.Record) { groups[r.Text("id")] = r.Text("name") }},
		{"civicrm_option_value", mostCodes, func(r *record.Record) {
			c.options[groups[r.Text("option_group_id")]+"\x00"+r.Text("value")] = r.Text("label")
		}},
		{"civicrm_group", mostCodes, func(r *record.Record) {
			// the types are a list between \x01; 2 is "mailing list"
			c.mailing[r.Text("id")] = strings.Contains(r.Text("group_type"), "\x012\x01") || r.Text("group_type") == "2"
		}},
		{string(addresses), 0, func(r *record.Record) {
			p, id := domain.Place(c.countries[r.Text("country_id")]), r.ID("contact_id")
			if p.Valid() && id != "" && (r.Flag("is_primary") || c.home[id] == "") {
				c.home[id] = p
			}
		}},
	} {
		if err := s.dump.Each(ctx, t.table, t.most, t.read); err != nil {
			return err
		}
	}
	return nil
}

// option is the label of a value of an option group.
func (c *codes) option(group, value string) string {
	if value == "" {
		return ""
	}
	return c.options[group+"\x00"+value]
}

// gender is by the label; the shipped values serve a file without the table.
func (c *codes) gender(value string) string {
	switch label := strings.ToLower(c.option("gender", value)); {
	case label == "female" || label == "" && value == "1":
		return "female"
	case label == "male" || label == "" && value == "2":
		return "male"
	case value == "":
		return ""
	}
	return "other"
}

// phoneField is the field that a type of phone is for.
func (c *codes) phoneField(value string) domain.Name {
	switch label := strings.ToLower(c.option("phone_type", value)); {
	case label == "mobile" || label == "" && value == "2":
		return "phone.mobile"
	case label == "fax" || label == "" && value == "3":
		return "phone.fax"
	}
	return "phone"
}
