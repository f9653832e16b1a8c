package keyring

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"lethe/domain/personal"
)

// places are options with another place of epoch keys, whose reports are
// kept.
func places(t testing.TB) (Options, *[]string) {
	o := options(t)
	o.EpochReplicas = []string{filepath.Join(filepath.Dir(o.Dir), "replica")}
	told := &[]string{}
	o.Report = func(what string) { *told = append(*told, what) }
	return o, told
}

// holds reports whether the file at a place holds an epoch key.
func holds(t testing.TB, dir string, number uint32) bool {
	form, err := readEpochFile(filepath.Join(dir, epochFile))
	require.NoError(t, err)
	for _, k := range form.Keys {
		if k.Epoch == number {
			return true
		}
	}
	return false
}

func requireSamePlaces(t testing.TB, o Options) {
	first, err := readEpochFile(filepath.Join(o.EpochDir, epochFile))
	require.NoError(t, err)
	for _, dir := range o.EpochReplicas {
		form, err := readEpochFile(filepath.Join(dir, epochFile))
		require.NoError(t, err)
		require.NotEqual(t, first.Place, form.Place)
		form.Place = first.Place
		require.Equal(t, first, form)
	}
}

func rotate(t testing.TB, k *Keyring, buckets ...uint8) Rotation {
	r, err := k.Rotate(t.Context(), RotateOptions{Buckets: buckets})
	require.NoError(t, err)
	return r
}

func TestLosingOnePlaceOfEpochKeysLosesNothing(t *testing.T) {
	for _, lost := range []string{"the first", "the second", "a damaged first", "a damaged second"} {
		t.Run(lost, func(t *testing.T) {
			o, told := places(t)
			k := open(t, o)
			ref := sealed(t, k, one(t, k, compartment(1)), 1, "x")
			require.NoError(t, k.Close())
			requireSamePlaces(t, o)
			require.Empty(t, *told)

			dir := o.EpochDir
			if strings.HasSuffix(lost, "second") {
				dir = o.EpochReplicas[0]
			}
			if strings.Contains(lost, "damaged") {
				require.NoError(t, os.WriteFile(filepath.Join(dir, epochFile), []byte("lethe-epochs-1 half"), 0o600))
			} else {
				require.NoError(t, os.RemoveAll(dir))
			}
			k = open(t, o)
			requireText(t, k, ref, "x")
			if strings.Contains(lost, "damaged") {
				requireSamePlaces(t, o)
				requireWhole(t, k)
				require.Len(t, k.Places(), 2)
				return
			}
			require.Contains(t, strings.Join(*told, "\n"), "is its disk mounted?")
			require.NoError(t, os.MkdirAll(dir, 0o700)) // what a mount point looks like
			require.NoError(t, k.SyncEpochs(t.Context()))
			require.NoFileExists(t, filepath.Join(dir, epochFile), "its disk may not be mounted")
			require.Len(t, k.Places(), 2)
			for _, p := range k.Places() {
				if !p.Here {
					require.NoError(t, k.ForgetPlace(t.Context(), p.ID))
				}
			}
			requireSamePlaces(t, o)
			requireWhole(t, k)
			require.Len(t, k.Places(), 3, "the new one is another place")
		})
	}
}

func TestWithoutAnyPlaceNothingIsOpened(t *testing.T) {
	o, _ := places(t)
	k := open(t, o)
	one(t, k, compartment(1))
	require.NoError(t, k.Close())
	before := readAll(t, o.Dir)
	require.NoError(t, os.RemoveAll(o.EpochDir))
	require.NoError(t, os.RemoveAll(o.EpochReplicas[0]))
	_, err := Open(t.Context(), o)
	require.ErrorIs(t, err, ErrEpochsMissing)
	require.NoFileExists(t, filepath.Join(o.EpochDir, epochFile))
	require.Equal(t, before, readAll(t, o.Dir))
}

