package keyring

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"lethe/domain"
	"lethe/domain/personal"
	"lethe/internal/part"
)

// The tests of the pitfalls of key destruction that are the keyring's own. The
// numbers are those of docs/pitfalls.md.

// TestPitfall01EraseThenWrite: "no key" alone cannot tell erased from never
// had, so that an erased compartment would get a new key.
func TestPitfall01EraseThenWrite(t *testing.T) {
	o := options(t)
	k := open(t, o)
	a, b := compartment(1), Compartment{Owner: "subject-s1", Group: "evidence"}
	refA, refB := sealed(t, k, one(t, k, a), 1, "goes"), sealed(t, k, one(t, k, b), 2, "stays")
	held := one(t, k, a)
	destroy(t, k, a)
	check := func(k *Keyring) {
		require.Equal(t, personal.Erased, stateOf(t, k, refA))
		requireText(t, k, refB, "stays")
		next := func(ctx context.Context, of []Compartment) ([]*Key, error) { return k.ProvisionNext(ctx, of) }
		for _, provision := range []func(context.Context, []Compartment) ([]*Key, error){k.Provision, next} {
			_, err := provision(t.Context(), []Compartment{b, a})
			var fenced *FencedError
			require.ErrorAs(t, err, &fenced)
			require.Equal(t, []Compartment{a}, fenced.Compartments)
			refusal, ok := domain.AsError(err)
			require.True(t, ok)
			require.Equal(t, domain.KindGone, refusal.Kind)
		}
		groups, err := k.Fenced(t.Context(), "subject-s1")
		require.NoError(t, err)
		require.Equal(t, map[domain.Name]bool{"contact": true, "evidence": false}, groups)
		infos, err := k.Keys(t.Context(), "subject-s1")
		require.NoError(t, err)
		require.Len(t, infos, 2, "no new key")
	}
	check(k)
	_, err := k.Seal(nil, held, part.Context{Stream: "s", Type: "T", Field: "f"}, nil)
	require.ErrorIs(t, err, ErrDestroyed)
	destroy(t, k, a) // again changes nothing
	check(k)
	requireWhole(t, k)
	require.NoError(t, k.Close())
	check(open(t, o))
}

// stuck is a source of randomness that gives some bytes a second time.
type stuck struct {
	io.Reader
	last, again []byte
}

func (s *stuck) Read(p []byte) (int, error) {
	n, err := s.Reader.Read(p)
	if len(s.again) <= len(p) {
		copy(p[len(p)-len(s.again):], s.again)
	}
	s.last = append([]byte(nil), p[:n]...)
	return n, err
}

// TestPitfall02KeyThatWasPutBack: a copy, or something that heals the store,
// puts a destroyed key back.
func TestPitfall02KeyThatWasPutBack(t *testing.T) {
	o := options(t)
	o.setDefaults()
	random := &stuck{Reader: o.Rand}
	o.Rand = random
	k := open(t, o)
	c := compartment(1)
	ref := sealed(t, k, one(t, k, c), 1, "gone")
	bytes := random.last
	stolen, err := k.generation(c, 1)
	require.NoError(t, err)
	one(t, k, compartment(8))
	destroy(t, k, c)

	// Through the door: the same key, under its ID and under another one.
	for _, random.again = range [][]byte{bytes, bytes[len(KeyID{}):]} {
		_, err = k.Provision(t.Context(), []Compartment{compartment(9)})
		require.ErrorIs(t, err, errFenced)
		_, err = k.ProvisionNext(t.Context(), []Compartment{compartment(8)})
		require.ErrorIs(t, err, errFenced)
	}
	random.again = nil
	requireWhole(t, k)

	// Behind its back: the exact old row, with its own good MAC.
	require.NoError(t, k.updateRow(&stolen))
	require.Equal(t, personal.Erased, stateOf(t, k, ref))
	_, err = k.Provision(t.Context(), []Compartment{c})
	require.ErrorAs(t, err, new(*FencedError))
	require.NotEmpty(t, findings(t, k))
	require.NoError(t, k.Close())
	_, err = Open(t.Context(), o)
	var integrity *IntegrityError
	require.ErrorAs(t, err, &integrity)
	require.Equal(t, "keys", integrity.Table)

	// Even with the sums of before, the fence alone is enough.
	o.VerifyRows = -1
	k = open(t, o)
	require.Equal(t, personal.Erased, stateOf(t, k, ref))
	_, err = k.Provision(t.Context(), []Compartment{c})
	require.ErrorAs(t, err, new(*FencedError))
	require.NotZero(t, k.Alarms().Integrity)

	// Destroying it again deletes it.
	end(t, k, KeyInfo{Compartment: c, Generation: 1, ID: stolen.id})
	require.False(t, inFiles(t, o.Dir, stolen.wrapped))
}

