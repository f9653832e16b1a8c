package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/alecthomas/kong"

	"lethe/internal/app"
	"lethe/internal/config"
)

// shell is what a command has at hand.
type shell struct {
	process Process
	root    *root
	model   *kong.Application
	parsed  *kong.Context
	client  *client
	app     *app.App      // open when the command works on the directory itself
	creates bool          // the command may make a new ledger
	serving bool          // for long: everything of interest is logged
	backups config.Backup // where the command's backups go
}

// api is the API: of the server that --server names, or in this process on
// the data directory, with every right of the file system's owner.
func (s *shell) api(ctx context.Context) (*client, error) {
	if s.client != nil {
		return s.client, nil
	}
	if server := s.root.Client.Server; server != "" {
		token, err := s.root.Client.Token(os.LookupEnv)
		if err != nil {
			return nil, &usageError{err: err}
		}
		s.client = &client{base: strings.TrimRight(server, "/") + "/v1", http: &http.Client{}, token: token}
		return s.client, nil
	}
	a, err := s.open(ctx)
	if err != nil {
		return nil, err
	}
	if err := s.catchUp(ctx, a); err != nil {
		return nil, err
	}
	api, _ := handlers(a, handlerOptions{Version: s.process.Version, Backup: s.backups})
	s.client = inMemoryClient(api)
	return s.client, nil
}

// open opens the data directory for this process.
func (s *shell) open(ctx context.Context, more ...app.Option) (*app.App, error) {
	if s.app != nil {
		return s.app, nil
	}
	cfg := config.Config{
		File: s.root.File, Storage: s.root.Storage, Seal: s.root.Seal, Erasure: s.root.Erasure, Client: s.root.Client, Log: s.root.Log,
	}
	if cfg.Log.LogLevel == "info" && !s.serving { // of interest to who runs a server, not to who asks once
		cfg.Log.LogLevel = "warn"
	}
	if err := s.exists(); err != nil {
		return nil, err
	}
	a, err := app.Open(ctx, cfg, logger(s.process.Stderr, cfg.Log), append(more, app.RootKeys(s.process.RootKeys))...)
	if err != nil {
		return nil, err
	}
	for _, line := range a.Report {
		fmt.Fprintln(s.process.Stderr, "lethe: "+line)
	}
	s.app = a
	return a, nil
}

// exists refuses to make a ledger where the command only wants to use one.
func (s *shell) exists() error {
	dir := s.root.Storage.Data
	if _, err := os.Stat(filepath.Join(dir, "log")); s.creates || !errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err := app.RequireLog(s.root.Storage); err != nil {
		return err
	}
	return usage("there is no ledger in %s: name its directory with --data, or make one with `lethe catalogue load --starter`", dir)
}

// catchUp waits for the views, so that a command sees everything that is
// recorded. One that has failed is not waited for.
func (s *shell) catchUp(ctx context.Context, a *app.App) error {
	slow := time.AfterFunc(2*time.Second, func() {
		fmt.Fprintln(s.process.Stderr, "lethe: the views are catching up with the log …")
	})
	defer slow.Stop()
	for _, v := range a.Views.Status() {
		if err := a.Views.WaitFor(ctx, v.Name, a.Store.Stats().Head); err != nil && ctx.Err() != nil {
			return err
		}
	}
	return nil
}

func (s *shell) close() error {
	if s.app == nil {
		return nil
	}
	a := s.app
	s.app = nil
	if err := a.Close(); err != nil {
		return fmt.Errorf("closing the data directory: %w", err)
	}
	return nil
}

// ask sends a request to the API.
func (s *shell) ask(ctx context.Context, q call) (answer, error) {
	c, err := s.api(ctx)
	if err != nil {
		return answer{}, err
	}
	return c.do(ctx, q)
}

// show asks, and prints the answer: as it is with --json, else by human.
func show[T any](ctx context.Context, s *shell, q call, human func(*page, T) error) error {
	a, err := s.ask(ctx, q)
	if err != nil {
		return err
	}
	if s.root.JSON {
		return s.json(a.body)
	}
	var v T
	if len(a.body) > 0 {
		if err := a.into(&v); err != nil {
			return err
		}
	}
	p := &page{}
	if err := human(p, v); err != nil {
		return err
	}
	return p.writeTo(s.process.Stdout)
}

// logger writes lines as configured. Values in them are the caller's to keep
// free of personal data; personal types print as [personal] by themselves.
func logger(w io.Writer, l config.Log) *slog.Logger {
	var level slog.Level
	if err := level.UnmarshalText([]byte(l.LogLevel)); err != nil {
		level = slog.LevelInfo
	}
	opts := &slog.HandlerOptions{Level: level}
	if l.LogFormat == "json" {
		return slog.New(slog.NewJSONHandler(w, opts))
	}
	return slog.New(slog.NewTextHandler(w, opts))
}

// terminal reports whether f is a character device, where a progress bar can
// be drawn.
func terminal(f any) bool {
	file, ok := f.(*os.File)
	if !ok {
		return false
	}
	info, err := file.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

// maxInput bounds what is read from standard input or a file of values.
const maxInput = 1 << 20

// read reads FILE, or standard input for "-", which must hold something.
func (s *shell) read(name string, most int) ([]byte, error) {
	from := s.process.Stdin
	if name != "-" {
		f, err := os.Open(name) //nolint:gosec // the caller names it
		if err != nil {
			return nil, usage("opening the input: %w", err)
		}
		defer f.Close() //nolint:errcheck // read only
		from = f
	}
	text, err := io.ReadAll(io.LimitReader(from, int64(most)+1))
	if err != nil {
		return nil, fmt.Errorf("reading the input: %w", err)
	}
	if len(text) > most {
		return nil, usage("the input has more than %d bytes", most)
	}
	if len(strings.TrimSpace(string(text))) == 0 {
		return nil, &usageError{err: errors.New("the input is empty")}
	}
	return text, nil
}

// given reports whether a setting was given in any way, on the command line,
// in the file or in the environment, rather than left at its default.
func (s *shell) given(name string) bool {
	for _, at := range s.parsed.Path {
		if at.Flag != nil && at.Flag.Name == name {
			return true
		}
	}
	for _, f := range s.model.Flags {
		for _, env := range f.Envs {
			if _, set := os.LookupEnv(env); set && f.Name == name {
				return true
			}
		}
	}
	return false
}
