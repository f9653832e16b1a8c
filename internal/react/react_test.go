package react_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"lethe/domain"
	"lethe/eventstore"
	"lethe/eventstore/segment"
	"lethe/internal/react"
)

// anything decodes every event as one without content.
type anything struct{}

func (anything) Decode(*eventstore.Recorded) (domain.Recorded, error) { return domain.Recorded{}, nil }

// follow runs a follower over one event until handle ends its context.
func follow(t *testing.T, handle func(stop context.CancelFunc, try int) error) string {
	t.Helper()
	store, err := segment.Open(t.TempDir(), segment.Options{})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, store.Close()) })
	_, err = store.Append(t.Context(), "stream-1", eventstore.NoStream(), []eventstore.Event{{
		ID: eventstore.EventID{6: 0x80, 8: 0x80, 15: 1}, Type: "Happened", Version: 1, Effective: time.Unix(0, 0).UTC(),
		Facts: []byte("{}"), Metadata: []byte("{}"),
	}})
	require.NoError(t, err)
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var logs bytes.Buffer
	try := 0
	f := &react.Follower{
		Name: "test", Dir: t.TempDir(), Store: store, Decoder: anything{}, Retry: time.Nanosecond,
		Log:   slog.New(slog.NewTextHandler(&logs, nil)),
		Wants: func(*eventstore.Recorded) bool { return true },
		Handle: func(context.Context, domain.Recorded) error {
			try++
			return handle(stop, try)
		},
	}
	require.NoError(t, f.Run(ctx))
	require.Positive(t, try)
	return logs.String()
}

func TestAFollowerThatIsStoppedLogsNoFailure(t *testing.T) {
	logs := follow(t, func(stop context.CancelFunc, _ int) error {
		stop()
		return context.Canceled
	})
	require.Empty(t, logs)
}

func TestAFollowerThatFailsSaysSoAndTriesAgain(t *testing.T) {
	logs := follow(t, func(stop context.CancelFunc, try int) error {
		if try == 2 {
			stop()
			return nil
		}
		return errors.New("no disk")
	})
	require.Contains(t, logs, "no disk")
	require.Contains(t, logs, "type=Happened")
}
