package canary_test

import (
	"archive/zip"
	"bytes"
	"compress/gzip"
	"compress/zlib"
	"context"
	"database/sql"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"mime/quotedprintable"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf16"

	"github.com/cockroachdb/pebble/v2"
	"github.com/klauspost/compress/zstd"
	"github.com/stretchr/testify/require"
	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/unicode/norm"
	_ "modernc.org/sqlite"

	"lethe/internal/canary"
)

const value = "Zoë.Kanarie@leak.example"

func compile(t testing.TB, values ...string) *canary.Values {
	t.Helper()
	v, err := canary.Compile(values, canary.Options{})
	require.NoError(t, err)
	return v
}

func scan(t testing.TB, v *canary.Values, places ...string) canary.Result {
	t.Helper()
	r, err := canary.Scan(context.Background(), places, v, nil)
	require.NoError(t, err)
	return r
}

func utf16Of(s string, order binary.AppendByteOrder) string {
	var out []byte
	for _, u := range utf16.Encode([]rune(s)) {
		out = order.AppendUint16(out, u)
	}
	return string(out)
}

// wrapped is Base64 as in letters: lines of 76.
func wrapped(s string) string {
	text := base64.StdEncoding.EncodeToString([]byte(s))
	var out strings.Builder
	for len(text) > 76 {
		out.WriteString(text[:76] + "\r\n")
		text = text[76:]
	}
	return out.String() + text
}

func percentAll(s string) string {
	var out strings.Builder
	for _, b := range []byte(s) {
		fmt.Fprintf(&out, "%%%02x", b)
	}
	return out.String()
}

func escapeAll(s string) string {
	var out strings.Builder
	for _, u := range utf16.Encode([]rune(s)) {
		fmt.Fprintf(&out, `\u%04X`, u)
	}
	return out.String()
}

func quoted(t testing.TB, s string) string {
	b, err := json.Marshal(s)
	require.NoError(t, err)
	return string(b)
}

// encodings are the ways of writing that are found, by what a finding calls them.
func encodings(t testing.TB, s string) map[string][]string {
	out := map[string][]string{
		"UTF-8":                    {s, strings.ToUpper(s), strings.ToLower(s)},
		"UTF-8, decomposed":        {norm.NFD.String(s), norm.NFD.String(strings.ToUpper(s))},
		"UTF-16LE":                 {utf16Of(s, binary.LittleEndian), utf16Of(strings.ToUpper(s), binary.LittleEndian)},
		"UTF-16BE":                 {utf16Of(s, binary.BigEndian)},
		"hex > UTF-8":              {hex.EncodeToString([]byte(s)), strings.ToUpper(hex.EncodeToString([]byte(s))), "a" + hex.EncodeToString([]byte(s))},
		"hex > UTF-16LE":           {hex.EncodeToString([]byte(utf16Of(s, binary.LittleEndian)))},
		"URL > UTF-8":              {url.QueryEscape(s), url.PathEscape(s), percentAll(s)},
		"JSON > UTF-8":             {escapeAll(s), `{"a":"` + strings.ReplaceAll(s, "ë", `\u00eb`) + `"}`, strings.ReplaceAll(s, "@", `\x40`)},
		"HTML > UTF-8":             {strings.ReplaceAll(s, "@", "&#64;"), strings.ReplaceAll(s, "ë", "&euml;"), strings.ReplaceAll(s, "@", "&#x40;")},
		"Base64 > UTF-16BE":        {base64.StdEncoding.EncodeToString([]byte(utf16Of(s, binary.BigEndian)))},
		"quoted-printable > UTF-8": {quotedPrintable(t, strings.Repeat("ü", 20)+s), strings.ReplaceAll(s, "@", "=40")},
		"zlib > UTF-8":             {zlibOf(t, s)},
		// One in another.
		"Base64 > JSON > UTF-8": {base64.StdEncoding.EncodeToString([]byte(`"` + escapeAll(s) + `"`))},
		"URL > Base64 > UTF-8":  {strings.ReplaceAll(base64.StdEncoding.EncodeToString([]byte("??>"+s)), "/", "%2F")},
		"JSON > JSON > UTF-8":   {quoted(t, escapeAll(s))},
		"gzip > Base64 > UTF-8": {gzipped(t, base64.StdEncoding.EncodeToString([]byte(s)))},
		"Base64 > gzip > UTF-8": {base64.StdEncoding.EncodeToString([]byte(gzipped(t, s)))},
		"hex > zstd > UTF-8":    {hex.EncodeToString([]byte(zstdOf(t, strings.Repeat(s, 20))))},
	}
	for shift := range 4 {
		text := strings.Repeat("x", shift) + s
		out["Base64 > UTF-8"] = append(out["Base64 > UTF-8"],
			base64.StdEncoding.EncodeToString([]byte(text)), base64.RawURLEncoding.EncodeToString([]byte(text)),
			wrapped(strings.Repeat("x", 40+shift)+s))
	}
	if strings.Contains(s, " ") {
		out["UTF-8, + for space"] = []string{strings.ReplaceAll(s, " ", "+")}
	}
	if latin, err := charmap.ISO8859_1.NewEncoder().String(s); err == nil && latin != s {
		out["Windows-1252"] = []string{latin}
		out["quoted-printable > Windows-1252"] = []string{quotedPrintable(t, latin)}
	}
	return out
}

