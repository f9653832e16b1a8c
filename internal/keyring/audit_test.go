package keyring

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"lethe/domain"
	"lethe/domain/catalogue"
	"lethe/internal/testenv"
)

// TestKeyStatesAreTheOutcomesOfOpening, row by row.
func TestKeyStatesAreTheOutcomesOfOpening(t *testing.T) {
	k := open(t, options(t))
	var of []KeyInfo
	for i := range 50 {
		for _, g := range []domain.Name{"contact", "identity"} {
			c := Compartment{Owner: compartment(i).Owner, Group: g}
			of = append(of, KeyInfo{Compartment: c, Generation: 1, ID: one(t, k, c).ID()})
		}
	}
	want := make([]KeyState, len(of))
	for i := range want {
		want[i] = KeyLive
	}
	check := func(at int, state KeyState) {
		t.Helper()
		want[at] = state
		states, err := k.KeyStates(t.Context(), of)
		require.NoError(t, err)
		require.Equal(t, want, states)
	}
	check(0, KeyLive)
	end(t, k, of[7])
	check(7, KeyFenced)

	other := of[8]
	other.ID[0]++ // another key than the compartment's: gone
	of = append(of, other)
	want = append(want, KeyLost)
	check(len(of)-1, KeyLost)
	of[9].Generation = 2
	check(9, KeyLost)
	_, err := k.writer.exec("DELETE FROM keys WHERE key_id = ?", of[20].ID[:])
	require.NoError(t, err)
	check(20, KeyLost)

	// A row that says fenced erases nothing without its fence.
	row, err := k.generation(of[30].Compartment, 1)
	require.NoError(t, err)
	row.fenced = true
	row.mac = k.secrets.rowMAC(row.message(nil))
	require.NoError(t, k.updateRow(&row))
	check(30, KeyLost)
	_, err = k.writer.exec("UPDATE keys SET lifecycle = 2 WHERE key_id = ?", of[40].ID[:])
	require.NoError(t, err)
	check(40, KeyDamaged)
	row, err = k.generation(of[41].Compartment, 1)
	require.NoError(t, err)
	row.epoch = 99 // wrapped by an epoch key that is gone
	row.mac = k.secrets.rowMAC(row.message(nil))
	require.NoError(t, k.updateRow(&row))
	check(41, KeyDamaged)

	// Nor does a destroyed key that was put back live.
	row, err = k.generation(of[42].Compartment, 1)
	require.NoError(t, err)
	end(t, k, of[42])
	require.NoError(t, k.updateRow(&row))
	check(42, KeyFenced)
	_, err = k.writer.exec("UPDATE fences SET at = at + 1 WHERE key_id = ?", of[7].ID[:])
	require.NoError(t, err)
	check(7, KeyDamaged)
	require.Equal(t, Alarms{}, k.Alarms())
	require.Equal(t, "missing", KeyLost.String())
	require.Equal(t, "damaged", KeyState(9).String())

	none, err := k.KeyStates(t.Context(), nil)
	require.NoError(t, err)
	require.Empty(t, none)
}

func TestFences(t *testing.T) {
	o := options(t)
	at := time.Date(2026, 1, 1, 10, 0, 0, 1000, time.UTC)
	o.Now = func() time.Time { return at }
	k := open(t, o)
	var want []Fence
	for i := range 20 {
		key := one(t, k, compartment(i))
		info := KeyInfo{Compartment: compartment(i), Generation: 1, ID: key.ID()}
		if i%2 == 0 {
			done := end(t, k, info)[0]
			info.Fenced = true
			want = append(want, Fence{Key: info, Fingerprint: done.Fingerprint, Cause: "erasure", At: at})
		}
	}
	var got []Fence
	for f, err := range k.Fences(t.Context()) {
		require.NoError(t, err)
		got = append(got, f)
	}
	require.ElementsMatch(t, want, got)
	for range k.Fences(t.Context()) {
		break
	}
	_, err := k.writer.exec("UPDATE fences SET cause = 'retention' WHERE owner = 'subject-s4'")
	require.NoError(t, err)
	var last error
	for _, err := range k.Fences(t.Context()) {
		last = err
	}
	require.ErrorAs(t, last, new(*IntegrityError))
}

