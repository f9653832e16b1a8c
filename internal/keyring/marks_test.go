package keyring

import (
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"lethe/domain"
	"lethe/domain/catalogue"
	"lethe/domain/personal"
)

// human is somebody with rows in all tables.
type human struct {
	token   domain.Token
	ref     *personal.Ref
	keys    []KeyInfo
	source  SourceKey
	command domain.Digest
}

func (h *human) email() string { return "p-" + string(h.token) + "@example.org" }

func (h *human) ids() []Identifier {
	return []Identifier{
		{Source: h.source},
		{Kind: catalogue.LookupEmail, Text: " " + h.email()},
		{Kind: catalogue.LookupPhone, Text: "+49 176 " + fmt.Sprintf("%08d", h.command[0])},
		{Kind: catalogue.LookupExternalID, Text: "x" + string(h.token)},
	}
}

func born(t testing.TB, k *Keyring, n byte) *human {
	h := &human{token: token(t, k), command: domain.Digest{n}}
	key := one(t, k, Compartment{Owner: h.token.Stream(), Group: "contact"})
	h.ref, h.keys = sealed(t, k, key, n, "value"), []KeyInfo{infoOf(key)}
	ids := h.ids()
	rows := []LookupRow{
		{Kind: ids[1].Kind, Text: ids[1].Text, Token: h.token, Field: "email", EventID: domain.ID{n}},
		{Kind: ids[1].Kind, Text: ids[1].Text, Token: h.token, Field: "second_email", EventID: domain.ID{n}},
		{Kind: ids[2].Kind, Text: ids[2].Text, Token: h.token, Field: "phone", EventID: domain.ID{n}},
		{Kind: ids[3].Kind, Text: ids[3].Text, Token: h.token, Field: "number", EventID: domain.ID{n}},
	}
	require.NoError(t, k.PutLookups(t.Context(), rows))
	_, _, err := k.ClaimCreation(t.Context(), domain.ID{1}, h.command, domain.Digest{n}, h.token)
	require.NoError(t, err)
	h.source = k.SourceKeyOf("shop", "people", string(h.token))
	claim := ImportClaim{Key: h.source, Token: h.token}
	for _, f := range []domain.Name{"email@0", "email@1", "phone@0", "name"} {
		claim.Fields = append(claim.Fields, FieldMAC{Field: f, MAC: k.ValueMACOf(h.source, f, "x")})
	}
	require.NoError(t, k.FinishImports(t.Context(), []ImportClaim{claim}))
	return h
}

func (h *human) fields() []domain.Name {
	return []domain.Name{"email", "number", "phone", "second_email"}
}

func (h *human) everything() Destruction {
	return Destruction{
		Erasure: domain.ID(h.command[:16]), Token: h.token, Keys: h.keys, Everything: true, Fields: h.fields(), Marks: MarkSource | MarkContact,
	}
}

// traces are what the lookup file has of somebody: lookup rows, fields of
// claims (-1: no claim), and whether the creation's body is there.
func (h *human) traces(t testing.TB, k *Keyring) (rows, fields int, body bool) {
	stored, err := k.LookupRows(t.Context(), h.token)
	require.NoError(t, err)
	claims, err := k.ImportClaims(t.Context(), []SourceKey{h.source})
	require.NoError(t, err)
	fields = -1
	if c, ok := claims[h.source]; ok {
		fields = len(c.Fields)
	}
	creation, existing, err := k.ClaimCreation(t.Context(), domain.ID{1}, h.command, domain.Digest{h.command[0]}, token(t, k))
	require.NoError(t, err)
	require.True(t, existing, "the claim itself stays, so that a repeat makes nobody")
	require.Equal(t, h.token, creation.Token)
	require.Equal(t, creation.Erased(), !creation.SameBody())
	return len(stored), fields, !creation.Erased()
}

