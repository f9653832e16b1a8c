package importer

import (
	"bytes"
	"encoding/json"
	"flag"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"lethe/domain"
	"lethe/domain/importing"
)

var update = flag.Bool("update", false, "write the golden files")

type realFile struct {
	name    string
	format  domain.Name
	path    []string
	mapping string
	read    map[domain.Name]uint64 // rows of the tables, counted by other means
}

func realFiles() []realFile {
	dolibarr := func(version string, societe, people, members, targets, actions, logins, users uint64) realFile {
		return realFile{
			name: "dolibarr-" + version, format: DolibarrSQL, path: []string{"dolibarr", "mysqldump_dolibarr_" + version + ".sql"},
			read: map[domain.Name]uint64{
				"llx_societe": societe, "llx_socpeople": people, "llx_adherent": members, "llx_mailing_cibles": targets,
				"llx_actioncomm": actions, "llx_events": logins, "llx_user": users,
			},
		}
	}
	return []realFile{
		dolibarr("9.0.0", 15, 11, 4, 57, 189, 798, 13),
		dolibarr("5.0.0", 15, 11, 4, 57, 188, 762, 13),
		dolibarr("3.9.0", 14, 5, 4, 5, 111, 661, 12),
		{
			name: "civicrm", format: CiviCRMSQL, path: []string{"civicrm", "civicrm_generated-2026-03.mysql"},
			read: map[domain.Name]uint64{
				"civicrm_contact": 202, "civicrm_email": 189, "civicrm_address": 184, "civicrm_phone": 164, "civicrm_subscription_history": 84,
			},
		},
		{
			name: "identities", format: CSV, path: []string{"presidio", "FakeNameGenerator.com_3000.csv"}, mapping: "identities.yaml",
			read: map[domain.Name]uint64{"identities": 3000},
		},
	}
}

func (f realFile) job(t testing.TB, w *world) Job {
	t.Helper()
	var mapping []byte
	if f.mapping != "" {
		var err error
		mapping, err = os.ReadFile("../../docs/examples/mappings/" + f.mapping)
		require.NoError(t, err)
	}
	return w.job(f.format, foreign(t, f.path...), mapping)
}

func TestRealFiles(t *testing.T) {
	for _, f := range realFiles() {
		t.Run(f.name, func(t *testing.T) {
			w := start(t)
			job := f.job(t, w)
			files := w.files()
			dry := job
			dry.DryRun = true
			would := w.run(dry)
			require.Equal(t, files, w.files(), "a dry run leaves every file as it is")

			rep := w.run(job)
			for _, table := range rep.Tables {
				if rows, ok := f.read[table.Name]; ok {
					require.Equal(t, rows, table.Read, table.Name)
				}
				sums(t, table)
			}
			golden(t, f.name, rep)
			require.Equal(t, counts(rep), counts(would), "a dry run tells what a run does")

			before, last := w.events()
			sizes := w.claims()
			again := w.run(f.job(t, w))
			after, end := w.events()
			require.Equal(t, before, after)
			require.Equal(t, last, end)
			require.Equal(t, sizes, w.claims())
			require.True(t, again.Earlier)
			require.Equal(t, rep.Import, again.Import)
			require.Equal(t, counts(rep), counts(again))
			require.ElementsMatch(t, rep.Links, again.Links)
			require.Equal(t, rep.Refusals, again.Refusals)
			require.Equal(t, rep.Conflicts, again.Conflicts)
		})
	}
}

// sums: every row that was read became something.
func sums(t *testing.T, table importing.Table) {
	t.Helper()
	sum := table.Created + table.Updated + table.Unchanged + table.Refused + table.Suppressed
	for _, l := range table.LeftOut {
		sum += l.Count
	}
	require.Equal(t, table.Read, sum, table.Name)
}

// counts are a report without its tokens and times.
func counts(rep Report) string {
	kinds := map[domain.Name]int{}
	for _, x := range rep.Refusals {
		kinds[x.Rule]++
	}
	for _, x := range rep.Conflicts {
		kinds["conflict."+x.Rule]++
	}
	b, err := json.MarshalIndent(map[string]any{"tables": rep.Tables, "listed": kinds}, "", "\t")
	if err != nil {
		return err.Error()
	}
	return string(b) + "\n"
}

func golden(t *testing.T, name string, rep Report) {
	t.Helper()
	path := filepath.Join("testdata", name+".json")
	got := counts(rep)
	if *update {
		require.NoError(t, os.MkdirAll("testdata", 0o750))
		require.NoError(t, os.WriteFile(path, []byte(got), 0o600))
	}
	want, err := os.ReadFile(path) //nolint:gosec // ours
	require.NoError(t, err)
	require.Equal(t, string(want), got)
}

// files are all files of the data directory.
func (w *world) files() map[string][]byte {
	w.t.Helper()
	out := map[string][]byte{}
	require.NoError(w.t, filepath.WalkDir(w.dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || filepath.Ext(path) == ".db-shm" { // shared memory, not a file of ours
			return err
		}
		b, err := os.ReadFile(path) //nolint:gosec // a test's directory
		out[path] = bytes.Clone(b)
		return err
	}))
	return out
}

// claims are the sizes of the files that hold claims.
func (w *world) claims() map[string]int {
	out := map[string]int{}
	for path, b := range w.files() {
		if filepath.Base(filepath.Dir(path)) == "lookup" {
			out[path] = len(b)
		}
	}
	return out
}
