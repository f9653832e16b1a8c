package cli

import (
	"bytes"
	"context"
	"net/http"
	"testing"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/stretchr/testify/require"

	"lethe/domain"
	"lethe/internal/httpapi"
)

// eraseAt runs `lethe erase TOKEN --everything` at a server that answers the
// order with the first of the erasures, and then with each of the others.
func eraseAt(ctx context.Context, t *testing.T, wait time.Duration, said ...httpapi.Erasure) (string, error) {
	t.Helper()
	asked := 0
	h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var answer any = said[0]
		if r.Method == http.MethodGet {
			asked = min(asked+1, len(said)-1)
			answer = httpapi.Erasures{Items: []httpapi.Erasure{said[asked]}}
		}
		w.Header().Set("Content-Type", "application/json")
		if err := json.MarshalWrite(w, answer); err != nil {
			t.Error(err)
		}
	})
	out := &bytes.Buffer{}
	s := &shell{process: Process{Stdout: out, Stderr: out}, root: &root{}, client: inMemoryClient(h)}
	c := eraseOrderCmd{person: person{Token: "sm3ums3nisw72ixzyvuuypkqbb7pa"}, Everything: true, Wait: wait}
	err := c.Run(ctx, s)
	return out.String(), err
}

func erasureThatIs(state, missing string, linked ...httpapi.Erasure) httpapi.Erasure {
	return httpapi.Erasure{
		Erasure: domain.ID{15: 1}, Token: "sm3ums3nisw72ixzyvuuypkqbb7pa", State: state, Incomplete: missing, Linked: linked,
	}
}

// Only what is completed, of linked records too, ends well.
func TestEraseEndsWellWhenCompleted(t *testing.T) {
	ordered, completed := erasureThatIs("ordered", ""), erasureThatIs("completed", "")
	for name, c := range map[string]struct {
		said []httpapi.Erasure
		code string
		says string
	}{
		"completed":         {said: []httpapi.Erasure{ordered, erasureThatIs("started", ""), completed}},
		"with a linked one": {said: []httpapi.Erasure{ordered, erasureThatIs("completed", "", completed)}},
		"not in time":       {[]httpapi.Erasure{ordered, ordered}, "erasure.open", "is not completed. It goes on when the ledger is served"},
		"incomplete":        {[]httpapi.Erasure{ordered, erasureThatIs("incomplete", "no view answers")}, "erasure.open", "no view answers"},
		"linked one is not": {[]httpapi.Erasure{ordered, erasureThatIs("completed", "", erasureThatIs("ordered", "it waits"))}, "erasure.open", "it waits"},
		"stopped":           {[]httpapi.Erasure{ordered, erasureThatIs("stopped", "")}, "erasure.stopped", "nothing was destroyed"},
		"cancelled":         {[]httpapi.Erasure{ordered, erasureThatIs("cancelled", "")}, "erasure.cancelled", "called off"},
	} {
		t.Run(name, func(t *testing.T) {
			out, err := eraseAt(t.Context(), t, time.Second, c.said...)
			require.Contains(t, out, "state", "it is shown in any case")
			if c.code == "" {
				require.NoError(t, err)
				return
			}
			require.Equal(t, exitFailed, exitCode(err))
			require.Equal(t, c.code, asProblem(err).Code)
			require.Contains(t, asProblem(err).Detail, c.says)
			if c.code == "erasure.open" {
				require.Contains(t, asProblem(err).Detail, "lethe erase show sm3ums3nisw72ixzyvuuypkqbb7pa 00000000-0000-0000-0000-000000000001")
			}
		})
	}
}

// Who stops waiting is told that the erasure does not stop.
func TestEraseIsInterrupted(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(10*time.Millisecond, cancel)
	_, err := eraseAt(ctx, t, time.Minute, erasureThatIs("ordered", ""), erasureThatIs("started", ""))
	require.Equal(t, exitFailed, exitCode(err))
	require.Contains(t, asProblem(err).Detail, "the command was interrupted, the erasure was not")
	require.Contains(t, asProblem(err).Detail, "do not order it again")
}
