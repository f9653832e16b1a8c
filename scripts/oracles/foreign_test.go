package oracles

import (
	"context"
	"crypto/rand"
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"filippo.io/torchwood"
	"github.com/stretchr/testify/require"
	tes "github.com/transparency-dev/tessera"
	"github.com/transparency-dev/tessera/storage/posix"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/sync/errgroup"

	"lethe/internal/leaf"
	"lethe/internal/tlog"
	"lethe/internal/tlog/tileclient"
)

// A log that tessera runs publishes nothing but what our witness cosigned, as
// it grows and after a start on the same files; our reader reads that log.
func TestForeignLog(t *testing.T) {
	t.Parallel()
	secret, vkey, err := note.GenerateKey(rand.Reader, "foreign.example/log")
	require.NoError(t, err)
	signer, err := note.NewSigner(secret)
	require.NoError(t, err)
	w := serveWitness(t, "witness.example/w", vkey)
	text := policyOf(vkey, w.vkeys[0]+" "+w.url)
	dir := t.TempDir()
	size := 0
	for range 2 {
		end := runForeign(t, dir, signer, text)
		for range 2 {
			size += 300
			end.add(t, size-300, size)
			readForeign(t, dir, text, int64(size))
		}
		end.stop()
	}
}

// foreign is a running log of tessera's.
type foreign struct {
	add  func(t *testing.T, from, to int)
	stop func()
}

func runForeign(t *testing.T, dir string, signer note.Signer, policy []byte) foreign {
	t.Helper()
	group, err := tes.NewWitnessGroupFromPolicy(policy)
	require.NoError(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), waitAtMost)
	driver, err := posix.New(ctx, posix.Config{Path: dir})
	require.NoError(t, err)
	appender, shutdown, reader, err := tes.NewAppender(ctx, driver, tes.NewAppendOptions().
		WithCheckpointSigner(signer).WithWitnesses(group, nil).
		WithBatching(100, 10*time.Millisecond).WithCheckpointInterval(100*time.Millisecond))
	require.NoError(t, err)
	published := tes.NewPublicationAwaiter(ctx, reader.ReadCheckpoint, 10*time.Millisecond)
	return foreign{
		add: func(t *testing.T, from, to int) {
			var g errgroup.Group
			for i := from; i < to; i++ {
				future := appender.Add(ctx, tes.NewEntry(fmt.Appendf(nil, "entry %d", i)))
				g.Go(func() error {
					_, _, err := published.Await(ctx, future)
					return err
				})
			}
			require.NoError(t, g.Wait())
		},
		stop: func() {
			require.NoError(t, shutdown(ctx))
			cancel()
		},
	}
}

// readForeign has our policy, our tile client and our proofs read the log, and
// torchwood its newest checkpoint.
func readForeign(t *testing.T, dir string, text []byte, size int64) {
	t.Helper()
	served := httptest.NewServer(http.FileServer(http.Dir(dir)))
	defer served.Close()
	source := tileclient.New(served.URL, served.Client())
	signed, err := source.Checkpoint(t.Context())
	require.NoError(t, err)
	policy, err := tlog.ParsePolicy(text)
	require.NoError(t, err)
	c, _, err := policy.Open(signed)
	require.NoError(t, err)
	require.Equal(t, size, c.Size)
	theirs, err := torchwood.ParsePolicy(text)
	require.NoError(t, err)
	_, _, err = torchwood.VerifyCheckpoint(signed, theirs)
	require.NoError(t, err)
	for n := int64(0); n*tlog.TileWidth < size; n++ {
		width := min(tlog.TileWidth, int(size-n*tlog.TileWidth))
		bundle, err := source.ReadEntries(t.Context(), n, width)
		require.NoError(t, err)
		i := n * tlog.TileWidth
		for entry, err := range leaf.Entries(bundle) {
			require.NoError(t, err)
			path, err := tlog.Inclusion(t.Context(), source, c.Size, c.Root, i)
			require.NoError(t, err)
			require.NoError(t, tlog.VerifyInclusion(path, c.Size, c.Root, i, leaf.Hash(entry)))
			i++
		}
	}
	half, err := tlog.RootAt(t.Context(), source, c.Size, c.Root, c.Size/2)
	require.NoError(t, err)
	path, err := tlog.Consistency(t.Context(), source, c.Size, c.Root, c.Size/2)
	require.NoError(t, err)
	require.NoError(t, tlog.VerifyConsistency(path, c.Size/2, half, c.Size, c.Root))
}
