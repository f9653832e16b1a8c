package bench

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"lethe/internal/app"
	"lethe/internal/demodata"
	"lethe/internal/importer"
)

// imports measures the import of a made-up CRM: everybody in it is new, so
// every person's keys are made durable, too.
func (b *bench) imports(ctx context.Context) error {
	b.tell("writing a CRM of %d people", b.Imported)
	f, err := os.Create(filepath.Join(b.Dir, "crm.csv"))
	if err != nil {
		return fmt.Errorf("writing a CRM: %w", err)
	}
	defer f.Close() //nolint:errcheck // read only by then
	if err := demodata.WriteCSV(f, demodata.Options{People: b.Imported, Seed: 1}); err != nil {
		return err
	}
	info, err := f.Stat()
	if err != nil {
		return fmt.Errorf("writing a CRM: %w", err)
	}
	b.tell("importing it")
	before, start := b.app.Store.Stats(), begin()
	report, err := importer.Run(ctx, importer.Deps{
		Ledger: b.app.Ledger, Keys: b.app.Keys, Now: time.Now, Rand: b.Rand, Logger: b.app.Log,
	}, importer.Job{
		Format: importer.CSV, File: f, Size: info.Size(), Mapping: []byte(demodata.Mapping()), Caller: app.LocalCaller(),
	})
	if err != nil {
		return err
	}
	took, after := time.Since(start.start), b.app.Store.Stats()
	events, streams := float64(after.Events-before.Events), float64(max(after.Streams-before.Streams, 1))
	measured := start.rate(int(events))
	met := measured.each >= 100_000
	b.add(Figure{
		Name: "import with new keys", Unit: "events/s", Aim: "100 000/s", Met: &met,
		Note: fmt.Sprintf("%d people, %.0f events, %.1f MB of CSV in %s: %.0f people/s", b.Imported, events,
			float64(info.Size())/1e6, took.Round(10*time.Millisecond), float64(b.Imported)/took.Seconds()),
	}.of(measured))
	var values, refused uint64
	for _, t := range report.Tables {
		values, refused = values+t.Values, refused+t.Refused
	}
	b.fact("imported people", "%d, %.1f events and %.1f sealed values each, %d rows refused", b.Imported,
		events/streams, float64(values)/float64(b.Imported), refused)
	return nil
}
