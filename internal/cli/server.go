package cli

import (
	"context"
	"errors"
	"fmt"
	"log"
	"log/slog"
	"net"
	"net/http"

	"golang.org/x/sync/errgroup"

	"lethe/internal/config"
)

// listeners are the addresses a server has taken.
type listeners struct {
	api     net.Listener
	metrics net.Listener // nil when off
}

// listen takes the addresses. It comes before the data directory is opened,
// so that a taken address is told at once.
func listen(ctx context.Context, c config.HTTP) (*listeners, error) {
	var lc net.ListenConfig
	api, err := lc.Listen(ctx, "tcp", c.Listen)
	if err != nil {
		return nil, fmt.Errorf("listening for the API (--listen): %w", err)
	}
	l := &listeners{api: api}
	if c.MetricsOff() {
		return l, nil
	}
	if l.metrics, err = lc.Listen(ctx, "tcp", c.MetricsListen); err != nil {
		return nil, errors.Join(fmt.Errorf("listening for metrics (--metrics-listen): %w", err), api.Close())
	}
	return l, nil
}

func (l *listeners) close() {
	_ = l.api.Close() // nothing was served
	if l.metrics != nil {
		_ = l.metrics.Close()
	}
}

func (l *listeners) url() string { return "http://" + l.api.Addr().String() }

// server serves until its context ends, then lets requests under way finish.
type server struct {
	config  config.HTTP
	limits  config.Limits
	at      *listeners
	api     http.Handler
	metrics http.Handler
	log     *slog.Logger
	// draining is called when the end begins: feeds end, readiness goes.
	draining func()
}

// run serves. It returns nil after an orderly end; when requests outlast the
// configured time their connections are cut, and it says so.
func (s *server) run(ctx context.Context) error {
	apiServer := s.httpServer(s.api)
	servers := []*http.Server{apiServer}
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return serveOn(apiServer, s.at.api) })
	if s.at.metrics != nil {
		metrics := s.httpServer(s.metrics)
		servers = append(servers, metrics)
		group.Go(func() error { return serveOn(metrics, s.at.metrics) })
	}
	group.Go(func() error {
		<-ctx.Done()
		s.draining()
		return s.drain(context.WithoutCancel(ctx), servers)
	})
	return group.Wait()
}

func serveOn(srv *http.Server, l net.Listener) error {
	if err := srv.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serving on %s: %w", l.Addr(), err)
	}
	return nil
}

func (s *server) drain(ctx context.Context, servers []*http.Server) error {
	s.log.InfoContext(ctx, "stopping: waiting for requests under way", "at_most", s.config.ShutdownTimeout)
	ctx, cancel := context.WithTimeout(ctx, s.config.ShutdownTimeout)
	defer cancel()
	var errs []error
	for _, srv := range servers { // metrics last, to be watched to the end
		if err := srv.Shutdown(ctx); err != nil {
			errs = append(errs, srv.Close(), fmt.Errorf("stopping within %s: %w", s.config.ShutdownTimeout, err))
		}
	}
	return errors.Join(errs...)
}

func (s *server) httpServer(h http.Handler) *http.Server {
	return &http.Server{
		Handler:           h,
		ReadHeaderTimeout: s.config.ReadHeaderTimeout,
		ReadTimeout:       s.config.ReadTimeout,
		WriteTimeout:      s.config.WriteTimeout,
		IdleTimeout:       s.config.IdleTimeout,
		MaxHeaderBytes:    int(s.limits.MaxHeader),
		ErrorLog:          quiet(s.log),
	}
}

// quiet passes on that the HTTP server had something to say, but not what:
// its lines quote what strangers send.
func quiet(out *slog.Logger) *log.Logger { return log.New(unquoted{out}, "", 0) }

type unquoted struct{ out *slog.Logger }

func (u unquoted) Write(b []byte) (int, error) {
	u.out.Warn("the HTTP server met a malformed connection or request")
	return len(b), nil
}
