package keyring

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"lethe/domain/personal"
	"lethe/internal/testenv"
)

// people seals a value for each of n owners, and destroys every seventh's key.
func people(t testing.TB, k *Keyring, n int) (refs []*personal.Ref) {
	for i := range n {
		refs = append(refs, sealed(t, k, one(t, k, compartment(i)), byte(i), fmt.Sprint(i)))
	}
	for i := 0; i < n; i += 7 {
		destroy(t, k, compartment(i))
	}
	return refs
}

// requirePeople: what people made is as it was.
func requirePeople(t testing.TB, k *Keyring, refs []*personal.Ref) {
	for i, ref := range refs {
		if i%7 == 0 {
			require.Equal(t, personal.Erased, stateOf(t, k, ref), i)
		} else {
			requireText(t, k, ref, fmt.Sprint(i))
		}
	}
	require.Equal(t, Alarms{}, k.Alarms())
}

func TestRotationKeepsEveryKey(t *testing.T) {
	o, _ := places(t)
	k := open(t, o)
	refs := people(t, k, 40)
	var last uint64
	r, err := k.Rotate(t.Context(), RotateOptions{Progress: func(done, total uint64) {
		require.LessOrEqual(t, last, done)
		require.LessOrEqual(t, done, total)
		last = done
	}})
	require.NoError(t, err)
	require.Equal(t, uint64(80), last)
	require.Equal(t, uint64(34), r.Rewrapped)
	require.Equal(t, allBuckets().list(), r.Buckets)
	require.Len(t, r.Gone, 1)
	require.Empty(t, r.Pending)
	require.False(t, r.Resumed)
	requirePeople(t, k, refs)
	requireWhole(t, k)
	requireSamePlaces(t, o)
	require.False(t, holds(t, o.EpochDir, 1))
	again := one(t, k, compartment(1))
	require.NoError(t, k.Close())

	k = open(t, o)
	requirePeople(t, k, refs)
	require.Equal(t, again.ID(), one(t, k, compartment(1)).ID())
	rotate(t, k, bucketOf("subject-s1"))
	rotate(t, k)
	requirePeople(t, k, refs)
	requireWhole(t, k)
}

// Rotation after an erasure: what was erased stays erased, its fence stands,
// its key is in no file under any epoch, and everything else reads.
func TestPitfall16RotateAfterErasure(t *testing.T) {
	o := options(t)
	k := open(t, o)
	refs := people(t, k, 30)
	infos, err := k.Keys(t.Context(), "subject-s7")
	require.NoError(t, err)
	row, err := k.generation(infos[0].Compartment, 1)
	require.NoError(t, err)
	require.True(t, row.fenced)
	for range 2 {
		rotate(t, k)
		requirePeople(t, k, refs)
		after, err := k.generation(infos[0].Compartment, 1)
		require.NoError(t, err)
		require.Equal(t, row, after, "rotation leaves a fenced row alone")
		_, err = k.Provision(t.Context(), []Compartment{infos[0].Compartment})
		require.Error(t, err)
	}
	// A wrapped key of before, put back by hand, opens nothing: its epoch is
	// gone, and its fence stands.
	require.NoError(t, k.Close())
	k = open(t, o)
	requirePeople(t, k, refs)
	requireWhole(t, k)
}

// A row that an erasure fenced between being read and being rewrapped stays
// fenced.
func TestRotationSkipsWhatWasErasedMeanwhile(t *testing.T) {
	k := open(t, options(t))
	ref := sealed(t, k, one(t, k, compartment(1)), 1, "x")
	r := &rotating{k: k, of: allBuckets()}
	require.NoError(t, r.begin(t.Context()))
	var below [buckets]uint32
	for b := range r.of.each() {
		below[b] = k.epochs.Load().live[b].number
	}
	require.NoError(t, k.eachPage(t.Context(), allBuckets(), func(page []keyRow) error {
		destroy(t, k, compartment(1))
		return r.rewrap(t.Context(), page, &below)
	}))
	require.Zero(t, r.rewrapped)
	require.Equal(t, personal.Erased, stateOf(t, k, ref))
	requireWhole(t, k)
}