func quotedPrintable(t testing.TB, s string) string {
	var b bytes.Buffer
	w := quotedprintable.NewWriter(&b)
	_, err := w.Write([]byte(s))
	require.NoError(t, errors.Join(err, w.Close()))
	return b.String()
}

func zlibOf(t testing.TB, s string) string {
	var b bytes.Buffer
	w := zlib.NewWriter(&b)
	_, err := w.Write([]byte(s))
	require.NoError(t, errors.Join(err, w.Close()))
	return b.String()
}

func gzipped(t testing.TB, s string) string {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	_, err := w.Write([]byte(s))
	require.NoError(t, err)
	require.NoError(t, w.Close())
	return b.String()
}

func zstdOf(t testing.TB, s string) string {
	w, err := zstd.NewWriter(nil)
	require.NoError(t, err)
	return string(w.EncodeAll([]byte(s), nil))
}

func zipped(t testing.TB, method uint16, s string) string {
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	f, err := w.CreateHeader(&zip.FileHeader{Name: "a/b.txt", Method: method, Extra: []byte{1, 0, 2, 0, 7, 7}})
	require.NoError(t, err)
	_, err = f.Write([]byte(s))
	require.NoError(t, err)
	require.NoError(t, w.Close())
	return b.String()
}

// noise is bytes as ciphertext has them.
func noise(seed uint64, n int) string {
	r := rand.NewChaCha8([32]byte{byte(seed), byte(seed >> 8)})
	b := make([]byte, n)
	_, _ = r.Read(b)
	return string(b)
}

type planted struct {
	encoding string // expected, before that of the value
	file     string
	row      string // expected in the name of the row; empty for a hit at an offset
}

