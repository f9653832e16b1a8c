package oracles

import (
	"encoding/base64"
	"strconv"
	"strings"
	"testing"

	"filippo.io/torchwood"
	"github.com/stretchr/testify/require"
	"golang.org/x/mod/sumdb/note"
	sumdb "golang.org/x/mod/sumdb/tlog"

	"lethe/internal/leaf"
	"lethe/internal/tlog"
)

// testNotes has golang.org/x/mod open what the log signs, by the verifier key
// that the API exports.
func testNotes(t *testing.T, l *ledger) {
	v, err := note.NewVerifier(l.vkey)
	require.NoError(t, err)
	require.Equal(t, origin, v.Name())
	n, err := note.Open(l.get("/checkpoint"), note.VerifierList(v))
	require.NoError(t, err)
	require.Len(t, n.Sigs, 1)
	require.Empty(t, n.UnverifiedSigs)
	list, err := note.Open(l.get("/log-keys"), note.VerifierList(v))
	require.NoError(t, err)
	require.Contains(t, list.Text, l.vkey)

	_, other, err := tlog.NewSigner(origin, make([]byte, 32))
	require.NoError(t, err)
	stranger, err := note.NewVerifier(other)
	require.NoError(t, err)
	_, err = note.Open(l.get("/checkpoint"), note.VerifierList(stranger))
	require.ErrorAs(t, err, new(*note.UnverifiedNoteError))
	changed := strings.Replace(string(l.get("/checkpoint")), "\n"+strconv.FormatUint(l.size(), 10)+"\n", "\n1\n", 1)
	_, err = note.Open([]byte(changed), note.VerifierList(v))
	require.Error(t, err)
}

// testRotation: while two keys sign, whoever knows one of them reads on. It
// adds an event, so it comes last.
func testRotation(t *testing.T, l *ledger) {
	added, made, err := l.app.Seal.RotateKey()
	require.NoError(t, err)
	require.True(t, made)
	l.grow(l.size() + 1)
	for _, vkey := range []string{l.vkey, added.VKey} {
		v, err := note.NewVerifier(vkey)
		require.NoError(t, err)
		n, err := note.Open(l.get("/checkpoint"), note.VerifierList(v))
		require.NoError(t, err)
		require.Len(t, n.UnverifiedSigs, 1)
		o := overHTTP(t, l.root(), vkey, l.token)
		require.Equal(t, l.size(), o.head().size)
		require.NoError(t, o.fsck())
		_, _, err = torchwood.VerifyCheckpoint(l.get("/checkpoint"), alone(t, vkey))
		require.NoError(t, err)
	}
}

// treeOf reads size and root out of a checkpoint that x/mod verified.
func treeOf(t *testing.T, l *ledger) sumdb.Tree {
	t.Helper()
	v, err := note.NewVerifier(l.vkey)
	require.NoError(t, err)
	n, err := note.Open(l.get("/checkpoint"), note.VerifierList(v))
	require.NoError(t, err)
	lines := strings.Split(n.Text, "\n")
	require.Len(t, lines, 4)
	require.Equal(t, origin, lines[0])
	size, err := strconv.ParseInt(lines[1], 10, 64)
	require.NoError(t, err)
	root, err := base64.StdEncoding.DecodeString(lines[2])
	require.NoError(t, err)
	return sumdb.Tree{N: size, Hash: sumdb.Hash(root)}
}

// servedTiles reads tiles for x/mod. Its path has the tile's height, 8, which
// that of C2SP leaves out.
type servedTiles struct {
	l    *ledger
	have map[string][]byte
}

func (s servedTiles) Height() int { return 8 }

func (s servedTiles) ReadTiles(tiles []sumdb.Tile) (out [][]byte, err error) {
	for _, t := range tiles {
		path := "/tile/" + strings.TrimPrefix(t.Path(), "tile/8/")
		if s.have[path] == nil {
			s.have[path] = s.l.get(path)
		}
		out = append(out, s.have[path])
	}
	return out, nil
}

func (s servedTiles) SaveTiles([]sumdb.Tile, [][]byte) {}

// testRecords has x/mod prove every record and every older checkpoint from the
// served tiles, which it authenticates against the checkpoint; our own proofs
// are the same.
func testRecords(t *testing.T, l *ledger, seen []head) {
	tree := treeOf(t, l)
	hashes := sumdb.TileHashReader(tree, servedTiles{l, map[string][]byte{}})
	ours := tlog.Dir(l.files())
	for i := range tree.N {
		path, err := sumdb.ProveRecord(tree.N, i, hashes)
		require.NoError(t, err)
		require.NoError(t, sumdb.CheckRecord(path, tree.N, tree.Hash, i, l.leafHash(i)))
		same, err := tlog.Inclusion(t.Context(), ours, tree.N, tree.Hash, i)
		require.NoError(t, err)
		require.Equal(t, []tlog.Hash(path), same)
	}
	for _, h := range seen {
		path, err := sumdb.ProveTree(tree.N, int64(h.size), hashes)
		require.NoError(t, err)
		require.NoError(t, sumdb.CheckTree(path, tree.N, tree.Hash, int64(h.size), sumdb.Hash(h.root)))
	}
}

// entry is a leaf as it is served.
func (l *ledger) entry(i int64) []byte {
	l.t.Helper()
	width := min(tlog.TileWidth, int(int64(l.size())-i/tlog.TileWidth*tlog.TileWidth))
	path := "/" + tlog.EntriesPath(i/tlog.TileWidth, width)
	if l.bundles[path] == nil {
		for entry, err := range leaf.Entries(l.get(path)) {
			require.NoError(l.t, err)
			l.bundles[path] = append(l.bundles[path], entry)
		}
		require.Len(l.t, l.bundles[path], width)
	}
	return l.bundles[path][i%tlog.TileWidth]
}

// leafHash is what x/mod makes of it.
func (l *ledger) leafHash(i int64) sumdb.Hash { return sumdb.RecordHash(l.entry(i)) }
