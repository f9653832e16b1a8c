package tlog_test

import (
	"fmt"
	"math"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/transparency-dev/merkle/proof"
	"github.com/transparency-dev/merkle/rfc6962"
	"golang.org/x/mod/sumdb/note"
	"pgregory.net/rapid"

	"lethe/internal/tlog"
)

// sizesToProve are 1 to 2,000 and those around powers of 256 and of 2.
func sizesToProve() []int {
	var out []int
	for size := 1; size <= 2000; size++ {
		out = append(out, size)
	}
	return append(out, 2047, 2048, 2049, 4096, 32767, 32769, 65535, 65536, 65537, 65536+255, 65536+256, 65536+257)
}

// indexesToProve are all of a small tree; else both ends, the edges of the
// last tile, and one that moves with the size.
func indexesToProve(size int) []int {
	var out []int
	if size <= 40 {
		for i := range size {
			out = append(out, i)
		}
		return out
	}
	return []int{0, size - 1, (size - 1) / 256 * 256, size * 7919 % size, (size*31 + 17) % size}
}

// Every proof is checked by an implementation that is not ours, and by ours.
func TestProofsAgainstAnOracle(t *testing.T) {
	log := grow(t, 65536+257)
	a := logActor(t, origin, "log")
	theirs, err := note.NewVerifier(a.vkey)
	require.NoError(t, err)
	for _, size := range sizesToProve() {
		root := log.roots[size]
		for _, index := range indexesToProve(size) {
			path, err := tlog.Inclusion(t.Context(), log, int64(size), root, int64(index))
			require.NoError(t, err)
			leaf := leafHash(index)
			require.NoError(t, proof.VerifyInclusion(rfc6962.DefaultHasher, uint64(index), uint64(size), leaf[:], raw(path), root[:]), "%d of %d", index, size)
			require.NoError(t, tlog.VerifyInclusion(path, int64(size), root, int64(index), leaf))

			from := index // as the size of an older tree
			older, err := tlog.RootAt(t.Context(), log, int64(size), root, int64(from))
			require.NoError(t, err)
			require.Equal(t, log.roots[from], older, "%d of %d", from, size)
			path, err = tlog.Consistency(t.Context(), log, int64(size), root, int64(from))
			require.NoError(t, err)
			require.NoError(t, tlog.VerifyConsistency(path, int64(from), older, int64(size), root))
			if from == 0 {
				require.Empty(t, path)
				continue
			}
			require.NoError(t, proof.VerifyConsistency(rfc6962.DefaultHasher, uint64(from), uint64(size), raw(path), older[:], root[:]), "%d of %d", from, size)
		}
		requireSameSize(t, log, int64(size))
		requireCheckpoint(t, a, theirs, tlog.Checkpoint{Origin: origin, Size: int64(size), Root: root})
	}
}

// requireCheckpoint signs a checkpoint and reads it by x/mod, then by ours.
func requireCheckpoint(t *testing.T, a actor, theirs note.Verifier, c tlog.Checkpoint) {
	t.Helper()
	n, err := note.Open(sign(t, c.Text(), a), note.VerifierList(theirs))
	require.NoError(t, err)
	back, err := tlog.ParseCheckpoint(n.Text)
	require.NoError(t, err)
	require.Equal(t, c, back)
}

func requireSameSize(t *testing.T, log *tree, size int64) {
	t.Helper()
	root := log.roots[size]
	path, err := tlog.Consistency(t.Context(), log, size, root, size)
	require.NoError(t, err)
	require.Empty(t, path)
	require.NoError(t, tlog.VerifyConsistency(nil, size, root, size, root))
	at, err := tlog.RootAt(t.Context(), log, size, root, size)
	require.NoError(t, err)
	require.Equal(t, root, at)
}

func raw(path []tlog.Hash) [][]byte {
	out := make([][]byte, len(path))
	for i := range path {
		out[i] = path[i][:]
	}
	return out
}

func TestEmptyRoot(t *testing.T) {
	require.Equal(t, rfc6962.DefaultHasher.EmptyRoot(), func() []byte { h := tlog.EmptyRoot(); return h[:] }())
	require.NoError(t, tlog.VerifyConsistency(nil, 0, tlog.EmptyRoot(), 0, tlog.EmptyRoot()))
	require.NoError(t, tlog.VerifyConsistency(nil, 0, tlog.EmptyRoot(), 5, leafHash(1)))
}

// Anything changed in what a proof is about, or in it, is refused.
func TestChangedProofsAreRefused(t *testing.T) {
	const most = 700
	log := grow(t, most+1)
	rapid.Check(t, func(t *rapid.T) {
		size := rapid.Int64Range(2, most).Draw(t, "size")
		index := rapid.Int64Range(0, size-1).Draw(t, "index")
		path, err := tlog.Inclusion(t.Context(), log, size, log.roots[size], index)
		require.NoError(t, err)
		check := func(path []tlog.Hash, size int64, root tlog.Hash, index int64, leaf tlog.Hash) error {
			return tlog.VerifyInclusion(path, size, root, index, leaf)
		}
		leaf, root := leafHash(int(index)), log.roots[size]
		require.NoError(t, check(path, size, root, index, leaf))
		require.ErrorIs(t, check(flip(t, path), size, root, index, leaf), tlog.ErrProof)
		require.ErrorIs(t, check(path[:len(path)-1], size, root, index, leaf), tlog.ErrProof)
		require.ErrorIs(t, check(append(path[:len(path):len(path)], leaf), size, root, index, leaf), tlog.ErrProof)
		require.ErrorIs(t, check(path, size, flip(t, []tlog.Hash{root})[0], index, leaf), tlog.ErrProof)
		require.ErrorIs(t, check(path, size, root, index, flip(t, []tlog.Hash{leaf})[0]), tlog.ErrProof)
		other := rapid.Int64Range(0, size-1).Filter(func(i int64) bool { return i != index }).Draw(t, "other")
		require.ErrorIs(t, check(path, size, root, other, leaf), tlog.ErrProof)
		require.ErrorIs(t, check(path, size, log.roots[size+1], index, leaf), tlog.ErrProof)
		require.Error(t, check(path, index, root, index, leaf), "no leaf of that tree")
	})
}

