package receipt

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/stretchr/testify/require"

	"lethe/domain"
	"lethe/domain/subject"
	"lethe/internal/testenv"
)

var update = flag.Bool("update", false, "write the golden files")

func token(t *testing.T) domain.Token {
	t.Helper()
	token, err := domain.NewToken(strings.NewReader("fifteen bytes ok"))
	require.NoError(t, err)
	return token
}

// given is a consent to marketing by e-mail that stands.
func given(t *testing.T) Input {
	t.Helper()
	at := time.Date(2026, 3, 1, 10, 30, 0, 0, time.FixedZone("CET", 3600))
	return Input{
		ID:           domain.ID{0x01, 0x98, 15: 0x42},
		Subject:      token(t),
		Jurisdiction: "DE-BE",
		Controllers: []Party{{
			ID: "main", Role: Controller, Country: "DE", Name: "Example Company", Address: "Musterstraße 1, 10115 Berlin",
			Contact: "Customer service", Email: "privacy@company.example", Phone: "+493023125000",
			PolicyURL: "https://company.example/privacy", Withdrawal: "Use the link in each message.",
		}},
		Recipients: []Party{{ID: "mailing.service", Role: Processor, Country: "IE", Name: "Example Mailing Service"}},
		Purpose: Purpose{
			ID: "marketing.email", Version: 2, DPV: "dpv:DirectMarketing", Retention: "P1M", RetentionStart: "consent_end",
		},
		Fields: []Field{
			{ID: "email", Category: "pd:EmailAddress"},
			{ID: "name.full", Category: "pd:Name"},
			{ID: "name.given", Category: "pd:Name", Optional: true},
		},
		Notice: Notice{ID: "notice.marketing.email", Version: 1, Language: "de", Digest: domain.Digest{1, 2, 3}},
		Grant: Grant{
			At: at, Until: at.AddDate(2, 0, 0), Medium: subject.Web, Method: subject.Checkbox, By: subject.Self,
		},
		Status: subject.StatusGiven, Since: at, By: subject.Self,
	}
}

func withdrawn(t *testing.T) Input {
	in := given(t)
	in.Status, in.Since = subject.StatusWithdrawn, in.Grant.At.AddDate(0, 5, 0)
	return in
}

func expired(t *testing.T) Input {
	in := given(t)
	in.Status, in.Since, in.By = subject.StatusExpired, in.Grant.Until, ""
	return in
}

// health is explicit consent to a special category, by a guardian, renewed,
// of two controllers, with a transfer to a third country.
func health(t *testing.T) Input {
	in := given(t)
	second := in.Controllers[0]
	second.ID, second.Name, second.Country = "partner", "Example Partner", "FR"
	in.Controllers = append(in.Controllers, second)
	in.Recipients = append(in.Recipients, Party{ID: "clinic", Role: ThirdParty, Country: "US", Name: "Example Clinic"})
	in.Authority = &Party{ID: "authority", Role: Authority, Country: "DE", Name: "Example Supervisory Authority"}
	in.Purpose = Purpose{
		ID: "support.health", Version: 1, DPV: "dpv:CommunicationForCustomerCare", Retention: "P1Y",
		RetentionStart: "collection", Special: true, ThirdCountries: []domain.Place{"US"},
	}
	in.Fields = append(in.Fields, Field{ID: "health.note", Category: "pd:Health", Special: true})
	in.Grant.Explicit, in.Grant.Renewed, in.Grant.By, in.Grant.Until = true, true, subject.Guardian, time.Time{}
	in.Status = subject.StatusRenewed
	return in
}

// proven is withdrawn, with the proofs of both events.
func proven(t *testing.T) Input {
	in := withdrawn(t)
	text := []byte("c2sp.org/tlog-proof@v1\nextra AQ==\nindex 0\n\nledger.example/log\n1\nAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n\n— ledger.example/log AAAA\n")
	in.Proofs = []Proof{
		{Event: in.ID, State: subject.StatusGiven, Facts: []byte(`{"purpose":"marketing.email","version":2}`), Text: text},
		{Event: domain.ID{0x01, 0x99, 15: 0x42}, State: subject.StatusWithdrawn, Facts: []byte(`{"purpose":"marketing.email"}`), Text: text},
	}
	return in
}

func cases(t *testing.T) map[string]Input {
	return map[string]Input{"given": given(t), "withdrawn": withdrawn(t), "expired": expired(t), "health": health(t), "proven": proven(t)}
}

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	name = filepath.Join("testdata", name)
	if *update {
		require.NoError(t, os.WriteFile(name, got, 0o644))
	}
	want, err := os.ReadFile(name)
	require.NoError(t, err)
	require.Equal(t, string(want), string(got))
}

