package canary_test

import (
	"database/sql"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"lethe/internal/testenv"
)

// Every value that SQLite gives back is found in its row, wherever a record's
// end falls: in its page, on overflow pages, across two of them.
func TestEveryRecordIsReadAsSQLiteReadsIt(t *testing.T) {
	testenv.Sequential(t)
	for _, size := range []int{512, 1024, 4096, 65536} {
		t.Run(fmt.Sprint(size), func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "t.db")
			db, err := sql.Open("sqlite", "file:"+path+"?_pragma=synchronous(off)&_pragma=journal_mode(off)")
			require.NoError(t, err)
			db.SetMaxOpenConns(1)
			exec := func(q string, args ...any) {
				_, err := db.Exec(q, args...)
				require.NoError(t, err)
			}
			exec(fmt.Sprintf("PRAGMA page_size=%d", size))
			exec("CREATE TABLE t (n INTEGER, body TEXT, f REAL)")
			exec("CREATE INDEX i ON t (body)")
			exec("CREATE TABLE w (body TEXT PRIMARY KEY, n INTEGER) WITHOUT ROWID")
			exec("BEGIN")
			step, most := max(size/24, 7), 5*size/2
			var values, wants []string
			for n := 0; n < most; n += step {
				body, number, float := fmt.Sprintf("body%06d", n), fmt.Sprint(-7_000_000_000-n), fmt.Sprintf("-1234567.%d5", n)
				values, wants = append(values, body, number, float), append(wants, "column 2", "column 1", "column 3")
				exec("INSERT INTO t VALUES (?,?,?)", -7_000_000_000-n, strings.Repeat("y", n)+body, -1234567-decimals(n))
				exec("INSERT INTO w VALUES (?,?)", strings.Repeat("z", n)+body, -7_000_000_000-n)
			}
			exec("COMMIT")
			require.NoError(t, db.Close())
			found := map[string]bool{}
			for _, f := range scan(t, compile(t, values...), path).Findings {
				found[fmt.Sprint(f.Line, f.Row)] = true
			}
			for i := range values {
				row := i/3 + 1
				require.True(t, found[fmt.Sprintf("%dtable t, %s, row %d", i+1, wants[i], row)], "%s of row %d", wants[i], row)
				if i%3 == 0 {
					require.True(t, anyHas(found, fmt.Sprintf("%dindex i, column 1, page", i+1)), "row %d", row)
					require.True(t, anyHas(found, fmt.Sprintf("%dtable w, column 1, page", i+1)), "row %d", row)
				}
			}
		})
	}
}

func decimals(n int) float64 {
	var f float64
	_, _ = fmt.Sscanf(fmt.Sprintf("0.%d5", n), "%g", &f)
	return f
}

func anyHas(found map[string]bool, prefix string) bool {
	for f := range found {
		if strings.HasPrefix(f, prefix) {
			return true
		}
	}
	return false
}

// Any bytes that claim to be a database or its log are searched to their end.
func FuzzDatabase(f *testing.F) {
	dir := f.TempDir()
	database(f, dir, value, planted{})
	content, err := os.ReadFile(filepath.Join(dir, "a.db"))
	require.NoError(f, err)
	f.Add(content[:3*4096], content[:0])
	logged(f, dir, value)
	wal, err := os.ReadFile(filepath.Join(dir, "a.db-wal"))
	require.NoError(f, err)
	f.Add(content[:4096], wal[:min(len(wal), 3*4120)])
	v := compile(f, value)
	f.Fuzz(func(t *testing.T, main, wal []byte) {
		if len(main)+len(wal) > 1<<16 {
			return
		}
		dir := t.TempDir()
		require.NoError(t, os.WriteFile(filepath.Join(dir, "a.db"), main, 0o600))
		require.NoError(t, os.WriteFile(filepath.Join(dir, "a.db-wal"), wal, 0o600))
		scan(t, v, dir)
	})
}
