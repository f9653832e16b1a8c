package cli_test

import (
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
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
	require.Empty(t, l.untried())

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
		at + "/consents/marketing.sms/receipt?format=kantara-1.1",
		"/v1/events", "/v1/purposes/marketing.sms/consents", "/v1/purposes/marketing.sms/totals",
		"/v1/purposes/marketing.sms/changes?from=2020-01-01T00:00:00Z", "/v1/imports", "/v1/imports/" + id[1],
		"/v1/status", "/v1/projections", "/v1/log", "/v1/log/keys", "/v1/log/checkpoints", "/v1/proofs/consistency?from=1",
		"/v1/events/" + id[1] + "/proof", "/v1/streams/subject-" + token + "/0/proof", "/tile/entries/000", "/tile/0/000", "/checkpoint", "/log-keys",
		"/v1/tokens",
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
	c := &canaries{}
	l := start(t, dir)
	l.officer()
	name, person := c.populate(l)
	require.Contains(t, l.do("GET", "/v1/subjects/"+person+"?purpose=customer.service", "").ok().body, name)
	evidence := filepath.Join(root, "evidence.zip")
	require.NoError(t, os.WriteFile(evidence, []byte(l.do("POST", "/v1/subjects/"+person+"/bundle", `{}`).ok().body), 0o600))

	found, _ := c.scan(t, dir, evidence)
	require.Empty(t, found, "while it runs")
	require.Zero(t, l.end())
	found, files := c.scan(t, dir, evidence)
	require.Empty(t, found, "after it ended")
	require.Greater(t, files, 40)

	// What lies in clear is found: the same search, with one value left behind.
	require.NoError(t, os.WriteFile(filepath.Join(dir, "views", "left"), []byte(base64.StdEncoding.EncodeToString([]byte("x"+name))), 0o600))
	found, _ = c.scan(t, dir)
	require.Len(t, found, 1)
}
