package csvfile_test

import (
	"context"
	"encoding/csv"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/text/encoding/charmap"

	"lethe/domain"
	"lethe/domain/subject"
	"lethe/internal/importer/csvfile"
	"lethe/internal/importer/source"
	"lethe/internal/importer/sourcetest"
	"lethe/internal/testenv"
)

const plain = `version: 1
system: test
table: people
key: [id]
fields:
  - {column: name, field: name.full, class: provided}
`

func mapping(t testing.TB, text string) *csvfile.Mapping {
	t.Helper()
	m, err := csvfile.ParseMapping(strings.NewReader(text))
	require.NoError(t, err)
	return m
}

func open(t testing.TB, text, m string) *csvfile.Source {
	t.Helper()
	s, err := csvfile.Open(context.Background(), strings.NewReader(text), int64(len(text)), mapping(t, m))
	require.NoError(t, err)
	return s
}

func collect(t testing.TB, text, m string) []*source.Row {
	t.Helper()
	return sourcetest.Collect(t, open(t, text, m), source.Place{})
}

// show is a row's values; the test's own.
func show(r *source.Row) string {
	var b strings.Builder
	for _, f := range r.Fields {
		fmt.Fprintf(&b, "%s=%s ", f.Name, f.Text)
	}
	return strings.TrimSpace(b.String())
}

func TestHowFilesAreWritten(t *testing.T) {
	want := []string{"name.full=Zoé; \"Z\"", "name.full=two\nlines", "name.full=Müller"}
	for name, text := range map[string]string{
		"comma":              "id,name\n1,\"Zoé; \"\"Z\"\"\"\n2,\"two\nlines\"\n3,Müller\n",
		"semicolon":          "id;name\r\n1;\"Zoé; \"\"Z\"\"\"\r\n2;\"two\nlines\"\r\n3;Müller\r\n",
		"tab, no last end":   "id\tname\n1\t\"Zoé; \"\"Z\"\"\"\n2\t\"two\nlines\"\n3\tMüller",
		"bar":                "id|name\n1|\"Zoé; \"\"Z\"\"\"\n2|\"two\nlines\"\n3|Müller\n",
		"mark":               "\ufeffid,name\n1,\"Zoé; \"\"Z\"\"\"\n2,\"two\nlines\"\n3,Müller\n",
		"western":            "id,name\n1,\"Zo\xe9; \"\"Z\"\"\"\n2,\"two\nlines\"\n3,M\xfcller\n",
		"trailing separator": "id;name;\n1;\"Zoé; \"\"Z\"\"\";\n2;\"two\nlines\";\n3;Müller;\n",
		"trailing, not head": "id;name\n1;\"Zoé; \"\"Z\"\"\";\n2;\"two\nlines\";\n3;Müller;\n",
		"empty lines":        "\n\nid,name\n\n1,\"Zoé; \"\"Z\"\"\"\n\n2,\"two\nlines\"\n3,Müller\n\n",
		"other case":         "ID , NAME\n1,\"Zoé; \"\"Z\"\"\"\n2,\"two\nlines\"\n3,Müller\n",
	} {
		t.Run(name, func(t *testing.T) {
			s := open(t, text, plain)
			sourcetest.Run(t, s)
			rows := sourcetest.Collect(t, s, source.Place{})
			require.Len(t, rows, 3)
			for i, r := range rows {
				require.Empty(t, r.Refusals)
				require.Equal(t, want[i], show(r))
			}
		})
	}
}

func TestOneWesternValueFarDownDecidesForTheFile(t *testing.T) {
	text := "id,name\n" + strings.Repeat("1,plain\n", 50_000) + "2,caf\xe9\n"
	rows := collect(t, text, plain)
	require.Equal(t, "name.full=café", show(rows[len(rows)-1]))
}

func TestRepeatedHeadersGoByPosition(t *testing.T) {
	text := "id,Zip,Name,Zip\n1,1010,A,2020\n"
	_, err := csvfile.Open(context.Background(), strings.NewReader(text), int64(len(text)), mapping(t, strings.Replace(plain, "column: name", "column: Zip", 1)))
	require.ErrorContains(t, err, "line 6: the file has several columns of this name (the 2. and the 4.)")
	rows := collect(t, text, strings.Replace(plain, "column: name", "column: 4", 1))
	require.Equal(t, "name.full=2020", show(rows[0]))
}

