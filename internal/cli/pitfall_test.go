package cli_test

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"lethe/internal/canary"
	"lethe/internal/cli"
	"lethe/internal/demodata"
	"lethe/internal/starter"
	"lethe/internal/testenv"
)

// Personal values, whatever way they come in, and refused or not, come out
// through the door alone: no log line of any level, no error, no metric, no
// answer to a write repeats one. Every operation there is was tried.
func TestPitfall12LogsAndErrors(t *testing.T) {
	c := &canaries{}
	l := start(t, filepath.Join(t.TempDir(), "data"), "--log-level", "debug", "--anonymous-rate", "0")
	var errorsSeen, answers strings.Builder
	l.seen = func(status int, body string) {
		if status >= 400 {
			errorsSeen.WriteString(body + "\n")
		} else {
			answers.WriteString(body + "\n")
		}
	}
	l.officer()
	name, person := c.populate(l)
	found := c.search(t, "an answer to a write", answers.String())
	for _, path := range l.reads(person) {
		l.do("GET", path, "")
	}
	require.Empty(t, l.untried(), "operations that this test does not try yet: give each a request with canaries where it takes a text")

	answers.Reset()
	shown := l.do("GET", "/v1/subjects/"+person+"?purpose=customer.service", "").ok()
	require.Contains(t, shown.body, name, "the door opens it")
	require.NotEmpty(t, c.search(t, "the door", answers.String()), "and what is there is found")
	metrics, err := http.Get(l.metrics) //nolint:noctx // a test's own server
	require.NoError(t, err)
	counted, err := io.ReadAll(metrics.Body)
	require.NoError(t, err)
	require.NoError(t, metrics.Body.Close())
	require.Contains(t, string(counted), "lethe_http_request_seconds")
	require.Zero(t, l.end())

	log := l.log.String()
	require.Contains(t, log, "level=DEBUG", "there are such lines")
	require.NotEmpty(t, errorsSeen.String())
	found = append(found, c.search(t, inError, errorsSeen.String())...)
	found = append(found, c.search(t, "the log", log)...)
	found = append(found, c.search(t, "the metrics", string(counted))...)
	require.Empty(t, found)
	require.Greater(t, len(c.made), 100, "as many ways in were tried")
}

// reads are the addresses that tell of a person, or of everybody, without
// opening a value.
func (l *live) reads(token string) []string {
	at := "/v1/subjects/" + token
	event := l.do("GET", at+"/history", "").ok()
	id := regexp.MustCompile(`"event":"([^"]+)"`).FindStringSubmatch(event.body)
	require.NotNil(l.t, id, event.body)
	return []string{
		at + "/history", at + "/history?by=effective", at + "/consents", at + "/accesses", at + "/erasure",
		at + "/changes?from=2020-01-01T00:00:00Z", at + "/may-process?purpose=marketing.sms", at + "/consents/marketing.sms/receipt",
		at + "/consents/marketing.sms/receipt?format=kantara",
		"/v1/events", "/v1/purposes/marketing.sms/consents", "/v1/purposes/marketing.sms/totals",
		"/v1/purposes/marketing.sms/changes?from=2020-01-01T00:00:00Z", "/v1/imports", "/v1/imports/" + id[1],
		"/v1/status", "/v1/projections", "/v1/log", "/v1/log/keys", "/v1/log/checkpoints", "/v1/proofs/consistency?from=1",
		"/v1/events/" + id[1] + "/proof", "/v1/streams/subject-" + token + "/0/proof", "/tile/entries/000", "/tile/0/000", "/checkpoint", "/log-keys",
		"/v1/tokens", "/v1/erasures", "/v1/holds", at + "/holds",
		"/v1/catalogue/fields/email", "/v1/catalogue/purposes", "/v1/catalogue/purposes/marketing.sms",
		"/v1/catalogue/controllers", "/v1/catalogue/controllers/nobody", "/v1/catalogue/recipients", "/v1/catalogue/recipients/nobody",
		"/v1/catalogue/notices",
	}
}

