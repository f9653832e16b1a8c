package cli

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"lethe/domain/principal"
	"lethe/internal/config"
	"lethe/internal/demodata"
)

type demoCmd struct {
	HTTP   config.HTTP   `embed:"" group:"HTTP"`
	Limits config.Limits `embed:"" group:"Limits"`
	People int           `name:"people" default:"3000" help:"Made-up people to import."`
	Seed   uint64        `name:"seed" default:"1" help:"Another seed, other people."`
	Exit   bool          `name:"exit" help:"End after the tour instead of serving on."`
}

// Help is shown by --help.
func (demoCmd) Help() string {
	return `Works in a temporary directory that is removed at the end, or in --data DIR, which must be new or empty and is kept. Nobody in it exists. If an address is taken, a free port is used.

Examples:

    lethe demo
    lethe demo --exit
    lethe demo --data demo-data --people 20000`
}

func (c *demoCmd) Run(ctx context.Context, s *shell) (err error) {
	begun := time.Now()
	if err := errors.Join(c.HTTP.Check(), c.Limits.Check()); err != nil {
		return &usageError{err: err}
	}
	if c.People < 1 || c.People > 1_000_000 {
		return usage("--people: 1 to 1000000")
	}
	discard, err := c.directory(s)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.close(), discard()) }()
	at, err := listenSomewhere(ctx, c.HTTP)
	if err != nil {
		return err
	}
	s.root.Log.LogLevel = "error" // the tour is what there is to read
	r, err := s.start(ctx, c.HTTP, c.Limits, at)
	if err != nil {
		at.close()
		return err
	}
	s.client = r.client
	return c.serve(ctx, s, r, begun)
}

// serve gives the tour while the server is up.
func (c *demoCmd) serve(ctx context.Context, s *shell, r *running, begun time.Time) error {
	ctx, end := context.WithCancel(ctx)
	defer end()
	served := make(chan error, 1)
	go func() { served <- r.run(ctx) }()
	err := c.tour(ctx, s, r, begun)
	if err == nil && !c.Exit {
		select {
		case err := <-served:
			return err
		case <-ctx.Done():
		}
	}
	end()
	return errors.Join(err, <-served)
}

// directory chooses where the demo lives.
func (c *demoCmd) directory(s *shell) (discard func() error, err error) {
	keep := func() error { return nil }
	if s.given("data") {
		entries, err := os.ReadDir(s.root.Storage.Data)
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			return nil, fmt.Errorf("looking at the data directory: %w", err)
		}
		if len(entries) > 0 {
			return nil, usage("--data: %s is not empty: the demo needs a directory of its own", s.root.Storage.Data)
		}
		return keep, nil
	}
	dir, err := os.MkdirTemp("", "lethe-demo-")
	if err != nil {
		return nil, fmt.Errorf("making a directory for the demo: %w", err)
	}
	s.root.Storage = config.Storage{Data: dir, SegmentBytes: s.root.Storage.SegmentBytes}
	return func() error { return os.RemoveAll(dir) }, nil
}

// listenSomewhere takes free ports where those wanted are taken.
func listenSomewhere(ctx context.Context, h config.HTTP) (*listeners, error) {
	for range 3 {
		at, err := listen(ctx, h)
		if err == nil || !errors.Is(err, syscall.EADDRINUSE) {
			return at, err
		}
		h.Listen, h.MetricsListen = onAnyPort(h.Listen), onAnyPort(h.MetricsListen)
	}
	return listen(ctx, h)
}

func onAnyPort(address string) string {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return address // "off"
	}
	return net.JoinHostPort(host, "0")
}

// customers writes the made-up CRM to a file and opens it for an import.
func (c *demoCmd) customers(dir string) (imported, error) {
	in := imported{mapping: []byte(demodata.Mapping())}
	in.options.Format = "csv"
	f, err := os.Create(filepath.Join(dir, "customers.csv")) //nolint:gosec // in a directory of our own
	if err != nil {
		return in, fmt.Errorf("writing the made-up customers: %w", err)
	}
	in.file = f
	if err := demodata.WriteCSV(f, demodata.Options{People: c.People, Seed: c.Seed}); err != nil {
		return in, err
	}
	in.size, err = f.Seek(0, 1)
	return in, err
}

// guest is a token to try the API with.
func guest(ctx context.Context, c *client) (string, error) {
	return mint(ctx, c, tokenRequest{
		Name: "demo", Kind: principal.Program, Expires: 24 * time.Hour,
		Roles: []principal.Role{principal.Admin, principal.Officer},
	})
}
