// Package bench measures Lethe on the machine at hand, each figure beside the
// barest thing that does the same work in the same run: appends beside a
// preallocated log with group commit, reads beside reads of a plain file,
// views beside a prepared bulk insert, HTTP beside an empty handler.
//
// Figures of one run belong together: disks and neighbours change, so a ratio
// means more than a number. Everything runs as in production, through the
// ledger's own entrances; nothing is switched off.
package bench

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"time"

	"lethe/domain"
	"lethe/domain/catalogue"
	"lethe/internal/app"
	"lethe/internal/config"
	"lethe/internal/starter"
)

// Options of a run.
type Options struct {
	Dir      string        // scratch; removed by the caller
	People   int           // people with keys that consents are recorded for
	Imported int           // people of the imported CRM, about six events each
	Rotated  int           // keys of the key store whose epochs are rotated
	Each     time.Duration // how long each timed figure runs
	Clients  int           // the many in "one and many"
	Only     []string      // parts to run, none = all
	Tell     func(string)  // what is being measured now
	// Handler makes the API's handler over an open ledger.
	Handler func(*app.App) http.Handler
	Rand    io.Reader
}

// Parts are the names that Options.Only takes, in order.
func Parts() []string {
	return []string{"append", "import", "http", "read", "rebuild", "proof", "audit", "erase", "rotate", "restore"}
}

// bench is a run under way.
type bench struct {
	Options
	app    *app.App
	report Report
	raw    *rawLog
	notice domain.Digest
	people []domain.Token
}

// purpose is what the measured consents are for: simple consent, so that one
// command is one event.
const purpose domain.Name = "marketing.phone"

// Run measures. The directory must be empty and on the disk that matters.
func Run(ctx context.Context, o Options) (_ Report, err error) {
	b := &bench{Options: o}
	start := time.Now()
	b.report.Started = start.UTC().Truncate(time.Second)
	b.report.Machine = Machine{
		Platform: runtime.GOOS + "/" + runtime.GOARCH, Go: runtime.Version(),
		Processors: runtime.GOMAXPROCS(0), Directory: o.Dir,
	}
	if b.app, err = b.open(ctx, "data"); err != nil {
		return Report{}, err
	}
	defer func() { err = errors.Join(err, b.app.Close()) }()
	if b.raw, err = openRawLog(b.Dir, rawSpace); err != nil {
		return Report{}, err
	}
	defer func() { err = errors.Join(err, b.raw.close()) }()
	if err := b.findNotice(ctx); err != nil {
		return Report{}, err
	}
	for _, part := range []struct {
		name string
		run  func(context.Context) error
	}{
		{"append", b.appends}, {"import", b.imports}, {"http", b.http}, {"read", b.reads}, {"rebuild", b.rebuilds}, {"proof", b.proofs}, {"audit", b.audits}, {"erase", b.erasures}, {"rotate", b.rotations}, {"restore", b.restores},
	} {
		if !b.wanted(part.name) {
			continue
		}
		if err := part.run(ctx); err != nil {
			return Report{}, fmt.Errorf("measuring %s: %w", part.name, err)
		}
	}
	b.report.Seconds = time.Since(start).Seconds()
	return b.report, nil
}

func (b *bench) wanted(part string) bool {
	if len(b.Only) == 0 {
		return true
	}
	for _, name := range b.Only {
		if name == part {
			return true
		}
	}
	return false
}

// open opens a ledger of its own with the starter catalogue.
func (b *bench) open(ctx context.Context, name string) (*app.App, error) {
	var cfg config.Config
	cfg.Storage = config.Storage{Data: filepath.Join(b.Dir, name), SegmentBytes: 64 << 20}
	a, err := app.Open(ctx, cfg, slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn})))
	if err != nil {
		return nil, err
	}
	declared, err := starter.Default()
	if err != nil {
		return nil, errors.Join(err, a.Close())
	}
	commands := make([]catalogue.Command, len(declared))
	for i := range declared {
		commands[i] = declared[i].Command
	}
	if _, err := a.Ledger.Declare(ctx, b.request(), commands...); err != nil {
		return nil, errors.Join(fmt.Errorf("loading the starter catalogue: %w", err), a.Close())
	}
	return a, nil
}

func (b *bench) findNotice(ctx context.Context) error {
	cat, err := b.app.Ledger.Catalogue(ctx)
	if err != nil {
		return err
	}
	for _, n := range cat.Notices() {
		for _, ref := range n.Purposes {
			if ref.Purpose == purpose && n.Language == "en" {
				b.notice = n.Digest
				return nil
			}
		}
	}
	return fmt.Errorf("the starter catalogue has no notice for %s", purpose)
}

func (b *bench) tell(format string, args ...any) {
	if b.Tell != nil {
		b.Tell(fmt.Sprintf(format, args...))
	}
}

func (b *bench) add(f Figure) { b.report.Figures = append(b.report.Figures, f) }

func (b *bench) fact(name, format string, args ...any) {
	b.report.Shape = append(b.report.Shape, Fact{Name: name, Value: fmt.Sprintf(format, args...)})
}