// untried are the operations of the API that no request was made to.
func (l *live) untried() (list []string) {
	l.t.Helper()
	var description struct {
		Paths map[string]map[string]any `json:"paths"`
	}
	require.NoError(l.t, json.Unmarshal([]byte(l.do("GET", "/openapi.json", "").ok().body), &description))
	require.Greater(l.t, len(description.Paths), 40)
	parameter := regexp.MustCompile(`\\\{[^/]*\\\}`)
	for path, methods := range description.Paths {
		like := regexp.MustCompile("^" + parameter.ReplaceAllString(regexp.QuoteMeta(path), "[^/]+") + "$")
		for method := range methods {
			tried := false
			for _, r := range l.asked {
				m, p, _ := strings.Cut(r, " ")
				tried = tried || strings.EqualFold(m, method) && like.MatchString(p)
			}
			if !tried {
				list = append(list, strings.ToUpper(method)+" "+path)
			}
		}
	}
	return list
}

// Every file and table holds ciphertext only, while the ledger runs and
// after, and so do its backups and the evidence it gives out.
func TestPitfall09CiphertextAtRestEverywhere(t *testing.T) {
	root := t.TempDir()
	dir := filepath.Join(root, "data")
	backups := []string{filepath.Join(root, "ledger"), filepath.Join(root, "keys")}
	c := &canaries{}
	l := start(t, dir, "--ledger-to", backups[0], "--keys-to", backups[1])
	l.officer()
	name, person := c.populate(l)
	c.customers(l, 60)
	require.Contains(t, l.do("POST", "/v1/backups", "").ok().body, `"made"`)
	require.Contains(t, l.do("GET", "/v1/subjects/"+person+"?purpose=customer.service", "").ok().body, name)
	evidence := filepath.Join(root, "evidence.zip")
	require.NoError(t, os.WriteFile(evidence, []byte(l.do("POST", "/v1/subjects/"+person+"/bundle", `{}`).ok().body), 0o600))

	places := append(backups, dir, evidence)
	found, _ := c.scan(t, places...)
	require.Empty(t, found, "while it runs")
	require.Zero(t, l.end())
	found, files := c.scan(t, places...)
	require.Empty(t, found, "after it ended")
	require.Greater(t, files, 40)

	// What lies in clear is found: the same search, with one value left behind.
	require.NoError(t, os.WriteFile(filepath.Join(dir, "views", "left"), []byte(base64.StdEncoding.EncodeToString([]byte("x"+name))), 0o600))
	found, _ = c.scan(t, dir)
	require.Len(t, found, 1)
}

// customers imports made-up ones. All that is telling in their file is a canary.
func (c *canaries) customers(l *live, people int) (addresses []string) {
	l.t.Helper()
	var file strings.Builder
	require.NoError(l.t, demodata.WriteCSV(&file, demodata.Options{People: people, Seed: 7}))
	a := l.imported("csv", demodata.Mapping(), "customers.csv", file.String()).ok()
	require.Contains(l.t, a.body, `"report"`)
	rows, err := csv.NewReader(strings.NewReader(file.String())).ReadAll()
	require.NoError(l.t, err)
	telling := []string{"given_name", "family_name", "birth_date", "email", "phone", "mobile", "company", "job_title", "street", "city", "note"}
	for _, row := range rows[1:] {
		for i, cell := range row {
			if cell = strings.TrimSpace(cell); len(cell) < canary.MinValue || !slices.Contains(telling, rows[0][i]) {
				continue
			}
			c.made = append(c.made, cell)
			if rows[0][i] == "email" {
				addresses = append(addresses, cell)
			}
		}
	}
	require.Greater(l.t, len(addresses), people/2)
	return addresses
}