// TestPitfall06ProvisioningRacesAnErasure: 1,000 goroutines of two programs
// provision and seal while the compartments are erased.
func TestPitfall06ProvisioningRacesAnErasure(t *testing.T) {
	o := options(t)
	c := &clock{t: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)}
	o.Now = c.now
	programs := []*Keyring{open(t, o), open(t, o)}
	k := programs[0]
	const people = 20
	var keys []KeyInfo
	for i := range people {
		keys = append(keys, infoOf(one(t, k, compartment(i))))
	}
	refs, errs := make([]*personal.Ref, 1000), make([]error, 1000)
	var wg sync.WaitGroup
	start := make(chan struct{})
	for i := range refs {
		wg.Go(func() {
			<-start
			var got []*Key
			if got, errs[i] = programs[i%2].Provision(context.Background(), []Compartment{compartment(i % people), compartment(people + i)}); errs[i] == nil {
				refs[i], errs[i] = seal(programs[i%2], got[0], byte(i), "x")
			}
		})
	}
	close(start)
	end(t, k, keys...)
	wg.Wait()
	c.advance(freshness) // until then another program may use what it has
	for i, err := range errs {
		if err != nil {
			require.True(t, asFenced(err), "%v", err)
			continue
		}
		require.Equal(t, personal.Erased, stateOf(t, programs[0], refs[i]))
		require.Equal(t, personal.Erased, stateOf(t, programs[1], refs[i]))
	}
	for i := range people {
		infos, err := k.Keys(t.Context(), compartment(i).Owner)
		require.NoError(t, err)
		require.Len(t, infos, 1)
		require.True(t, infos[0].Fenced)
		for _, k := range programs {
			_, err = k.Provision(t.Context(), []Compartment{compartment(i)})
			require.ErrorAs(t, err, new(*FencedError))
		}
	}
	requireWhole(t, k)
}

// TestPitfall06ErasedBetweenAskingAndInserting: a first key is asked for, and
// before it is inserted another program makes it and destroys it.
func TestPitfall06ErasedBetweenAskingAndInserting(t *testing.T) {
	o := options(t)
	k, other := open(t, o), open(t, o)
	c := compartment(1)
	commit, asked, erased := k.group.commit, make(chan struct{}), make(chan struct{})
	goOn := sync.OnceFunc(func() { close(erased) })
	defer goOn()
	k.group.commit = func(jobs []*provisionJob) error {
		close(asked)
		<-erased
		return commit(jobs)
	}
	result := make(chan error, 1)
	go func() {
		_, err := k.Provision(context.Background(), []Compartment{c})
		result <- err
	}()
	<-asked
	one(t, other, c)
	destroy(t, other, c)
	goOn()
	require.ErrorAs(t, <-result, new(*FencedError))
	infos, err := k.Keys(t.Context(), c.Owner)
	require.NoError(t, err)
	require.Len(t, infos, 1, "no new key")
	require.True(t, infos[0].Fenced)
	requireWhole(t, k)
}