func (h *human) requireGone(t testing.TB, k *Keyring) {
	require.Equal(t, personal.Erased, stateOf(t, k, h.ref))
	rows, fields, body := h.traces(t, k)
	require.Zero(t, rows)
	require.Equal(t, -1, fields)
	require.False(t, body)
	for _, id := range h.ids()[1:] {
		hits, err := k.Find(t.Context(), id.Kind, id.Text)
		require.NoError(t, err)
		require.Empty(t, hits)
	}
}

func suppressed(t testing.TB, k *Keyring, of []Identifier) []Mark {
	marks, err := k.Suppressed(t.Context(), of)
	require.NoError(t, err)
	require.Len(t, marks, len(of))
	return marks
}

func TestErasureLeavesMarksAndNoTraces(t *testing.T) {
	o := options(t)
	at := time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)
	o.Now = func() time.Time { return at }
	k := open(t, o)
	gone, stays := born(t, k, 1), born(t, k, 2)
	d := gone.everything()
	d.Until = at.AddDate(1, 0, 0)
	planned, err := k.PlannedMarks(t.Context(), &d)
	require.NoError(t, err)
	require.Equal(t, map[domain.Name]int{MarkedSource: 1, MarkedEmail: 1, MarkedPhone: 1}, planned)
	require.Equal(t, make([]Mark, 4), suppressed(t, k, gone.ids()))

	done, err := k.Destroy(t.Context(), "erasure", d)
	require.NoError(t, err)
	require.Equal(t, uint32(3), done[0].Marks)
	again, err := k.Destroy(t.Context(), "erasure", d)
	require.NoError(t, err)
	require.Equal(t, done, again)
	requireWhole(t, k)
	require.NoError(t, k.Close())
	k = open(t, o)
	requireWhole(t, k)
	gone.requireGone(t, k)
	rows, fields, body := stays.traces(t, k)
	require.Equal(t, 4, rows)
	require.Equal(t, 4, fields)
	require.True(t, body)

	want := Mark{Erased: true, Cause: "erasure", Day: time.Date(2026, 3, 4, 0, 0, 0, 0, time.UTC), Until: time.Date(2027, 3, 5, 0, 0, 0, 0, time.UTC)}
	marks := suppressed(t, k, gone.ids())
	for i, by := range []domain.Name{MarkedSource, MarkedEmail, MarkedPhone} {
		want.By = by
		require.Equal(t, want, marks[i])
	}
	require.Zero(t, marks[3], "an external ID leaves none")
	require.Equal(t, make([]Mark, 4), suppressed(t, k, stays.ids()))
	listed := 0
	for m, err := range k.ListMarks(t.Context()) {
		require.NoError(t, err)
		require.True(t, m.InForce(at))
		listed++
	}
	require.Equal(t, 3, listed)

	at = want.Until
	require.Equal(t, make([]Mark, 4), suppressed(t, k, gone.ids()), "their end has come")
	n, err := k.DropMarks()
	require.NoError(t, err)
	require.Equal(t, 3, n)
	requireWhole(t, k)
	require.NoError(t, k.Close())
	k = open(t, o)
	for range k.ListMarks(t.Context()) {
		require.Fail(t, "a mark came back")
	}
}

// TestErasedAddressIsInNoFileOfTheLookup, not even as the hash that whoever
// has the live keys could compare with.
func TestErasedAddressIsInNoFileOfTheLookup(t *testing.T) {
	o := options(t)
	k := open(t, o)
	h, other := born(t, k, 1), born(t, k, 2)
	macs := [][]byte{h.source[:]}
	for _, id := range h.ids()[1:] {
		mac, ok := k.lookupMAC(id.Kind, id.Text)
		require.True(t, ok)
		macs = append(macs, mac)
	}
	body := k.bodyMAC(domain.ID{1}, h.command, domain.Digest{1})
	macs = append(macs, body[:])
	for _, mac := range macs {
		require.True(t, inFiles(t, o.LookupDir, mac), "the search itself must find what is there")
	}
	_, err := k.Destroy(t.Context(), "erasure", h.everything())
	require.NoError(t, err)
	for _, dir := range []string{o.LookupDir, o.Dir, o.JournalDir, o.HeadDir} {
		for _, mac := range macs {
			require.False(t, inFiles(t, dir, mac))
		}
	}
	require.True(t, inFiles(t, o.LookupDir, other.source[:]))
}