// TestCheckFindsWhatNoMACTells: what reads the same but is not found, tables
// that are not what they were, and files that are not what is open.
func TestCheckFindsWhatNoMACTells(t *testing.T) {
	testenv.Sequential(t)
	t.Parallel()
	type damage struct{ where, sql string }
	for name, d := range map[string]struct {
		file   string
		damage []damage
	}{
		"a text that became a blob": {storeFile, []damage{{"keys, ", "UPDATE keys SET owner = CAST(owner AS BLOB) WHERE owner LIKE '__subject-s3'"}}},
		"an index that was emptied": {storeFile, []damage{
			{"", "PRAGMA writable_schema = ON"},
			{"schema", "UPDATE sqlite_schema SET sql = replace(sql, '(fingerprint)', '(cause)') WHERE name = 'fences_by_fingerprint'"},
		}},
		"another column type": {lookupFile, []damage{
			{"", "PRAGMA writable_schema = ON"},
			{"schema", "UPDATE sqlite_schema SET sql = replace(sql, 'token TEXT', 'token BLOB') WHERE name = 'imports'"},
		}},
		"a table too many":         {lookupFile, []damage{{"schema", "CREATE TABLE more (x)"}}},
		"a changed token":          {lookupFile, []damage{{"lookup, ", "UPDATE lookup SET token = token || 'x' WHERE field = 'email'"}}},
		"a changed event":          {lookupFile, []damage{{"lookup, ", "UPDATE lookup SET event_id = x'00' WHERE field = 'email'"}}},
		"a changed claim":          {lookupFile, []damage{{"imports, ", "UPDATE imports SET done = 0"}}},
		"a changed claim's fields": {lookupFile, []damage{{"imports, ", "UPDATE imports SET fields = x''"}}},
		"a changed creation":       {lookupFile, []damage{{"creations, ", "UPDATE creations SET at = at + 1"}}},
		"a changed file":           {lookupFile, []damage{{"files, ", "UPDATE files SET done = 0"}}},
		"a number that is a text":  {lookupFile, []damage{{"files, ", "UPDATE files SET done = 'x'"}}},
		"a number out of range":    {lookupFile, []damage{{"imports, ", "UPDATE imports SET version = -1"}}},
		"a fence too few": {storeFile, []damage{
			{"fences", "DELETE FROM fences WHERE owner = 'subject-s1'"},
			{"fences, key", "SELECT 1"},
		}},
		"a key too few": {storeFile, []damage{{"keys", "DELETE FROM keys WHERE owner LIKE '__subject-s3'"}}},
	} {
		t.Run(name, func(t *testing.T) {
			k := open(t, options(t))
			one(t, k, compartment(3))
			one(t, k, compartment(1))
			destroy(t, k, compartment(1))
			tok := token(t, k)
			require.NoError(t, k.PutLookups(t.Context(), []LookupRow{
				{Kind: catalogue.LookupEmail, Text: "canary@example.org", Token: tok, Field: "email", EventID: domain.ID{1}},
			}))
			_, _, err := k.ClaimCreation(t.Context(), domain.ID{1}, domain.Digest{2}, domain.Digest{3}, tok)
			require.NoError(t, err)
			key := k.SourceKeyOf("shop", "people", "canary")
			claim := ImportClaim{Key: key, Token: tok, Fields: []FieldMAC{{Field: "email", MAC: k.ValueMACOf(key, "email", "canary")}}}
			for range 2 {
				require.NoError(t, k.FinishImports(t.Context(), []ImportClaim{claim}))
			}
			_, _, err = k.ClaimFile(t.Context(), FileKey{System: "shop"}, domain.ID{1})
			require.NoError(t, err)
			require.NoError(t, k.FinishFile(t.Context(), FileKey{System: "shop"}))
			requireWhole(t, k)
			w := map[string]*writer{storeFile: k.writer, lookupFile: k.lookups.writer}[d.file]
			for _, damage := range d.damage {
				_, err := w.exec(damage.sql)
				require.NoError(t, err)
				if damage.where == "" {
					continue
				}
				found := findings(t, k)
				require.NotEmpty(t, found)
				any := false
				for _, f := range found {
					require.Equal(t, d.file, f.File)
					require.NotEmpty(t, f.What)
					require.NotEmpty(t, f.Means)
					require.NotContains(t, fmt.Sprint(f), "canary")
					any = any || len(f.Where) >= len(damage.where) && f.Where[:len(damage.where)] == damage.where
				}
				require.True(t, any, "%+v", found)
			}
		})
	}
}

func TestCheckIsBoundedAndTellsItsProgress(t *testing.T) {
	k := open(t, options(t))
	_, err := k.Provision(t.Context(), persons(t, k)[:2990])
	require.NoError(t, err)
	rows := make([]LookupRow, 2000)
	for i := range rows {
		rows[i] = LookupRow{Kind: catalogue.LookupExternalID, Text: fmt.Sprint(i), Token: token(t, k), Field: "number"}
	}
	require.NoError(t, k.PutLookups(t.Context(), rows))
	var seen [][2]uint64
	progress := func(done, total uint64) { seen = append(seen, [2]uint64{done, total}) }
	require.NoError(t, k.Check(t.Context(), func(f Finding) { require.Fail(t, "a finding", "%+v", f) }, progress))
	require.Equal(t, [][2]uint64{{4096, 4990}, {4990, 4990}}, seen)

	_, err = k.writer.exec("UPDATE keys SET lifecycle = 7")
	require.NoError(t, err)
	found := findings(t, k)
	require.Len(t, found, maxRowFindings+1) // the sum is of the MACs, which nobody changed
	require.Equal(t, "2890 more rows are like these", found[maxRowFindings].What)

	ended, cancel := context.WithCancel(t.Context())
	cancel()
	require.ErrorIs(t, k.Check(ended, func(Finding) {}, nil), context.Canceled)
}
