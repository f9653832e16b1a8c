package oracles

import (
	"context"
	"crypto/rand"
	"log/slog"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/transparency-dev/tessera/client"

	"lethe/eventstore"
	"lethe/eventstore/storetest"
	"lethe/internal/seal"
)

// openVault hides nothing: the seal's keys are a test's.
type openVault struct{}

func (openVault) Protect(_ string, secret []byte) ([]byte, error) { return secret, nil }
func (openVault) Unprotect(_ string, blob []byte) ([]byte, error) { return blob, nil }

// A tree with a full tile of level 1 and a tile of level 2, and checkpoints
// around the size where they come: a seal over a store in memory, since
// people would take long to register.
func TestThreeLevels(t *testing.T) {
	t.Parallel()
	store := storetest.NewMemory(storetest.MemoryOptions{})
	dir := t.TempDir()
	s, err := seal.Open(t.Context(), seal.Options{
		Dir: filepath.Join(dir, "seal"), PinDir: filepath.Join(dir, "pins"), KeyDir: filepath.Join(dir, "keys"),
		Store: store, Vault: openVault{}, Origin: origin, Interval: time.Millisecond,
		Now: time.Now, Rand: rand.Reader, Logger: slog.New(slog.DiscardHandler),
	})
	require.NoError(t, err)
	s.Run(t.Context())
	defer func() { require.NoError(t, s.Close(context.WithoutCancel(t.Context()))) }()
	o := withFetcher(t, s.Keys()[0].VKey, client.FileFetcher{Root: s.Dir()})
	const full = 256 * 256
	var seen []head
	var tracker *client.LogStateTracker
	for _, size := range []uint64{full - 1, full, full + 1, full + 300} {
		fill(t, store, size)
		ctx, cancel := context.WithTimeout(t.Context(), waitAtMost)
		require.NoError(t, s.WaitFor(ctx, store.Stats().Head))
		cancel()
		if tracker == nil {
			tracker = o.tracker()
		}
		_, _, _, err := tracker.Update(t.Context())
		require.NoError(t, err)
		seen = append(seen, head{tracker.Latest().Size, tracker.Latest().Hash})
		require.Equal(t, size, seen[len(seen)-1].size)
		require.NoError(t, o.fsck())
	}
	testProofs(t, o, seen, 251)
}

// fill appends to the store until it has n events.
func fill(t *testing.T, store *storetest.Memory, n uint64) {
	t.Helper()
	for have := store.Stats().Events; have < n; {
		var events []eventstore.Event
		for range min(1000, n-have) {
			have++
			events = append(events, storetest.NewEvent(have))
		}
		_, err := store.Append(t.Context(), "subject", eventstore.Any(), events)
		require.NoError(t, err)
	}
}