func TestFileWithoutHeader(t *testing.T) {
	m := strings.NewReplacer("key: [id]", "key: [1]\nfile: {header: false}", "column: name", "column: 2").Replace(plain)
	rows := collect(t, "7,A\n8,B\n", m)
	require.Len(t, rows, 2)
	require.Equal(t, "name.full=A", show(rows[0]))
	require.Equal(t, "7", rows[0].Key)
}

func TestFilesThatAreRefused(t *testing.T) {
	for want, text := range map[string]string{
		"csv.truncated":          "id,name\n1,\"open",
		"csv.quote":              "id,name\n1,\"a\"b\n",
		"csv.empty":              "\n\n",
		"csv.encoding":           "\xff\xfei\x00d\x00",
		"csv.limit":              "id,name\n1," + strings.Repeat("x", 1<<20+1) + "\n",
		"mapping.missing_column": "id,other\n1,x\n",
	} {
		s, err := csvfile.Open(context.Background(), strings.NewReader(text), int64(len(text)), mapping(t, plain))
		if err == nil {
			for _, err = range s.Rows(context.Background(), source.Place{}) {
			}
		}
		e, ok := domain.AsError(err)
		require.True(t, ok, "%s: %v", want, err)
		require.Equal(t, want, e.Code)
		if want == "mapping.missing_column" {
			require.Contains(t, e.Error(), "the mapping's line ")
			require.Contains(t, e.Error(), " names a column the file does not have")
		}
	}
}

const rich = `version: 1
system: shop
table: customers
file: {backslash_newlines: true}
key: [a, b]
secret: [pw]
optional: [nosuch]
purpose: customer.service
acquired: from_person
jurisdiction: DE
jurisdiction_column: land
jurisdiction_values: {Austria: AT}
created: {column: made, date: "YYYY-MM-DD HH:mm:ss"}
fields:
  - {column: name, field: name.full, class: provided, none: ["-"]}
  - {column: born, field: birth.date, class: provided, date: D.M.YYYY}
  - {column: sum, field: purchase.amount, class: observed, decimal: ",", group: ".", currency: EUR, purpose: accounting}
  - {column: sex, field: gender, class: provided, values: {F: female, M: male}}
  - {column: mails, field: email, class: provided, split: "|", case: lower}
  - {column: card, field: payment.card, class: provided}
  - {column: nosuch, field: phone, class: provided}
denials:
  - {when: [{column: no, in: [X]}], kind: objection, scope: marketing, purpose: marketing.email, channel: email, contact: mails, at: {column: no_at, date: YYYY-MM-DD}, rule: shop_no}
consents:
  - when: [{column: yes, in: ["1"]}]
    purpose: marketing.email
    version: 2
    notice: 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08
    language: de
    medium: web
    method: checkbox
    channels: [email]
    at: {column: yes_at, date: YYYY-MM-DD}
    evidence: [yes_ip]
left_out:
  - {when: [{column: kind, in: [Firm]}], rule: organisation}
findings:
  - {when: [{column: pw, is: present}], rule: plaintext_password, field: account.username}
`

const richHeader = "a,b,pw,land,made,name,born,sum,sex,mails,card,no,no_at,yes,yes_at,yes_ip,kind\n"

func richRow(t *testing.T, values map[string]string) *source.Row {
	t.Helper()
	cells := []string{}
	for _, c := range strings.Split(strings.TrimSpace(richHeader), ",") {
		v := values[c]
		if c == "a" && v == "" {
			v = "1"
		}
		cells = append(cells, `"`+v+`"`)
	}
	rows := collect(t, richHeader+strings.Join(cells, ",")+"\n", rich)
	require.Len(t, rows, 1)
	return rows[0]
}

