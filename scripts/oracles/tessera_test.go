package oracles

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/transparency-dev/merkle/compact"
	"github.com/transparency-dev/merkle/proof"
	"github.com/transparency-dev/merkle/rfc6962"
	"github.com/transparency-dev/tessera/api"
	"github.com/transparency-dev/tessera/api/layout"
	"github.com/transparency-dev/tessera/client"
	"github.com/transparency-dev/tessera/fsck"
	"golang.org/x/mod/sumdb/note"

	"lethe/internal/tlog"
)

var hasher = rfc6962.DefaultHasher

// head is a size of the log and its root.
type head struct {
	size uint64
	root []byte
}

// tessera is tessera's view of a log.
type tessera struct {
	t        *testing.T
	fetch    fsck.Fetcher
	verifier note.Verifier
}

// overHTTP reads with a token; "" is none.
func overHTTP(t *testing.T, root *url.URL, vkey, token string) *tessera {
	t.Helper()
	f, err := client.NewHTTPFetcher(root, nil)
	require.NoError(t, err)
	if token != "" {
		f.SetAuthorizationHeader("Bearer " + token)
	}
	return withFetcher(t, vkey, f)
}

func withFetcher(t *testing.T, vkey string, f fsck.Fetcher) *tessera {
	t.Helper()
	v, err := note.NewVerifier(vkey)
	require.NoError(t, err)
	return &tessera{t, f, v}
}

func (o *tessera) head() head {
	o.t.Helper()
	c, _, _, err := client.FetchCheckpoint(o.t.Context(), o.fetch.ReadCheckpoint, o.verifier, origin)
	require.NoError(o.t, err)
	return head{c.Size, c.Hash}
}

// tracker begins to follow the log.
func (o *tessera) tracker() *client.LogStateTracker {
	o.t.Helper()
	s, err := client.NewLogStateTracker(o.t.Context(), o.fetch.ReadTile, nil, o.verifier, origin,
		client.UnilateralConsensus(o.fetch.ReadCheckpoint))
	require.NoError(o.t, err)
	return s
}

// leaves hashes all entries.
func (o *tessera) leaves(size uint64) (hashes [][]byte) {
	o.t.Helper()
	for i := uint64(0); i*layout.EntryBundleWidth < size; i++ {
		b, err := client.GetEntryBundle(o.t.Context(), o.fetch.ReadEntryBundle, i, size)
		require.NoError(o.t, err)
		for _, entry := range b.Entries {
			hashes = append(hashes, hasher.HashLeaf(entry))
		}
	}
	require.Len(o.t, hashes, int(size))
	return hashes
}

// fsck checks the whole log. As many workers as there can be wrong files: one
// that found something works no more.
func (o *tessera) fsck() error {
	return fsck.New(origin, o.verifier, o.fetch, bundleHasher, fsck.Opts{N: 16}).Check(o.t.Context())
}

// bundleHasher hashes the entries of a tlog-tiles entry bundle, as a tessera
// log does that is told nothing else.
func bundleHasher(bundle []byte) ([][]byte, error) {
	var b api.EntryBundle
	if err := b.UnmarshalText(bundle); err != nil {
		return nil, fmt.Errorf("reading an entry bundle: %w", err)
	}
	var hashes [][]byte
	for _, entry := range b.Entries {
		hashes = append(hashes, hasher.HashLeaf(entry))
	}
	return hashes, nil
}

// follow lets tessera follow a log that grows through the sizes given, each
// around a tile's end; every checkpoint must go on from the one before.
func follow(t *testing.T, l *ledger, sizes ...uint64) (seen []head) {
	o := overHTTP(t, l.root(), l.vkey, l.token)
	tracker := o.tracker()
	for _, size := range sizes {
		l.grow(size)
		_, path, _, err := tracker.Update(t.Context())
		require.NoError(t, err)
		latest := tracker.Latest()
		require.Equal(t, size, latest.Size)
		require.True(t, len(seen) == 0 || len(path) > 0, "nothing was proven at size %d", size)
		seen = append(seen, head{latest.Size, latest.Hash})
	}
	return seen
}

// testProofs has tessera build proofs from the tiles and
// transparency-dev/merkle verify them: leaves in the newest tree, and older
// sizes, whose roots merkle computes from the entries, to the newest. It takes
// each step-th leaf and size, and those of the checkpoints that were seen.
func testProofs(t *testing.T, o *tessera, seen []head, step uint64) {
	now := o.head()
	leaves := o.leaves(now.size)
	build, err := client.NewProofBuilder(t.Context(), now.size, o.fetch.ReadTile)
	require.NoError(t, err)
	roots := rootsOf(t, leaves)
	for i, leaf := range leaves {
		size := uint64(i) + 1
		if size%step != 0 && !slices.ContainsFunc(seen, func(h head) bool { return h.size == size }) {
			continue
		}
		path, err := build.InclusionProof(t.Context(), uint64(i))
		require.NoError(t, err)
		require.NoError(t, proof.VerifyInclusion(hasher, uint64(i), now.size, leaf, path, now.root))
		path, err = build.ConsistencyProof(t.Context(), size, now.size)
		require.NoError(t, err)
		require.NoError(t, proof.VerifyConsistency(hasher, size, now.size, path, roots[size], now.root))
	}
	require.Equal(t, now.root, roots[now.size])
	for _, h := range seen {
		require.Equal(t, roots[h.size], h.root, "the checkpoint of size %d", h.size)
	}
}

