package httpapi

import (
	"context"
	"net/http"
	"sync"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"
)

// late answers with lines of JSON about long work, from its first line on, so
// that what is refused before has a status of its own. run is given a way to
// send a line; its ctx ends when nobody listens any more, and when the server
// stops. Of what it returns last is the last line, with the problem that ended
// the work, nil when it was done.
func (s *API) late(
	c *call, told func(error) error, run func(ctx context.Context, send func(line any)) (last func(*Problem) any, err error),
) *streamed {
	return &streamed{Body: func(hctx huma.Context) {
		_, w := humago.Unwrap(hctx)
		ctx, cancel := context.WithCancel(hctx.Context())
		defer cancel()
		if s.Stop != nil {
			defer context.AfterFunc(s.Stop, cancel)()
		}
		out := &lateStream{api: s, w: w}
		defer out.keepAlive(ctx, cancel)()
		last, err := run(ctx, func(line any) {
			if out.line(line) != nil {
				cancel() // nobody listens
			}
		})
		switch {
		case err == nil:
			_ = out.line(last(nil))
		case !out.begun():
			refuse(w, c, told(err))
		default:
			_ = out.line(last(problem(c, told(err))))
		}
	}}
}

// lateStream begins its answer with the first line, so that what is refused
// before has a status of its own.
type lateStream struct {
	api *API
	w   http.ResponseWriter
	mu  sync.Mutex
	out *stream
}

func (v *lateStream) line(l any) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.out == nil {
		v.out = v.api.startStream(v.w, false)
	}
	return v.out.line(l)
}

func (v *lateStream) begun() bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.out != nil
}

// keepAlive writes a sign of life now and then, while a step has nothing to
// tell. What it returns ends that.
func (v *lateStream) keepAlive(ctx context.Context, cancel func()) (stop func()) {
	ctx, end := context.WithCancel(ctx)
	var wg sync.WaitGroup
	wg.Go(func() {
		tick := time.NewTicker(v.api.Limits.Heartbeat)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
				v.mu.Lock()
				if v.out != nil && v.out.alive() != nil {
					cancel()
				}
				v.mu.Unlock()
			}
		}
	})
	return func() {
		end()
		wg.Wait()
	}
}
