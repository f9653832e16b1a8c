package bundle

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/mod/sumdb/note"

	"lethe/internal/leaf"
	"lethe/internal/tlog"
)

// A checkpoint under the log's earlier name is linked by the event that names
// it; one that no event names is another log's.
func TestACheckpointOfTheEarlierName(t *testing.T) {
	w := story(t)
	seed := [32]byte{9}
	signer, _, err := tlog.NewSigner("ledger.example/before", seed[:])
	require.NoError(t, err)
	old := tlog.Checkpoint{Origin: "ledger.example/before", Size: 900, Root: tlog.Hash{7}}
	signed, err := note.Sign(&note.Note{Text: old.Text()}, signer)
	require.NoError(t, err)
	w.add(streamOperations, "LogRestarted", fmt.Sprintf(`{"number":1,"size":%d,"root":"%x","common":%d}`, old.Size, old.Root[:], len(w.entries)))
	keep := func(l *leaf.Leaf) bool { return ofBundle(l) || l.Type == "LogRestarted" }
	z := zipOf(t, w.input(len(w.entries), keep, someFields))

	trust := trusted(t)
	trust.Checkpoint = signed
	r, err := Verify(t.Context(), z, trust)
	require.NoError(t, err)
	require.Equal(t, Verified, r.Outcome, "%v", r.Findings)
	said := false
	for _, c := range r.Checks {
		said = said || c.Name == CheckNewer && c.State == Passed && len(c.Detail) > 0
	}
	require.True(t, said, "%v", r.Checks)

	r, err = Verify(t.Context(), z, Trust{Checkpoint: signed})
	require.NoError(t, err)
	require.Equal(t, Unanchored, r.Outcome, "an earlier name vouches for nothing that came after")

	old.Root[0]++
	trust.Checkpoint, err = note.Sign(&note.Note{Text: old.Text()}, signer)
	require.NoError(t, err)
	r, err = Verify(t.Context(), z, trust)
	require.NoError(t, err)
	require.Equal(t, Incomplete, r.Outcome, "no event names it")
	require.Contains(t, detail(r, CheckNewer), "they are of two logs")
}
