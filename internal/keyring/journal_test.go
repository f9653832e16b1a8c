package keyring

import (
	"encoding/binary"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"lethe/domain"
	"lethe/domain/personal"
)

// restored is a keyring whose key store is restored from before an erasure.
type restored struct {
	o          Options
	gone, kept *personal.Ref
	erasure    domain.ID
}

func restore(t testing.TB) *restored {
	r := &restored{o: options(t), erasure: domain.ID{7}}
	k := open(t, r.o)
	r.gone, r.kept = sealed(t, k, one(t, k, compartment(1)), 1, "gone"), sealed(t, k, one(t, k, compartment(2)), 2, "kept")
	_, err := k.Destroy(t.Context(), "erasure", Destruction{Keys: []KeyInfo{infoOf(one(t, k, compartment(9)))}}) // not the first
	require.NoError(t, err)
	require.NoError(t, k.Close())
	before := copyDir(t, r.o.Dir)
	k = open(t, r.o)
	_, err = k.Destroy(t.Context(), "erasure", Destruction{Erasure: r.erasure, Keys: []KeyInfo{infoOf(one(t, k, compartment(1)))}})
	require.NoError(t, err)
	require.Empty(t, k.Reapplied())
	require.Equal(t, JournalReport{Entries: 1}, k.JournalReport())
	require.NoError(t, k.Close())
	r.o.Dir = before
	return r
}

func (r *restored) journal() string { return filepath.Join(r.o.JournalDir, journalFile) }

func TestRestoredKeysAreDestroyedAgain(t *testing.T) {
	r := restore(t)
	k := open(t, r.o)
	require.Equal(t, personal.Erased, stateOf(t, k, r.gone))
	requireText(t, k, r.kept, "kept")
	require.Len(t, k.Reapplied(), 1)
	again := k.Reapplied()[0]
	require.Equal(t, r.erasure, again.Erasure)
	require.Equal(t, compartment(1), again.Key.Compartment)
	require.NotZero(t, again.Fingerprint)
	require.Equal(t, uint64(2), k.JournalReport().Entries)
	for fence, err := range k.Fences(t.Context()) {
		require.NoError(t, err)
		require.True(t, fence.Erasure == r.erasure || fence.Erasure.IsZero())
	}
	requireWhole(t, k)
	require.NoError(t, k.Close())
	k = open(t, r.o)
	require.Empty(t, k.Reapplied())
	require.Equal(t, personal.Erased, stateOf(t, k, r.gone))
}

func TestWithoutItsJournalARestoredKeyStoreIsRefused(t *testing.T) {
	t.Parallel()
	for name, lose := range map[string]func(t *testing.T, r *restored){
		"missing": func(t *testing.T, r *restored) { require.NoError(t, os.Remove(r.journal())) },
		"shorter": func(t *testing.T, r *restored) { require.NoError(t, os.Truncate(r.journal(), int64(journalHeader)+20)) },
		"of the same age": func(t *testing.T, r *restored) {
			b, err := os.ReadFile(r.journal())
			require.NoError(t, err)
			first := int64(journalHeader) + int64(entryFrame) + int64(binary.BigEndian.Uint32(b[journalHeader:]))
			require.NoError(t, os.Truncate(r.journal(), first))
		},
		"of another key store": func(t *testing.T, r *restored) {
			other := options(t)
			require.NoError(t, open(t, other).Close())
			b, err := os.ReadFile(filepath.Join(other.JournalDir, journalFile))
			require.NoError(t, err)
			require.NoError(t, os.WriteFile(r.journal(), b, 0o600))
		},
		"not named": func(_ *testing.T, r *restored) { r.o.JournalDir = "" },
		"missing, head as well": func(t *testing.T, r *restored) {
			require.NoError(t, os.RemoveAll(r.o.JournalDir))
			r.o.HeadDir = t.TempDir()
		},
		"missing, no head": func(t *testing.T, r *restored) { require.NoError(t, os.RemoveAll(r.o.JournalDir)); r.o.HeadDir = "" },
	} {
		t.Run(name, func(t *testing.T) {
			r := restore(t)
			lose(t, r)
			before, _ := os.ReadFile(r.journal())
			_, err := Open(t.Context(), r.o)
			require.ErrorIs(t, err, ErrJournalMissing)
			after, _ := os.ReadFile(r.journal())
			require.Equal(t, before, after)
		})
	}
}

