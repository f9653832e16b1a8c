package keyring

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"lethe/domain/personal"
)

// image is the files of a keyring as a killed process leaves them.
type image struct {
	o    Options
	step string
}

// imagesOf are the images after each step of what run does to a keyring. What
// the process had not given to the system yet is not in them.
func imagesOf(t *testing.T, o Options, run func(Options)) (images []image) {
	o.crash = func(step string) error {
		images = append(images, copyAll(t, o, step))
		return nil
	}
	run(o)
	return images
}

func copyAll(t *testing.T, o Options, step string) image {
	base := filepath.Dir(o.Dir)
	dir := t.TempDir()
	require.NoError(t, os.CopyFS(dir, os.DirFS(base)))
	at := func(path string) string { return filepath.Join(dir, strings.TrimPrefix(path, base)) }
	o.Dir, o.EpochDir, o.LookupDir = at(o.Dir), at(o.EpochDir), at(o.LookupDir)
	o.JournalDir, o.HeadDir = at(o.JournalDir), at(o.HeadDir)
	o.RootKeyFile, o.CreateRoot = "file:"+at(strings.TrimPrefix(o.RootKeyFile, "file:")), false
	require.NoError(t, os.Chmod(strings.TrimPrefix(o.RootKeyFile, "file:"), 0o600))
	o.crash = nil
	return image{o, step}
}

// TestDestroyKilledAtEveryStep: from the journal's entry on, opening alone
// comes to the same end, also when it is killed at every step of its own;
// before it nothing has happened. Repeating the destruction then changes
// nothing more.
func TestDestroyKilledAtEveryStep(t *testing.T) {
	t.Parallel()
	o := options(t)
	k := open(t, o)
	h, other := born(t, k, 1), born(t, k, 2)
	require.NoError(t, k.Close())
	before := copyAll(t, o, "before")
	images := append([]image{before}, imagesOf(t, o, func(o Options) {
		k := open(t, o)
		_, err := k.Destroy(t.Context(), "erasure", h.everything())
		require.NoError(t, err)
		require.NoError(t, k.Close())
	})...)
	var steps []string
	for _, i := range images {
		steps = append(steps, i.step)
	}
	require.Equal(t, []string{"before", "applied", "journal", "head", "marks", "applied", "committed", "forgotten", "cleared"}, steps)
	for n, i := range images {
		t.Run(i.step, func(t *testing.T) {
			again := []image{copyAll(t, i.o, "not opened yet")}
			if testing.Short() {
				requireEnd(t, again[0].o, h, other, n >= 2)
				return
			}
			again = append(again, imagesOf(t, i.o, func(o Options) { require.NoError(t, open(t, o).Close()) })...)
			for _, a := range again {
				requireEnd(t, a.o, h, other, n >= 2)
			}
		})
	}
}

// requireEnd opens a keyring and requires that somebody was erased, or not
// yet, and that repeating it makes it so.
func requireEnd(t *testing.T, o Options, h, other *human, erased bool) {
	k := open(t, o)
	require.Equal(t, erased, stateOf(t, k, h.ref) == personal.Erased)
	require.Equal(t, erased, suppressed(t, k, h.ids())[0] != Mark{})
	for range 2 {
		done, err := k.Destroy(t.Context(), "erasure", h.everything())
		require.NoError(t, err)
		require.Len(t, done, 1)
		require.Equal(t, uint32(3), done[0].Marks)
		require.Equal(t, h.everything().Erasure, done[0].Erasure)
		require.False(t, done[0].Lost)
		h.requireGone(t, k)
		requireText(t, k, other.ref, "value")
		require.Equal(t, make([]Mark, 4), suppressed(t, k, other.ids()))
		for i, m := range suppressed(t, k, h.ids()) {
			require.Equal(t, i < 3, m.Erased)
		}
		requireWhole(t, k)
	}
	require.NoError(t, k.Close())
	require.Equal(t, uint64(1), open(t, o).JournalReport().Entries)
}

// TestWrittenAgainKilledAtEveryStep: a lost journal of a current key store.
func TestWrittenAgainKilledAtEveryStep(t *testing.T) {
	o := options(t)
	k := open(t, o)
	h, other := born(t, k, 1), born(t, k, 2)
	_, err := k.Destroy(t.Context(), "erasure", h.everything())
	require.NoError(t, err)
	require.NoError(t, k.Close())
	require.NoError(t, os.RemoveAll(o.JournalDir))
	images := imagesOf(t, o, func(o Options) { require.NoError(t, open(t, o).Close()) })
	require.NotEmpty(t, images)
	for _, i := range images {
		requireEnd(t, i.o, h, other, true)
	}
}

// TestFailedDestructionIsFinishedByTheNext: when the key store cannot commit
// what the journal holds, the next destruction does it, or opening.
func TestFailedDestructionIsFinishedByTheNext(t *testing.T) {
	o := options(t)
	fail := false
	o.crash = func(step string) error {
		if fail && step == "head" {
			return os.ErrPermission
		}
		return nil
	}
	k := open(t, o)
	h, other := born(t, k, 1), born(t, k, 2)
	fail = true
	_, err := k.Destroy(t.Context(), "erasure", h.everything())
	require.ErrorIs(t, err, os.ErrPermission)
	requireText(t, k, h.ref, "value")
	fail = false
	end(t, k, infoOf(one(t, k, compartment(9))))
	h.requireGone(t, k)
	requireText(t, k, other.ref, "value")
	requireWhole(t, k)
	require.NoError(t, k.Close())
	require.Equal(t, uint64(2), open(t, o).JournalReport().Entries)
}