func TestValues(t *testing.T) {
	r := richRow(t, map[string]string{
		"a": "k", "b": "l", "pw": "geheim", "land": " austria", "made": "2020-01-02 03:04:05", "name": `x\ny`, "born": "3.4.1980",
		"sum": "-1.234,50", "sex": "f", "mails": "A@example.org | b@example.org", "card": "4111111111111111",
	})
	require.Equal(t, "name.full=x\ny birth.date=1980-04-03 purchase.amount=-1234.50 EUR gender=female email=a@example.org email=b@example.org payment.card=4111111111111111", show(r))
	require.Equal(t, "k\x1fl", r.Key)
	require.Equal(t, domain.Place("AT"), r.Jurisdiction)
	require.Equal(t, subject.FromPerson, r.Acquired)
	require.Equal(t, domain.Name("customer.service"), r.Purpose)
	require.Equal(t, domain.Name("accounting"), r.Fields[2].Purpose)
	require.Equal(t, time.Date(2020, 1, 2, 3, 4, 5, 0, time.UTC), r.Created)
	require.Equal(t, []source.Finding{{Field: "account.username", Column: "pw", Rule: "plaintext_password"}}, r.Findings)
	require.NotContains(t, r.Raw, "geheim")

	for column, bad := range map[string]struct {
		value string
		rule  domain.Name
		field domain.Name
	}{
		"born": {"1980-04-03", source.RuleDate, "birth.date"},
		"sum":  {"1.234.5", source.RuleDecimal, "purchase.amount"},
		"sex":  {"x", source.RuleValue, "gender"},
	} {
		r := richRow(t, map[string]string{column: bad.value})
		if column == "sum" {
			r = richRow(t, map[string]string{column: "12,3,4"})
		}
		require.Equal(t, []source.Finding{{Field: bad.field, Column: column, Rule: bad.rule}}, r.Refusals)
	}
	r = richRow(t, map[string]string{"card": "5.54563E+15", "name": "-", "mails": "a@example.org"})
	require.Equal(t, []source.Finding{{Field: "payment.card", Column: "card", Rule: source.RuleDamaged}}, r.Findings)
	require.Equal(t, "email=a@example.org", show(r))
	require.Equal(t, domain.Place("DE"), r.Jurisdiction)
	require.Equal(t, source.LeftOutNoPersonal, richRow(t, nil).LeftOut)
	firm := richRow(t, map[string]string{"name": "x", "kind": "firm", "no": "x"})
	require.Equal(t, source.LeftOutOrganisation, firm.LeftOut)
	require.Empty(t, firm.Fields)
}

func TestYesAndNo(t *testing.T) {
	yes := map[string]string{"mails": "a@example.org", "yes": "1", "yes_at": "2020-01-01", "yes_ip": "192.0.2.1"}
	with := func(extra map[string]string) *source.Row {
		all := map[string]string{}
		for _, m := range []map[string]string{yes, extra} {
			for k, v := range m {
				all[k] = v
			}
		}
		return richRow(t, all)
	}
	r := with(nil)
	require.Len(t, r.Consents, 1)
	k := r.Consents[0]
	require.Equal(t, domain.Name("marketing.email"), k.Purpose)
	require.Equal(t, uint32(2), k.Version)
	require.Equal(t, "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08", k.Notice.String())
	require.Equal(t, []subject.Channel{subject.Email}, k.Channels)
	require.Equal(t, "yes_ip=192.0.2.1", k.Evidence)
	require.Equal(t, time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC), k.At)

	for _, missing := range []map[string]string{{"yes_at": ""}, {"yes_at": "soon"}, {"yes_ip": ""}} {
		r := with(missing)
		require.Empty(t, r.Consents)
		require.Equal(t, source.RuleWeakConsent, r.Findings[0].Rule)
	}
	require.Empty(t, with(map[string]string{"yes": "perhaps"}).Consents)

	dated := with(map[string]string{"no": "x", "no_at": "2021-01-01"})
	require.Len(t, dated.Consents, 1, "both are events when their order is known")
	require.Equal(t, []source.Denial{{
		Kind: source.Objection, Scope: source.Marketing, Purpose: "marketing.email", Channel: subject.Email, Contact: "a@example.org",
		At: time.Date(2021, 1, 1, 0, 0, 0, 0, time.UTC), Rule: "shop_no", Column: "no",
	}}, dated.Denials)
	undated := with(map[string]string{"no": "x"})
	require.Empty(t, undated.Consents)
	require.Len(t, undated.Denials, 1)
	require.Equal(t, source.RuleConsentAndDenial, undated.Conflicts[0].Rule)
	require.Equal(t, source.RuleDate, with(map[string]string{"no": "x", "no_at": "?"}).Refusals[0].Rule)
}