// TestLostJournalOfACurrentKeyStoreIsWrittenAgain, and serves a key store that
// is restored later.
func TestLostJournalOfACurrentKeyStoreIsWrittenAgain(t *testing.T) {
	o := options(t)
	k := open(t, o)
	ref := sealed(t, k, one(t, k, compartment(1)), 1, "gone")
	one(t, k, compartment(2))
	require.NoError(t, k.Close())
	before := copyDir(t, o.Dir)
	k = open(t, o)
	destroy(t, k, compartment(1))
	first := one(t, k, compartment(2))
	next(t, k, compartment(2))
	end(t, k, infoOf(first))
	require.NoError(t, os.RemoveAll(o.JournalDir))
	_, err := k.Destroy(t.Context(), "erasure", Destruction{Keys: []KeyInfo{infoOf(one(t, k, compartment(3)))}})
	require.ErrorIs(t, err, ErrJournalMissing)
	one(t, k, compartment(3))
	require.NoError(t, k.Close())

	k = open(t, o)
	require.Equal(t, JournalReport{Entries: 2, Rewritten: true}, k.JournalReport())
	destroy(t, k, compartment(3))
	require.NoError(t, k.Close())
	k = open(t, o)
	require.Equal(t, JournalReport{Entries: 3}, k.JournalReport())
	require.NoError(t, k.Close())

	o.Dir = before
	k = open(t, o)
	require.Len(t, k.Reapplied(), 2)
	require.Equal(t, personal.Erased, stateOf(t, k, ref))
	require.Equal(t, uint32(3), one(t, k, compartment(2)).Generation(), "what was not erased gets a key above the lost one")
	require.False(t, fenced(t, k, compartment(2)))
	requireWhole(t, k)
}

func TestTornTailIsCut(t *testing.T) {
	o := options(t)
	k := open(t, o)
	destroyed := infoOf(one(t, k, compartment(1)))
	end(t, k, destroyed)
	require.NoError(t, k.Close())
	path := filepath.Join(o.JournalDir, journalFile)
	whole, err := os.ReadFile(path)
	require.NoError(t, err)
	for _, tail := range []string{"x", string(make([]byte, 100)), string(whole[journalHeader:])} {
		require.NoError(t, os.WriteFile(path, append(append([]byte{}, whole...), tail...), 0o600))
		k = open(t, o)
		require.Equal(t, JournalReport{Entries: 1, Cut: int64(len(tail))}, k.JournalReport())
		require.NoError(t, k.Close())
		now, err := os.ReadFile(path)
		require.NoError(t, err)
		require.Equal(t, whole, now)
	}
}

// TestJournalOfAKeyStoreThatHadNone begins with the fences that stand.
func TestJournalOfAKeyStoreThatHadNone(t *testing.T) {
	o := options(t)
	dir, heads := o.JournalDir, o.HeadDir
	o.JournalDir, o.HeadDir = "", ""
	k := open(t, o)
	destroy(t, k, one(t, k, compartment(1)).Compartment())
	require.NoError(t, k.Close())
	o.JournalDir, o.HeadDir = dir, heads
	k = open(t, o)
	require.Equal(t, JournalReport{Entries: 1}, k.JournalReport())
	require.NoError(t, k.SetLogMark(t.Context(), 99))
	require.NoError(t, k.Close())
	require.Equal(t, uint64(99), open(t, o).LogMark())
}

