package keyring

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"lethe/domain"
	"lethe/domain/catalogue"
	"lethe/internal/testenv"
)

// attack is a dictionary with all live keys at hand: every keyed hash that an
// entry can have, by its bytes.
type attack struct {
	k    *Keyring
	made map[[macSize]byte]string
}

func (a *attack) add(mac []byte, what string) { a.made[[macSize]byte(mac)] = what }

// address adds the hashes of an e-mail address: of its rows in the lookup, and
// of the marks that it may have left.
func (a *attack) address(text string) {
	mac, ok := a.k.lookupMAC(catalogue.LookupEmail, text)
	if !ok {
		return
	}
	a.add(mac, "lookup of "+text)
	a.add(a.k.markMAC(MarkedEmail, mac), "mark of "+text)
}

// row adds the hashes of a row of a source: its key, its mark, and what a
// claim has of the address in it.
func (a *attack) row(number, address string) {
	key := a.k.SourceKeyOf("shop", "people", number)
	value := a.k.ValueMACOf(key, "email", address)
	a.add(key[:], "claim of row "+number)
	a.add(a.k.markMAC(MarkedSource, key[:]), "mark of row "+number)
	a.add(value[:], "claimed address of row "+number)
}

// run compares every byte of every file below dir with the hashes.
func (a *attack) run(t *testing.T, dir string) map[string]bool {
	t.Helper()
	hits := map[string]bool{}
	require.NoError(t, filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		content, err := os.ReadFile(path)
		for i := 0; i+macSize <= len(content); i++ {
			if what, ok := a.made[[macSize]byte(content[i:])]; ok {
				hits[what] = true
			}
		}
		return err
	}))
	return hits
}

// Whoever has a list of a million e-mail addresses, and all keys that still
// live, finds with every byte of the key store, the lookup and the journal the
// people who are there, and of those who were erased nothing but the marks
// that their erasure left on purpose.
func TestPitfall14DictionaryWithAllLiveKeys(t *testing.T) {
	testenv.Sequential(t)
	words, people := testenv.Cases(200_000, 1_000_000), 90
	o := options(t)
	k := open(t, o)
	address := func(i int) string { return fmt.Sprintf("person.%d@mail%d.example", i, i%97) }
	number := func(i int) string { return fmt.Sprint(10_000 + i) }
	tokens := make([]domain.Token, people)
	for i := range tokens {
		tokens[i] = token(t, k)
		one(t, k, compartment(i))
		require.NoError(t, k.PutLookups(t.Context(), []LookupRow{
			{Kind: catalogue.LookupEmail, Text: address(i), Token: tokens[i], Field: "email", EventID: domain.ID{byte(i)}},
		}))
		key := k.SourceKeyOf("shop", "people", number(i))
		claims, err := k.ReserveImports(t.Context(), []Reservation{{key, tokens[i]}})
		require.NoError(t, err)
		claims[0].Fields = []FieldMAC{{"email", k.ValueMACOf(key, "email", address(i))}}
		require.NoError(t, k.FinishImports(t.Context(), claims))
	}
	a := &attack{k, map[[macSize]byte]string{}}
	for i := range words {
		a.address(address(i))
	}
	for i := range people {
		a.row(number(i), address(i))
	}
	dir := filepath.Dir(o.Dir)
	before := a.run(t, dir)
	for i := range people {
		require.True(t, before["lookup of "+address(i)], "who is there is found: the attack works")
		require.True(t, before["claim of row "+number(i)])
		require.True(t, before["claimed address of row "+number(i)])
	}
	require.Len(t, before, 3*people, "and nobody else")

	// Every third goes without a trace, every third leaves marks.
	want := map[string]bool{}
	for i := range people {
		d := Destruction{Erasure: domain.ID{1, byte(i)}, Token: tokens[i], Keys: []KeyInfo{infoOf(one(t, k, compartment(i)))}, Everything: true, Fields: []domain.Name{"email"}}
		switch i % 3 {
		case 0:
			want["lookup of "+address(i)], want["claim of row "+number(i)], want["claimed address of row "+number(i)] = true, true, true
			continue
		case 1:
			d.Marks = MarkSource | MarkContact
			want["mark of "+address(i)], want["mark of row "+number(i)] = true, true
		}
		_, err := k.Destroy(t.Context(), "request", d)
		require.NoError(t, err)
	}
	require.Equal(t, want, a.run(t, dir), "while it is open")
	require.NoError(t, k.Close())
	require.Equal(t, want, a.run(t, dir), "after it was closed")
}
