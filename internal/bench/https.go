package bench

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"time"

	"lethe/domain"
	"lethe/domain/operations"
	"lethe/domain/principal"
	"lethe/internal/app"
	"lethe/internal/auth"
)

// http measures routes over a real connection beside a handler that does
// nothing, with keep-alive clients in the same process.
func (b *bench) http(ctx context.Context) error {
	if len(b.people) == 0 {
		if err := b.register(ctx, ""); err != nil {
			return err
		}
	}
	secret, err := b.token(ctx)
	if err != nil {
		return err
	}
	empty := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) })
	emptyURL, stopEmpty, err := listenAndServe(ctx, empty)
	if err != nil {
		return err
	}
	defer stopEmpty()
	url, stop, err := listenAndServe(ctx, b.Handler(b.app))
	if err != nil {
		return err
	}
	defer stop()
	for _, clients := range []int{1, b.Clients} {
		b.tell("HTTP, %d client(s)", clients)
		base, err := b.requests(ctx, clients, secret, func(*rand.Rand) string { return emptyURL })
		if err != nil {
			return err
		}
		for _, route := range []struct{ name, path, note string }{
			{"GET may-process", "/may-process?purpose=" + string(purpose) + "&channel=phone", "decides over linked records; opens and records nothing"},
			{"GET subject", "?purpose=customer.service", "through the door: the access is durable before five values are opened"},
		} {
			rate, err := b.requests(ctx, clients, secret, func(r *rand.Rand) string {
				return url + "/v1/subjects/" + string(b.people[r.IntN(len(b.people))]) + route.path
			})
			if err != nil {
				return err
			}
			aim := map[bool]float64{true: 0.35, false: 0}[clients > 1 && route.name == "GET may-process"]
			f := Figure{Name: fmt.Sprintf("HTTP %s, %d client(s)", route.name, clients), Unit: "requests/s", Note: route.note}
			if aim > 0 {
				f.Aim = fmt.Sprintf("%.2f× empty", aim)
			}
			b.add(f.of(rate).against(fmt.Sprintf("empty handler, %d client(s)", clients), base, aim))
		}
	}
	b.fact("HTTP", "keep-alive clients in the same process as the server, over loopback, HTTP/1.1 without TLS, logging at warn")
	return nil
}

// token makes an officer's token, which no rate limit stops here.
func (b *bench) token(ctx context.Context) (string, error) {
	secret, hash, err := auth.Mint(b.Rand)
	if err != nil {
		return "", err
	}
	_, err = b.app.Ledger.Operate(ctx, b.request(), operations.CreateToken{
		Token: domain.ID(hash[:16]), Principal: app.Local, Hash: hash, Roles: []principal.Role{principal.Officer},
		Expires: b.app.Ledger.Now().Add(24 * time.Hour),
	})
	return secret, err
}

func listenAndServe(ctx context.Context, h http.Handler) (url string, stop func(), err error) {
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", nil, fmt.Errorf("listening: %w", err)
	}
	srv := &http.Server{Handler: h, ReadHeaderTimeout: 5 * time.Second}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = srv.Serve(l) // ends with Close
	}()
	return "http://" + l.Addr().String(), func() { _ = srv.Close(); <-done }, nil
}

func (b *bench) requests(ctx context.Context, clients int, secret string, target func(*rand.Rand) string) (rate, error) {
	transport := &http.Transport{MaxIdleConnsPerHost: clients}
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport}
	return b.timed(ctx, clients, func(ctx context.Context, i, _ int) func() error {
		r := rand.New(rand.NewPCG(uint64(i), 7)) //nolint:gosec // which person to ask about is no secret
		return func() error { return get(ctx, client, target(r), secret) }
	})
}

var errAnswer = errors.New("an answer that is no success")

func get(ctx context.Context, client *http.Client, url, secret string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return fmt.Errorf("making a request: %w", err)
	}
	req.Header.Set("Authorization", "Bearer "+secret)
	res, err := client.Do(req)
	if err != nil {
		return fmt.Errorf("asking: %w", err)
	}
	defer res.Body.Close() //nolint:errcheck // read to its end
	if _, err := io.Copy(io.Discard, res.Body); err != nil {
		return fmt.Errorf("reading an answer: %w", err)
	}
	if res.StatusCode >= http.StatusMultipleChoices {
		return fmt.Errorf("%w: %d", errAnswer, res.StatusCode)
	}
	return nil
}
