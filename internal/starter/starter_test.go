package starter

import (
	"encoding/csv"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"lethe/domain"
	"lethe/domain/catalogue"
	"lethe/domain/personal"
	"lethe/internal/testenv"
)

var now = time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC)

// load runs declarations through the catalogue's own rules.
func load(t *testing.T, s *catalogue.State, declarations []Declaration) (*catalogue.State, int) {
	t.Helper()
	made := 0
	for _, d := range declarations {
		events, err := catalogue.Decide(s, now, d.Command)
		require.NoError(t, err, "line %d: %s %s", d.Line, d.Section, d.ID)
		for _, e := range events {
			made++
			s = catalogue.Evolve(s, domain.Recorded{Revision: s.Next(), Recorded: now, Effective: now, Event: e})
		}
	}
	return s, made
}

func TestTheStarterIsAccepted(t *testing.T) {
	declarations, err := Default()
	require.NoError(t, err)
	s, made := load(t, nil, declarations)
	require.Equal(t, len(declarations), made)
	require.Len(t, s.Fields(), 31)

	email, ok := s.Field("email")
	require.True(t, ok)
	require.Equal(t, &catalogue.FieldDeclared{
		ID: "email", Group: "contact", Type: catalogue.Email, Category: "pd:EmailAddress",
		Many: true, Lookup: catalogue.LookupEmail,
	}, email)

	marketing, ok := s.Purpose("marketing.email", 0)
	require.True(t, ok)
	require.True(t, marketing.DoubleOptIn)
	require.Equal(t, domain.Consent, marketing.Basis)
	accounting, ok := s.Purpose("accounting", 0)
	require.True(t, ok)
	require.True(t, accounting.Keeps)
	require.Equal(t, domain.Duration("P10Y"), accounting.Retention)
}

func TestLoadingAgainChangesNothing(t *testing.T) {
	declarations, err := Default()
	require.NoError(t, err)
	s, _ := load(t, nil, declarations)
	for i := range declarations {
		open := func(v personal.Value) (string, bool) { return v.Reveal() }
		switch c := declarations[i].Command.(type) {
		case catalogue.DeclareController:
			c.Opened = open
			declarations[i].Command = c
		case catalogue.DeclareRecipient:
			c.Opened = open
			declarations[i].Command = c
		}
	}
	_, made := load(t, s, declarations)
	require.Zero(t, made)
}

// A purpose that takes consent and no notice that tells of it could never
// receive one.
func TestEveryPurposeHasANoticeInEveryLanguage(t *testing.T) {
	declarations, err := Default()
	require.NoError(t, err)
	told := map[domain.Name]map[domain.Language]bool{}
	for _, d := range declarations {
		if n, ok := d.Command.(catalogue.PublishNotice); ok {
			for _, ref := range n.Purposes {
				if told[ref.Purpose] == nil {
					told[ref.Purpose] = map[domain.Language]bool{}
				}
				told[ref.Purpose][n.Language] = true
			}
		}
	}
	for _, d := range declarations {
		if p, ok := d.Command.(catalogue.DeclarePurpose); ok {
			require.Len(t, told[p.ID], 3, p.ID)
		}
	}
}

func TestLines(t *testing.T) {
	declarations, err := Default()
	require.NoError(t, err)
	lines := strings.Split(Text(), "\n")
	for _, d := range declarations {
		require.Contains(t, lines[d.Line-1], "id: "+strings.Split(d.ID, "@")[0], d.Section)
	}
}

