package keyring

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"lethe/domain/personal"
)

// agreed declares the journal lost, and tells which mark it was asked about.
func agreed(o Options, asked *[]uint64) Options {
	o.JournalLost = func(mark uint64) error {
		*asked = append(*asked, mark)
		return nil
	}
	return o
}

// TestDeclaredJournalIsBegunAnew with what the restored key store knows, above
// every era that is known. It then serves key stores of before.
func TestDeclaredJournalIsBegunAnew(t *testing.T) {
	for name, heads := range map[string]bool{"with the head": true, "without the head": false} {
		t.Run(name, func(t *testing.T) {
			r := restore(t)
			older := copyDir(t, r.o.Dir)
			require.NoError(t, os.RemoveAll(r.o.JournalDir))
			if !heads {
				require.NoError(t, os.RemoveAll(r.o.HeadDir))
			}
			_, err := Open(t.Context(), r.o)
			require.ErrorIs(t, err, ErrJournalMissing)

			var asked []uint64
			k := open(t, agreed(r.o, &asked))
			require.Equal(t, []uint64{0}, asked)
			report := k.JournalReport()
			require.True(t, report.Rewritten)
			require.True(t, report.MarksLost)
			require.NotZero(t, report.Declared.ID)
			require.NotZero(t, report.Declared.At)
			require.EqualValues(t, 1, report.Declared.Keys, "the first destruction of all")
			requireText(t, k, r.gone, "gone")
			requireWhole(t, k)
			destroy(t, k, compartment(1))
			require.NoError(t, k.Close())

			k = open(t, agreed(r.o, &asked))
			require.Len(t, asked, 1, "nobody is asked where it is there")
			require.Equal(t, report.Declared, k.JournalReport().Declared)
			require.False(t, k.JournalReport().Rewritten)
			require.Equal(t, personal.Erased, stateOf(t, k, r.gone))
			requireWhole(t, k)
			require.NoError(t, k.Close())

			r.o.Dir = older
			k = open(t, r.o)
			require.Len(t, k.Reapplied(), 1)
			require.Equal(t, personal.Erased, stateOf(t, k, r.gone))
			requireText(t, k, r.kept, "kept")
			requireWhole(t, k)
		})
	}
}

// TestDeclaredJournalIsAboveALaterEra of a journal that had been written anew
// after the key store was copied.
func TestDeclaredJournalIsAboveALaterEra(t *testing.T) {
	o := options(t)
	k := open(t, o)
	one(t, k, compartment(1))
	require.NoError(t, k.Close())
	older := copyDir(t, o.Dir)
	for n := range 3 { // three eras, and an entry in each
		k = open(t, o)
		destroy(t, k, compartment(n+1))
		one(t, k, compartment(n+2))
		require.NoError(t, k.Close())
		require.NoError(t, os.RemoveAll(o.JournalDir))
	}
	o.Dir = older
	var asked []uint64
	k = open(t, agreed(o, &asked))
	require.Len(t, asked, 1)
	require.NoError(t, k.Close())
	k = open(t, o)
	require.NotZero(t, k.JournalReport().Declared)
	requireWhole(t, k)
}

// TestJournalIsNotBegunAnewAgainstARefusal: who knows better, or a journal that
// is there.
func TestJournalIsNotBegunAnewAgainstARefusal(t *testing.T) {
	r := restore(t)
	var asked []uint64
	whole, err := os.ReadFile(r.journal())
	require.NoError(t, err)
	require.NoError(t, os.Truncate(r.journal(), int64(journalHeader)+20))
	_, err = Open(t.Context(), agreed(r.o, &asked))
	require.ErrorIs(t, err, ErrJournalMissing)
	require.ErrorContains(t, err, "move it away")
	require.Empty(t, asked)
	require.NoError(t, os.RemoveAll(r.o.JournalDir))
	refusal := errors.New("no")
	r.o.JournalLost = func(uint64) error { return refusal }
	_, err = Open(t.Context(), r.o)
	require.ErrorIs(t, err, refusal)
	require.NoDirExists(t, r.o.JournalDir)
	require.NoError(t, os.Mkdir(r.o.JournalDir, 0o700))
	require.NoError(t, os.WriteFile(r.journal(), whole, 0o600))
	k := open(t, r.o)
	require.Equal(t, personal.Erased, stateOf(t, k, r.gone))
	require.Zero(t, k.JournalReport().Declared)
}

// TestDeclaredKilledAtEveryStep: opening again comes to the same end, with or
// without the declaration once the new journal is there.
func TestDeclaredKilledAtEveryStep(t *testing.T) {
	r := restore(t)
	at := filepath.Join(filepath.Dir(r.o.JournalDir), "keys")
	require.NoError(t, os.RemoveAll(at))
	require.NoError(t, os.CopyFS(at, os.DirFS(r.o.Dir)))
	r.o.Dir = at
	require.NoError(t, os.RemoveAll(r.o.JournalDir))
	require.NoError(t, os.RemoveAll(r.o.HeadDir))
	var asked []uint64
	images := imagesOf(t, agreed(r.o, &asked), func(o Options) { require.NoError(t, open(t, o).Close()) })
	require.Len(t, asked, 1)
	require.Len(t, images, 2)
	for _, i := range images {
		for _, again := range []bool{true, false} {
			t.Run(i.step, func(t *testing.T) {
				o := copyAll(t, i.o, i.step).o
				if !again {
					o.JournalLost = nil
				}
				k := open(t, o)
				require.EqualValues(t, 1, k.JournalReport().Declared.Keys)
				requireText(t, k, r.kept, "kept")
				destroy(t, k, compartment(1))
				require.Equal(t, personal.Erased, stateOf(t, k, r.gone))
				requireWhole(t, k)
				require.NoError(t, k.Close())
				k = open(t, o)
				require.Equal(t, uint64(3), k.JournalReport().Entries)
				require.NoError(t, k.Close())
			})
		}
	}
	require.Len(t, asked, 1)
}