func TestAProgramThatRunsWritesLostEpochKeysAnew(t *testing.T) {
	o, told := places(t)
	k := open(t, o)
	ref := sealed(t, k, one(t, k, compartment(1)), 1, "x")
	require.NoError(t, os.RemoveAll(o.EpochDir))
	require.NoError(t, os.RemoveAll(o.EpochReplicas[0]))
	require.NotEmpty(t, findings(t, k))
	require.NoError(t, k.SyncEpochs(t.Context()))
	require.Len(t, *told, 4, "two are new, two are missing")
	requireWhole(t, k)
	rotate(t, k)
	require.NoError(t, k.Close())
	k = open(t, o)
	requireText(t, k, ref, "x")
}

// A place that was away during a rotation comes back with retired keys: they
// are deleted there and copied nowhere, and only then is the epoch destroyed.
func TestAPlaceThatComesBackLosesItsRetiredKeys(t *testing.T) {
	o, told := places(t)
	k := open(t, o)
	ref := sealed(t, k, one(t, k, compartment(1)), 1, "x")
	replica, away := o.EpochReplicas[0], o.EpochReplicas[0]+".away"
	require.NoError(t, os.Rename(replica, away))
	require.NoError(t, k.SyncEpochs(t.Context()))
	require.NoFileExists(t, filepath.Join(replica, epochFile), "its disk may not be mounted")
	require.NoError(t, k.ForgetPlace(t.Context(), k.Places()[1].ID))
	require.FileExists(t, filepath.Join(replica, epochFile), "written to the disk that stands in for it")
	require.NoError(t, os.Rename(replica, replica+".stand-in"))
	require.NoError(t, os.Rename(away, replica))
	require.NoError(t, k.SyncEpochs(t.Context()))
	require.Zero(t, k.Places()[1].Forgotten, "it is there")
	require.NoError(t, os.Rename(replica, away))
	require.NoError(t, os.Rename(replica+".stand-in", replica))

	r := rotate(t, k)
	require.Len(t, r.Pending, 1, "the disk that is away")
	require.Len(t, r.Gone, 1)
	require.Zero(t, r.Gone[0].Destroyed)
	require.Zero(t, r.Gone[0].Dead)
	_, scheduled := k.Dead("subject-s1", time.Now())
	require.False(t, scheduled)
	require.True(t, holds(t, away, 1))
	require.False(t, holds(t, replica, 1))

	require.NoError(t, os.RemoveAll(replica))
	require.NoError(t, os.Rename(away, replica))
	require.NoError(t, k.SyncEpochs(t.Context()))
	require.False(t, holds(t, replica, 1), "deleted there")
	require.False(t, holds(t, o.EpochDir, 1), "not copied back")
	requireText(t, k, ref, "x")

	gone := k.Epochs()[0]
	require.NotZero(t, gone.Destroyed, "the disk that stood in for it had confirmed before it was taken away")
	require.NotEmpty(t, *told)
	require.Len(t, k.Places(), 3)
	require.False(t, k.Places()[2].Here)
	r = rotate(t, k)
	require.Len(t, r.Pending, 1, "what stood in has the newer keys")
	require.ErrorIs(t, k.ForgetPlace(t.Context(), k.Places()[1].ID), ErrPlaceHere)
	require.NoError(t, k.ForgetPlace(t.Context(), k.Places()[2].ID))
	require.NoError(t, k.ForgetPlace(t.Context(), k.Places()[2].ID), "again")
	require.ErrorIs(t, k.ForgetPlace(t.Context(), PlaceID{1}), ErrNoPlace)
	require.NotZero(t, k.Epochs()[1].Destroyed)
	requireWhole(t, k)
}

