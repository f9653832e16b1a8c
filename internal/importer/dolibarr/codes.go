package dolibarr

import (
	"context"
	"strings"

	"lethe/domain"
	"lethe/internal/importer/record"
)

// mostCodes bounds a table of codes; Dolibarr ships under ten thousand rows.
const mostCodes = 100_000

// codes are what the tables of codes say, and the one thing that has to be
// known of members before third parties can be told apart.
type codes struct {
	countries   map[string]string // id → ISO 3166-1 alpha-2
	regions     map[string]string // id → name
	kinds       map[string]string // third-party type id → code
	memberTypes map[string]string // id → label
	// personal holds the third parties that a physical member is billed as.
	personal map[string]bool
}

func (s *Source) readCodes(ctx context.Context) error {
	c := &s.codes
	*c = codes{
		countries: map[string]string{}, regions: map[string]string{}, memberTypes: map[string]string{},
		kinds: map[string]string{ // as installed, for a file without the table
			"1": "TE_STARTUP", "2": "TE_GROUP", "3": "TE_MEDIUM", "4": "TE_SMALL", "5": "TE_ADMIN",
			"6": "TE_WHOLE", "7": "TE_RETAIL", "8": "TE_PRIVATE", "100": "TE_OTHER",
		},
		personal: map[string]bool{},
	}
	country := func(r *record.Record) {
		if code := strings.ToUpper(r.Text("code")); len(code) == 2 {
			c.countries[r.Text("rowid")] = code
		}
	}
	for _, t := range []struct {
		table string
		most  int
		read  func(*record.Record)
	}{
		{"c_pays", mostCodes, country},
		{"c_country", mostCodes, country},
		{"c_departements", mostCodes, func(r *record.Record) { c.regions[r.Text("rowid")] = r.Text("nom") }},
		{"c_typent", mostCodes, func(r *record.Record) { c.kinds[r.Text("id")] = r.Text("code") }},
		{"adherent_type", mostCodes, func(r *record.Record) { c.memberTypes[r.Text("rowid")] = r.Text("libelle") }},
		{"adherent", 0, func(r *record.Record) {
			if id := r.ID("fk_soc"); id != "" && !strings.EqualFold(r.Text("morphy"), "mor") {
				c.personal[id] = true
			}
		}},
	} {
		if err := s.dump.Each(ctx, s.prefix+t.table, t.most, t.read); err != nil {
			return err
		}
	}
	return nil
}

// country gives the text for the address and, if it is known, the place.
// The column holds a country's id; the oldest files hold its name.
func (c *codes) country(id string) (string, domain.Place) {
	code := c.countries[id]
	if code == "" && len(id) == 2 {
		code = strings.ToUpper(id)
	}
	if p := domain.Place(code); p.Valid() {
		return code, p
	}
	if strings.Trim(id, "0123456789") == "" {
		return "", "" // an id that the file does not explain
	}
	return id, ""
}

// language turns en_US into en-US; what is no language tag is dropped.
func language(code string) string {
	tag := domain.Language(strings.ReplaceAll(code, "_", "-"))
	if !tag.Valid() {
		return ""
	}
	return string(tag)
}
