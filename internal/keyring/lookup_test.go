package keyring

import (
	"fmt"
	"iter"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"lethe/domain"
	"lethe/domain/catalogue"
)

func token(t testing.TB, k *Keyring) domain.Token {
	tok, err := domain.NewToken(k.opts.Rand)
	require.NoError(t, err)
	return tok
}

func TestNormalise(t *testing.T) {
	o := options(t)
	o.DefaultCountry = "DE"
	k := open(t, o)
	for _, c := range []struct {
		kind       catalogue.LookupKind
		text, want string
	}{
		{catalogue.LookupEmail, "  JÜRGEN@Example.ORG ", "jürgen@example.org"},
		{catalogue.LookupEmail, "ju\u0308rgen@example.org", "jürgen@example.org"},
		{catalogue.LookupEmail, "STRASSE@x.de", "strasse@x.de"},
		{catalogue.LookupEmail, "straße@x.de", "strasse@x.de"},
		{catalogue.LookupEmail, "ｆｕｌｌ@ｗｉｄｔｈ", "full@width"},
		{catalogue.LookupPhone, "0176 / 12 34 56 78", "+4917612345678"},
		{catalogue.LookupPhone, "+49 (0)176 12345678", "+4917612345678"},
		{catalogue.LookupPhone, "0033 1 23 45 67 89", "+33123456789"},
		{catalogue.LookupPhone, "x-7", "7"},
		{catalogue.LookupPhone, "none", ""},
		{catalogue.LookupExternalID, " A-17 ", "A-17"},
		{catalogue.LookupExternalID, "a-17", "a-17"},
		{catalogue.NoLookup, "a", ""},
	} {
		require.Equal(t, c.want, k.Normalise(c.kind, c.text), "%s %q", c.kind, c.text)
	}
	require.Empty(t, k.Normalise(catalogue.LookupEmail, string(make([]byte, MaxLookupText+1))))
	bare := open(t, options(t))
	require.Equal(t, "017612345678", bare.Normalise(catalogue.LookupPhone, "0176 12345678"))
}

func TestLookup(t *testing.T) {
	k := open(t, options(t))
	ctx := t.Context()
	a, b, c := token(t, k), token(t, k), token(t, k)
	rows := []LookupRow{
		{Kind: catalogue.LookupEmail, Text: "Shared@example.org", Token: a, Field: "email", EventID: domain.ID{1}},
		{Kind: catalogue.LookupEmail, Text: "shared@EXAMPLE.org", Token: b, Field: "second_email", EventID: domain.ID{2}},
		{Kind: catalogue.LookupExternalID, Text: "17", Token: a, Field: "customer_number", EventID: domain.ID{1}},
		{Kind: catalogue.LookupExternalID, Text: "17", Token: c, Field: "customer_number", EventID: domain.ID{3}},
		{Kind: catalogue.LookupPhone, Text: "shared@example.org", Token: c, Field: "phone", EventID: domain.ID{3}},
	}
	require.NoError(t, k.PutLookups(ctx, rows))
	require.NoError(t, k.PutLookups(ctx, rows)) // again changes nothing

	hits, err := k.Find(ctx, catalogue.LookupEmail, " SHARED@example.org")
	require.NoError(t, err)
	require.ElementsMatch(t, []Hit{{a, "email", domain.ID{1}}, {b, "second_email", domain.ID{2}}}, hits)
	hits, err = k.Find(ctx, catalogue.LookupPhone, "nobody")
	require.NoError(t, err)
	require.Empty(t, hits)

	peers, err := k.Peers(ctx, a)
	require.NoError(t, err)
	require.Equal(t, []Peer{{b, catalogue.LookupEmail, "second_email", domain.ID{2}}}, peers) // an external ID makes no peers
	peers, err = k.Peers(ctx, c)
	require.NoError(t, err)
	require.Empty(t, peers)

	stored, err := k.LookupRows(ctx, a)
	require.NoError(t, err)
	require.Len(t, stored, 2)
	require.WithinDuration(t, time.Now(), stored[0].Put, time.Minute)
	require.NoError(t, k.DropLookups(ctx, []Hit{{a, "email", domain.ID{1}}, {a, "email", domain.ID{99}}}))
	hits, err = k.Find(ctx, catalogue.LookupEmail, "shared@example.org")
	require.NoError(t, err)
	require.Equal(t, []Hit{{b, "second_email", domain.ID{2}}}, hits)
}