func compile(t *testing.T, name string, text []byte) *jsonschema.Schema {
	t.Helper()
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	require.NoError(t, err)
	c := jsonschema.NewCompiler()
	c.AssertFormat()
	require.NoError(t, c.AddResource(name, doc))
	s, err := c.Compile(name)
	require.NoError(t, err)
	return s
}

func validate(t *testing.T, s *jsonschema.Schema, text []byte) error {
	t.Helper()
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	require.NoError(t, err)
	return s.Validate(doc)
}

func TestRecordIsValidAndPinned(t *testing.T) {
	schema := compile(t, "urn:lethe:schema:consent-record:1", Schema())
	for name, in := range cases(t) {
		got, err := Record(in)
		require.NoError(t, err, name)
		require.NoError(t, validate(t, schema, got), name)
		golden(t, name+".record.json", got)
	}
}

// Each field of the standard is required: a record without it is refused.
func TestTheSchemaMissesNoField(t *testing.T) {
	schema := compile(t, "urn:lethe:schema:consent-record:1", Schema())
	got, err := Record(health(t))
	require.NoError(t, err)
	missing := func(edit func(map[string]any)) {
		var doc map[string]any
		require.NoError(t, json.Unmarshal(got, &doc))
		edit(doc)
		text, err := json.Marshal(doc)
		require.NoError(t, err)
		require.Error(t, validate(t, schema, text))
	}
	first := func(doc map[string]any, key string) map[string]any { return doc[key].([]any)[0].(map[string]any) }
	for _, key := range []string{"schema_version", "record_id", "pii_principal_id", "pii_processing", "party_identification", "event"} {
		missing(func(doc map[string]any) { delete(doc, key) })
	}
	for _, key := range []string{
		"privacy_notice", "language", "purpose", "pii_type", "pii_information", "pii_controllers", "collection_method",
		"processing_method", "storage_locations", "processing_locations", "geographic_restrictions", "retention_period",
		"jurisdiction", "recipient_third_parties", "withdrawal_method", "privacy_rights", "lawful_basis",
	} {
		missing(func(doc map[string]any) { delete(first(doc, "pii_processing"), key) })
	}
	for _, key := range []string{"party_id", "party_name", "party_role", "party_type"} {
		missing(func(doc map[string]any) { delete(first(doc, "party_identification"), key) })
	}
	for _, key := range []string{"event_time", "entity_id", "event_type", "event_state"} {
		missing(func(doc map[string]any) { delete(first(doc, "event"), key) })
	}
	missing(func(doc map[string]any) { doc["name"] = "an unknown key" })
	got, err = Record(proven(t))
	require.NoError(t, err)
	for _, key := range []string{"event_id", "event_state", "facts", "tlog_proof"} {
		missing(func(doc map[string]any) { delete(first(doc, "proofs"), key) })
	}
}

func TestKantaraIsPinned(t *testing.T) {
	for name, in := range cases(t) {
		got, err := Kantara(in)
		require.NoError(t, err, name)
		golden(t, name+".kantara.json", got)
	}
}

func TestKantaraIsValid(t *testing.T) {
	name := testenv.TestData(t, "kantara", "kantara-consent-receipt-v1_1-schema.json")
	text, err := os.ReadFile(name)
	require.NoError(t, err)
	text = regexp.MustCompile(`(?m)^\s*//.*$`).ReplaceAll(text, nil)
	schema := compile(t, "urn:kantara", text)
	for name, in := range cases(t) {
		got, err := Kantara(in)
		require.NoError(t, err, name)
		require.NoError(t, validate(t, schema, got), name)
	}
	require.Error(t, validate(t, schema, []byte(`{}`)), "the schema is in force")
}