// TestCheckFindsADamagedJournal while the program runs.
func TestCheckFindsADamagedJournal(t *testing.T) {
	t.Parallel()
	o := options(t)
	k := open(t, o)
	for i := range 3 {
		_, err := k.Destroy(t.Context(), "erasure", born(t, k, byte(i)).everything())
		require.NoError(t, err)
	}
	requireWhole(t, k)
	journal, head, marks := filepath.Join(o.JournalDir, journalFile), filepath.Join(o.HeadDir, headFile), filepath.Join(o.JournalDir, marksFile)
	for name, damage := range map[string]struct {
		path   string
		change func([]byte) []byte
		file   string
	}{
		"no journal":           {journal, func([]byte) []byte { return nil }, journalFile},
		"a journal's header":   {journal, func(b []byte) []byte { b[journalHeader-1]++; return b }, journalFile},
		"an entry in between":  {journal, func(b []byte) []byte { b[journalHeader+40]++; return b }, journalFile},
		"the last entry":       {journal, func(b []byte) []byte { b[len(b)-1]++; return b }, journalFile},
		"a journal cut short":  {journal, func(b []byte) []byte { return b[:len(b)-50] }, journalFile},
		"no head":              {head, func([]byte) []byte { return nil }, headFile},
		"a damaged head":       {head, func(b []byte) []byte { b[5]++; b[headSlot+5]++; return b }, headFile},
		"no marks":             {marks, func([]byte) []byte { return nil }, marksFile},
		"a damaged mark":       {marks, func(b []byte) []byte { b[len(b)/2]++; return b }, marksFile},
		"marks that are fewer": {marks, func(b []byte) []byte { return b[:len(b)-len(b)/3] }, marksFile},
	} {
		t.Run(name, func(t *testing.T) {
			whole, err := os.ReadFile(damage.path)
			require.NoError(t, err)
			if b := damage.change(append([]byte{}, whole...)); b != nil {
				require.NoError(t, os.WriteFile(damage.path, b, 0o600))
			} else {
				require.NoError(t, os.Remove(damage.path))
			}
			found := findings(t, k)
			require.NotEmpty(t, found)
			for _, f := range found {
				require.Equal(t, damage.file, f.File)
			}
			require.NoError(t, os.WriteFile(damage.path, whole, 0o600))
			requireWhole(t, k)
		})
	}
}

func TestHeadSurvivesACutWrite(t *testing.T) {
	j := &journal{headDir: t.TempDir(), key: &[keySize]byte{1}}
	var last head
	for seq := range uint64(5) {
		before := last
		last = head{era: 1, seq: seq, end: 100}
		require.NoError(t, j.writeHead(last))
		got, slot, err := j.readHead()
		require.NoError(t, err)
		require.Equal(t, last, got)
		path := filepath.Join(j.headDir, headFile)
		whole, err := os.ReadFile(path)
		require.NoError(t, err)
		cut := append([]byte{}, whole...)
		cut[slot*headSlot+3]++
		require.NoError(t, os.WriteFile(path, cut, 0o600))
		got, _, err = j.readHead()
		require.NoError(t, err)
		require.Equal(t, before, got)
		require.NoError(t, os.WriteFile(path, whole, 0o600))
	}
}

func FuzzJournalEntry(f *testing.F) {
	full := entry{
		erasure: domain.ID{1}, at: 5, cause: "erasure",
		person: person{token: "s1", everything: true, fields: []domain.Name{"email", "phone"}, values: []ValueRef{{"email", 1}}},
		keys:   []ending{{key: KeyInfo{Compartment: compartment(1), Generation: 3, ID: KeyID{2}, Fenced: true}, fingerprint: []byte("f"), live: 4}},
	}
	f.Add(full.bytes())
	f.Add((&entry{}).bytes())
	f.Fuzz(func(t *testing.T, b []byte) {
		e, err := parseEntry(b)
		if err != nil {
			require.ErrorIs(t, err, errEntry)
			return
		}
		again, err := parseEntry(e.bytes())
		require.NoError(t, err)
		require.Equal(t, e, again)
	})
}