// rootsOf gives the root of each size, from 1.
func rootsOf(t *testing.T, leaves [][]byte) map[uint64][]byte {
	t.Helper()
	tree := (&compact.RangeFactory{Hash: hasher.HashChildren}).NewEmptyRange(0)
	roots := map[uint64][]byte{}
	for _, leaf := range leaves {
		require.NoError(t, tree.Append(leaf, nil))
		root, err := tree.GetRootHash(nil)
		require.NoError(t, err)
		roots[tree.End()] = root
	}
	return roots
}

// testServedConsistency has merkle verify the proofs that the API gives
// between any two checkpoints that were seen.
func testServedConsistency(t *testing.T, l *ledger, seen []head) {
	for _, from := range seen {
		for _, to := range seen {
			if from.size > to.size {
				continue
			}
			text := l.get(fmt.Sprintf("/v1/proofs/consistency?from=%d&to=%d", from.size, to.size))
			f, n, path, err := tlog.ParseConsistency(text)
			require.NoError(t, err)
			require.Equal(t, []uint64{from.size, to.size}, []uint64{uint64(f), uint64(n)})
			require.NoError(t, proof.VerifyConsistency(hasher, from.size, to.size, bytesOf(path), from.root, to.root))
		}
	}
}

func bytesOf(path []tlog.Hash) [][]byte {
	out := make([][]byte, len(path))
	for i := range path {
		out[i] = path[i][:]
	}
	return out
}

// testEntriesArePrivate: without the auditor's token tessera reads checkpoint
// and tiles, and no entry.
func testEntriesArePrivate(t *testing.T, l *ledger) {
	o := overHTTP(t, l.root(), l.vkey, "")
	o.head()
	_, err := o.fetch.ReadTile(t.Context(), 0, 0, 0)
	require.NoError(t, err)
	_, err = o.fetch.ReadEntryBundle(t.Context(), 0, 0)
	require.ErrorContains(t, err, "401")
	require.Error(t, o.fsck())
}

// recorder notes which files tessera reads.
type recorder struct {
	fsck.Fetcher
	mu    sync.Mutex
	files map[string]bool
}

func (r *recorder) note(path string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.files[path] = true
}

func (r *recorder) ReadCheckpoint(ctx context.Context) ([]byte, error) {
	r.note(layout.CheckpointPath)
	return r.Fetcher.ReadCheckpoint(ctx)
}

func (r *recorder) ReadTile(ctx context.Context, l, i uint64, p uint8) ([]byte, error) {
	r.note(layout.TilePath(l, i, p))
	return r.Fetcher.ReadTile(ctx, l, i, p)
}

func (r *recorder) ReadEntryBundle(ctx context.Context, i uint64, p uint8) ([]byte, error) {
	r.note(layout.EntriesPath(i, p))
	return r.Fetcher.ReadEntryBundle(ctx, i, p)
}

// testDamage serves a copy of the plain files by a plain web server, and
// changes one byte at a time, in each file that belongs to the checkpoint.
func testDamage(t *testing.T, l *ledger) {
	dir := t.TempDir()
	require.NoError(t, os.CopyFS(dir, os.DirFS(l.files())))
	server := httptest.NewServer(http.FileServer(http.Dir(dir)))
	defer server.Close()
	root, err := url.Parse(server.URL + "/")
	require.NoError(t, err)
	o := overHTTP(t, root, l.vkey, "")
	read := &recorder{Fetcher: o.fetch, files: map[string]bool{}}
	o.fetch = read
	require.NoError(t, o.fsck())
	files := make([]string, 0, len(read.files))
	for name := range read.files {
		files = append(files, name)
	}
	slices.Sort(files)
	bundles := int(l.size()+layout.EntryBundleWidth-1) / layout.EntryBundleWidth
	require.Len(t, files, 1+bundles+bundles+1, "checkpoint, entries, tiles of level 0, the tile of level 1")
	changes := 0
	for _, name := range files {
		path := filepath.Join(dir, filepath.FromSlash(name))
		was, err := os.ReadFile(path)
		require.NoError(t, err)
		for _, at := range positions(name, was) {
			b := slices.Clone(was)
			b[at] ^= 1
			require.NoError(t, os.WriteFile(path, b, 0o600))
			require.Error(t, o.fsck(), "%s with byte %d changed", name, at)
			changes++
		}
		require.NoError(t, os.WriteFile(path, was[:len(was)-1], 0o600))
		require.Error(t, o.fsck(), "%s without its last byte", name)
		require.NoError(t, os.Remove(path))
		require.Error(t, o.fsck(), "without %s", name)
		require.NoError(t, os.WriteFile(path, was, 0o600))
		changes += 2
	}
	require.NoError(t, o.fsck(), "all is as it was")
	t.Logf("%d files, %d changes, all found", len(files), changes)
}

// positions chooses bytes to change: of a checkpoint the first of each line
// and of what is signed, of others the first and the last that are no length.
func positions(name string, b []byte) []int {
	if name != layout.CheckpointPath {
		return []int{2, len(b) / 2 / 32 * 32, len(b) - 1}
	}
	at := []int{0}
	for i, c := range b[:len(b)-1] {
		if c == '\n' {
			at = append(at, i+1)
		}
	}
	return at
}