func TestRowsThatAreRefused(t *testing.T) {
	rows := collect(t, "id,name\n1\n,x\n1,x,y\n2,ok\n", plain)
	require.Equal(t, []string{"people: 1 read 4, 2 creates 1, 4 refused column_count 2, 4 refused key_missing 1"}, sourcetest.Summary(rows))
	require.Equal(t, []string{"1", "x", "y"}, rows[2].Raw)
	require.Equal(t, int64(4), rows[2].Line)
}

func TestMappingErrorsNameLineAndField(t *testing.T) {
	for _, c := range []struct{ from, to, line, field string }{
		{"version: 1", "version: 2", "line 1", "version"},
		{"system: test", "system: Test", "line 2", "system"},
		{"key: [id]", "key: []", "line 3", "key"},
		{"key: [id]", "keys: [id]", "line 4", "keys"},
		{"class: provided", "class: given", "line 6", "fields[0].class"},
		{"class: provided", "class: provided, date: DD/MM/YY", "line 6", "fields[0].date"},
		{"class: provided", "class: provided, decimal: ';'", "line 6", "fields[0].decimal"},
		{"class: provided", "class: provided, currency: EUR", "line 6", "fields[0].decimal"},
		{"class: provided", "class: provided, group: ','", "line 6", "fields[0].group"},
		{"class: provided", "class: provided, when: [{column: x}]", "line 6", "fields[0].when[0]"},
		{"class: provided", "class: provided, when: [{column: x, is: maybe}]", "line 6", "fields[0].when[0].is"},
		{"column: name", "column: [name]", "line 6", "map"},
		{"column: name", "column: 0", "line 6", "map"},
		{"column: name, ", "", "fields[0].column", "fields[0].column"},
		{"name.full", "Name", "line 6", "fields[0].field"},
		{"key: [id]", "key: [id]\njurisdiction: Germany", "line 5", "jurisdiction"},
		{"key: [id]", "key: [id]\nfile: {delimiter: x}", "line 5", "file.delimiter"},
		{"key: [id]", "key: [id]\nacquired: bought", "line 5", "acquired"},
		{"key: [id]", "key: [id]\nkey: [id]", "line 5", "map"},
		{"key: [id]", "key: [id]\ndenials: [{rule: x, kind: objection, scope: marketing}]", "line 5", "denials[0].when"},
		{"key: [id]", "key: [id]\ndenials: [{rule: x, always: true, kind: no, scope: marketing}]", "line 5", "denials[0].kind"},
		{"key: [id]", "key: [id]\ndenials: [{rule: x, always: true, kind: refusal, scope: marketing}]", "denials[0].purpose", "denials[0].purpose"},
		{"key: [id]", "key: [id]\nleft_out: [{rule: x}]", "line 5", "left_out[0].when"},
		{"fields:", "fieldz:", "line 5", "fieldz"},
	} {
		text := strings.Replace(plain, c.from, c.to, 1)
		require.NotEqual(t, plain, text)
		_, err := csvfile.ParseMapping(strings.NewReader(text))
		e, ok := domain.AsError(err)
		require.True(t, ok, "%s: %v", c.to, err)
		require.Equal(t, c.field, e.Field, "%s: %v", c.to, err)
		require.Contains(t, e.Message, c.line, c.to)
	}
	for _, text := range []string{"", "- 1\n", plain + "---\nversion: 1\n", "{", strings.Repeat("#", 1<<20+1)} {
		_, err := csvfile.ParseMapping(strings.NewReader(text))
		_, ok := domain.AsError(err)
		require.True(t, ok)
	}
}

func TestConsentNeedsAllOfItsEvidence(t *testing.T) {
	for _, line := range []string{
		"    version: 2\n", "    notice: 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08\n", "    language: de\n",
		"    medium: web\n", "    method: checkbox\n", "    at: {column: yes_at, date: YYYY-MM-DD}\n", "    evidence: [yes_ip]\n",
		"    purpose: marketing.email\n",
	} {
		text := strings.Replace(rich, line, "", 1)
		require.NotEqual(t, rich, text)
		_, err := csvfile.ParseMapping(strings.NewReader(text))
		e, ok := domain.AsError(err)
		require.True(t, ok)
		require.Contains(t, e.Field, "consents[0]")
	}
}

