package demodata

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/csv"
	"errors"
	"io"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"lethe/domain/catalogue"
	"lethe/internal/importer/csvfile"
	"lethe/internal/importer/source"
	"lethe/internal/starter"
)

func people(t *testing.T, o Options) []byte {
	t.Helper()
	var b bytes.Buffer
	require.NoError(t, WriteCSV(&b, o))
	return b.Bytes()
}

func TestTheSameOptionsGiveTheSameBytes(t *testing.T) {
	a, b := people(t, Options{People: 500, Seed: 7}), people(t, Options{People: 500, Seed: 7})
	require.Equal(t, sha256.Sum256(a), sha256.Sum256(b))
	require.NotEqual(t, a, people(t, Options{People: 500, Seed: 8}))
}

func TestRows(t *testing.T) {
	rows, err := csv.NewReader(bytes.NewReader(people(t, Options{People: 2000, Seed: 1}))).ReadAll()
	require.NoError(t, err)
	require.Len(t, rows, 2001)
	require.Equal(t, header(), rows[0])
	column := map[string]int{}
	for i, h := range rows[0] {
		column[h] = i
	}
	keys, emails, countries, denied := map[string]bool{}, map[string]int{}, map[string]bool{}, 0
	odd := map[string]bool{}
	for _, row := range rows[1:] {
		require.False(t, keys[row[0]], "a key twice")
		keys[row[0]] = true
		countries[row[column["country"]]] = true
		odd[row[column["given_name"]]+"|"+row[column["family_name"]]] = true
		if e := row[column["email"]]; e != "" {
			emails[e]++
			_, host, _ := strings.Cut(strings.ToLower(e), "@")
			require.Regexp(t, `^(example\.(com|org|net)|(mail|post)\.example)$`, host)
		}
		if row[column["no_email"]] != "" || row[column["do_not_contact"]] != "" {
			denied++
		}
		if d := row[column["birth_date"]]; d != "" {
			_, err := time.Parse(time.DateOnly, d)
			require.NoError(t, err)
		}
		for _, v := range row {
			require.True(t, utf8.ValidString(v))
		}
	}
	shared := 0
	for _, n := range emails {
		if n > 1 {
			shared++
		}
	}
	require.Len(t, countries, len(places()))
	require.Positive(t, shared)
	require.Positive(t, denied)
	for _, n := range oddNames() {
		require.True(t, odd[strings.ReplaceAll(n.given+"|"+n.family, "\r\n", "\n")], n.family)
	}
}

func TestTelephoneNumbersAreNobodys(t *testing.T) {
	n := 20_000 // more than the ranges hold
	if testing.Short() {
		n = 4_000
	}
	rows, err := csv.NewReader(bytes.NewReader(people(t, Options{People: n, Seed: 1}))).ReadAll()
	require.NoError(t, err)
	seen := map[string]bool{}
	for _, row := range rows[1:] {
		for _, number := range row[7:9] {
			if number == "" {
				continue
			}
			require.False(t, seen[number], "%s twice", number)
			seen[number] = true
			reserved := strings.HasPrefix(number, "+999 ")
			for _, p := range places() {
				reserved = reserved || p.landline.count > 0 && strings.HasPrefix(number, p.landline.prefix) ||
					p.mobile.count > 0 && strings.HasPrefix(number, p.mobile.prefix)
			}
			require.True(t, reserved, number)
		}
	}
}

// The mapping reads the file, and names only fields that the purpose of the
// starter catalogue uses.
func TestTheMappingFits(t *testing.T) {
	m, err := csvfile.ParseMapping(strings.NewReader(Mapping()))
	require.NoError(t, err)
	text := people(t, Options{People: 1000, Seed: 3})
	s, err := csvfile.Open(context.Background(), bytes.NewReader(text), int64(len(text)), m)
	require.NoError(t, err)

	allowed := map[string]catalogue.FieldDeclared{}
	declarations, err := starter.Default()
	require.NoError(t, err)
	fields := map[string]catalogue.FieldDeclared{}
	for _, d := range declarations {
		switch c := d.Command.(type) {
		case catalogue.DeclareField:
			fields[d.ID] = c.FieldDeclared
		case catalogue.DeclarePurpose:
			if d.ID == m.Purpose.V {
				for _, f := range append(c.Fields, c.Optional...) {
					allowed[string(f)] = fields[string(f)]
				}
			}
		}
	}
	rows, denials, refused := 0, 0, 0
	for row, err := range s.Rows(context.Background(), source.Place{}) {
		require.NoError(t, err)
		rows++
		denials += len(row.Denials)
		require.Empty(t, row.Refusals, "row %d", row.Number)
		for _, f := range row.Fields {
			declared, ok := allowed[string(f.Name)]
			require.True(t, ok, f.Name)
			if _, err := declared.Canonical(f.Text); err != nil {
				refused++
			}
		}
	}
	require.Equal(t, 1000, rows)
	require.Positive(t, denials)
	require.LessOrEqual(t, refused, 20, "only the oddest values are not what their field takes")
}

func TestBounds(t *testing.T) {
	require.Error(t, WriteCSV(io.Discard, Options{People: -1}))
	require.Error(t, WriteCSV(io.Discard, Options{People: maxPeople + 1}))
	require.ErrorIs(t, WriteCSV(full{}, Options{People: 10_000}), errFull)
}

var errFull = errors.New("no space")

type full struct{}

func (full) Write([]byte) (int, error) { return 0, errFull }

func BenchmarkWriteCSV(b *testing.B) {
	for b.Loop() {
		if err := WriteCSV(io.Discard, Options{People: 1000, Seed: 1}); err != nil {
			b.Fatal(err)
		}
	}
}