// The same with the dumps of real CRMs: no address in them lies anywhere.
func TestPitfall09ForeignDumps(t *testing.T) {
	dumps := map[string]string{"dolibarr-sql": "dolibarr/mysqldump_dolibarr_9.0.0.sql", "civicrm-sql": "civicrm/civicrm_generated-2026-03.mysql"}
	dir := filepath.Join(t.TempDir(), "data")
	l := start(t, dir)
	l.officer()
	l.do("POST", "/v1/catalogue", starter.Text(), "Content-Type", "application/yaml").ok()
	c := &canaries{}
	address := regexp.MustCompile(`[A-Za-z0-9._%+-]+@[A-Za-z0-9.-]+\.[a-z]{2,}`)
	for format, file := range dumps {
		content, err := os.ReadFile(testenv.TestData(t, file))
		require.NoError(t, err)
		require.Contains(t, l.imported(format, "", "dump.sql", string(content)).ok().body, `"report"`)
		c.made = append(c.made, address.FindAllString(string(content), -1)...)
	}
	slices.Sort(c.made)
	c.made = slices.Compact(c.made)
	require.Greater(t, len(c.made), 200)
	require.Zero(t, l.end())
	found, _ := c.scan(t, dir)
	require.Empty(t, found)
	require.Empty(t, c.search(t, "the log", l.log.String()))
}

// What tells of a person to whoever audits holds the pseudonym only; and after
// an erasure nothing that can be asked of the ledger, by whatever right, gives
// anything of the person, while another's data still reads.
func TestPitfall13AuditRowsKeepPseudonymsOnly(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	l := start(t, dir, "--evidence-retention", "none")
	l.officer()
	c, other := &canaries{}, &canaries{}
	c.catalogue(l)
	first := len(c.made)
	name, person := c.person(l)
	c.consents(l, person)
	other.made = []string{"of somebody else"}
	kept, bystander := other.person(l)
	c.made = c.made[first:]

	opened := l.exports(person)
	require.NotEmpty(t, c.search(t, "what opens", opened.byDoor), "before the erasure it is there to be found")
	require.Empty(t, c.search(t, "what audits", opened.audit))
	require.Contains(t, opened.audit, person)
	require.Contains(t, opened.audit, `"sealed":[`, "the feed of events is among it")

	l.erase(`{"everything": true}`, person)
	after := l.exports(person)
	require.Empty(t, c.search(t, "what opens", after.byDoor))
	require.Empty(t, c.search(t, "what audits", after.audit))
	require.NotContains(t, after.byDoor, name)
	require.Contains(t, after.audit, "ErasureCompleted")
	require.Contains(t, after.audit, person, "what happened is still told")
	require.Contains(t, l.exports(bystander).byDoor, kept)
	require.Zero(t, l.end())
	found, _ := c.scan(t, dir)
	require.Empty(t, found)
}

// exported is all that can be asked about a person: what opens values and what
// does not.
type exported struct{ byDoor, audit string }

func (l *live) exports(token string) (e exported) {
	l.t.Helper()
	at := "/v1/subjects/" + token
	var audit, door strings.Builder
	for _, path := range l.reads(token) {
		audit.WriteString(l.do("GET", path, "").body + "\n")
	}
	audit.WriteString(l.do("POST", at+"/bundle", `{}`).ok().body)
	audit.WriteString(l.documents(token))
	for _, args := range [][]string{
		{"--subject", token},
		{"--subject", token, "--format", "csv"},
		{"--subject", token, "--json"},
		{"--purpose", "marketing.sms", "--format", "csv"},
		{"--subject", token, "--changes-since", "2020-01-01"},
	} {
		audit.WriteString(l.command(append([]string{"audit", "replay"}, args...)...))
	}
	for _, purpose := range []string{"customer.service", "marketing.sms", "marketing.email", "accounting"} {
		for _, path := range []string{at, at + "/history", at + "/consents"} {
			door.WriteString(l.do("GET", path+"?purpose="+purpose, "").body + "\n")
		}
		door.WriteString(l.do("POST", at+"/bundle", fmt.Sprintf(`{"purpose": %q}`, purpose)).body)
		door.WriteString(l.command("audit", "replay", "--subject", token, "--open-for", purpose))
		door.WriteString(l.command("audit", "replay", "--subject", token, "--open-for", purpose, "--format", "csv"))
		door.WriteString(l.command("subject", "show", token, "--purpose", purpose))
	}
	return exported{door.String(), audit.String()}
}

