package cli

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"time"

	"lethe/domain/subject"
	"lethe/internal/httpapi"
)

// askAgain is how long after an answer the next one is asked for.
const askAgain = 200 * time.Millisecond

// awaitErasure asks until an erasure has ended, for as long as patience lasts,
// and gives the last that was heard of it. The error is a *problem, and says
// how it goes on, unless the erasure is completed.
func awaitErasure(ctx context.Context, s *shell, e httpapi.Erasure, patience time.Duration) (httpapi.Erasure, error) {
	for deadline := time.Now().Add(patience); ; {
		heard, err := hearErasure(ctx, s, &e)
		if err == nil {
			e = heard
			if ended := endOf(&e); ended || time.Now().After(deadline) {
				return e, s.notCompleted(&e)
			}
			err = wait(ctx, askAgain)
		}
		if err != nil {
			return e, s.interrupted(ctx, &e, err)
		}
	}
}

func wait(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}

func hearErasure(ctx context.Context, s *shell, e *httpapi.Erasure) (httpapi.Erasure, error) {
	a, err := s.ask(ctx, call{method: http.MethodGet, path: []string{"subjects", string(e.Token), "erasure"}})
	if err != nil {
		return *e, err
	}
	var all httpapi.Erasures
	if err := a.into(&all); err != nil {
		return *e, err
	}
	for _, x := range all.Items {
		if x.Erasure == e.Erasure {
			return x, nil
		}
	}
	return *e, nil
}

// endOf reports whether an erasure has ended, of linked records too.
func endOf(e *httpapi.Erasure) bool {
	for i := range e.Linked {
		if !endOf(&e.Linked[i]) {
			return false
		}
	}
	return e.State == string(subject.IsCompleted) || e.State == string(subject.IsStopped) || e.State == string(subject.IsCancelled)
}

// notCompleted says of an erasure what keeps it from being done; nil: nothing.
func (s *shell) notCompleted(e *httpapi.Erasure) error {
	about := "erasure " + e.Erasure.String() + " "
	switch {
	case !endOf(e):
		return &problem{Code: "erasure.open", Detail: about + "is not completed" + missing(e) + ". " + s.goesOn(e)}
	case e.State == string(subject.IsStopped):
		return &problem{Code: "erasure.stopped", Detail: about + "has stopped: weighed again, nothing may go any more, and nothing was destroyed"}
	case e.State == string(subject.IsCancelled):
		return &problem{Code: "erasure.cancelled", Detail: about + "was called off: nothing was destroyed"}
	}
	return nil
}

// missing is what an erasure, or one that goes along with it, waits for.
func missing(e *httpapi.Erasure) string {
	if e.Incomplete != "" {
		return ": " + e.Incomplete
	}
	for i := range e.Linked {
		if m := missing(&e.Linked[i]); m != "" {
			return m
		}
	}
	return ""
}

// interrupted tells of a wait that was cut off.
func (s *shell) interrupted(ctx context.Context, e *httpapi.Erasure, err error) error {
	why := "it is not known how far it has come: " + asProblem(err).Detail
	if ctx.Err() != nil || errors.Is(err, context.Canceled) {
		why = "the command was interrupted, the erasure was not: it is " + cmp.Or(e.State, "ordered")
	}
	return &problem{Code: "erasure.open", Detail: "erasure " + e.Erasure.String() + ": " + why + ". " + s.goesOn(e)}
}

// goesOn says who carries an erasure on, and how to look.
func (s *shell) goesOn(e *httpapi.Erasure) string {
	who := "It goes on when the ledger is served, or opened by the next command"
	if s.root.Client.Server != "" {
		who = "The server goes on with it"
	}
	return who + "; do not order it again. How far it has come: `lethe erase show " + string(e.Token) + " " + e.Erasure.String() + "`"
}
