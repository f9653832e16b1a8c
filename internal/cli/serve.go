package cli

import (
	"context"
	"errors"
	"net/http"
	"sync/atomic"
	"time"

	"lethe/domain/principal"
	"lethe/internal/app"
	"lethe/internal/config"
	"lethe/internal/httpapi"
)

type serveCmd struct {
	Backup    config.Backup `embed:"" group:"Backup"`
	HTTP      config.HTTP   `embed:"" group:"HTTP"`
	Limits    config.Limits `embed:"" group:"Limits"`
	Bootstrap string        `name:"bootstrap-token-file" env:"LETHE_BOOTSTRAP_TOKEN_FILE" placeholder:"FILE" help:"While the ledger has no access token: make one for an administrator, write it to this file (0600), and go on."`
}

// Help is shown by --help.
func (serveCmd) Help() string {
	return `Serves the API (--listen) and, on a listener of its own, /metrics (--metrics-listen). /readyz says no until the views have caught up. An interrupt or SIGTERM ends it in order, within --shutdown-timeout.

The API needs a token. Make the first one before the first start, or let the server write it:

    lethe token create --role admin --data DIR
    lethe serve --data DIR --bootstrap-token-file admin.token

Examples:

    lethe serve --data /var/lib/lethe --log-format json
    lethe serve --config /etc/lethe.yaml`
}

func (c *serveCmd) Run(ctx context.Context, s *shell) error {
	if err := errors.Join(c.HTTP.Check(), c.Limits.Check()); err != nil {
		return &usageError{err: err}
	}
	if _, err := app.Places(c.Backup, s.root.Storage); err != nil {
		return &usageError{err: err}
	}
	s.backups = c.Backup
	at, err := listen(ctx, c.HTTP)
	if err != nil {
		return err
	}
	r, err := s.start(ctx, c.HTTP, c.Limits, at)
	if err != nil {
		at.close()
		return err
	}
	for _, warning := range s.root.Storage.Warnings() {
		r.log.WarnContext(ctx, warning)
	}
	if err := r.firstToken(ctx, c.Bootstrap); err != nil {
		at.close()
		return err
	}
	r.log.InfoContext(ctx, "serving", "api", at.url(), "documentation", at.url()+"/docs", "metrics", at.metricsURL())
	return r.run(ctx)
}

// running is a server on an open data directory.
type running struct {
	server
	app    *app.App
	client *client // the same API, in process, as the local operator
	ready  atomic.Bool
	stop   context.CancelFunc
}

// start opens the data directory and makes its server; run serves it. The
// shell closes the directory at the end.
func (s *shell) start(ctx context.Context, h config.HTTP, l config.Limits, at *listeners) (*running, error) {
	s.serving = true
	a, err := s.open(ctx)
	if err != nil {
		return nil, err
	}
	a.KeepEpochs(ctx)
	r := &running{app: a}
	feeds, stop := context.WithCancel(context.WithoutCancel(ctx))
	r.stop = stop
	api, metrics := handlers(a, handlerOptions{Version: s.process.Version, Limits: l, Ready: r.ready.Load, Stop: feeds, Backup: s.backups})
	r.server = server{config: h, limits: l, at: at, api: api, metrics: metrics, log: a.Log}
	r.draining = func() {
		r.ready.Store(false)
		stop()
	}
	r.client = inMemoryClient(api)
	go r.becomeReady(ctx)
	return r, nil
}

// becomeReady waits for the views to reach what the log held at the start.
func (r *running) becomeReady(ctx context.Context) {
	start := time.Now()
	for _, v := range r.app.Views.Status() {
		if err := r.app.Views.WaitFor(ctx, v.Name, r.app.Store.Stats().Head); err != nil {
			if ctx.Err() == nil {
				r.log.ErrorContext(ctx, "not ready: a view cannot catch up", "view", v.Name, "error", err)
			}
			return
		}
	}
	r.ready.Store(true)
	r.log.InfoContext(ctx, "ready", "after", time.Since(start))
}

// firstToken makes sure that somebody can get in.
func (r *running) firstToken(ctx context.Context, file string) error {
	state, err := r.app.Ledger.Operations(ctx)
	if err != nil {
		return err
	}
	if len(state.Tokens()) > 0 {
		return nil
	}
	if file == "" {
		r.log.WarnContext(ctx, "nobody can get in yet: there is no access token. Stop, run `lethe token create --role admin`, "+
			"and start again; or start with --bootstrap-token-file FILE")
		return nil
	}
	out, err := newSecretFile(file)
	if err != nil {
		return err
	}
	defer out.discard()
	secret, err := mint(ctx, r.client, tokenRequest{
		Name: "bootstrap", Kind: principal.Program, Roles: []principal.Role{principal.Admin}, Expires: 30 * 24 * time.Hour,
	})
	if err != nil {
		return err
	}
	if err := out.write(secret); err != nil {
		return err
	}
	r.log.InfoContext(ctx, "an administrator's token was made; it counts for 30 days", "file", file)
	return nil
}

func (l *listeners) metricsURL() string {
	if l.metrics == nil {
		return "off"
	}
	return "http://" + l.metrics.Addr().String() + "/metrics"
}

// inMemoryClient calls a handler in this process as the local operator.
func inMemoryClient(h http.Handler) *client {
	return &client{base: "http://in-process/v1", http: &http.Client{Transport: inMemory{handler: asLocal(h)}}}
}

// asLocal lets requests of this process act with the rights of who may read
// the data directory. It wraps nothing that a connection reaches.
func asLocal(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h.ServeHTTP(w, r.WithContext(httpapi.WithCaller(r.Context(), app.LocalCaller())))
	})
}