// command runs a command through the server, and gives what it says.
func (l *live) command(args ...string) string {
	l.t.Helper()
	l.t.Setenv("LETHE_TOKEN", l.token)
	var out strings.Builder
	cli.Run(l.t.Context(), cli.Process{
		Args: append(args, "--server", l.url), Stdin: strings.NewReader(""), Stdout: &out, Stderr: &out, Version: "test",
	})
	require.NotEmpty(l.t, out.String())
	return out.String()
}

// Whoever has all that is at rest and a list of a million addresses, those of
// the ledger among them, does not find out by it who is in the ledger: no
// address lies there in any form, nor a hash that could be made of it. The same
// with all keys at hand is TestPitfall14 of the keyring; here the ledger itself
// is asked, which has them: it finds nobody who was erased.
func TestPitfall14DictionaryOfAMillionAddresses(t *testing.T) {
	testenv.Sequential(t)
	words, people := testenv.Cases(200_000, 1_000_000), 200
	dir := filepath.Join(t.TempDir(), "data")
	c := &canaries{}
	l := start(t, dir)
	l.officer()
	l.do("POST", "/v1/catalogue", starter.Text(), "Content-Type", "application/yaml").ok()
	own := c.customers(l, people)
	slices.Sort(own)
	own = slices.Compact(own)
	var gone, tokens []string // every tenth is erased
	for i, address := range own {
		of := l.lookup(address)
		require.NotEmpty(t, of, "with its keys the ledger finds who is there")
		if i%10 == 0 {
			gone, tokens = append(gone, address), append(tokens, of...)
		}
	}
	l.erase(`{"everything": true}`, tokens...)
	dictionary := make([]string, 0, words)
	for i := range words - len(own) {
		dictionary = append(dictionary, fmt.Sprintf("%s.%s%d@%s.example", given[i%len(given)], family[i/7%len(family)], i, hosts[i%len(hosts)]))
	}
	dictionary = append(dictionary, own...)
	v, err := canary.Compile(dictionary, canary.Options{Hashes: true})
	require.NoError(t, err)
	for _, when := range []string{"while it runs", "after it ended"} {
		if when == "after it ended" {
			require.Zero(t, l.end())
		} else {
			for _, address := range gone {
				require.Empty(t, l.lookup(address), "erased people are found by nothing")
			}
		}
		r, err := canary.Scan(t.Context(), []string{dir}, v, nil)
		require.NoError(t, err)
		require.Empty(t, r.Findings, when)
		require.Empty(t, r.Unread, when)
	}
	// One address in clear, or its hash, and the dictionary finds whose it is.
	hash := sha256.Sum256([]byte(own[0]))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "views", "left"), hash[:], 0o600))
	r, err := canary.Scan(t.Context(), []string{dir}, v, nil)
	require.NoError(t, err)
	require.Len(t, r.Findings, 1)
	require.Equal(t, own[0], dictionary[r.Findings[0].Line-1])
}

