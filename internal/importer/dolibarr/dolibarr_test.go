package dolibarr_test

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
	"lethe/internal/importer/dolibarr"
	"lethe/internal/importer/source"
	"lethe/internal/importer/sourcetest"
	"lethe/internal/testenv"
)

func open(t testing.TB, text string) *dolibarr.Source {
	t.Helper()
	s, err := dolibarr.Open(context.Background(), strings.NewReader(text), int64(len(text)))
	require.NoError(t, err)
	return s
}

func fixture(t testing.TB, name string) *dolibarr.Source {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", name))
	require.NoError(t, err)
	return open(t, string(b))
}

func shared(t *testing.T, version string) *dolibarr.Source {
	t.Helper()
	dir := testenv.TestData(t)
	r, err := os.Open(filepath.Join(dir, "dolibarr", "mysqldump_dolibarr_"+version+".sql"))
	require.NoError(t, err)
	t.Cleanup(func() { _ = r.Close() })
	info, err := r.Stat()
	require.NoError(t, err)
	s, err := dolibarr.Open(context.Background(), r, info.Size())
	require.NoError(t, err)
	require.True(t, s.Whole())
	return s
}

func TestDemoDatabases(t *testing.T) {
	for _, version := range []string{"3.9.0", "5.0.0", "9.0.0"} {
		t.Run(version, func(t *testing.T) {
			s := shared(t, version)
			got := strings.Join(sourcetest.Summary(sourcetest.Collect(t, s, source.Place{})), "\n") + "\n"
			golden := filepath.Join("testdata", "demo-"+version+".golden")
			if os.Getenv("UPDATE_GOLDEN") != "" {
				require.NoError(t, os.WriteFile(golden, []byte(got), 0o644))
			}
			want, err := os.ReadFile(golden)
			require.NoError(t, err)
			require.Equal(t, string(want), got)
			sourcetest.Run(t, s)
		})
	}
}

// row finds a row.
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

// fields shows a row's values; the fixtures hold nobody's.
func fields(r *source.Row) map[string]string {
	out := map[string]string{}
	for _, f := range r.Fields {
		out[string(f.Name)] += f.Text + "|"
	}
	return out
}

func TestOldColumnNames(t *testing.T) {
	s := fixture(t, "old-3.0.sql")
	sourcetest.Run(t, s)
	rows := sourcetest.Collect(t, s, source.Place{})

	member := row(t, rows, "llx_adherent", 1)
	require.Equal(t, map[string]string{
		"name.title": "MME|", "name.given": "Zoé|", "name.family": "Test-Dupré|", "email": "zoe@example.org|",
		"address.street": "1 rue de l'Essai\nbât. B|", "address.postcode": "75001|", "address.city": "Paris|", "address.country": "FR|",
		"birth.date": "1970-02-03|", "account.username": "zoe|", "member.type": "Membre actif|", "member.since": "2010-05-06|",
		"note": "aime les tests|",
	}, fields(member))
	require.Equal(t, domain.Place("FR"), member.Jurisdiction)
	require.Equal(t, time.Date(2010, 5, 1, 0, 0, 0, 0, time.UTC), member.Created)
	require.Equal(t, []source.Finding{{Field: "account.username", Column: "pass", Rule: source.RulePlaintextPassword}}, member.Findings)
	require.NotContains(t, member.Raw, "clair!")

	require.Equal(t, source.LeftOutOrganisation, row(t, rows, "llx_adherent", 2).LeftOut)
	odd := row(t, rows, "llx_adherent", 3)
	require.Equal(t, []source.Finding{{Field: "birth.date", Column: "naiss", Rule: source.RuleDate}}, odd.Refusals)
	require.Equal(t, "Autriche|", fields(odd)["address.country"])

	require.Equal(t, source.LeftOutOrganisation, row(t, rows, "llx_societe", 1).LeftOut)
	trader := row(t, rows, "llx_societe", 2)
	require.Equal(t, map[string]string{
		"name.full": "Artisan Essai|", "address.street": "2 rue|", "address.postcode": "69001|", "address.city": "Lyon|",
		"address.country": "FR|", "phone": "0102030405|", "phone.fax": "0102030406|", "website": "essai.example|",
		"email": "artisan@example.org|", "external.id": "C2|", "note": "bon|",
	}, fields(trader))
	require.Equal(t, []source.Denial{{Kind: source.Objection, Scope: source.Marketing, Rule: "prospect_do_not_contact", Column: "fk_stcomm"}}, trader.Denials)
	require.True(t, row(t, rows, "llx_societe", 3).Creates, "billed as a physical member")
	require.Equal(t, source.LeftOutUndetermined, row(t, rows, "llx_societe", 4).LeftOut)
	require.Equal(t, source.LeftOutSpecial, row(t, rows, "llx_societe", 5).LeftOut)

	contact := row(t, rows, "llx_socpeople", 1)
	require.Equal(t, map[string]string{
		"name.title": "MR|", "name.given": "Max|", "name.family": "Probe|", "email": "max@example.org|", "birth.date": "1980-10-03|",
		"phone": "01|02|", "phone.mobile": "03|", "phone.fax": "04|", "job.title": "Chef|", "company.name": "Test SARL|",
		"address.street": "Gasse 1|", "address.postcode": "1010|", "address.city": "Wien|", "address.country": "AT|",
		"language.preferred": "de-AT|", "note": "n|",
	}, fields(contact))
	require.Equal(t, []source.Denial{{
		Kind: source.Objection, Scope: source.Marketing, Purpose: "marketing.email", Channel: subject.Email,
		Contact: "max@example.org", Rule: "no_email", Column: "no_email",
	}}, contact.Denials)
	private := row(t, rows, "llx_socpeople", 2)
	require.Equal(t, source.LeftOutPrivate, private.LeftOut)
	require.Empty(t, private.Denials)
}