func TestPeerWithTwoSharedValuesIsOneRow(t *testing.T) {
	k := open(t, options(t))
	a, b := token(t, k), token(t, k)
	var rows []LookupRow
	for _, tok := range []domain.Token{a, b} {
		for _, text := range []string{"x@example.org", "y@example.org"} {
			rows = append(rows, LookupRow{Kind: catalogue.LookupEmail, Text: text, Token: tok, Field: "email", EventID: domain.ID{1}})
		}
	}
	require.NoError(t, k.PutLookups(t.Context(), rows))
	peers, err := k.Peers(t.Context(), a)
	require.NoError(t, err)
	require.Equal(t, []Peer{{Token: b, Kind: catalogue.LookupEmail, Field: "email", EventID: domain.ID{1}}}, peers)
}

func TestFindAnswersWithAllOrNothing(t *testing.T) {
	k := open(t, options(t))
	rows := make([]LookupRow, MaxHits+1)
	for i := range rows {
		rows[i] = LookupRow{Kind: catalogue.LookupEmail, Text: "info@example.org", Token: token(t, k), Field: "email", EventID: domain.ID{1}}
	}
	require.NoError(t, k.PutLookups(t.Context(), rows[:MaxHits]))
	hits, err := k.Find(t.Context(), catalogue.LookupEmail, "info@example.org")
	require.NoError(t, err)
	require.Len(t, hits, MaxHits)
	require.NoError(t, k.PutLookups(t.Context(), rows[MaxHits:]))
	_, err = k.Find(t.Context(), catalogue.LookupEmail, "info@example.org")
	require.ErrorIs(t, err, ErrTooMany)
	require.Error(t, k.PutLookups(t.Context(), make([]LookupRow, MaxLookupBatch+1)))
}

func TestLookupFileHoldsNoValue(t *testing.T) {
	o := options(t)
	k := open(t, o)
	require.NoError(t, k.PutLookups(t.Context(), []LookupRow{{Kind: catalogue.LookupEmail, Text: "canary@example.org", Token: token(t, k), Field: "email"}}))
	key := k.SourceKeyOf("dolibarr", "contacts", "canary-key")
	_, err := k.ReserveImports(t.Context(), []Reservation{{key, token(t, k)}})
	require.NoError(t, err)
	require.NoError(t, k.FinishImports(t.Context(), []ImportClaim{{Key: key, Fields: []FieldMAC{{"email", k.ValueMACOf(key, "email", "canary-value")}}}}))
	require.False(t, inFiles(t, o.LookupDir, []byte("canary")))
	require.True(t, inFiles(t, o.LookupDir, []byte("email")), "the search itself must find what is there")
}

func TestCommandIDsAreKeyed(t *testing.T) {
	a, b := open(t, options(t)), open(t, options(t))
	p, q := domain.ID{1}, domain.ID{2}
	require.Equal(t, a.CommandID(p, "k"), a.CommandID(p, "k"))
	require.NotEqual(t, a.CommandID(p, "k"), a.CommandID(q, "k"))
	require.NotEqual(t, a.CommandID(p, "k"), a.CommandID(p, "l"))
	require.NotEqual(t, a.CommandID(p, "k"), b.CommandID(p, "k"))
}