// TestMarksLeadBackToNobody: what lies beside a mark, in any file, says
// neither whose it was nor which erasure left it.
func TestMarksLeadBackToNobody(t *testing.T) {
	o := options(t)
	k := open(t, o)
	people := make([]Destruction, 20)
	for i := range people {
		people[i] = born(t, k, byte(i)).everything()
	}
	for half := range slices.Chunk(people, 7) {
		_, err := k.Destroy(t.Context(), "erasure", half...)
		require.NoError(t, err)
	}
	before, err := k.readMarksFile()
	require.NoError(t, err)
	require.False(t, before.sorted)
	require.NoError(t, k.Close())
	k = open(t, o)
	content, err := os.ReadFile(filepath.Join(o.JournalDir, marksFile))
	require.NoError(t, err)
	journal, err := os.ReadFile(filepath.Join(o.JournalDir, journalFile))
	require.NoError(t, err)
	for i := range people {
		require.NotContains(t, string(content), string(people[i].Token))
		require.Contains(t, string(journal), string(people[i].Token))
	}
	for m, err := range k.ListMarks(t.Context()) {
		require.NoError(t, err)
		require.NotContains(t, fmt.Sprintf("%+v", m), "subject")
	}
	got, err := k.readMarksFile()
	require.NoError(t, err)
	require.True(t, got.sorted)
	require.Len(t, got.rows, 60)
	for _, r := range got.rows {
		require.NotContains(t, string(journal), string(r.mac))
		require.NotContains(t, string(journal), hex.EncodeToString(r.mac))
	}
}

// TestImportUnderWayMakesNoClaimBehindAnErasure until a new lifecycle.
func TestImportUnderWayMakesNoClaimBehindAnErasure(t *testing.T) {
	k := open(t, options(t))
	h := born(t, k, 1)
	claims, err := k.ImportClaims(t.Context(), []SourceKey{h.source})
	require.NoError(t, err)
	_, err = k.Destroy(t.Context(), "erasure", h.everything())
	require.NoError(t, err)
	late := []ImportClaim{claims[h.source], {Key: k.SourceKeyOf("shop", "addresses", "7"), Token: h.token}}
	require.NoError(t, k.FinishImports(t.Context(), late))
	found, err := k.ImportClaims(t.Context(), []SourceKey{late[0].Key, late[1].Key})
	require.NoError(t, err)
	require.Empty(t, found)
	require.NoError(t, k.Reopen(t.Context(), []Compartment{h.keys[0].Compartment}, 2))
	require.NoError(t, k.FinishImports(t.Context(), late))
	found, err = k.ImportClaims(t.Context(), []SourceKey{late[0].Key, late[1].Key})
	require.NoError(t, err)
	require.Len(t, found, 2)
	requireWhole(t, k)
}

func TestPartialErasureTakesItsFieldsOnly(t *testing.T) {
	k := open(t, options(t))
	h := born(t, k, 1)
	d := Destruction{Token: h.token, Fields: []domain.Name{"email", "name"}, Marks: MarkSource | MarkContact}
	_, err := k.Destroy(t.Context(), "retention", d)
	require.NoError(t, err)
	rows, fields, body := h.traces(t, k)
	require.Equal(t, 3, rows)
	require.Equal(t, 1, fields, "the phone's")
	require.True(t, body)
	marks := suppressed(t, k, h.ids())
	require.Zero(t, marks[0], "whose record stays may be imported")
	require.Equal(t, MarkedEmail, marks[1].By)
	require.Zero(t, marks[2])
	requireWhole(t, k)
}

