package canary_test

import (
	"context"
	"database/sql"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"lethe/internal/canary"
	"lethe/internal/testenv"
)

// In bytes as ciphertext has them, nothing is found: neither of a dictionary
// of addresses nor of the shortest words that are taken.
func TestNothingIsFoundInNoise(t *testing.T) {
	testenv.Sequential(t)
	size, words := 32<<20, 200_000
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "noise"), []byte(noise(99, size)), 0o600))
	list := dictionary(words)
	for i := range 1000 {
		list = append(list, fmt.Sprintf("w%05x", i*7919%1048576))
	}
	r := scan(t, compile(t, list...), dir)
	require.True(t, r.Clean)
	require.Empty(t, r.Findings)
	require.Equal(t, int64(size), r.Bytes)
	require.Less(t, r.Chance, 0.1)
	require.Greater(t, r.Chance, 0.0)
	// A value of four bytes would be: which is why it is refused.
	short, err := canary.Compile([]string{"abcd"}, canary.Options{Short: true})
	require.NoError(t, err)
	require.Greater(t, scan(t, short, dir).Chance, 0.01)
}

// A name that holds a value is told as a finding, and not shown.
func TestNamesAreSearchedAndWithheld(t *testing.T) {
	dir := t.TempDir()
	sub := filepath.Join(dir, "of kanarie@leak.example")
	require.NoError(t, os.MkdirAll(sub, 0o700))
	require.NoError(t, os.WriteFile(filepath.Join(sub, "a"), []byte("x kanarie@leak.example x"), 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "6b616e61726965406c65616b2e6578616d706c65"), nil, 0o600))
	db, err := sql.Open("sqlite", "file:"+filepath.Join(dir, "t.db"))
	require.NoError(t, err)
	_, err = db.Exec(`CREATE TABLE "kanarie@leak.example" (x); INSERT INTO "kanarie@leak.example" VALUES ('kanarie@leak.example')`)
	require.NoError(t, err)
	require.NoError(t, db.Close())
	r := scan(t, compile(t, "kanarie@leak.example"), dir)
	text := fmt.Sprintf("%+v", r)
	require.NotContains(t, text, "kanarie")
	require.NotContains(t, text, "6b616e")
	require.Contains(t, text, "[name withheld]/a")
	require.Contains(t, text, "its name")
	require.Contains(t, text, "[name withheld], column 1, row 1")
	require.Contains(t, text, "hex > UTF-8")
}

func TestWhatCannotBeReadIsTold(t *testing.T) {
	v := compile(t, value)
	_, err := canary.Scan(context.Background(), []string{filepath.Join(t.TempDir(), "none")}, v, nil)
	require.ErrorIs(t, err, os.ErrNotExist)

	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "damaged.sst"), []byte("x"+strings.Repeat("\x00", 100)+"\xf0\x9f\xaa\xb3\xf0\x9f\xaa\xb3"), 0o600))
	require.NoError(t, syscall.Mkfifo(filepath.Join(dir, "pipe"), 0o600))
	require.NoError(t, os.Symlink("nowhere", filepath.Join(dir, "dangling")))
	require.NoError(t, os.Symlink(dir, filepath.Join(dir, "round")))
	r := scan(t, v, dir)
	require.False(t, r.Clean)
	require.Len(t, r.Unread, 2)
	require.Contains(t, r.Unread[0].Why, "damaged")
	require.Contains(t, r.Unread[1].File, "pipe")
	require.Contains(t, r.Unread[1].Why, "a pipe")
	require.Equal(t, 1, r.Files)

	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_, err = canary.Scan(ctx, []string{dir}, v, nil)
	require.ErrorIs(t, err, context.Canceled)
}

// What is written during a search is searched as well.
func TestFilesThatChangeAreReadAgain(t *testing.T) {
	dir, v := t.TempDir(), compile(t, value)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "a"), []byte("before"), 0o600))
	moved := false
	r, err := canary.Scan(context.Background(), []string{dir}, v, func(int64, int64) {
		if !moved { // as a compaction does: into a file that was not in the list
			moved = true
			require.NoError(t, os.WriteFile(filepath.Join(dir, "b"), []byte(value), 0o600))
		}
	})
	require.NoError(t, err)
	require.Len(t, r.Findings, 1)
	require.Equal(t, filepath.Join(dir, "b"), r.Findings[0].File)

	grows := 0
	r, err = canary.Scan(context.Background(), []string{dir}, compile(t, "nothing of it"), func(int64, int64) {
		grows++
		require.NoError(t, os.WriteFile(filepath.Join(dir, "c"), []byte(strings.Repeat("x", grows)), 0o600))
	})
	require.NoError(t, err)
	require.False(t, r.Clean)
	require.Contains(t, r.Unread[0].Why, "files changed while they were read")
}

// Findings are many: the first are listed, the rest is counted.
func TestFindingsAreBounded(t *testing.T) {
	dir := t.TempDir()
	list := dictionary(3 * canary.MaxFindings)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "a"), []byte(strings.Join(list, "\n")+"\n"+list[5]), 0o600))
	r := scan(t, compile(t, list...), dir)
	require.Len(t, r.Findings, canary.MaxFindings)
	require.Equal(t, 2*canary.MaxFindings, r.More)
	require.Equal(t, 1, r.Findings[0].Line)
	require.Equal(t, 2, r.Findings[5].Times)
}

// A value is counted once where windows overlap.
func TestOccurrencesAreCountedOnce(t *testing.T) {
	dir := t.TempDir()
	const text = "kanarie@leak.example\n"
	content := strings.Repeat(text, 5<<20/len(text))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "a"), []byte(content), 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "b.gz"), []byte(gzipped(t, content)), 0o600))
	r := scan(t, compile(t, "kanarie@leak.example"), dir)
	require.Len(t, r.Findings, 2)
	for _, f := range r.Findings {
		require.Equal(t, 5<<20/len(text), f.Times)
		require.Equal(t, int64(0), f.Offset)
	}
}

// In an encoding in which a value is so short that it would be found by
// chance it is not looked for, unless short values are.
func TestAnEncodingThatIsTooShort(t *testing.T) {
	const name = "李明"
	dir := t.TempDir()
	text := "--" + name + "--" + utf16Of(name, binary.BigEndian) + "--" + utf16Of(name, binary.LittleEndian) + "--"
	require.NoError(t, os.WriteFile(filepath.Join(dir, "a"), []byte(text), 0o600))
	for short, want := range map[bool]int{false: 1, true: 3} {
		v, err := canary.Compile([]string{name}, canary.Options{Short: short})
		require.NoError(t, err)
		require.Len(t, scan(t, v, dir).Findings, want, "short: %t", short)
	}
}