// TestPitfall06ErasedWhileItIsRead: the erasure falls, one after the other,
// into every moment at which a key that is being read or provisioned asks for
// the time. What was read before it is not kept behind it.
func TestPitfall06ErasedWhileItIsRead(t *testing.T) {
	c := compartment(1)
	for name, use := range map[string]func(*Keyring, *personal.Ref) error{
		"opened": func(k *Keyring, ref *personal.Ref) error {
			_, err := k.Open(context.Background(), ref)
			return err
		},
		"provisioned": func(k *Keyring, _ *personal.Ref) error {
			_, err := k.Provision(context.Background(), []Compartment{c})
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			moments := 0
			for ; ; moments++ {
				o := options(t)
				var erase func()
				left := moments
				o.Now = func() time.Time {
					if left--; erase != nil && left < 0 {
						now := erase
						erase = nil
						now()
					}
					return time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
				}
				k := open(t, o)
				ref := sealed(t, k, one(t, k, c), 1, "goes")
				require.NoError(t, k.Close())
				k = open(t, o) // with nothing cached
				left, erase = moments, func() { destroy(t, k, c) }
				if err := use(k, ref); err != nil {
					require.True(t, asFenced(err), "%v", err)
				}
				if erase != nil {
					break // it asks no more often
				}
				require.Equal(t, personal.Erased, stateOf(t, k, ref))
				_, err := k.Provision(t.Context(), []Compartment{c})
				require.ErrorAs(t, err, new(*FencedError))
			}
			require.GreaterOrEqual(t, moments, 2)
		})
	}
}

// asFenced: refused by the fence, or because the key was wiped in between.
func asFenced(err error) bool {
	var fenced *FencedError
	return errors.As(err, &fenced) || errors.Is(err, ErrDestroyed)
}

// TestPitfall07ConcurrentFirstUse: a key that overwrites the one that another
// has sealed with already.
func TestPitfall07ConcurrentFirstUse(t *testing.T) {
	o := options(t)
	programs := []*Keyring{open(t, o), open(t, o)}
	refs, errs := make([]*personal.Ref, 100), make([]error, 100)
	var wg sync.WaitGroup
	start := make(chan struct{})
	for i := range refs {
		wg.Go(func() {
			<-start
			var keys []*Key
			k := programs[i%2]
			if keys, errs[i] = k.Provision(context.Background(), []Compartment{compartment(1), compartment(i)}); errs[i] == nil {
				refs[i], errs[i] = seal(k, keys[0], byte(i), fmt.Sprint(i))
			}
		})
	}
	close(start)
	wg.Wait()
	for i, ref := range refs {
		require.NoError(t, errs[i])
		for _, k := range programs {
			requireText(t, k, ref, fmt.Sprint(i))
		}
	}
	require.NoError(t, programs[0].Close())
	k := open(t, o) // with nothing cached
	for i, ref := range refs {
		requireText(t, k, ref, fmt.Sprint(i))
	}
	infos, err := k.Keys(t.Context(), compartment(1).Owner)
	require.NoError(t, err)
	require.Len(t, infos, 1)
	requireWhole(t, k)
}

// TestPitfall15NonceAndPlace: equal values that show, and a ciphertext that is
// moved elsewhere.
func TestPitfall15NonceAndPlace(t *testing.T) {
	k := open(t, options(t))
	key, other := one(t, k, compartment(1)), one(t, k, compartment(2))
	good := sealed(t, k, key, 1, "secret")
	header, err := part.Parse(good.Part)
	require.NoError(t, err)
	seen := map[string]bool{}
	for range 100 { // also at the very same place
		h, err := part.Parse(sealed(t, k, key, 1, "secret").Part)
		require.NoError(t, err)
		require.False(t, seen[string(h.Body)], "equal plaintexts differ")
		seen[string(h.Body)] = true
	}
	rebuilt := func(change func(h *part.Header)) func(*personal.Ref) {
		return func(r *personal.Ref) {
			h := header
			change(&h)
			r.Part = append(h.Append(nil), h.Body...)
		}
	}
	moves := map[string]func(*personal.Ref){
		"other stream":     func(r *personal.Ref) { r.Stream = "subject-s2" },
		"other event":      func(r *personal.Ref) { r.EventID[15]++ },
		"other type":       func(r *personal.Ref) { r.Type = "FieldsRectified" },
		"other version":    func(r *personal.Ref) { r.Version = 2 },
		"other field":      rebuilt(func(h *part.Header) { h.Field = "phone" }),
		"other key":        rebuilt(func(h *part.Header) { h.KeyID, h.Owner = other.id, other.compartment.Owner }),
		"key of another":   rebuilt(func(h *part.Header) { h.KeyID = other.id }),
		"other commitment": rebuilt(func(h *part.Header) { h.Commitment[0]++ }),
		"cut short":        func(r *personal.Ref) { r.Part = r.Part[:len(r.Part)-1] },
		"empty":            func(r *personal.Ref) { r.Part = nil },
		"flipped bit":      func(r *personal.Ref) { r.Part[len(r.Part)-1] ^= 1 },
		"unknown format":   func(r *personal.Ref) { r.Part[0] = 9 },
	}
	for name, move := range moves {
		t.Run(name, func(t *testing.T) {
			moved := *good
			moved.Part = append([]byte(nil), good.Part...)
			move(&moved)
			require.Equal(t, personal.Tampered, stateOf(t, k, &moved))
			requireText(t, k, good, "secret")
		})
	}
	require.NotZero(t, k.Alarms().Tampered)
}