func FuzzFile(f *testing.F) {
	f.Add("id,name\n1,\"a\"\"b\"\n2,x\n")
	f.Add("\ufeffid;name;\r\n1;\"two\nlines\";\r\n")
	f.Add("id\tname\n1\tcaf\xe9")
	m := mapping(f, plain)
	f.Fuzz(func(t *testing.T, text string) {
		s, err := csvfile.Open(context.Background(), strings.NewReader(text), int64(len(text)), m)
		if err != nil {
			return
		}
		n := 0
		for row, err := range s.Rows(context.Background(), source.Place{}) {
			if err != nil {
				break
			}
			if n++; row.Number != n || len(row.Fields) > 1 || row.LeftOut != "" && row.Creates {
				t.Fatalf("row %d is malformed", n)
			}
		}
	})
}

func FuzzMapping(f *testing.F) {
	f.Add(plain)
	f.Add(rich)
	f.Fuzz(func(t *testing.T, text string) {
		m, err := csvfile.ParseMapping(strings.NewReader(text))
		if (m == nil) == (err == nil) {
			t.Fatal("a mapping or an error, not both or neither")
		}
		if _, ok := domain.AsError(err); err != nil && !ok {
			t.Fatalf("not an error for the user: %v", err)
		}
	})
}

func BenchmarkRows(b *testing.B) {
	text := richHeader + strings.Repeat("1,2,,Austria,2020-01-02 03:04:05,Some Name,3.4.1980,\"1,5\",f,a@example.org,4111111111111111,,,,,,\n", 10000)
	s := open(b, text, rich)
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		for _, err := range s.Rows(context.Background(), source.Place{}) {
			require.NoError(b, err)
		}
	}
}

func exampleMapping(t *testing.T, name string) *csvfile.Mapping {
	t.Helper()
	r, err := os.Open(filepath.Join("..", "..", "..", "docs", "examples", "mappings", name))
	require.NoError(t, err)
	defer r.Close()
	m, err := csvfile.ParseMapping(r)
	require.NoError(t, err)
	return m
}

func TestEveryExampleMappingIsValid(t *testing.T) {
	files, err := filepath.Glob(filepath.Join("..", "..", "..", "docs", "examples", "mappings", "*.yaml"))
	require.NoError(t, err)
	require.GreaterOrEqual(t, len(files), 9)
	for _, f := range files {
		exampleMapping(t, filepath.Base(f))
	}
}

func TestExampleMappingsOnMadeUpFiles(t *testing.T) {
	for _, c := range []struct{ mapping, text, want string }{
		{
			"brevo-contacts.yaml",
			"CONTACT ID;EMAIL;FIRSTNAME;LASTNAME;SMS;EMAIL_BLACKLISTED;SMS_BLACKLISTED;ADDED_TIME\n1;a@example.org;A;B;4912345;true;false;31-12-2023\n2;b@example.org;A;B;4912345;false;true;31-12-2023\n",
			"contacts: 1 read 2, 2 creates 2, 5 denial brevo_email_blacklisted 1, 5 denial brevo_sms_blacklisted 1",
		},
		{
			"mailchimp-unsubscribed.yaml",
			"Email Address,OPTIN_TIME,LAST_CHANGED,LEID,UNSUB_TIME\na@example.org,,2020-01-01 00:00:00,1,2020-01-01 00:00:00\n",
			"members: 1 read 1, 2 creates 1, 5 denial mailchimp_unsubscribed 1",
		},
		{
			"mautic-leads.yaml",
			"title,firstname,lastname,city,address1,state,zipcode,country,email,phone,company,website,ip,donotcontact\nMr,A,B,C,D,,1,Australia,a@example.org,1,c,w,192.0.2.1,1\nMr,A,B,C,D,,1,Australia,b@example.org,1,c,w,192.0.2.1,2\n",
			"leads: 1 read 2, 2 creates 2, 5 denial mautic_do_not_contact 1, 8 finding address_bounced 1",
		},
	} {
		m := exampleMapping(t, c.mapping)
		s, err := csvfile.Open(context.Background(), strings.NewReader(c.text), int64(len(c.text)), m)
		require.NoError(t, err)
		require.Equal(t, []string{c.want}, sourcetest.Summary(sourcetest.Collect(t, s, source.Place{})))
	}
}