// One that was declared gone and comes back is told, loses its keys, and its
// confirmation is that.
func TestAForgottenPlaceThatComesBack(t *testing.T) {
	o, told := places(t)
	clock := &clock{t: time.Date(2024, 5, 1, 0, 0, 0, 0, time.UTC)}
	o.Now = clock.now
	k := open(t, o)
	one(t, k, compartment(1))
	both := o.EpochReplicas
	require.NoError(t, k.Close())
	o.EpochReplicas = nil
	k = open(t, o)
	require.Contains(t, strings.Join(*told, "\n"), "not there any more")
	rotate(t, k)
	require.Zero(t, k.Epochs()[0].Destroyed)
	clock.advance(time.Hour)
	require.NoError(t, k.ForgetPlace(t.Context(), k.Places()[1].ID))
	require.Equal(t, clock.now(), k.Epochs()[0].Destroyed)
	require.True(t, k.Epochs()[0].Copies[1].Declared)
	require.NoError(t, k.Close())

	clock.advance(time.Hour)
	require.True(t, holds(t, both[0], 1))
	o.EpochReplicas = both
	k = open(t, o)
	require.False(t, holds(t, both[0], 1))
	require.Contains(t, strings.Join(*told, "\n"), "declared to exist no more, and are there")
	require.Equal(t, clock.now(), k.Epochs()[0].Destroyed, "not before")
	require.False(t, k.Epochs()[0].Copies[1].Declared)
	require.Zero(t, k.Places()[1].Forgotten)
}

func TestNewKeysLieAtEveryPlaceBeforeUse(t *testing.T) {
	o, told := places(t)
	k := open(t, o)
	one(t, k, compartment(1))
	replica := o.EpochReplicas[0]
	require.NoError(t, os.RemoveAll(replica))
	require.NoError(t, os.WriteFile(replica, nil, 0o600)) // a file where a directory should be
	_, err := k.Rotate(t.Context(), RotateOptions{})
	require.ErrorIs(t, err, ErrPlaceUnreachable)
	require.True(t, holds(t, o.EpochDir, 1))
	one(t, k, compartment(2)) // goes on with what there is
	require.NotEmpty(t, *told)
	n := len(*told)
	require.NoError(t, k.SyncEpochs(t.Context()))
	require.Len(t, *told, n, "told once")

	require.NoError(t, os.Remove(replica))
	r := rotate(t, k)
	require.Len(t, r.Pending, 1)
	require.NoFileExists(t, filepath.Join(replica, epochFile))
}

func TestPlacesAreNamedOnce(t *testing.T) {
	o := options(t)
	o.EpochReplicas = []string{o.EpochDir + "/."}
	_, err := Open(t.Context(), o)
	require.ErrorContains(t, err, "named twice")

	// A copied directory is another place.
	o = options(t)
	k := open(t, o)
	require.NoError(t, k.Close())
	o.EpochReplicas = []string{o.EpochDir + "-copy"}
	require.NoError(t, os.CopyFS(o.EpochReplicas[0], os.DirFS(o.EpochDir)))
	k = open(t, o)
	require.Len(t, k.Places(), 2)
	requireSamePlaces(t, o)

	// One of another key store is refused, and not written to.
	p := options(t)
	require.NoError(t, open(t, p).Close())
	before := readAll(t, p.EpochDir)
	require.NoError(t, k.Close())
	o.EpochReplicas = []string{p.EpochDir}
	_, err = Open(t.Context(), o)
	require.ErrorContains(t, err, "another key store")
	require.Equal(t, before, readAll(t, p.EpochDir))
}

// A restored key store that is older than its epoch keys is refused, with how
// much of it is dead and since when.
func TestAnOlderKeyStoreIsRefused(t *testing.T) {
	clock := &clock{t: time.Date(2024, 5, 1, 0, 0, 0, 0, time.UTC)}
	o := options(t)
	o.Now = clock.now
	k := open(t, o)
	var refs []*personal.Ref
	for i := range 20 {
		refs = append(refs, sealed(t, k, one(t, k, compartment(i)), byte(i), "x"))
	}
	require.NoError(t, k.writer.truncate())
	older := copyDir(t, o.Dir)
	destroy(t, k, compartment(1))
	clock.advance(24 * time.Hour)
	rotate(t, k, bucketOf("subject-s1"), bucketOf("subject-s2"))
	requireText(t, k, refs[2], "x")
	require.NoError(t, k.Close())

	o.Dir = older
	before := readAll(t, older)[storeFile]
	_, err := Open(t.Context(), o)
	var dead *DeadError
	require.ErrorAs(t, err, &dead)
	require.Equal(t, DeadError{Keys: 2, Live: 20, Since: clock.now()}, *dead)
	require.Contains(t, err.Error(), "2 of its 20 keys are dead, the first since 2024-05-02T00:00:00Z")
	require.True(t, before == readAll(t, older)[storeFile], "nothing was changed")

	o.AcceptDead = true
	k = open(t, o)
	for range 2 {
		require.Equal(t, personal.Erased, stateOf(t, k, refs[1]), "the journal says so")
		require.Equal(t, personal.KeyMissing, stateOf(t, k, refs[2]), "lost, and that is no erasure")
		requireText(t, k, refs[3], "x")
		rotate(t, k)
	}
}

