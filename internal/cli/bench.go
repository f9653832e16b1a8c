package cli

import (
	"context"
	"crypto/rand"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"runtime/pprof"
	"strconv"
	"strings"
	"time"

	"lethe/internal/app"
	"lethe/internal/bench"
)

type benchCmd struct {
	Dir      string        `name:"dir" placeholder:"DIR" help:"Where to work, on the disk to be measured; a directory that is made in it is removed at the end. The system's temporary directory when empty."`
	People   int           `name:"people" default:"2000" help:"People that consents are recorded for."`
	Imported int           `name:"imported" default:"20000" help:"People of the imported CRM, about three events each; 320000 make a million."`
	Rotated  int           `name:"rotated" default:"1000000" help:"Keys of the key store whose epochs are rotated."`
	Each     time.Duration `name:"each" default:"3s" help:"How long each timed figure runs."`
	Clients  int           `name:"clients" default:"64" help:"The many of one and many clients."`
	Only     []string      `name:"only" placeholder:"PART" help:"Parts to run: append, import, http, read, rebuild, proof, audit, erase, rotate, restore; all when left out."`
	Profile  string        `name:"cpuprofile" placeholder:"FILE" help:"Write a CPU profile, for go tool pprof."`
}

// Help is shown by --help.
func (benchCmd) Help() string {
	return `Prints each figure beside the barest thing that does the same work, measured in the same run. It works in a fresh directory and touches no ledger of yours.

Examples:

    lethe bench
    lethe bench --dir /var/lib --imported 320000 --each 10s
    lethe bench --only append --cpuprofile append.prof --json`
}

func (c *benchCmd) Run(ctx context.Context, s *shell) (err error) {
	for _, part := range c.Only {
		if !strings.Contains(" "+strings.Join(bench.Parts(), " ")+" ", " "+part+" ") {
			return usage("--only: %s is none of %s", strconv.Quote(part), strings.Join(bench.Parts(), ", "))
		}
	}
	if c.People < c.Clients || c.Clients < 2 || c.Imported < 1 || c.Rotated < 1 || c.Each <= 0 {
		return usage("at least 2 clients, as many people, 1 imported person, 1 key, and some time for each figure are needed")
	}
	dir, err := os.MkdirTemp(c.Dir, "lethe-bench-")
	if err != nil {
		return fmt.Errorf("making a directory to work in: %w", err)
	}
	defer func() {
		if gone := os.RemoveAll(dir); err == nil && gone != nil {
			err = fmt.Errorf("removing the directory worked in: %w", gone)
		}
	}()
	if c.Profile != "" {
		stop, err := profile(c.Profile)
		if err != nil {
			return err
		}
		defer stop()
	}
	report, err := bench.Run(ctx, bench.Options{
		Dir: dir, People: c.People, Imported: c.Imported, Rotated: c.Rotated, Each: c.Each, Clients: c.Clients, Only: c.Only,
		Rand: rand.Reader,
		Handler: func(a *app.App) http.Handler {
			api, _ := handlers(a, handlerOptions{Version: s.process.Version})
			return api
		},
		Tell: func(what string) { fmt.Fprintln(s.process.Stderr, "measuring: "+what) },
	})
	if err != nil {
		return err
	}
	if s.root.JSON {
		return s.json(report)
	}
	p := &page{}
	benchLines(p, report)
	return p.writeTo(s.process.Stdout)
}

func profile(name string) (stop func(), err error) {
	f, err := os.Create(filepath.Clean(name))
	if err != nil {
		return nil, fmt.Errorf("making the profile: %w", err)
	}
	if err := pprof.StartCPUProfile(f); err != nil {
		return nil, fmt.Errorf("profiling: %w", err)
	}
	return func() {
		pprof.StopCPUProfile()
		_ = f.Close() // a profile that could not be written shows when it is read
	}, nil
}

func benchLines(p *page, r bench.Report) {
	p.line("%s, %s, %d processors, %s", r.Machine.Platform, r.Machine.Go, r.Machine.Processors, stamp(r.Started))
	p.line("")
	p.head("figure", "value", "unit", "beside", "baseline", "ratio", "aim", "", "µs cpu", "baseline")
	for _, f := range r.Figures {
		base, ratio, met := "", "", ""
		if f.Base > 0 {
			base, ratio = count(int64(f.Base)), strconv.FormatFloat(f.Ratio, 'f', 2, 64)+"×"
		}
		if f.Met != nil {
			met = map[bool]string{true: "met", false: "not met"}[*f.Met]
		}
		p.row(f.Name, count(int64(f.Value)), f.Unit, f.Baseline, base, ratio, f.Aim, met, micros(f.CPU), micros(f.BaseCPU))
	}
	p.line("")
	p.line("Notes")
	for _, f := range r.Figures {
		if f.Note != "" {
			p.line("  %s: %s", f.Name, f.Note)
		}
	}
	if len(r.Shape) > 0 {
		p.line("")
		p.line("Shape")
		for _, e := range r.Shape {
			p.row("  "+e.Name, e.Value)
		}
	}
}

func micros(us float64) string {
	if us == 0 {
		return ""
	}
	return strconv.FormatFloat(us, 'f', 1, 64)
}
