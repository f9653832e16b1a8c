package civicrm_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"lethe/domain"
	"lethe/domain/subject"
	"lethe/internal/importer/civicrm"
	"lethe/internal/importer/source"
	"lethe/internal/importer/sourcetest"
	"lethe/internal/testenv"
)

func TestGeneratedDatabase(t *testing.T) {
	dir := testenv.TestData(t)
	r, err := os.Open(filepath.Join(dir, "civicrm", "civicrm_generated-2026-03.mysql"))
	require.NoError(t, err)
	defer r.Close()
	info, err := r.Stat()
	require.NoError(t, err)
	s, err := civicrm.Open(context.Background(), r, info.Size())
	require.NoError(t, err)
	got := strings.Join(sourcetest.Summary(sourcetest.Collect(t, s, source.Place{})), "\n") + "\n"
	golden := filepath.Join("testdata", "generated.golden")
	if os.Getenv("UPDATE_GOLDEN") != "" {
		require.NoError(t, os.WriteFile(golden, []byte(got), 0o644))
	}
	want, err := os.ReadFile(golden)
	require.NoError(t, err)
	require.Equal(t, string(want), got)
	sourcetest.Run(t, s)

	flags := map[string]int{}
	for _, r := range sourcetest.Collect(t, s, source.Place{}) {
		for i, c := range r.Columns {
			switch c {
			case "do_not_email", "do_not_phone", "do_not_mail", "do_not_trade", "is_opt_out", "is_deceased":
				if r.Raw[i] == "1" {
					flags[c]++
				}
			case "contact_type":
				flags[r.Raw[i]]++
			}
		}
	}
	require.Equal(t, map[string]int{
		"do_not_email": 37, "do_not_phone": 44, "do_not_mail": 43, "do_not_trade": 51, "is_deceased": 8,
		"Individual": 161, "Organization": 21, "Household": 20,
	}, flags)
}

func fixture(t *testing.T) *civicrm.Source {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", "small.sql"))
	require.NoError(t, err)
	s, err := civicrm.Open(context.Background(), strings.NewReader(string(b)), int64(len(b)))
	require.NoError(t, err)
	return s
}

func row(t *testing.T, rows []*source.Row, table domain.Name, number int) *source.Row {
	t.Helper()
	for _, r := range rows {
		if r.Table == table && r.Number == number {
			return r
		}
	}
	require.Failf(t, "no such row", "%s %d", table, number)
	return nil
}

func fields(r *source.Row) map[string]string {
	out := map[string]string{}
	for _, f := range r.Fields {
		out[string(f.Name)] += f.Text + "|"
	}
	return out
}

func TestRulesOnASmallDatabase(t *testing.T) {
	s := fixture(t)
	sourcetest.Run(t, s)
	rows := sourcetest.Collect(t, s, source.Place{})
	require.Equal(t, []string{
		"civicrm_contact: 1 read 7, 2 creates 3, 3 left out deleted_in_source 1, 3 left out household 1, " +
			"3 left out organisation 1, 4 refused date_layout 1, 5 denial do_not_email 1, 5 denial do_not_mail 1, 5 denial do_not_phone 1, " +
			"5 denial do_not_sms 1, 5 denial do_not_trade 1, 5 denial is_opt_out 1, 8 finding deceased 1",
		"civicrm_email: 1 read 6, 2 adds 3, 3 left out household 1, 3 left out no_person 1, 3 left out parent_missing 1, " +
			"5 denial do_not_email 1, 5 denial on_hold_opt_out 1, 8 finding address_bounced 1",
		"civicrm_phone: 1 read 4, 2 adds 3, 3 left out household 1, 5 denial do_not_phone 1",
		"civicrm_address: 1 read 4, 2 adds 1, 3 left out no_personal_field 1, 3 left out organisation 1, 3 left out secondary_address 1",
		"civicrm_website: 1 read 1, 2 adds 1",
		"civicrm_subscription_history: 1 read 7, 2 adds 1, 3 left out added_by_admin 2, 3 left out no_personal_field 2, " +
			"3 left out opt_in_without_notice 1, 3 left out organisation 1, 5 denial removed_from_group 1, 7 conflict do_not_email_but_added_to_group 1",
	}, sourcetest.Summary(rows))

	ann := row(t, rows, "civicrm_contact", 1)
	require.Equal(t, map[string]string{
		"name.title": "Dr.|", "name.given": "Ann Q|", "name.family": "O'Probe|", "gender": "female|", "birth.date": "1980-01-02|",
		"job.title": "Tester|", "company.name": "Probe Ltd|", "language.preferred": "en-GB|", "external.id": "X-1|", "deceased": "true|",
	}, fields(ann))
	require.Equal(t, domain.Place("GB"), ann.Jurisdiction)
	require.Equal(t, map[string]string{"name.full": "Just a name|"}, fields(row(t, rows, "civicrm_contact", 2)))

	hold := row(t, rows, "civicrm_email", 2)
	require.Equal(t, []source.Denial{{
		Kind: source.Objection, Scope: source.Marketing, Purpose: "marketing.email", Channel: subject.Email,
		Contact: "ann2@example.org", Rule: "on_hold_opt_out", Column: "on_hold",
	}}, hold.Denials)
	require.Equal(t, "family@example.org", row(t, rows, "civicrm_email", 4).Denials[0].Contact)
	require.Equal(t, map[string]string{"phone.mobile": "+44 20 7946 0001|"}, fields(row(t, rows, "civicrm_phone", 2)))
	require.Equal(t, map[string]string{
		"address.street": "1 Test St\nFlat 2|", "address.postcode": "AB1-9|", "address.city": "Testham|",
		"address.region": "Testshire|", "address.country": "GB|",
	}, fields(row(t, rows, "civicrm_address", 1)))
	require.Equal(t, time.Date(2024, 3, 4, 5, 6, 7, 0, time.UTC), row(t, rows, "civicrm_subscription_history", 3).Denials[0].At)
	for _, r := range rows {
		require.Empty(t, r.Consents)
		require.NotContains(t, r.Raw, "the-api-key")
	}
}