// places plant a text, and say how it is found.
func places(t testing.TB) map[string]func(dir, text string) planted {
	write := func(dir, name, content string) planted {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600))
		return planted{file: name}
	}
	with := func(p planted, encoding string) planted { p.encoding = encoding; return p }
	return map[string]func(dir, text string) planted{
		"file":          func(dir, text string) planted { return write(dir, "a", text) },
		"end of a file": func(dir, text string) planted { return write(dir, "a", noise(1, 5000)+text) },
		"among noise": func(dir, text string) planted {
			return write(dir, "a", noise(2, 70_000)+" "+text+"\x00"+noise(3, 70_000))
		},
		"across a window": func(dir, text string) planted {
			return write(dir, "a", strings.Repeat("\x00", 1<<20-len(text)/2)+text+"\n"+noise(4, 3000))
		},
		"across a later one": func(dir, text string) planted {
			return write(dir, "a", noise(5, 2<<20-len(text)/3)+"\n"+text+"\n")
		},
		"folder": func(dir, text string) planted {
			require.NoError(t, os.MkdirAll(filepath.Join(dir, "b/c"), 0o700))
			return write(dir, "b/c/d", text)
		},
		"gzip": func(dir, text string) planted {
			return with(write(dir, "a", noise(6, 3000)+gzipped(t, noise(7, 2_200_000)+"\n"+text+"\n"+noise(8, 100))), "gzip > ")
		},
		"zip": func(dir, text string) planted {
			return with(write(dir, "a.zip", zipped(t, zip.Deflate, strings.Repeat("abcabcabcabc", 99)+"\n"+text+"\n")), "zip > ")
		},
		"stored": func(dir, text string) planted { return write(dir, "a.zip", zipped(t, zip.Store, "\n"+text+"\n")) },
		"zstd": func(dir, text string) planted {
			return with(write(dir, "a.zst", "xx"+zstdOf(t, "first")+zstdOf(t, strings.Repeat("abcabcabcabc", 99)+"\n"+text+"\n"+text+"\n")), "zstd > ")
		},
		"a link to a file": func(dir, text string) planted {
			other := filepath.Join(t.TempDir(), "x")
			require.NoError(t, os.WriteFile(other, []byte(text), 0o600))
			require.NoError(t, os.Symlink(filepath.Dir(other), filepath.Join(dir, "linked")))
			return planted{file: "linked/x"}
		},
		"row": func(dir, text string) planted {
			return database(t, dir, text, planted{file: "a.db", row: "table people, column 2, row 7"})
		},
		"long row": func(dir, text string) planted {
			return database(t, dir, strings.Repeat("y", 4060-len(text)/2)+"\n"+text, planted{file: "a.db", row: "table people, column 2, row 7"})
		},
		"index": func(dir, text string) planted {
			return database(t, dir, text, planted{file: "a.db", row: "index by_name, column 1, page"})
		},
		"without rowid": func(dir, text string) planted {
			return database(t, dir, text, planted{file: "a.db", row: "table named, column 1, page"})
		},
		"UTF-16 database": func(dir, text string) planted {
			return database(t, dir, text, planted{file: "a.db", row: "table people, column 3, row 7"}, "PRAGMA encoding='UTF-16le'")
		},
		"free page": func(dir, text string) planted {
			return database(t, dir, text, planted{file: "a.db", row: "no table, column 2, page"}, "PRAGMA secure_delete=OFF", "DROP TABLE people")
		},
		"overflow pages of nothing": func(dir, text string) planted {
			return database(t, dir, strings.Repeat("y", 9000-len(text)/2)+"\n"+text, planted{file: "a.db"}, "PRAGMA secure_delete=OFF", "DELETE FROM people")
		},
		"write-ahead log": func(dir, text string) planted { return logged(t, dir, text) },
		"table of Pebble": func(dir, text string) planted { return indexed(t, dir, text) },
	}
}

func database(t testing.TB, dir, text string, p planted, statements ...string) planted {
	db, err := sql.Open("sqlite", "file:"+filepath.Join(dir, "a.db")+"?_pragma=synchronous(off)&_pragma=journal_mode(off)")
	require.NoError(t, err)
	db.SetMaxOpenConns(1)
	defer func() { require.NoError(t, db.Close()) }()
	exec := func(q string, args ...any) {
		_, err := db.Exec(q, args...)
		require.NoError(t, err, q)
	}
	var after []string
	for _, s := range statements {
		if strings.HasPrefix(s, "PRAGMA") {
			exec(s)
		} else {
			after = append(after, s)
		}
	}
	exec("CREATE TABLE people (id INTEGER PRIMARY KEY, name TEXT, raw BLOB)")
	exec("CREATE INDEX by_name ON people (name)")
	exec("CREATE TABLE named (name TEXT PRIMARY KEY, n) WITHOUT ROWID")
	exec("BEGIN")
	for i := range 500 {
		name, raw := fmt.Sprintf("nobody %d", i), []byte(noise(uint64(i), 50))
		if i == 7 {
			name, raw = text, []byte(text)
		}
		exec("INSERT INTO people VALUES (?,?,?)", i, name, raw)
		exec("INSERT INTO named VALUES (?,?)", name, i)
	}
	exec("COMMIT")
	for _, s := range after {
		exec(s)
	}
	return p
}