func TestChangedConsistencyIsRefused(t *testing.T) {
	const most = 700
	log := grow(t, most+1)
	rapid.Check(t, func(t *rapid.T) {
		size := rapid.Int64Range(2, most).Draw(t, "size")
		from := rapid.Int64Range(1, size-1).Draw(t, "from")
		root, older := log.roots[size], log.roots[from]
		path, err := tlog.Consistency(t.Context(), log, size, root, from)
		require.NoError(t, err)
		require.NoError(t, tlog.VerifyConsistency(path, from, older, size, root))
		require.ErrorIs(t, tlog.VerifyConsistency(flip(t, path), from, older, size, root), tlog.ErrProof)
		require.ErrorIs(t, tlog.VerifyConsistency(path[:len(path)-1], from, older, size, root), tlog.ErrProof)
		require.ErrorIs(t, tlog.VerifyConsistency(append(path[:len(path):len(path)], root), from, older, size, root), tlog.ErrProof)
		require.ErrorIs(t, tlog.VerifyConsistency(path, from, flip(t, []tlog.Hash{older})[0], size, root), tlog.ErrProof)
		require.ErrorIs(t, tlog.VerifyConsistency(path, from, older, size, flip(t, []tlog.Hash{root})[0]), tlog.ErrProof)
		require.ErrorIs(t, tlog.VerifyConsistency(path, from, older, size, log.roots[size+1]), tlog.ErrProof)
		require.ErrorIs(t, tlog.VerifyConsistency(path, size, root, size, root), tlog.ErrProof, "none are needed")
		require.ErrorIs(t, tlog.VerifyConsistency(path, 0, tlog.EmptyRoot(), size, root), tlog.ErrProof, "none are needed")
		require.ErrorIs(t, tlog.VerifyConsistency(nil, size, older, size, root), tlog.ErrProof, "two roots")
		require.ErrorIs(t, tlog.VerifyConsistency(nil, 0, older, size, root), tlog.ErrProof)
	})
}

// flip changes one bit of one hash.
func flip(t *rapid.T, path []tlog.Hash) []tlog.Hash {
	out := append([]tlog.Hash(nil), path...)
	i := rapid.IntRange(0, len(out)-1).Draw(t, "hash")
	bit := rapid.IntRange(0, 255).Draw(t, "bit")
	out[i][bit/8] ^= 1 << (bit % 8)
	return out
}

// A tile that does not belong to the root never becomes a proof.
func TestTilesAreAuthenticated(t *testing.T) {
	const size = 70000
	log := grow(t, size)
	for level := range 3 {
		bad := lying{tree: log, level: level}
		_, err := tlog.Inclusion(t.Context(), bad, size, log.roots[size], 3)
		require.Error(t, err, level)
		_, err = tlog.Consistency(t.Context(), bad, size, log.roots[size], 60001)
		require.Error(t, err, level)
		_, err = tlog.RootAt(t.Context(), bad, size, log.roots[size], 60001)
		require.Error(t, err, level)
	}
	_, err := tlog.Inclusion(t.Context(), log, size, log.roots[size-1], 3)
	require.Error(t, err, "the root of another size")
	_, err = tlog.Inclusion(t.Context(), down{}, size, log.roots[size], 3)
	require.ErrorIs(t, err, errDown)
}

// Sizes at which the arithmetic of the tree would not end are refused.
func TestHugeSizes(t *testing.T) {
	h := leafHash(1)
	for _, size := range []int64{tlog.MaxSize + 1, 1 << 62, 1<<62 + 1, math.MaxInt64, -1, math.MinInt64} {
		require.Error(t, tlog.VerifyInclusion(nil, size, h, 0, h), size)
		require.Error(t, tlog.VerifyConsistency(nil, 1, h, size, h), size)
		_, err := tlog.Inclusion(t.Context(), down{}, size, h, 0)
		require.Error(t, err)
		_, err = tlog.Consistency(t.Context(), down{}, size, h, 1)
		require.Error(t, err)
		_, err = tlog.RootAt(t.Context(), down{}, size, h, 1)
		require.Error(t, err)
		_, err = tlog.ParseSize(fmt.Sprint(size))
		require.Error(t, err)
	}
	require.ErrorIs(t, tlog.VerifyInclusion(make([]tlog.Hash, 60), tlog.MaxSize, h, tlog.MaxSize-1, h), tlog.ErrProof)
	require.ErrorIs(t, tlog.VerifyConsistency(make([]tlog.Hash, 60), 12345, h, tlog.MaxSize, h), tlog.ErrProof)
	_, err := tlog.Inclusion(t.Context(), down{}, tlog.MaxSize, h, 1<<59)
	require.ErrorIs(t, err, errDown)
	require.ErrorIs(t, tlog.VerifyInclusion(make([]tlog.Hash, tlog.MaxPath+1), 5, h, 0, h), tlog.ErrProof)
}
