package keyring

import (
	"fmt"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"lethe/domain"
	"lethe/domain/catalogue"
	"lethe/internal/part"
)

// persons makes the compartments of a thousand new people, three each.
func persons(t testing.TB, k *Keyring) []Compartment {
	of := make([]Compartment, 0, 3000)
	for range 1000 {
		token, err := domain.NewToken(k.opts.Rand)
		require.NoError(t, err)
		for _, g := range []domain.Name{"contact", "evidence", "newsletter"} {
			of = append(of, Compartment{Owner: token.Stream(), Group: g})
		}
	}
	return of
}

// BenchmarkProvisionBulk: new keys, three a person, 1,000 people a call.
func BenchmarkProvisionBulk(b *testing.B) {
	k := open(b, options(b))
	b.ResetTimer()
	keys := 0
	for b.Loop() {
		b.StopTimer()
		of := persons(b, k)
		b.StartTimer()
		_, err := k.Provision(b.Context(), of)
		require.NoError(b, err)
		keys += len(of)
	}
	b.ReportMetric(float64(keys)/b.Elapsed().Seconds(), "keys/s")
}

// BenchmarkProvisionSingle: one new compartment a call, 64 callers.
func BenchmarkProvisionSingle(b *testing.B) {
	k := open(b, options(b))
	var n atomic.Int64
	b.SetParallelism(32)
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			_, err := k.Provision(b.Context(), []Compartment{{Owner: fmt.Sprintf("subject-s%d", n.Add(1)), Group: "contact"}})
			if err != nil {
				b.Error(err)
			}
		}
	})
}

func BenchmarkProvisionCached(b *testing.B) {
	k := open(b, options(b))
	of := []Compartment{compartment(1)}
	one(b, k, of[0])
	for b.Loop() {
		_, _ = k.Provision(b.Context(), of)
	}
}

func BenchmarkSeal(b *testing.B) {
	k := open(b, options(b))
	key := one(b, k, compartment(1))
	at := part.Context{Stream: "subject-s1", EventID: [16]byte{1}, Type: "FieldsRecorded", Version: 1, Field: "email"}
	text := []byte("somebody@example.org")
	b.ReportAllocs()
	for b.Loop() {
		_, _ = k.Seal(nil, key, at, text)
	}
}

func BenchmarkOpen(b *testing.B) {
	k := open(b, options(b))
	ref := sealed(b, k, one(b, k, compartment(1)), 1, "somebody@example.org")
	b.ReportAllocs()
	for b.Loop() {
		_, _ = k.Open(b.Context(), ref)
	}
}

// BenchmarkLookupBulk: two rows a person, 1,000 people a call.
func BenchmarkLookupBulk(b *testing.B) {
	k := open(b, options(b))
	n := 0
	for b.Loop() {
		rows := make([]LookupRow, 0, 2000)
		for range 1000 {
			n++
			token, err := domain.NewToken(k.opts.Rand)
			require.NoError(b, err)
			rows = append(rows,
				LookupRow{Kind: catalogue.LookupEmail, Text: fmt.Sprintf("p%d@example.org", n), Token: token, Field: "email"},
				LookupRow{Kind: catalogue.LookupExternalID, Text: fmt.Sprint(n), Token: token, Field: "customer_number"})
		}
		require.NoError(b, k.PutLookups(b.Context(), rows))
	}
	b.ReportMetric(float64(2*n)/b.Elapsed().Seconds(), "rows/s")
}

// BenchmarkImportClaims: reserve and finish, 1,000 rows a call.
func BenchmarkImportClaims(b *testing.B) {
	k := open(b, options(b))
	n := 0
	for b.Loop() {
		wanted := make([]Reservation, 0, 1000)
		for range 1000 {
			n++
			token, err := domain.NewToken(k.opts.Rand)
			require.NoError(b, err)
			wanted = append(wanted, Reservation{Key: k.SourceKeyOf("dolibarr", "llx_socpeople", fmt.Sprint(n)), Token: token})
		}
		claims, err := k.ReserveImports(b.Context(), wanted)
		require.NoError(b, err)
		for i := range claims {
			claims[i].Fields = []FieldMAC{{Field: "email"}, {Field: "phone"}, {Field: "last_name"}}
		}
		require.NoError(b, k.FinishImports(b.Context(), claims))
	}
	b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "claims/s")
}

// BenchmarkAsking: what a question about a person asks of the keyring. Nobody
// shares an address with them.
func BenchmarkAsking(b *testing.B) {
	k := open(b, options(b))
	token, err := domain.NewToken(k.opts.Rand)
	require.NoError(b, err)
	one(b, k, Compartment{Owner: token.Stream(), Group: "contact"})
	require.NoError(b, k.PutLookups(b.Context(), []LookupRow{
		{Kind: catalogue.LookupEmail, Text: "p@example.org", Token: token, Field: "email"},
	}))
	b.ReportAllocs()
	for b.Loop() {
		_, err := k.Fenced(b.Context(), token.Stream())
		require.NoError(b, err)
		_, err = k.Peers(b.Context(), token)
		require.NoError(b, err)
	}
}

func BenchmarkCheck(b *testing.B) {
	k := open(b, options(b))
	for range 30 {
		_, err := k.Provision(b.Context(), persons(b, k))
		require.NoError(b, err)
	}
	for b.Loop() {
		require.Empty(b, findings(b, k))
	}
	b.ReportMetric(float64(90_000*b.N)/b.Elapsed().Seconds(), "rows/s")
}

// BenchmarkKeyStates: three keys a person, 1,000 people a call.
func BenchmarkKeyStates(b *testing.B) {
	k := open(b, options(b))
	var calls [][]KeyInfo
	for range 10 {
		of := persons(b, k)
		keys, err := k.Provision(b.Context(), of)
		require.NoError(b, err)
		infos := make([]KeyInfo, len(of))
		for i, key := range keys {
			infos[i] = KeyInfo{Compartment: of[i], Generation: 1, ID: key.ID()}
		}
		calls = append(calls, infos)
	}
	n := 0
	for b.Loop() {
		states, err := k.KeyStates(b.Context(), calls[n%len(calls)])
		require.NoError(b, err)
		require.Equal(b, KeyLive, states[n%len(states)])
		n++
	}
	b.ReportMetric(float64(3000*n)/b.Elapsed().Seconds(), "keys/s")
}

// BenchmarkDestroy: erasing a person with three keys, rows in the lookup and
// marks, 1 or 100 people a call. Everything is on disk when a call returns.
func BenchmarkDestroy(b *testing.B) {
	for _, people := range []int{1, 100} {
		b.Run(fmt.Sprint(people), func(b *testing.B) {
			k := open(b, options(b))
			n := 0
			for b.Loop() {
				b.StopTimer()
				of := make([]Destruction, people)
				for i := range of {
					of[i] = born(b, k, byte(i)).everything()
					keys, err := k.Provision(b.Context(), []Compartment{
						{Owner: of[i].Token.Stream(), Group: "evidence"}, {Owner: of[i].Token.Stream(), Group: "orders"},
					})
					require.NoError(b, err)
					of[i].Keys = append(of[i].Keys, infoOf(keys[0]), infoOf(keys[1]))
				}
				b.StartTimer()
				_, err := k.Destroy(b.Context(), "erasure", of...)
				require.NoError(b, err)
				n += people
			}
			b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "people/s")
		})
	}
}
