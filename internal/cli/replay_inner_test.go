package cli

import (
	"bytes"
	"context"
	"encoding/csv"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/go-json-experiment/json"
	"github.com/stretchr/testify/require"

	"lethe/domain"
	"lethe/domain/subject"
	"lethe/internal/httpapi"
)

// paged is an API of three pages of two people, then one; it ends the context
// before the page that is named.
type paged struct {
	t      *testing.T
	asked  []string
	cancel context.CancelFunc
	before int
}

func (p *paged) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p.asked = append(p.asked, r.URL.RawQuery)
	n := len(p.asked)
	if p.cancel != nil && n == p.before {
		p.cancel()
		<-r.Context().Done()
		return
	}
	page := httpapi.PurposeStand{PurposeAsOf: httpapi.PurposeAsOf{Purpose: "news", By: "recorded"}, Items: []httpapi.PersonStand{}}
	for i := range 2 {
		if n == 2 {
			break // a page may have nobody
		}
		c := httpapi.Consent{Purpose: "news", Status: subject.StatusGiven}
		page.Items = append(page.Items, httpapi.PersonStand{Token: domain.Token(fmt.Sprintf("s%d%d", n, i)), Stand: httpapi.Stand{Consents: []httpapi.Consent{c}}})
	}
	if n < 4 {
		page.Next = fmt.Sprint("cursor", n)
	}
	require.NoError(p.t, json.MarshalWrite(w, page))
}

func replayWith(t *testing.T, ctx context.Context, p *paged, cmd *auditReplayCmd) (string, error) { //nolint:revive // t first
	t.Helper()
	var out bytes.Buffer
	s := &shell{
		process: Process{Stdout: &out, Stderr: &bytes.Buffer{}}, root: &root{},
		client: &client{base: "http://in-process/v1", http: &http.Client{Transport: inMemory{handler: p}}},
	}
	cmd.Purpose, cmd.By = "news", "recorded"
	err := cmd.Run(ctx, s)
	return out.String(), err
}

func TestAReplayGoesFromPageToPage(t *testing.T) {
	p := &paged{t: t}
	out, err := replayWith(t, t.Context(), p, &auditReplayCmd{Format: formatJSON})
	require.NoError(t, err)
	require.Len(t, p.asked, 4)
	require.NotContains(t, p.asked[0], "after")
	require.Contains(t, p.asked[3], "after=cursor3")
	require.Contains(t, p.asked[3], "limit=500")
	var all httpapi.PurposeStand
	require.NoError(t, json.Unmarshal([]byte(out), &all), out)
	require.Len(t, all.Items, 6)
	require.EqualValues(t, "s41", all.Items[5].Token)

	out, err = replayWith(t, t.Context(), &paged{t: t}, &auditReplayCmd{Format: formatCSV})
	require.NoError(t, err)
	records, err := csv.NewReader(strings.NewReader(out)).ReadAll()
	require.NoError(t, err)
	require.Len(t, records, 7, "one heading")
	require.Equal(t, "token", records[0][0])
	require.Equal(t, 7, strings.Count(out, "\r\n"))

	out, err = replayWith(t, t.Context(), &paged{t: t}, &auditReplayCmd{})
	require.NoError(t, err)
	require.Equal(t, 3, strings.Count(out, "TOKEN"), "a heading on each page that has somebody")
	require.Equal(t, 1, strings.Count(out, "by recorded time"))
	require.Contains(t, out, "6 people")
}

// An interrupted replay leaves no file that could be taken for a whole one.
func TestAnInterruptedReplayLeavesNoFile(t *testing.T) {
	for before := 1; before <= 4; before++ {
		ctx, cancel := context.WithCancel(t.Context())
		dir := t.TempDir()
		name := filepath.Join(dir, "people.csv")
		_, err := replayWith(t, ctx, &paged{t: t, cancel: cancel, before: before}, &auditReplayCmd{Format: formatCSV, Out: name})
		require.ErrorIs(t, err, context.Canceled)
		require.Equal(t, "interrupted", asProblem(err).Code)
		left, err := os.ReadDir(dir)
		require.NoError(t, err)
		require.Empty(t, left)
	}
	dir := t.TempDir()
	name := filepath.Join(dir, "people.csv")
	require.NoError(t, os.WriteFile(name, []byte("old"), 0o644))
	ctx, cancel := context.WithCancel(t.Context())
	_, err := replayWith(t, ctx, &paged{t: t, cancel: cancel, before: 3}, &auditReplayCmd{Format: formatCSV, Out: name, Force: true})
	require.ErrorIs(t, err, context.Canceled)
	text, err := os.ReadFile(name)
	require.NoError(t, err)
	require.Equal(t, "old", string(text), "what was to be replaced stays")
	_, err = replayWith(t, t.Context(), &paged{t: t}, &auditReplayCmd{Format: formatCSV, Out: name, Force: true})
	require.NoError(t, err)
	info, err := os.Stat(name)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode().Perm(), "whatever the old one's was")
	left, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Len(t, left, 1)
}

func TestAFieldIsNoFormula(t *testing.T) {
	for field, want := range map[string]string{
		"=1+1": "'=1+1", "+49": "'+49", "-2": "'-2", "@x": "'@x", "\t=1": "'\t=1", "\r=1": "'\r=1",
		"": "", "a=1": "a=1", "'x": "'x", "ß": "ß",
	} {
		require.Equal(t, want, inert(field))
	}
}

// Tokens come in the order of their text, and so does how far they are.
func TestTokensTellHowFarAReplayIs(t *testing.T) {
	var tokens []string
	for i := range 200 {
		token, err := domain.NewToken(bytes.NewReader(bytes.Repeat([]byte{byte(i * 37)}, 16)))
		require.NoError(t, err)
		tokens = append(tokens, string(token))
	}
	slices.Sort(tokens)
	last := int64(0)
	for _, token := range tokens {
		at := along("12.34.56." + token)
		require.GreaterOrEqual(t, at, last)
		require.Less(t, at, int64(alongAll))
		last = at
	}
	require.EqualValues(t, alongAll, along(""))
}
