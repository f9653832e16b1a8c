package importer

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"lethe/domain"
	"lethe/domain/importing"
)

// A dump that was cut between two statements is read to its end without an
// error: only what it lacks tells.
func TestADumpThatMayBeAPartIsReported(t *testing.T) {
	const end = "-- Dump completed on 2026-03-01 10:00:00\n"
	create := func(names ...string) string {
		var b strings.Builder
		for _, n := range names {
			b.WriteString("CREATE TABLE `" + n + "` (`id` int);\n")
		}
		return b.String()
	}
	missing := importing.RuleCount{Rule: "table_missing", Count: 1}
	cut := importing.RuleCount{Rule: "dump_end_missing", Count: 1}
	civi := []string{"civicrm_address", "civicrm_contact", "civicrm_email", "civicrm_phone", "civicrm_subscription_history"}
	doli := []string{"llx_adherent", "llx_mailing_cibles", "llx_societe", "llx_socpeople"}
	for name, c := range map[string]struct {
		format domain.Name
		text   string
		want   map[domain.Name][]importing.RuleCount
	}{
		"whole civicrm":  {CiviCRMSQL, create(civi...) + end, map[domain.Name][]importing.RuleCount{}},
		"whole dolibarr": {DolibarrSQL, create(doli...) + end, map[domain.Name][]importing.RuleCount{}},
		"cut civicrm": {CiviCRMSQL, create(civi[:3]...), map[domain.Name][]importing.RuleCount{
			"civicrm_email": {cut}, "civicrm_phone": {missing}, "civicrm_subscription_history": {missing},
		}},
		"cut dolibarr": {DolibarrSQL, create(doli[:3]...), map[domain.Name][]importing.RuleCount{
			"llx_societe": {cut}, "llx_socpeople": {missing},
		}},
		"no end": {DolibarrSQL, create(doli...), map[domain.Name][]importing.RuleCount{"llx_socpeople": {cut}}},
	} {
		t.Run(name, func(t *testing.T) {
			w := start(t)
			rep := w.run(w.job(c.format, []byte(c.text), nil))
			got := map[domain.Name][]importing.RuleCount{}
			for _, table := range rep.Tables {
				if len(table.Findings) > 0 {
					got[table.Name] = table.Findings
				}
			}
			require.Equal(t, c.want, got)
		})
	}
}

func TestADryRunKnowsTheLinksThatWereProposed(t *testing.T) {
	w := start(t)
	two := "id,name,email,city,stop\n1,Ada,both@example.org,London,\n2,Bob,both@example.org,Rome,\n"
	require.EqualValues(t, 1, table(t, w.csv(people, two)).Linked)
	for file, want := range map[string]uint64{
		strings.Replace(two, "Rome", "Turin", 1):                           0,
		two + "3,Eve,both@example.org,Paris,\n":                            1,
		strings.NewReplacer("London", "Bonn", "Rome", "Oslo").Replace(two): 0,
	} {
		j := w.job(CSV, []byte(file), []byte(people))
		j.DryRun = true
		would := w.run(j)
		require.EqualValues(t, want, table(t, would).Linked)
		if want == 0 {
			require.Zero(t, table(t, w.csv(people, file)).Linked)
		}
	}
}
