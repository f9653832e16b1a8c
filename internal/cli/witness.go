package cli

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"lethe/internal/config"
	"lethe/internal/tlog"
	"lethe/internal/witness"
)

type witnessCmd struct {
	Dir      string   `name:"dir" required:"" placeholder:"DIR" help:"The witness's own directory: its key and what it cosigned. It needs no data directory."`
	Name     string   `name:"name" required:"" placeholder:"NAME" help:"Name of the witness's key: a URL without a scheme, such as witness.example/w1. It stays."`
	Listen   string   `name:"listen" default:"127.0.0.1:8081" placeholder:"HOST:PORT" help:"Address to serve on, in plain HTTP."`
	Logs     []string `name:"log" sep:"none" placeholder:"VKEY|FILE" help:"Verifier key of a log to cosign for, or a file with one on each line; again for more logs and more keys."`
	MLDSA    bool     `name:"ml-dsa" help:"Cosign with ML-DSA-44 too, which quantum computers do not break."`
	PrintKey bool     `name:"print-key" help:"Print the witness's verifier keys and end."`
}

// Help is shown by --help.
func (witnessCmd) Help() string {
	return `Serves as a witness (C2SP tlog-witness): it remembers the latest checkpoint of each log and cosigns a newer one only when that is proven to go on from it. Run by somebody other than the log's operator, it shows that one history is shown to all.

The first start makes a key (DIR/witness.key, 0600). Give what --print-key prints to those who verify. Never put an older copy of DIR in its place: the witness would forget what it cosigned, and might cosign another history. To move, stop it, and take the whole directory along.

It answers POST /add-checkpoint and GET /<SHA-256 of the origin>/checkpoint. Anybody may ask; what counts is the log's signature. Beyond this machine put a proxy with TLS in front.

Examples:

    lethe witness --dir w --name witness.example/w1 --print-key
    lethe witness --dir w --name witness.example/w1 --log log.vkey --ml-dsa

A policy (C2SP tlog-policy) for those who verify, where one of two witnesses is enough:

    log ledger.example/log+1c8c9e4b+AVCYGqaVQdGCv…
    witness ours   witness.example/w1+8a3e2f70+BIaW0DlMvh…   https://witness.example
    witness theirs audit.example/w+52b1d5f3+BkhDkVJ3lY…      https://audit.example/witness
    group either any ours theirs
    quorum either`
}

func (c *witnessCmd) Run(ctx context.Context, s *shell) error {
	logs, err := c.logKeys()
	if err != nil {
		return &usageError{err: err}
	}
	key, made, err := witness.LoadKey(c.Dir, rand.Reader)
	if err != nil {
		return err
	}
	vkeys, err := key.VKeys(c.Name, c.MLDSA || c.PrintKey)
	if err != nil {
		return &usageError{err: err}
	}
	if made {
		fmt.Fprintf(s.process.Stderr, "lethe: the key of a new witness was made: %s\n", filepath.Join(c.Dir, witness.KeyFile))
	}
	if c.PrintKey {
		return c.print(s, vkeys)
	}
	return c.serve(ctx, s, key, logs)
}

func (c *witnessCmd) print(s *shell, vkeys []string) error {
	if s.root.JSON {
		return s.json(map[string]any{"name": c.Name, "vkeys": vkeys})
	}
	if _, err := fmt.Fprintln(s.process.Stdout, strings.Join(vkeys, "\n")); err != nil {
		return fmt.Errorf("writing the keys: %w", err)
	}
	return nil
}

// serve answers until the context ends.
func (c *witnessCmd) serve(ctx context.Context, s *shell, key witness.Key, logs []string) error {
	settings := config.HTTP{
		Listen: c.Listen, MetricsListen: "off",
		ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 10 * time.Second, WriteTimeout: 30 * time.Second,
		IdleTimeout: 2 * time.Minute, ShutdownTimeout: 10 * time.Second,
	}
	at, err := listen(ctx, settings)
	if err != nil {
		return err
	}
	log := logger(s.process.Stderr, s.root.Log)
	w, err := witness.Open(witness.Options{
		Dir: c.Dir, Name: c.Name, Key: key, MLDSA: c.MLDSA, Logs: logs, Now: time.Now, Log: log,
	})
	if err != nil {
		at.close()
		return err
	}
	if err := c.print(s, w.VKeys()); err != nil {
		at.close()
		return errors.Join(err, w.Close())
	}
	log.InfoContext(ctx, "serving as a witness", "at", at.url(), "name", c.Name, "keys_of_logs", len(logs))
	srv := server{
		config: settings, limits: config.Limits{MaxHeader: 16 << 10}, at: at, api: w.Handler(), metrics: http.NotFoundHandler(),
		log: log, draining: func() {},
	}
	return errors.Join(srv.run(ctx), w.Close())
}

// logKeys are the verifier keys that --log gives, itself or by a file.
func (c *witnessCmd) logKeys() ([]string, error) {
	var out []string
	for _, arg := range c.Logs {
		if _, err := tlog.KeyID(arg); err == nil {
			out = append(out, arg)
			continue
		}
		keys, err := readVKeys(arg)
		if err != nil {
			return nil, fmt.Errorf("--log %s: it is no verifier key, and as a file: %w", printable(arg), err)
		}
		out = append(out, keys...)
	}
	if len(out) == 0 && !c.PrintKey {
		return nil, errors.New("a witness needs the key of a log: name it with --log")
	}
	return out, nil
}

// readVKeys reads a file of verifier keys, one on each line; empty lines and
// those that begin with # do not count.
func readVKeys(name string) ([]string, error) {
	const most = 1 << 20
	f, err := os.Open(name) //nolint:gosec // the caller names it
	if err != nil {
		return nil, err
	}
	defer f.Close() //nolint:errcheck // read only
	text, err := io.ReadAll(io.LimitReader(f, most))
	if err != nil {
		return nil, fmt.Errorf("reading keys: %w", err)
	}
	var out []string
	for i, line := range strings.Split(string(text), "\n") {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		if _, err := tlog.KeyID(line); err != nil {
			return nil, fmt.Errorf("line %d: %w", i+1, err)
		}
		out = append(out, line)
	}
	return out, nil
}
