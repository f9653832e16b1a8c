package oracles

import (
	"fmt"
	"os"
	"slices"
	"testing"

	"filippo.io/torchwood"
	"github.com/stretchr/testify/require"
	sumdb "golang.org/x/mod/sumdb/tlog"

	"lethe/domain"
	"lethe/internal/leaf"
	"lethe/internal/tlog"
)

// alone is the policy that the log's own signature is enough.
func alone(t *testing.T, vkey string) torchwood.Policy {
	t.Helper()
	p, err := torchwood.ParsePolicy([]byte("log " + vkey + "\nquorum none\n"))
	require.NoError(t, err)
	return p
}

// testEntries has torchwood read every entry, which it authenticates against
// the checkpoint; ours is what it says it is.
func testEntries(t *testing.T, l *ledger, tiles torchwood.TileReader, policy torchwood.Policy) {
	signed, err := tiles.ReadEndpoint(t.Context(), "checkpoint")
	require.NoError(t, err)
	c, _, err := torchwood.VerifyCheckpoint(signed, policy)
	require.NoError(t, err)
	require.EqualValues(t, l.size(), c.N)
	reader, err := torchwood.NewClient(tiles)
	require.NoError(t, err)
	n := int64(0)
	for i, entry := range reader.AllEntries(t.Context(), c.Tree, 0) {
		require.Equal(t, n, i)
		of, err := leaf.Parse(entry)
		require.NoError(t, err)
		require.EqualValues(t, i, of.Index)
		n++
	}
	require.NoError(t, reader.Err())
	require.Equal(t, c.N, n)
	for _, i := range []int64{0, c.N / 2, c.N - 1} {
		entry, path, err := reader.Entry(t.Context(), c.Tree, i)
		require.NoError(t, err)
		require.NoError(t, sumdb.CheckRecord(path, c.N, c.Hash, i, leaf.Hash(entry)))
	}
}

// overTheNetwork reads with the auditor's token.
func (l *ledger) overTheNetwork() torchwood.TileReader {
	r, err := torchwood.NewTileFetcher(l.http.URL, torchwood.WithHTTPClient(l.client()))
	require.NoError(l.t, err)
	return r
}

func (l *ledger) fromFiles() torchwood.TileReader {
	r, err := torchwood.NewTileFS(os.DirFS(l.files()))
	require.NoError(l.t, err)
	return r
}

// testEventProofs has torchwood verify the proofs that the API gives of single
// events, of the first and last ones of tiles among them.
func testEventProofs(t *testing.T, l *ledger, policy torchwood.Policy) {
	size := int64(l.size())
	for i := range size {
		if m := i % tlog.TileWidth; m > 1 && m < tlog.TileWidth-1 && i%41 != 0 && i < size-2 {
			continue
		}
		entry := l.entry(i)
		of, err := leaf.Parse(entry)
		require.NoError(t, err)
		text := l.get("/v1/events/" + domain.ID(of.EventID).String() + "/proof")
		require.NoError(t, torchwood.VerifyProof(policy, sumdb.RecordHash(entry), text))
		extra, err := torchwood.ProofExtraData(text)
		require.NoError(t, err)
		require.Equal(t, entry, extra)
		require.Equal(t, string(text), string(l.get(fmt.Sprintf("/v1/streams/%s/%d/proof", of.Stream, of.Revision))))

		ours, err := tlog.ParseProof(text)
		require.NoError(t, err)
		require.Equal(t, string(text), string(torchwood.FormatProofWithExtraData(ours.Index, ours.Extra, ours.Path, ours.Checkpoint)))

		changed := slices.Clone(entry)
		changed[len(changed)-1] ^= 1
		require.ErrorAs(t, torchwood.VerifyProof(policy, sumdb.RecordHash(changed), text), new(*torchwood.VerifyRecordError))
	}
}