func TestOptOutsAndErasedPeople(t *testing.T) {
	s := fixture(t, "policy.sql")
	sourcetest.Run(t, s)
	rows := sourcetest.Collect(t, s, source.Place{})
	require.Equal(t, []string{
		"llx_societe: 1 read 3, 2 creates 1, 3 left out erased_in_source 1, 3 left out organisation 1, 8 finding natural_person_as_third_party 1",
		"llx_socpeople: 1 read 4, 2 creates 1, 3 left out erased_in_source 1, 3 left out no_personal_field 1, 3 left out private_contact 1",
		"llx_societe_extrafields: 1 read 2, 2 adds 1, 3 left out organisation 1, 5 denial datapolicy_opposition_prospection 1, " +
			"5 denial datapolicy_opposition_traitement 1, 7 conflict consent_and_denial 1, 8 finding consent_without_evidence 1, 8 finding custom_field_not_imported 1",
		"llx_socpeople_extrafields: 1 read 4, 3 left out no_person 1, 3 left out no_personal_field 1, 3 left out parent_missing 1, " +
			"3 left out private_contact 1, 8 finding consent_without_evidence 1",
		"llx_mailing_unsubscribe: 1 read 2, 2 creates 1, 3 left out no_personal_field 1, 5 denial mailing_unsubscribe 1",
		"llx_mailing_cibles: 1 read 10, 2 adds 1, 2 creates 3, 3 left out erased_in_source 1, 3 left out no_personal_field 2, 3 left out organisation 1, " +
			"3 left out parent_missing 1, 3 left out staff_account 1, 5 denial mailing_target_unsubscribed 3, 8 finding send_error 1",
		"llx_user: 1 read 3, 3 left out external_account 1, 3 left out staff_account 1, 4 refused column_count 1, 8 finding plaintext_password 1",
	}, sourcetest.Summary(rows))

	extra := row(t, rows, "llx_societe_extrafields", 2)
	require.Equal(t, source.Key{Table: "llx_societe", ID: "2"}, extra.Person)
	at := time.Date(2019, 1, 2, 3, 4, 5, 0, time.UTC)
	require.Equal(t, []source.Denial{
		{Kind: source.Objection, Scope: source.Processing, At: at, Rule: "datapolicy_opposition_traitement", Column: "datapolicy_opposition_traitement"},
		{Kind: source.Objection, Scope: source.Marketing, At: at, Rule: "datapolicy_opposition_prospection", Column: "datapolicy_opposition_prospection"},
	}, extra.Denials)

	gone := row(t, rows, "llx_mailing_unsubscribe", 1)
	require.Equal(t, time.Date(2021, 5, 6, 7, 8, 9, 0, time.UTC), gone.Denials[0].At)
	require.Equal(t, "eva@example.org", gone.Denials[0].Contact)
	require.Equal(t, map[string]string{"email": "eva@example.org|"}, fields(gone))

	require.Equal(t, source.Key{Table: "llx_socpeople", ID: "1"}, row(t, rows, "llx_mailing_cibles", 1).Person)
	kept := row(t, rows, "llx_mailing_cibles", 4)
	require.True(t, kept.Creates, "an opt-out stays bound to its address when the contact is left out")
	require.Equal(t, source.Key{Table: "llx_mailing_cibles", ID: "4"}, kept.Person)
	for _, r := range rows {
		for _, v := range r.Raw {
			require.NotContains(t, []string{"geheim-wort", "c0ffee", "k3y-of-the-api"}, v)
		}
	}
}

func TestOtherFilesAreRefused(t *testing.T) {
	for code, text := range map[string]string{
		"dump.system":    "INSERT INTO other (a) VALUES (1);",
		"dump.truncated": "CREATE TABLE llx_societe (rowid int);\nINSERT INTO llx_societe VALUES (1",
	} {
		_, err := dolibarr.Open(context.Background(), strings.NewReader(text), int64(len(text)))
		e, ok := domain.AsError(err)
		require.True(t, ok)
		require.Equal(t, code, e.Code)
	}
}
