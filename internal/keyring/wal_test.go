package keyring

import (
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"lethe/domain/personal"
	"lethe/internal/testenv"
)

// TestReopeningAfterEveryWALPrefix cuts the write-ahead log after every frame
// of a history of provisioning and destruction, and once inside each frame.
// Whatever the disk kept, the store opens whole, an acknowledged state before
// the cut is there, and no part is ever anything but its value, erased or
// missing.
//
// With the erasure journal, which is written before the key store, what was
// destroyed is erased after every cut.
func TestReopeningAfterEveryWALPrefix(t *testing.T) {
	testenv.Sequential(t)
	t.Parallel()
	o := options(t)
	o.JournalDir, o.HeadDir = "", ""
	seen := reopenAfterEveryWALPrefix(t, o)
	require.True(t, seen["......mmmm"], "before the log: the last four keys are missing")
	require.True(t, seen["..e....e.."], "the whole log")
	require.True(t, seen["..e......."], "between the two destructions")
	require.Len(t, seen, 7, "%v", seen) // one for each transaction, and before them

	seen = reopenAfterEveryWALPrefix(t, options(t))
	require.True(t, seen["..e...memm"], "%v", seen)
	require.Len(t, seen, 4, "%v", seen) // what was destroyed is never anything else
}

func reopenAfterEveryWALPrefix(t *testing.T, o Options) map[string]bool {
	k := open(t, o)
	var refs []*personal.Ref
	for i := range 6 {
		refs = append(refs, sealed(t, k, one(t, k, compartment(i)), byte(i), fmt.Sprint(i)))
	}
	require.NoError(t, k.writer.truncate())
	// From here on everything is in the log. Destroying would cut it, so that
	// its transaction is made without the checkpoint.
	for i := 6; i < 10; i++ {
		refs = append(refs, sealed(t, k, one(t, k, compartment(i)), byte(i), fmt.Sprint(i)))
	}
	destroyInLog(t, k, compartment(2))
	destroyInLog(t, k, compartment(7))
	image := copyDir(t, o.Dir)
	wal, err := os.ReadFile(filepath.Join(image, storeFile+"-wal"))
	require.NoError(t, err)
	frame := int(binary.BigEndian.Uint32(wal[8:])) + 24
	require.Greater(t, (len(wal)-32)/frame, 6)

	seen := map[string]bool{}
	for cut := 32; cut <= len(wal); cut += frame / 2 {
		at := o
		at.Dir = t.TempDir()
		db, err := os.ReadFile(filepath.Join(image, storeFile))
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(filepath.Join(at.Dir, storeFile), db, 0o600))
		require.NoError(t, os.WriteFile(filepath.Join(at.Dir, storeFile+"-wal"), wal[:cut], 0o600))
		seen[statesAfterCrash(t, at, refs)] = true
	}
	return seen
}

func destroyInLog(t *testing.T, k *Keyring, c Compartment) {
	infos, err := k.Keys(t.Context(), c.Owner)
	require.NoError(t, err)
	_, _, err = k.destroyKeys(t.Context(), "erasure", []Destruction{{Keys: infos}})
	require.NoError(t, err)
}

// statesAfterCrash opens a copy and says of each part: "." its value, "e"
// erased, "m" missing.
func statesAfterCrash(t *testing.T, o Options, refs []*personal.Ref) string {
	o.LookupDir = t.TempDir()
	k, err := Open(t.Context(), o)
	require.NoError(t, err)
	defer func() { require.NoError(t, k.Close()) }()
	for _, f := range findings(t, k) {
		require.Equal(t, lookupFile, f.File, "%v: only the lookup, which was not copied, is not whole", f)
	}
	states := ""
	for i, ref := range refs {
		v, err := k.Open(t.Context(), ref)
		require.NoError(t, err)
		text, present := v.Reveal()
		switch {
		case present:
			require.Equal(t, fmt.Sprint(i), text)
			states += "."
		case v.State() == personal.Erased:
			states += "e"
		case v.State() == personal.KeyMissing:
			states += "m"
		default:
			require.Fail(t, "a part is neither", "%s", v.State())
		}
	}
	return states
}