// The Kantara schema would accept an empty list of controllers.
func TestRefusals(t *testing.T) {
	for name, c := range map[string]struct {
		edit          func(*Input)
		code          string
		record, other bool // refused by
	}{
		"never given":     {func(in *Input) { in.ID = domain.ID{} }, "receipt.no_consent", true, true},
		"no controller":   {func(in *Input) { in.Controllers = nil }, "receipt.no_controller", true, true},
		"no data":         {func(in *Input) { in.Fields = nil }, "receipt.no_data", true, true},
		"no name":         {func(in *Input) { in.Controllers[0].Name = "" }, "receipt.controller_incomplete", true, true},
		"no address":      {func(in *Input) { in.Controllers[0].Address = "" }, "receipt.controller_incomplete", true, true},
		"no contact":      {func(in *Input) { in.Controllers[0].Contact = "" }, "receipt.controller_incomplete", true, true},
		"no withdrawal":   {func(in *Input) { in.Controllers[0].Withdrawal = "" }, "receipt.controller_incomplete", true, true},
		"no e-mail":       {func(in *Input) { in.Controllers[0].Email = "" }, "receipt.controller_incomplete", false, true},
		"no phone":        {func(in *Input) { in.Controllers[0].Phone = "" }, "receipt.controller_incomplete", false, true},
		"no policy":       {func(in *Input) { in.Controllers[0].PolicyURL = "" }, "receipt.controller_incomplete", false, true},
		"no notice":       {func(in *Input) { in.Notice = Notice{} }, "receipt.no_notice", true, false},
		"no jurisdiction": {func(in *Input) { in.Jurisdiction = "" }, "receipt.no_jurisdiction", false, true},
	} {
		t.Run(name, func(t *testing.T) {
			in := given(t)
			c.edit(&in)
			refused := func(err error, expected bool) {
				if !expected {
					require.NoError(t, err)
					return
				}
				e, ok := domain.AsError(err)
				require.True(t, ok, err)
				require.Equal(t, c.code, e.Code)
			}
			_, err := Record(in)
			refused(err, c.record)
			_, err = Kantara(in)
			refused(err, c.other)
		})
	}
}

// A program that gets a proof out of a receipt has the very bytes.
func TestProofsAreCarriedWhole(t *testing.T) {
	in := proven(t)
	var record struct {
		Proofs []struct {
			Facts     string `json:"facts"`
			TlogProof string `json:"tlog_proof"`
		} `json:"proofs"`
	}
	var kantara struct {
		Proofs []struct {
			EventID   string `json:"eventId"`
			Facts     string `json:"facts"`
			TlogProof string `json:"tlogProof"`
		} `json:"proofs"`
	}
	text, err := Record(in)
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(text, &record))
	text, err = Kantara(in)
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(text, &kantara))
	for i, p := range in.Proofs {
		require.Equal(t, []string{string(p.Facts), string(p.Text)}, []string{record.Proofs[i].Facts, record.Proofs[i].TlogProof})
		require.Equal(t, []string{p.Event.String(), string(p.Facts), string(p.Text)},
			[]string{kantara.Proofs[i].EventID, kantara.Proofs[i].Facts, kantara.Proofs[i].TlogProof})
	}
}

// A receipt of a consent that ended must not read as if it stood.
func TestEndedConsentsSaySo(t *testing.T) {
	for name, in := range map[string]Input{"withdrawn": withdrawn(t), "expired": expired(t)} {
		got, err := Record(in)
		require.NoError(t, err)
		require.Contains(t, string(got), string(in.Status), name)
		got, err = Kantara(in)
		require.NoError(t, err)
		require.NotContains(t, string(got), "Valid until", name)
		require.Contains(t, string(got), stamp(in.Since), name)
	}
}

func TestOtherLawsGetNoGDPRRights(t *testing.T) {
	in := given(t)
	in.Jurisdiction = "US-CA"
	got, err := Record(in)
	require.NoError(t, err)
	require.Contains(t, string(got), "dpv:DataSubjectRight")
	require.NotContains(t, string(got), "eu-gdpr:A15")
}

func TestTermsExist(t *testing.T) {
	vocabulary := map[string]map[string]bool{
		"dpv":     terms(t, testenv.TestData(t, "dpv", "2.3_dpv_dpv.csv")),
		"pd":      terms(t, testenv.TestData(t, "dpv", "2.3_pd_pd.csv")),
		"eu-gdpr": terms(t, testenv.TestData(t, "dpv", "2.3_legal_eu_gdpr_eu-gdpr.csv")),
	}
	used := regexp.MustCompile(`"(dpv|pd|eu-gdpr):([A-Za-z0-9-]+)"`)
	for _, in := range cases(t) {
		got, err := Record(in)
		require.NoError(t, err)
		found := used.FindAllStringSubmatch(string(got), -1)
		require.NotEmpty(t, found)
		for _, m := range found {
			require.True(t, vocabulary[m[1]][m[2]], m[0])
		}
		require.True(t, vocabulary["dpv"][string(in.Status)], in.Status)
	}
	require.True(t, vocabulary["dpv"]["DataSubjectRight"])
}

func terms(t *testing.T, name string) map[string]bool {
	t.Helper()
	f, err := os.Open(filepath.Clean(name))
	require.NoError(t, err)
	defer f.Close() //nolint:errcheck // read only
	r := csv.NewReader(f)
	r.LazyQuotes, r.FieldsPerRecord = true, -1
	rows, err := r.ReadAll()
	require.NoError(t, err)
	out := map[string]bool{}
	for _, row := range rows[1:] {
		out[row[0]] = true
	}
	return out
}
