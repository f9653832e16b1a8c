package ledger

import (
	"context"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"lethe/domain"
	"lethe/domain/catalogue"
	"lethe/domain/personal"
	"lethe/domain/subject"
)

var errCrash = errors.New("crashed here")

// crashAt ends the command at the n-th point it passes and notes their names.
func crashAt(n int, passed *[]string) func(string) error {
	i := 0
	return func(point string) error {
		i++
		*passed = append(*passed, point)
		if i == n {
			return errCrash
		}
		return nil
	}
}

// Every point at which registering a person or changing an e-mail can be cut
// off: the same request, sent again to what is left, has exactly one outcome.
func TestEveryCrashPointLeavesOneOutcome(t *testing.T) {
	t.Run("registering", func(t *testing.T) {
		points := crashPoints(t, registering)
		require.Subset(t, points, []string{"claimed", "before lookup", "provisioned", "appended"})
	})
	t.Run("changing an e-mail", func(t *testing.T) {
		points := crashPoints(t, changing)
		require.Subset(t, points, []string{"before lookup", "provisioned", "appended"})
	})
}

type flow func(t *testing.T, o *opened, token domain.Token) (domain.Token, Outcome, error)

func registering(_ *testing.T, o *opened, _ domain.Token) (domain.Token, Outcome, error) {
	return o.Register(context.Background(), request(2, 2), subject.Env{}, person("new@example.org")...)
}

func changing(_ *testing.T, o *opened, token domain.Token) (domain.Token, Outcome, error) {
	out, err := o.On(context.Background(), request(3, 3), token, subject.Env{}, subject.RectifyFields{
		Items: []subject.Entry{{Field: "email", Text: personal.Of("new@example.org")}},
	})
	return token, out, err
}

// crashPoints runs the flow once per crash point and returns the points.
func crashPoints(t *testing.T, run flow) (points []string) {
	for n := 1; ; n++ {
		var passed []string
		crashed := crashOnce(t, run, n, &passed)
		if len(passed) > len(points) {
			points = passed
		}
		if !crashed {
			return points
		}
	}
}

func crashOnce(t *testing.T, run flow, n int, passed *[]string) bool {
	p := newPlace(t)
	first := p.open(nil, nil)
	first.declare(t)
	token, _, err := first.Register(context.Background(), request(1, 1), subject.Env{}, person("old@example.org")...)
	require.NoError(t, err)
	before := headOf(first)
	first.close(t)

	crashing := p.open(crashAt(n, passed), nil)
	_, _, err = run(t, crashing, token)
	crashed := errors.Is(err, errCrash)
	if !crashed {
		require.NoError(t, err)
	}
	crashing.close(t)

	again := p.open(nil, nil)
	defer again.close(t)
	who, out, err := run(t, again, token)
	require.NoError(t, err, "crash point %d of %v", n, *passed)
	third, repeat, err := run(t, again, token)
	require.NoError(t, err)
	require.Equal(t, who, third)
	require.True(t, repeat.Repeated)
	require.Equal(t, out.FirstID, repeat.FirstID)
	require.Equal(t, before+uint64(out.Events), headOf(again), "events were appended twice or not at all")

	state, err := again.Subject(context.Background(), who)
	require.NoError(t, err)
	hits, err := again.keys.Find(context.Background(), catalogue.LookupEmail, "NEW@example.org")
	require.NoError(t, err)
	current := 0
	now := again.Now()
	for _, h := range hits {
		require.Equal(t, who, h.Token)
		for _, held := range state.At(now, now).Fields {
			if held.Field == h.Field && held.EventID == h.EventID {
				current++
			}
		}
	}
	require.Equal(t, 1, current, "one current row of the lookup")
	return crashed
}

func headOf(o *opened) uint64 {
	n := uint64(0)
	for _, err := range o.store.ReadAll(context.Background(), 0) {
		if err == nil {
			n++
		}
	}
	return n
}