// logged leaves what was written in the write-ahead log only.
func logged(t testing.TB, dir, text string) planted {
	path := filepath.Join(t.TempDir(), "a.db")
	db, err := sql.Open("sqlite", "file:"+path+"?_pragma=journal_mode(wal)&_pragma=wal_autocheckpoint(0)&_pragma=synchronous(off)")
	require.NoError(t, err)
	_, err = db.Exec("CREATE TABLE t (name TEXT); PRAGMA wal_checkpoint(TRUNCATE)")
	require.NoError(t, err)
	_, err = db.Exec("INSERT INTO t VALUES (?)", strings.Repeat("y", 4060-len(text)/2)+"\n"+text)
	require.NoError(t, err)
	for _, suffix := range []string{"", "-wal"} {
		content, err := os.ReadFile(path + suffix)
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(filepath.Join(dir, "a.db"+suffix), content, 0o600))
	}
	require.NoError(t, db.Close())
	return planted{file: "a.db-wal", row: "table t, column 1, frame"}
}

func indexed(t testing.TB, dir, text string) planted {
	db, err := pebble.Open(dir, &pebble.Options{DisableWAL: true, Logger: quiet{}, FormatMajorVersion: pebble.FormatNewest})
	require.NoError(t, err)
	for i := range 1000 {
		content := fmt.Sprintf("abcabcabcabcabcabcabc\x00%s\x00", text)
		require.NoError(t, db.Set(fmt.Appendf(nil, "key %05d", i), []byte(content), pebble.NoSync))
	}
	require.NoError(t, db.Flush())
	require.NoError(t, db.Close())
	tables, err := filepath.Glob(filepath.Join(dir, "*.sst"))
	require.NoError(t, err)
	require.Len(t, tables, 1)
	return planted{file: filepath.Base(tables[0]), row: "values, entry 1"}
}

type quiet struct{}

func (quiet) Infof(string, ...any)  {}
func (quiet) Errorf(string, ...any) {}
func (quiet) Fatalf(format string, args ...any) {
	panic(fmt.Sprintf(format, args...))
}

// A value is found wherever it lies and however it is written.
func TestEveryEncodingIsFoundInEveryPlace(t *testing.T) {
	v := compile(t, "another value", value)
	for place := range places(t) {
		t.Run(place, func(t *testing.T) {
			t.Parallel()
			plant := places(t)[place]
			for encoding, texts := range encodings(t, value) {
				if place != "file" {
					texts = texts[:1]
				}
				if testing.Short() && place != "file" && encoding != "UTF-8" && encoding != "UTF-16LE" {
					continue // the places once, the encodings in a file
				}
				for i, text := range texts {
					dir := t.TempDir()
					p := plant(dir, text)
					r := scan(t, v, dir)
					require.False(t, r.Clean)
					require.Empty(t, r.Unread)
					want := p.encoding + encoding
					if strings.Count(want, ">") > 3 {
						continue
					}
					requireFound(t, r, p, want, dir, fmt.Sprintf("%s (%d) in %s", encoding, i, place))
				}
			}
		})
	}
}

func requireFound(t *testing.T, r canary.Result, p planted, encoding, dir, what string) {
	t.Helper()
	for _, f := range r.Findings {
		require.Equal(t, 2, f.Line, what)
		if f.Encoding == encoding && f.File == filepath.Join(dir, p.file) && strings.HasPrefix(f.Row, p.row) && (p.row == "") == (f.Offset >= 0) {
			return
		}
	}
	t.Fatalf("%s: not found as %s in %s %s, but %+v", what, encoding, p.file, p.row, r.Findings)
}
