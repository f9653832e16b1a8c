package projections

import (
	"crypto/sha256"
	"encoding/binary"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// vaultView has a secret under each of many keys.
type vaultView struct{ ledgerView }

var vaultTable = &Table{
	Name: "vault", KeyColumns: 1,
	Columns: []Column{{Name: "tag", Type: Text}, {Name: "secret", Type: Bytes, Null: true}},
}

func (vaultView) Schema() Schema { return Schema{Version: 1, Tables: []*Table{vaultTable}} }

// secret is what a key holds after so many changes: no two share 16 bytes.
func secret(key uint32, change, size int) []byte {
	var out []byte
	for i := range (size + 31) / 32 {
		sum := sha256.Sum256(binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32([]byte{byte(i)}, key), uint32(change)))
		out = append(out, sum[:]...)
	}
	return out
}

// Rows of all sizes are added, changed and blanked where SQLite moves them
// about, through a write-ahead log that is moved into the file many times.
func TestNothingDeletedIsLeftInAFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "1.db")
	none := func(string) error { return nil }
	f, err := createFile(t.Context(), vaultView{}, logbook{}, path, none)
	require.NoError(t, err)
	require.NoError(t, f.close())
	f, err = openFile(t.Context(), vaultView{}, logbook{}, path, none)
	require.NoError(t, err)
	rounds := 30_000
	if testing.Short() {
		rounds = 8_000
	}
	live, gone := fill(t, f, rounds)
	require.NoError(t, f.checkpoint(1000))
	found := pieces(t, path, live, gone)
	require.Zero(t, found["gone"], "of %d", len(gone))
	require.Equal(t, len(live), found["live"])
	var pages []uint32
	pages, err = slackPages(t.Context(), f.conn)
	require.NoError(t, err)
	require.Empty(t, pages)
	require.NoError(t, f.close())
	r, err := openReader(path)
	require.NoError(t, err)
	require.NoError(t, quickCheck(t.Context(), r.db))
	require.NoError(t, r.db.Close())
}

type piece [16]byte

// fill writes at random and gives the beginnings of what is there and of what
// is not any more.
func fill(t *testing.T, f *file, rounds int) (live, gone map[piece]bool) {
	live, gone = map[piece]bool{}, map[piece]bool{}
	random := rand.New(rand.NewPCG(1, 2))
	now := map[string]piece{}
	f.enough = 1 << 20
	for i := range rounds {
		require.NoError(t, f.begin())
		key := uint32(random.IntN(rounds / 4))
		sum := sha256.Sum256(binary.BigEndian.AppendUint32(nil, key))
		tag := string(rune('a'+sum[0]%26)) + string(rune('a'+sum[1]%26)) + string(rune('a'+sum[2]%26)) + string(rune('0'+key%10))
		if old, ok := now[tag]; ok {
			delete(live, old)
			gone[old] = true
		}
		var value any
		delete(now, tag)
		if random.IntN(4) > 0 {
			s := secret(key, i, 40+random.IntN(400))
			value, now[tag] = s, piece(s[16:])
			live[piece(s[16:])] = true
		}
		require.NoError(t, f.Put(vaultTable, tag, value))
		if i%100 == 0 {
			_, err := f.conn.ExecContext(t.Context(), "COMMIT")
			require.NoError(t, err)
			f.began = false
			require.NoError(t, f.relieve())
		}
	}
	_, err := f.conn.ExecContext(t.Context(), "COMMIT")
	require.NoError(t, err)
	f.began = false
	return live, gone
}

// pieces counts what is in a file, wherever it lies.
func pieces(t *testing.T, path string, live, gone map[piece]bool) map[string]int {
	content, err := os.ReadFile(path)
	require.NoError(t, err)
	wal, err := os.ReadFile(path + "-wal")
	require.NoError(t, err)
	content = append(content, wal...)
	found := map[string]int{}
	for i := 0; i+16 <= len(content); i++ {
		switch p := piece(content[i : i+16]); {
		case live[p]:
			found["live"]++
		case gone[p]:
			found["gone"]++
		}
	}
	return found
}