func TestFilesThatAreRefused(t *testing.T) {
	const head = "format: lethe-catalogue/1\n"
	for name, c := range map[string]struct{ text, says string }{
		"empty":          {"", "empty"},
		"no format":      {"fields: []\n", "format: lethe-catalogue/1"},
		"newer format":   {"format: lethe-catalogue/2\n", "format: lethe-catalogue/1"},
		"not YAML":       {head + "fields: [\n", "not YAML"},
		"unknown key":    {head + "fields:\n  - id: a\n    typ: text\n", "line 4: field typ not found"},
		"unknown part":   {head + "people: []\n", "line 2: field people not found"},
		"wrong kind":     {head + "fields:\n  - id: a\n    special: canary\n", "line 4: a value of another kind is expected than !!str"},
		"key twice":      {head + "fields:\n  - id: a\n    id: b\n", "line 4"},
		"entry twice":    {head + "fields:\n  - id: a\n  - id: a\n", "line 4: this entry of fields stands in the file twice"},
		"no id":          {head + "fields:\n  - type: text\n", "line 3: an entry of fields has no id"},
		"two documents":  {head + "---\n" + head, "more than one document"},
		"bad time":       {head + "purposes:\n  - id: a\n    in_force: soon\n", "line 4: a time is written"},
		"bad version":    {head + "notices:\n  - id: a\n    purposes: [b@0]\n    texts: {en: x}\n", "line 3: a notice names purposes"},
		"no text":        {head + "notices:\n  - id: a\n    purposes: [b]\n", "line 3: a notice needs its text"},
		"a list instead": {"- a\n", "line 1"},
		"oversized":      {head + strings.Repeat("# filler\n", MaxBytes/9+1), "at most"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Parse(strings.NewReader(c.text))
			require.ErrorContains(t, err, c.says)
			e, ok := domain.AsError(err)
			require.True(t, ok)
			require.Equal(t, "catalogue_file.malformed", e.Code)
			require.NotContains(t, err.Error(), "canary")
			require.NotContains(t, err.Error(), "starter.")
		})
	}
}

func TestTermsExist(t *testing.T) {
	dpv := terms(t, testenv.TestData(t, "dpv", "2.3_dpv_dpv.csv"), "term")
	pd := terms(t, testenv.TestData(t, "dpv", "2.3_pd_pd.csv"), "term")
	uses := terms(t, testenv.TestData(t, "fideslang", "data_uses.csv"), "fides_key")
	declarations, err := Default()
	require.NoError(t, err)
	for _, d := range declarations {
		switch c := d.Command.(type) {
		case catalogue.DeclareField:
			term, ok := strings.CutPrefix(string(c.Category), "pd:")
			require.True(t, ok && pd[term], c.Category)
		case catalogue.DeclarePurpose:
			term, ok := strings.CutPrefix(string(c.DPV), "dpv:")
			require.True(t, ok && dpv[term], c.DPV)
			require.True(t, uses[string(c.Fideslang)], c.Fideslang)
		}
	}
}

// terms reads one column of a CSV file with a header.
func terms(t *testing.T, name, column string) map[string]bool {
	t.Helper()
	f, err := os.Open(filepath.Clean(name))
	require.NoError(t, err)
	defer f.Close() //nolint:errcheck // read only
	r := csv.NewReader(f)
	r.LazyQuotes = true
	r.FieldsPerRecord = -1
	rows, err := r.ReadAll()
	require.NoError(t, err)
	at := -1
	for i, h := range rows[0] {
		if strings.TrimPrefix(h, "\ufeff") == column {
			at = i
		}
	}
	require.NotEqual(t, -1, at, "%s has no column %s", name, column)
	out := map[string]bool{}
	for _, row := range rows[1:] {
		out[row[at]] = true
	}
	return out
}

func FuzzParse(f *testing.F) {
	f.Add(Text())
	f.Add("format: lethe-catalogue/1\nfields:\n  - {id: a, type: text}\n")
	f.Add("format: lethe-catalogue/1\nnotices: [{id: a, purposes: [b@3], texts: {en: x}}]\n")
	f.Fuzz(func(t *testing.T, text string) {
		declarations, err := Parse(strings.NewReader(text))
		if err != nil {
			if _, ok := domain.AsError(err); !ok {
				t.Fatalf("not a refusal: %v", err)
			}
			return
		}
		for _, d := range declarations {
			if d.Command == nil || d.ID == "" {
				t.Fatalf("an incomplete declaration: %+v", d)
			}
		}
	})
}
