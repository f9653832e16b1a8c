package oracles

import (
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/transparency-dev/tessera/client"
)

// A ledger grows over tile borders, and others read what it serves.
func TestServedLog(t *testing.T) {
	t.Parallel()
	l := openLedger(t, t.TempDir(), "")
	l.people(20)
	seen := follow(t, l, 100, 255, 256, 257, 511, 512, 513, 1000, 1999, 2304, 3001)
	t.Logf("%d events, vkey %s", l.size(), l.vkey)
	served := overHTTP(t, l.root(), l.vkey, l.token)
	files := withFetcher(t, l.vkey, client.FileFetcher{Root: l.files()})

	t.Run("tessera's proofs verify over HTTP", func(t *testing.T) { testProofs(t, served, seen, 1) })
	t.Run("tessera's proofs verify from plain files", func(t *testing.T) { testProofs(t, files, seen, 1) })
	t.Run("the API's consistency proofs verify", func(t *testing.T) { testServedConsistency(t, l, seen) })
	t.Run("fsck over HTTP", func(t *testing.T) { require.NoError(t, served.fsck()) })
	t.Run("fsck of plain files", func(t *testing.T) { require.NoError(t, files.fsck()) })
	t.Run("fsck finds each change", func(t *testing.T) { testDamage(t, l) })
	t.Run("x/mod opens what is signed", func(t *testing.T) { testNotes(t, l) })
	t.Run("x/mod proves every record", func(t *testing.T) { testRecords(t, l, seen) })
	policy := alone(t, l.vkey)
	t.Run("torchwood reads over HTTP", func(t *testing.T) { testEntries(t, l, l.overTheNetwork(), policy) })
	t.Run("torchwood reads plain files", func(t *testing.T) { testEntries(t, l, l.fromFiles(), policy) })
	t.Run("torchwood verifies proofs of events", func(t *testing.T) { testEventProofs(t, l, policy) })
	t.Run("entries need a token", func(t *testing.T) { testEntriesArePrivate(t, l) })
	t.Run("two keys sign", func(t *testing.T) { testRotation(t, l) })
}