func TestOlderEpochKeysAreRefused(t *testing.T) {
	o := options(t)
	k := open(t, o)
	one(t, k, compartment(1))
	older := copyDir(t, o.EpochDir)
	rotate(t, k)
	require.NoError(t, k.Close())
	newer := o.EpochDir
	o.EpochDir = older
	before := readAll(t, older)
	_, err := Open(t.Context(), o)
	var behind *BehindError
	require.ErrorAs(t, err, &behind)
	require.ErrorIs(t, err, ErrEpochsMissing)
	require.Equal(t, before, readAll(t, older))

	o.EpochReplicas = []string{newer}
	open(t, o)
	require.False(t, holds(t, older, 1))
}

func TestEpochsAreTold(t *testing.T) {
	clock := &clock{t: time.Date(2024, 5, 1, 0, 0, 0, 0, time.UTC)}
	start := clock.now()
	o, _ := places(t)
	o.Now, o.RotateEvery = clock.now, 30*24*time.Hour
	k := open(t, o)
	require.Equal(t, []EpochInfo{{Number: 1, Buckets: allBuckets().list(), Made: start}}, k.Epochs())
	owner := "subject-s1"
	one(t, k, Compartment{Owner: owner, Group: "contact"})
	destroy(t, k, Compartment{Owner: owner, Group: "contact"})
	_, scheduled := k.DeadFrom(owner)
	require.False(t, scheduled, "nobody has said that the schedule is kept")
	k.KeepSchedule()
	at, scheduled := k.DeadFrom(owner)
	require.True(t, scheduled)
	require.Equal(t, start.Add(o.RotateEvery), at)
	due, scheduled := k.RotationDue()
	require.True(t, scheduled)
	require.Equal(t, at.Add(-36*time.Hour), due)

	clock.advance(24 * time.Hour)
	r := rotate(t, k, bucketOf(owner))
	require.Equal(t, []uint8{bucketOf(owner)}, r.Buckets)
	require.Empty(t, r.Pending)
	at, scheduled = k.Dead(owner, start)
	require.True(t, scheduled)
	require.Equal(t, clock.now(), at, "since the rotation")
	at, _ = k.DeadFrom(owner)
	require.Equal(t, clock.now().Add(o.RotateEvery), at, "what is destroyed now is in a copy made now")
	other := (bucketOf(owner) + 1)
	all := k.Epochs()
	require.Len(t, all, 3)
	require.Equal(t, uint32(1), all[0].Number)
	require.Equal(t, []uint8{bucketOf(owner)}, all[0].Buckets)
	require.Equal(t, clock.now(), all[0].Retired)
	require.Equal(t, clock.now(), all[0].Destroyed)
	require.Equal(t, clock.now(), all[0].Dead)
	require.Len(t, all[0].Copies, 2)
	require.NotContains(t, all[1].Buckets, bucketOf(owner))
	require.Contains(t, all[1].Buckets, other)
	require.Equal(t, []uint8{bucketOf(owner)}, all[2].Buckets)

	require.NoError(t, k.Close())
	o.RotateEvery = 0
	k = open(t, o)
	require.Equal(t, all, k.Epochs(), "also after reopening")
	k.KeepSchedule()
	_, scheduled = k.DeadFrom(owner)
	require.False(t, scheduled)
	at, scheduled = k.Dead(owner, start)
	require.True(t, scheduled, "what is done needs no schedule")
	require.Equal(t, clock.now(), at)
}

