package importer

import (
	"bytes"
	"context"
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"lethe/internal/demodata"
)

// BenchmarkImport imports made-up people into an empty ledger, every one with
// keys of their own: LETHE_IMPORT_PEOPLE of them, 2,000 by default.
func BenchmarkImport(b *testing.B) {
	people := 2000
	if n, err := strconv.Atoi(os.Getenv("LETHE_IMPORT_PEOPLE")); err == nil {
		people = n
	}
	var file bytes.Buffer
	require.NoError(b, demodata.WriteCSV(&file, demodata.Options{People: people, Seed: 1}))
	for b.Loop() {
		b.StopTimer()
		w := start(b)
		before, _ := w.events()
		j := w.job(CSV, file.Bytes(), []byte(demodata.Mapping()))
		if n, err := strconv.Atoi(os.Getenv("LETHE_IMPORT_WORKERS")); err == nil {
			j.Workers = n
		} else {
			j.Workers = 0
		}
		b.StartTimer()
		began := time.Now()
		rep, err := Run(context.Background(), w.deps(), j)
		took := time.Since(began).Seconds()
		require.NoError(b, err)
		b.StopTimer()
		after, _ := w.events()
		b.ReportMetric(float64(after-before)/took, "events/s")
		b.ReportMetric(float64(people)/took, "people/s")
		b.ReportMetric(float64(after-before)/float64(people), "events/person")
		require.EqualValues(b, people, rep.Tables[0].Created)
		b.StartTimer()
	}
}