// The export's header is the facts table's, in both languages; the row is made
// up. As written by an office in France: semicolons, ISO-8859-1, a separator at
// the end, line ends as two characters.
func TestDolibarrContactExport(t *testing.T) {
	dir := testenv.TestData(t)
	facts := collectFacts(t, filepath.Join(dir, "dolibarr", "export-columns-22.0.4.csv"))
	values := map[string]string{
		"c.rowid": "7", "c.civility": "MME", "c.lastname": "Dupré", "c.firstname": "Zoé", "c.poste": "Chef", "c.priv": "0",
		"c.address": `1 rue\nbât. B`, "c.zip": "75001", "c.town": "Paris", "d.nom": "Paris", "co.label": "France", "co.code": "FR",
		"c.phone": "01", "c.fax": "02", "c.phone_mobile": "03", "c.email": "zoe@example.org", "c.note_private": "n",
		"s.nom": "Essai SARL", "s.address": "9 rue", "s.zip": "99", "s.town": "Lyon", "s.email": "info@example.org", "s.phone": "09",
	}
	const want = "name.title=MME name.family=Dupré name.given=Zoé job.title=Chef address.street=1 rue\nbât. B address.postcode=75001 " +
		"address.city=Paris address.region=Paris address.country=FR phone=01 phone.fax=02 phone.mobile=03 email=zoe@example.org note=n company.name=Essai SARL"
	for _, lang := range []string{"en_US", "fr_FR"} {
		var head, row string
		for _, f := range facts["ExportDataset_company_2,"+lang] {
			head += f[1] + ";"
			row += values[f[0]] + ";"
		}
		require.NotEmpty(t, head)
		text, err := charmap.ISO8859_1.NewEncoder().String(head + "\n" + row + "\n" + strings.Replace(row, "Dupré", "MAKEANONYMOUS", 1) + "\n")
		require.NoError(t, err)
		s, err := csvfile.Open(context.Background(), strings.NewReader(text), int64(len(text)), exampleMapping(t, "dolibarr-contacts.yaml"))
		require.NoError(t, err)
		rows := sourcetest.Collect(t, s, source.Place{})
		require.Equal(t, want, show(rows[0]))
		require.Equal(t, domain.Place("FR"), rows[0].Jurisdiction)
		require.Equal(t, source.LeftOutErased, rows[1].LeftOut)
	}
}

// collectFacts groups the facts table's (SQL field, header) by data set and language.
func collectFacts(t *testing.T, path string) map[string][][2]string {
	t.Helper()
	b, err := os.ReadFile(path)
	require.NoError(t, err)
	records, err := csv.NewReader(strings.NewReader(string(b))).ReadAll()
	require.NoError(t, err)
	out := map[string][][2]string{}
	for _, r := range records[1:] {
		out[r[0]+","+r[1]] = append(out[r[0]+","+r[1]], [2]string{r[3], r[5]})
	}
	return out
}

func TestExampleMappingsOnSharedFiles(t *testing.T) {
	dir := testenv.TestData(t)
	for _, c := range []struct{ mapping, file, want string }{
		{"identities.yaml", "presidio/FakeNameGenerator.com_3000.csv", "identities: 1 read 3000, 2 creates 3000, 8 finding damaged_by_spreadsheet 3093, 8 finding plaintext_password 3000"},
		{"mautic-leads.yaml", "mautic/fakeleaddata.csv", "leads: 1 read 54, 2 creates 50, 3 left out no_key 4"},
		{"crm-users.yaml", "saas-crm/users.csv", "users: 1 read 1000, 2 creates 1000, 8 finding account_deactivated 45"},
		{"crm-purchases.yaml", "saas-crm/purchases.csv", "purchases: 1 read 1000, 2 adds 964, 3 left out purchase_failed 36"},
		{"mailchimp-subscribed.yaml", "mailchimp/export-sample-honey_format.csv", "members: 1 read 1, 2 creates 1, 8 finding added_by_import 1"},
		{"mailchimp-subscribed.yaml", "mailchimp/export-sample-presets-mailchimp.csv", "members: 1 read 1, 2 creates 1, 8 finding opt_in_without_notice 1"},
	} {
		t.Run(c.file, func(t *testing.T) {
			r, err := os.Open(filepath.Join(dir, c.file))
			require.NoError(t, err)
			defer r.Close()
			info, err := r.Stat()
			require.NoError(t, err)
			s, err := csvfile.Open(context.Background(), r, info.Size(), exampleMapping(t, c.mapping))
			require.NoError(t, err)
			require.Equal(t, []string{c.want}, sourcetest.Summary(sourcetest.Collect(t, s, source.Place{})))
			sourcetest.Run(t, s)
		})
	}
}