// A store that only schedules its purge, such as a disk with snapshots, never
// says destroyed, and its copies are dead when the purge has happened.
func TestPitfall17SoftDeletingStore(t *testing.T) {
	clock := &clock{t: time.Date(2024, 5, 1, 0, 0, 0, 0, time.UTC)}
	o := options(t)
	o.Now, o.RotateEvery, o.PurgeAfter = clock.now, 30*24*time.Hour, 7*24*time.Hour
	k := open(t, o)
	one(t, k, compartment(1))
	destroy(t, k, compartment(1))
	require.Equal(t, GuaranteePurgeScheduled, k.Guarantee())
	k.KeepSchedule()
	at, scheduled := k.DeadFrom("subject-s1")
	require.True(t, scheduled)
	require.Equal(t, clock.now().Add(37*24*time.Hour), at)
	clock.advance(time.Hour)
	rotate(t, k)
	gone := k.Epochs()[0]
	require.Equal(t, clock.now().Add(7*24*time.Hour), gone.Dead, "not before the purge")
	at, _ = k.Dead("subject-s1", gone.Made)
	require.Equal(t, gone.Dead, at)
	require.Equal(t, EpochPurgeScheduled, gone.State(clock.now()))
	require.Equal(t, EpochDestroyed, gone.State(gone.Dead))
	require.NoError(t, k.Close())

	o.PurgeAfter = -1
	k = open(t, o)
	require.Equal(t, GuaranteeUnknown, k.Guarantee())
	require.Zero(t, k.Epochs()[0].Dead)
	require.Equal(t, EpochUnknown, k.Epochs()[0].State(clock.now()))
	_, scheduled = k.DeadFrom("subject-s1")
	require.False(t, scheduled)
	require.NoError(t, k.Close())

	o.PurgeAfter = 0
	k = open(t, o)
	require.Equal(t, GuaranteeDestroyed, k.Guarantee())
	require.Equal(t, EpochDestroyed, k.Epochs()[0].State(clock.now()))
}

func TestBucketsAsText(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := setOf(rapid.SliceOf(rapid.Uint8()).Draw(t, "buckets"))
		var again bucketSet
		if err := again.UnmarshalText([]byte(s.String())); err != nil || again != s || len(again.list()) != again.count() {
			t.Fatalf("%s: %v", s, err)
		}
	})
	require.Equal(t, "0-255", allBuckets().String())
	require.Equal(t, "0,7-9,255", setOf([]uint8{7, 8, 9, 255, 0}).String())
	for _, text := range []string{"256", "-1", "3-1", "1,1", "2,1", "1-2,3", "x", "1,", " 1", "01"} {
		require.Error(t, new(bucketSet).UnmarshalText([]byte(text)), text)
	}
}

func FuzzParseEpochs(f *testing.F) {
	root, err := kekAEAD(&[keySize]byte{1})
	require.NoError(f, err)
	e, err := newEpochs(root, rootWrap{"file", []byte("x")}, [16]byte{1}, time.Unix(1, 0).UTC(), strings.NewReader(strings.Repeat("x", 1<<16)))
	require.NoError(f, err)
	e.places = []epochPlace{{id: PlaceID{2}, dir: "/a", added: time.Unix(2, 0).UTC()}}
	e.retire(&[buckets]uint32{}, time.Unix(3, 0).UTC())
	whole, err := e.encode(PlaceID{2})
	require.NoError(f, err)
	f.Add(whole)
	f.Add([]byte("lethe-epochs-1 00\n{}"))
	f.Add([]byte(epochMagic + fmt.Sprintf("%x", "no") + "\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		form, err := parseEpochs(b)
		if err != nil {
			return
		}
		if e, err := form.open(root); err == nil {
			again, err := e.encode(form.Place)
			require.NoError(t, err)
			_, err = parseEpochs(again)
			require.NoError(t, err)
		}
	})
}