func TestMarksAreLiftedAndJoined(t *testing.T) {
	o := options(t)
	at := time.Date(2026, 3, 4, 0, 0, 0, 0, time.UTC)
	o.Now = func() time.Time { return at }
	k := open(t, o)
	h := born(t, k, 1)
	d := h.everything()
	d.Marks |= MarkObjection
	d.Until = at.AddDate(1, 0, 0)
	_, err := k.Destroy(t.Context(), "erasure", d)
	require.NoError(t, err)
	n, err := k.LiftMarks(t.Context(), h.ids(), false)
	require.NoError(t, err)
	require.Equal(t, 3, n)
	marks := suppressed(t, k, h.ids())
	require.Zero(t, marks[0])
	require.True(t, marks[1].Objection, "an objection outlives the new lifecycle")
	require.False(t, marks[1].Erased)
	n, err = k.LiftMarks(t.Context(), h.ids()[1:2], true)
	require.NoError(t, err)
	require.Equal(t, 1, n)
	n, err = k.LiftMarks(t.Context(), h.ids()[1:2], true)
	require.NoError(t, err)
	require.Zero(t, n)
	require.NoError(t, k.Close())
	k = open(t, o) // the file beside the journal does not bring them back
	requireWhole(t, k)
	marks = suppressed(t, k, h.ids())
	require.Zero(t, marks[1])
	require.True(t, marks[2].Objection)

	// Another record with the address is erased: the later end counts.
	other := *h
	other.token = token(t, k)
	require.NoError(t, k.PutLookups(t.Context(), []LookupRow{{Kind: h.ids()[2].Kind, Text: h.ids()[2].Text, Token: other.token, Field: "phone"}}))
	_, err = k.Destroy(t.Context(), "retention", Destruction{Token: other.token, Everything: true, Marks: MarkContact, Until: at.AddDate(0, 1, 0)})
	require.NoError(t, err)
	m := suppressed(t, k, h.ids())[2]
	require.True(t, m.Erased && m.Objection)
	require.Equal(t, d.Until, m.Until)
	requireWhole(t, k)
}

// TestRestoredKeyStoreGetsItsMarksBack from the file beside the journal; and a
// lost file is written again from the key store.
func TestRestoredKeyStoreGetsItsMarksBack(t *testing.T) {
	o := options(t)
	k := open(t, o)
	h := born(t, k, 1)
	require.NoError(t, k.Close())
	before := copyDir(t, o.Dir)
	k = open(t, o)
	_, err := k.Destroy(t.Context(), "erasure", h.everything())
	require.NoError(t, err)
	want := suppressed(t, k, h.ids())
	require.NotZero(t, want[0])
	require.NoError(t, k.Close())
	after := copyDir(t, o.Dir)
	o.Dir = before
	k = open(t, o)
	require.Equal(t, want, suppressed(t, k, h.ids()))
	h.requireGone(t, k)
	require.NoError(t, k.Close())

	o.Dir = after
	path := filepath.Join(o.JournalDir, marksFile)
	whole, err := os.ReadFile(path)
	require.NoError(t, err)
	for name, content := range map[string][]byte{"missing": nil, "cut": whole[:len(whole)-3], "changed": append(whole[:len(whole)-1:len(whole)-1], 0x55), "foreign": []byte("x")} {
		require.NoError(t, os.Remove(path))
		if content != nil {
			require.NoError(t, os.WriteFile(path, content, 0o600))
		}
		k = open(t, o)
		require.True(t, k.JournalReport().MarksLost, name)
		require.Equal(t, want, suppressed(t, k, h.ids()))
		require.NoError(t, k.Close())
		now, err := os.ReadFile(path)
		require.NoError(t, err)
		require.Equal(t, whole, now)
		k = open(t, o)
		require.False(t, k.JournalReport().MarksLost, name)
		require.NoError(t, k.Close())
	}
}

func FuzzMarkRow(f *testing.F) {
	r := markRow{mac: make([]byte, macSize), by: "email", kinds: 3, cause: "erasure", day: 20000, until: 20100, version: 2, rowMAC: make([]byte, macSize)}
	f.Add(r.append(nil))
	f.Add(r.append(r.append(nil)))
	f.Fuzz(func(t *testing.T, b []byte) {
		r, rest, ok := parseMark(b)
		if ok {
			require.Equal(t, b, append(r.append(nil), rest...))
		}
	})
}