func TestOneCreationIsClaimedOnce(t *testing.T) {
	o := options(t)
	k := open(t, o)
	p, command, body := domain.ID{1}, domain.Digest{2}, domain.Digest{3}
	var wg sync.WaitGroup
	claims := make([]Claim, 100)
	existing := make([]bool, len(claims))
	errs := make([]error, len(claims))
	for i := range claims {
		tok := token(t, k)
		wg.Go(func() { claims[i], existing[i], errs[i] = k.ClaimCreation(t.Context(), p, command, body, tok) })
	}
	wg.Wait()
	first := 0
	for i := range claims {
		require.NoError(t, errs[i])
		require.Equal(t, claims[0].Token, claims[i].Token)
		require.True(t, claims[i].SameBody())
		if !existing[i] {
			first++
		}
	}
	require.Equal(t, 1, first)
	require.NoError(t, k.Close())

	k = open(t, o)
	claim, again, err := k.ClaimCreation(t.Context(), p, command, domain.Digest{9}, token(t, k))
	require.NoError(t, err)
	require.True(t, again)
	require.Equal(t, claims[0].Token, claim.Token)
	require.False(t, claim.SameBody())
	_, again, err = k.ClaimCreation(t.Context(), domain.ID{7}, command, body, token(t, k))
	require.NoError(t, err)
	require.False(t, again, "another principal's command is another command")
	_, _, err = k.ClaimCreation(t.Context(), p, domain.Digest{8}, body, "someone@example.org")
	require.Error(t, err)
	require.NotContains(t, err.Error(), "someone")
}

func TestImportClaims(t *testing.T) {
	o := options(t)
	k := open(t, o)
	ctx := t.Context()
	keys := make([]SourceKey, 40)
	wanted := make([]Reservation, len(keys))
	for i := range keys {
		keys[i] = k.SourceKeyOf("dolibarr", "contacts", fmt.Sprint(i))
		wanted[i] = Reservation{keys[i], token(t, k)}
	}
	none, err := k.ImportClaims(ctx, keys)
	require.NoError(t, err)
	require.Empty(t, none)
	first, err := k.ReserveImports(ctx, wanted[:30])
	require.NoError(t, err)
	for i, c := range first {
		require.Equal(t, ImportClaim{Key: keys[i], Token: wanted[i].Token}, c)
	}
	email := k.ValueMACOf(keys[3], "email", "a@example.org")
	require.NotEqual(t, email, k.ValueMACOf(keys[4], "email", "a@example.org"))
	first[3].Fields = []FieldMAC{{"email", email}, {"phone", ValueMAC{1}}}
	first[3].Mapping, first[3].Catalogue = domain.Digest{5}, 12
	require.NoError(t, k.FinishImports(ctx, first[3:4]))
	require.NoError(t, k.FinishImports(ctx, first[3:4]))
	require.NoError(t, k.Close())

	k = open(t, o)
	again := make([]Reservation, len(wanted))
	for i := range again {
		again[i] = Reservation{keys[i], token(t, k)}
	}
	claims, err := k.ReserveImports(ctx, again)
	require.NoError(t, err)
	for i, c := range claims {
		if i < 30 {
			require.Equal(t, wanted[i].Token, c.Token)
		} else {
			require.Equal(t, again[i].Token, c.Token)
		}
		require.Equal(t, i == 3, c.Done)
	}
	require.Equal(t, uint32(2), claims[3].Version)
	require.Equal(t, domain.Digest{5}, claims[3].Mapping)
	require.Equal(t, uint64(12), claims[3].Catalogue)
	got, ok := claims[3].Field("email")
	require.True(t, ok)
	require.Equal(t, email, got)
	_, ok = claims[3].Field("name")
	require.False(t, ok)
	found, err := k.ImportClaims(ctx, keys)
	require.NoError(t, err)
	require.Len(t, found, len(keys))
	require.Equal(t, claims[3], found[keys[3]])
	_, err = k.ReserveImports(ctx, []Reservation{{keys[0], "x"}})
	require.Error(t, err)
	require.Error(t, k.FinishImports(ctx, []ImportClaim{{Fields: make([]FieldMAC, MaxImportFields+1)}}))
}