// Nothing is deleted while a row is left under the old key.
func TestRotationDeletesNothingThatIsNeeded(t *testing.T) {
	o := options(t)
	k := open(t, o)
	refs := people(t, k, 10)
	r := &rotating{k: k, of: allBuckets()}
	require.NoError(t, r.begin(t.Context()))
	var below [buckets]uint32
	for b := range r.of.each() {
		below[b] = k.epochs.Load().live[b].number
	}
	err := k.eachPage(t.Context(), allBuckets(), func(page []keyRow) error { return k.readBack(page, &below) })
	require.ErrorContains(t, err, "still wrapped by epoch key 1")

	// One that does not unwrap stops a rotation before anything is deleted.
	_, err = k.writer.exec("UPDATE keys SET wrapped = zeroblob(92) WHERE owner LIKE '__subject-s3'")
	require.NoError(t, err)
	_, err = k.Rotate(t.Context(), RotateOptions{})
	var integrity *IntegrityError
	require.ErrorAs(t, err, &integrity)
	require.True(t, holds(t, o.EpochDir, 1))
	requireText(t, k, refs[4], "4")
}

// A rotation that was cut is gone on with; another one is begun only when
// something was destroyed since.
func TestRotationResumes(t *testing.T) {
	o := options(t)
	k := open(t, o)
	refs := people(t, k, 20)
	ctx, cancel := context.WithCancel(t.Context())
	_, err := k.Rotate(ctx, RotateOptions{Progress: func(uint64, uint64) { cancel() }})
	require.ErrorIs(t, err, context.Canceled)
	require.True(t, holds(t, o.EpochDir, 1))
	requirePeople(t, k, refs)
	due, scheduled := k.RotationDue()
	require.False(t, scheduled)
	require.Zero(t, due)
	require.NoError(t, k.Close())

	k = open(t, o)
	number := k.epochs.Load().live[0].number
	r := rotate(t, k)
	require.True(t, r.Resumed)
	require.Equal(t, number, r.Epoch)
	require.False(t, holds(t, o.EpochDir, 1))
	requirePeople(t, k, refs)

	ctx, cancel = context.WithCancel(t.Context())
	_, err = k.Rotate(ctx, RotateOptions{Progress: func(uint64, uint64) { cancel() }})
	require.ErrorIs(t, err, context.Canceled)
	one(t, k, compartment(100))
	destroy(t, k, compartment(100))
	begun := k.epochs.Load().live[0].number
	r = rotate(t, k)
	require.False(t, r.Resumed, "the key may be in a copy under the keys that were begun")
	require.Greater(t, r.Epoch, begun)
	require.Len(t, r.Gone, 2)
	requirePeople(t, k, refs)
	requireWhole(t, k)
}

// TestCrashAtEveryStepOfARotation takes the files as a crash would leave them
// at each step of a rotation, and goes on from each.
func TestCrashAtEveryStepOfARotation(t *testing.T) {
	testenv.Sequential(t)
	o, _ := places(t)
	k := open(t, o)
	refs := people(t, k, 15)
	base := filepath.Dir(o.Dir)
	var images []string
	k.opts.step = func() {
		image := t.TempDir()
		require.NoError(t, os.CopyFS(image, os.DirFS(base)))
		images = append(images, image)
	}
	rotate(t, k)
	require.NoError(t, k.Close())
	require.Greater(t, len(images), 12)
	for i, image := range images {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			at := inImage(t, o, image)
			k := open(t, at)
			requirePeople(t, k, refs)
			requireSamePlaces(t, at)
			rotate(t, k)
			requirePeople(t, k, refs)
			requireWhole(t, k)
			require.False(t, holds(t, at.EpochDir, 1))
			require.False(t, holds(t, at.EpochReplicas[0], 1))
			for _, e := range k.Epochs() {
				require.Equal(t, e.Retired.IsZero(), e.Destroyed.IsZero())
			}
			require.NoError(t, k.Close())
		})
		for _, lost := range []int{0, 1} { // and one place is lost as well
			t.Run(fmt.Sprintf("%d without place %d", i, lost), func(t *testing.T) {
				copied := t.TempDir()
				require.NoError(t, os.CopyFS(copied, os.DirFS(image)))
				at := inImage(t, o, copied)
				require.NoError(t, os.RemoveAll(append(at.EpochReplicas, at.EpochDir)[lost]))
				k := open(t, at)
				requirePeople(t, k, refs)
				requireSamePlaces(t, at)
				rotate(t, k)
				requirePeople(t, k, refs)
			})
		}
	}
}