// TestPitfall22DestroyedKeyIsInNoFile: deleted bytes linger in a database.
func TestPitfall22DestroyedKeyIsInNoFile(t *testing.T) {
	o := options(t)
	k := open(t, o)
	var all []Compartment
	for i := range 330 {
		all = append(all, compartment(i))
	}
	keys, err := k.Provision(t.Context(), all)
	require.NoError(t, err)
	_, err = k.ProvisionNext(t.Context(), all[300:]) // these are superseded, and their successors stay
	require.NoError(t, err)
	var of []KeyInfo
	var wrapped [][]byte
	for i := 0; i < len(keys); i += 3 {
		row, err := k.generation(keys[i].compartment, 1)
		require.NoError(t, err)
		of, wrapped = append(of, infoOf(keys[i])), append(wrapped, row.wrapped)
	}
	// left is how many of the keys are in the files, whole or by a half.
	left := func() (n int) {
		var content string
		for _, dir := range []string{o.Dir, o.EpochDir, o.LookupDir, o.JournalDir, o.HeadDir} {
			for _, file := range readAll(t, dir) {
				content += file
			}
		}
		for _, w := range wrapped {
			if strings.Contains(content, string(w[:32])) || strings.Contains(content, string(w[60:])) {
				n++
			}
		}
		return n
	}
	require.Equal(t, len(wrapped), left(), "the search itself must find live keys")
	end(t, k, of...)
	require.Zero(t, left())
	require.NoError(t, k.Close())
	require.Zero(t, left())
}

// TestPitfall24LostKeyIsMissingNeverErased: the key store's last transaction
// never reached the disk, or an older copy of it was restored.
func TestPitfall24LostKeyIsMissingNeverErased(t *testing.T) {
	o := options(t)
	var logs strings.Builder
	o.Logger = slog.New(slog.NewTextHandler(&logs, nil))
	k := open(t, o)
	kept := sealed(t, k, one(t, k, compartment(1)), 1, "kept")
	require.NoError(t, k.Close())
	before := copyDir(t, o.Dir)

	k = open(t, o)
	lost := sealed(t, k, one(t, k, compartment(2)), 2, "lost")
	require.NoError(t, k.Close())
	o.Dir = before // the last key transaction never happened
	k = open(t, o)
	requireText(t, k, kept, "kept")
	require.Equal(t, personal.KeyMissing, stateOf(t, k, lost))
	require.Equal(t, uint64(1), k.Alarms().KeyMissing)
	require.Contains(t, logs.String(), "key is missing")
	require.NotContains(t, logs.String(), "lost\"")
	h, err := part.Parse(lost.Part)
	require.NoError(t, err)
	states, err := k.KeyStates(t.Context(), []KeyInfo{KeyOf(&h)})
	require.NoError(t, err)
	require.Equal(t, []KeyState{KeyLost}, states)
	require.False(t, fenced(t, k, compartment(2)))

	// A new key in its place opens nothing of it.
	one(t, k, compartment(2))
	require.Equal(t, personal.KeyMissing, stateOf(t, k, lost))

	// A lost key that is destroyed all the same is erased.
	done := end(t, k, KeyOf(&h))
	require.True(t, done[0].Lost)
	require.Equal(t, personal.Erased, stateOf(t, k, lost))
	requireWhole(t, k)
}