func TestFileClaims(t *testing.T) {
	k := open(t, options(t))
	ctx := t.Context()
	file := FileKey{System: "dolibarr", File: domain.Digest{1}, Mapping: domain.Digest{2}, Catalogue: 3}
	_, found, err := k.FindFile(ctx, file)
	require.NoError(t, err)
	require.False(t, found)
	claim, existing, err := k.ClaimFile(ctx, file, domain.ID{1})
	require.NoError(t, err)
	require.False(t, existing)
	require.Equal(t, FileClaim{Import: domain.ID{1}}, claim)
	claim, existing, err = k.ClaimFile(ctx, file, domain.ID{2})
	require.NoError(t, err)
	require.True(t, existing)
	require.Equal(t, FileClaim{Import: domain.ID{1}}, claim)
	require.NoError(t, k.FinishFile(ctx, file))
	claim, found, err = k.FindFile(ctx, file)
	require.NoError(t, err)
	require.True(t, found)
	require.Equal(t, FileClaim{Import: domain.ID{1}, Done: true}, claim)
	for _, other := range []FileKey{{"csv", file.File, file.Mapping, 3, 0}, {"dolibarr", domain.Digest{9}, file.Mapping, 3, 0}, {"dolibarr", file.File, domain.Digest{9}, 3, 0}, {"dolibarr", file.File, file.Mapping, 4, 0}, {"dolibarr", file.File, file.Mapping, 3, 1}} {
		_, existing, err = k.ClaimFile(ctx, other, domain.ID{5})
		require.NoError(t, err)
		require.False(t, existing)
	}
	require.NotEqual(t, file.File, k.FileDigest(file.File))
}

func TestLostLookupIsReportedAndRebuilt(t *testing.T) {
	for name, lose := range map[string]func(t *testing.T, path string){
		"missing": func(t *testing.T, path string) { require.NoError(t, os.Remove(path)) },
		"damaged": func(t *testing.T, path string) {
			require.NoError(t, os.WriteFile(path, []byte("this is no database at all, but long enough"), 0o600))
		},
		"foreign": func(t *testing.T, path string) {
			other := options(t)
			require.NoError(t, open(t, other).Close())
			b, err := os.ReadFile(filepath.Join(other.LookupDir, lookupFile))
			require.NoError(t, err)
			require.NoError(t, os.WriteFile(path, b, 0o600))
		},
	} {
		t.Run(name, func(t *testing.T) {
			o := options(t)
			k := open(t, o)
			_, lost := k.LookupLost()
			require.False(t, lost)
			tok := token(t, k)
			row := LookupRow{Kind: catalogue.LookupEmail, Text: "a@example.org", Token: tok, Field: "email", EventID: domain.ID{1}}
			require.NoError(t, k.PutLookups(t.Context(), []LookupRow{row}))
			require.NoError(t, k.Close())
			lose(t, filepath.Join(o.LookupDir, lookupFile))

			for range 2 { // also when the program stops before it has rebuilt
				k = open(t, o)
				why, lost := k.LookupLost()
				require.True(t, lost)
				require.NotEmpty(t, why)
				require.NoError(t, k.Close())
			}
			k = open(t, o)
			failing := iter.Seq2[Rebuilt, error](func(yield func(Rebuilt, error) bool) { yield(Rebuilt{}, os.ErrInvalid) })
			require.ErrorIs(t, k.Rebuild(t.Context(), failing), os.ErrInvalid)
			_, lost = k.LookupLost()
			require.True(t, lost)
			require.NoError(t, k.Rebuild(t.Context(), func(yield func(Rebuilt, error) bool) {
				_ = yield(Rebuilt{Lookup: &row}, nil) &&
					yield(Rebuilt{Creation: &RebuiltCreation{domain.ID{4}, domain.Digest{5}, &domain.Digest{6}, tok}}, nil) &&
					yield(Rebuilt{Source: &RebuiltSource{System: "dolibarr", Table: "contacts", PrimaryKey: "17", Token: tok}}, nil)
			}))
			_, lost = k.LookupLost()
			require.False(t, lost)
			require.NoError(t, k.Close())

			k = open(t, o)
			_, lost = k.LookupLost()
			require.False(t, lost)
			hits, err := k.Find(t.Context(), catalogue.LookupEmail, "a@example.org")
			require.NoError(t, err)
			require.Equal(t, []Hit{{tok, "email", domain.ID{1}}}, hits)
			claim, existing, err := k.ClaimCreation(t.Context(), domain.ID{4}, domain.Digest{5}, domain.Digest{6}, token(t, k))
			require.NoError(t, err)
			require.True(t, existing)
			require.True(t, claim.SameBody())
			require.Equal(t, tok, claim.Token)
			claims, err := k.ReserveImports(t.Context(), []Reservation{{k.SourceKeyOf("dolibarr", "contacts", "17"), token(t, k)}})
			require.NoError(t, err)
			require.Equal(t, tok, claims[0].Token)
			require.False(t, claims[0].Done)
		})
	}
}