// Decimals, dates and lists that were erased are told as erased, in JSON, in
// tables and in CSV: they never become 0, an empty cell or a shorter list.
func TestPitfall21ErasedIsToldInTablesAndCSV(t *testing.T) {
	l := start(t, filepath.Join(t.TempDir(), "data"))
	l.officer()
	l.do("POST", "/v1/catalogue", starter.Text(), "Content-Type", "application/yaml").ok()
	values := map[string]string{"decimal": "1.50", "date": "1815-12-10", "integer": "42", "boolean": "true", "text": "first"}
	fields, items := []string{}, []string{`{"field": "odd.text", "value": "second"}`, `{"field": "odd.text", "value": "third"}`}
	for typ, value := range values {
		l.do("PUT", "/v1/catalogue/fields/odd."+typ, fmt.Sprintf(`{"type": %q, "group": "oddities", "category": "Data", "many": %t}`, typ, typ == "text")).ok()
		fields = append(fields, `"odd.`+typ+`"`)
		items = append([]string{fmt.Sprintf(`{"field": "odd.%s", "value": %q}`, typ, value)}, items...)
	}
	l.do("PUT", "/v1/catalogue/purposes/odd", fmt.Sprintf(`{"controllers": ["main"], "basis": "legitimate_interests", "fields": [%s],
		"retention": "P3Y", "retention_start": "collection", "dpv": "dpv:CustomerCare"}`, strings.Join(fields, ","))).ok()
	token := l.do("POST", "/v1/subjects", fmt.Sprintf(
		`{"acquired": "from_person", "jurisdiction": "DE", "records": [{"purpose": "odd", "values": [%s]}]}`, strings.Join(items, ","))).ok().get("token")
	at := "/v1/subjects/" + token
	l.do("POST", at+"/basis", `{"purpose": "odd", "basis": "legitimate_interests", "reference": "LIA 7"}`).ok()
	l.do("PATCH", at, `{"purpose": "odd", "rectify": [{"field": "odd.decimal", "slot": 0, "value": "2.75"}]}`).ok()

	// Of one list an item goes, of a decimal what was rectified: what stands is
	// sealed under a new key, and reads; what was recorded first says that it is gone.
	l.erase(`{"values": [{"field": "odd.text", "slot": 1}], "ground": "unlawful"}`, token)
	shown := l.command("subject", "show", token, "--purpose", "odd")
	for _, want := range []string{"2.75", "1815-12-10", "42", "true", "first", "third"} {
		require.Contains(t, shown, want)
	}
	history := l.do("GET", at+"/history?purpose=odd", "").ok().body
	require.Equal(t, 8, strings.Count(history, `"value":{"state":"erased"}`), history)
	require.NotRegexp(t, `"state":"erased",`, history, "nothing is beside it")
	csvText := l.command("audit", "replay", "--subject", token, "--open-for", "odd", "--format", "csv")
	require.Equal(t, 8, strings.Count(csvText, "[erased]")+strings.Count(csvText, `""state"":""erased""`), csvText)
	require.Contains(t, l.command("audit", "replay", "--subject", token, "--open-for", "odd", "--show", "history"), "=[erased]")

	// All of it: the purpose is refused by name, and no view calls it empty.
	l.erase(`{"groups": ["oddities"], "ground": "unlawful"}`, token)
	require.Contains(t, l.do("GET", at+"?purpose=odd", "").refused().body, "erased")
	require.Contains(t, l.command("subject", "show", token, "--purpose", "odd"), "erased")
}

// lookup gives the tokens of those who have an address.
func (l *live) lookup(address string) (tokens []string) {
	l.t.Helper()
	body, err := json.Marshal(map[string]string{"kind": "email", "value": address, "purpose": "customer.service"})
	require.NoError(l.t, err)
	for _, m := range regexp.MustCompile(`"token":"([^"]+)"`).FindAllStringSubmatch(l.do("POST", "/v1/subjects/lookup", string(body)).ok().body, -1) {
		tokens = append(tokens, m[1])
	}
	return tokens
}

var (
	given  = []string{"ada", "grace", "alan", "edsger", "barbara", "john", "mary", "kurt", "emmy"}
	family = []string{"lovelace", "hopper", "turing", "dijkstra", "liskov", "mueller", "o'neil", "nguyen"}
	hosts  = []string{"mail", "example", "post", "letters", "office"}
)