func inImage(t testing.TB, o Options, image string) Options {
	o.Dir, o.EpochDir, o.LookupDir = filepath.Join(image, "keys"), filepath.Join(image, "epochs"), filepath.Join(image, "lookup")
	o.EpochReplicas = []string{filepath.Join(image, "replica")}
	o.RootKeyFile = filepath.Join(image, "root.key")
	require.NoError(t, os.Chmod(o.RootKeyFile, 0o600))
	return o
}

// Two keyrings on one store, as of two processes: both rotate, provision,
// destroy and read, and follow each other.
func TestTwoProcessesRotate(t *testing.T) {
	o, _ := places(t)
	ks := []*Keyring{open(t, o), open(t, o)}
	refs := people(t, ks[0], 30)
	rounds := 4
	if testing.Short() {
		rounds = 2
	}
	var wg sync.WaitGroup
	var mu sync.Mutex
	var more []*personal.Ref
	for p, k := range ks {
		wg.Go(func() {
			for i := range rounds {
				of := []uint8{}
				if i%2 == 1 {
					of = []uint8{bucketOf("subject-s1"), bucketOf("subject-s2")}
				}
				_, err := k.Rotate(t.Context(), RotateOptions{Buckets: of})
				require.NoError(t, err)
			}
		})
		for w := range 2 {
			wg.Go(func() {
				for i := range 25 * rounds {
					c := compartment(1000*(p+1) + 100*w*rounds + i)
					keys, err := k.Provision(t.Context(), []Compartment{c})
					require.NoError(t, err)
					ref := sealed(t, k, keys[0], 9, "y")
					mu.Lock()
					more = append(more, ref)
					mu.Unlock()
					v, err := ks[1-p].Open(t.Context(), refs[1+i%6])
					require.NoError(t, err)
					require.Equal(t, personal.Present, v.State())
				}
			})
		}
	}
	wg.Wait()
	for _, k := range ks {
		require.NoError(t, k.SyncEpochs(t.Context()))
		requirePeople(t, k, refs)
		for _, ref := range more {
			requireText(t, k, ref, "y")
		}
		requireWhole(t, k)
	}
	requireSamePlaces(t, o)
	rotate(t, ks[0])
	require.True(t, ks[0].epochs.Load().unfinished().empty())
}

// A process that reads only follows a rotation of another one.
func TestAReaderFollowsARotation(t *testing.T) {
	o := options(t)
	clock := &clock{}
	a := open(t, o)
	o.Now, o.CacheSize = clock.now, 1
	refs := people(t, a, 10)
	b := open(t, o)
	for range 3 {
		rotate(t, a)
		requirePeople(t, b, refs)
		_, err := b.Keys(t.Context(), "subject-s1")
		require.NoError(t, err)
		var of []KeyInfo
		for i := range refs {
			infos, err := b.Keys(t.Context(), compartment(i).Owner)
			require.NoError(t, err)
			of = append(of, infos...)
		}
		states, err := b.KeyStates(t.Context(), of)
		require.NoError(t, err)
		for i, s := range states {
			require.Equal(t, of[i].Fenced, s == KeyFenced)
			require.NotEqual(t, KeyDamaged, s)
		}
		clock.advance(2 * freshness)
	}
	// And writes: provisioning and destroying use the new epoch keys.
	rotate(t, a)
	ref := sealed(t, b, one(t, b, compartment(50)), 1, "z")
	rotate(t, a)
	destroy(t, b, compartment(50))
	require.Equal(t, personal.Erased, stateOf(t, b, ref))
	requireWhole(t, a)
}
