package bundle

import (
	"context"
	"errors"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/mod/sumdb/note"

	"lethe/internal/tlog"
)

// rotated is a log whose first key was compromised at size 200 and whose
// second took over at 150.
func rotated(t *testing.T) *tlog.KeyList {
	_, first := logKey(t, 1)
	_, second := logKey(t, 2)
	return &tlog.KeyList{Origin: origin, Keys: []tlog.LogKey{
		{VKey: first, From: 0, Until: tlog.Unbounded, Distrusted: 200},
		{VKey: second, From: 150, Until: tlog.Unbounded, Distrusted: tlog.Unbounded},
	}}
}

// bundleAt makes a bundle at a size, its checkpoint signed by some of the
// log's keys and witnesses, its key list by others.
func bundleAt(t *testing.T, w *world, size int, list *tlog.KeyList, listSigner byte, signers ...note.Signer) []byte {
	in := w.input(size, ofBundle, someFields)
	in.Checkpoint = w.checkpoint(size, signers...)
	s, _ := logKey(t, listSigner)
	in.LogKeys = sign(t, list.Text(), s)
	var r Report
	c := examine(&in, &r)
	require.NotNil(t, c.keys, r.Findings)
	files, err := lay(c)
	require.NoError(t, err)
	z, err := encode(files)
	require.NoError(t, err)
	return z
}

func TestUnanchored(t *testing.T) {
	r := check(t, golden(t), Trust{})
	require.Equal(t, Unanchored, r.Outcome)
	require.Empty(t, r.Findings)
	require.True(t, slices.ContainsFunc(r.Checks, func(c Check) bool { return c.Name == CheckTrust && c.State == NotDone }))
}

func TestKeysThatCount(t *testing.T) {
	w := story(t)
	first, firstKey := logKey(t, 1)
	second, secondKey := logKey(t, 2)
	_, strange := logKey(t, 3)
	old := &tlog.KeyList{Origin: origin, Keys: []tlog.LogKey{{VKey: firstKey, Until: -1, Distrusted: -1}}}
	by := func(keys ...string) Trust { return Trust{Keys: keys} }

	t.Run("the key given", func(t *testing.T) {
		z := bundleAt(t, w, 270, old, 1, first)
		require.Equal(t, Verified, check(t, z, by(firstKey)).Outcome)
		require.Equal(t, Verified, check(t, z, by(strange, firstKey)).Outcome)
		found(t, check(t, z, by(strange)), "a strange key", "no key of the log that counts")
		require.Equal(t, Verified, check(t, z, Trust{KeyList: old}).Outcome)
	})
	t.Run("a key of another log does not count", func(t *testing.T) {
		_, other, err := tlog.NewSigner("elsewhere.example", make([]byte, 32))
		require.NoError(t, err)
		found(t, check(t, golden(t), by(other)), "another log's key", "none of the keys given")
	})
	t.Run("the key that took over, by the list that the one given signed", func(t *testing.T) {
		handover := rotated(t)
		handover.Keys[0].Distrusted = tlog.Unbounded
		z := bundleAt(t, w, 270, handover, 1, second)
		require.Equal(t, Verified, check(t, z, by(firstKey)).Outcome)
		z = bundleAt(t, w, 270, handover, 2, second)
		require.Equal(t, Verified, check(t, z, by(secondKey)).Outcome)
		found(t, check(t, z, by(firstKey)), "a list that nobody vouches for", "no key of the log that counts")
	})
	t.Run("distrusted", func(t *testing.T) {
		z := bundleAt(t, w, 270, rotated(t), 2, first)
		for name, trust := range map[string]Trust{"nothing": {}, "the key": by(firstKey), "both": by(firstKey, secondKey), "the list": {KeyList: rotated(t)}} {
			r := check(t, z, trust)
			found(t, r, name, "distrusted from size 200 on")
			found(t, r, name, "it is refused")
		}
		// The bundle is from before it was known, or says so; the list given knows.
		z = bundleAt(t, w, 270, old, 1, first)
		found(t, check(t, z, Trust{Keys: []string{firstKey}, KeyList: rotated(t)}), "known elsewhere", "distrusted from size 200 on")
		found(t, check(t, z, Trust{KeyList: rotated(t)}), "known elsewhere", "distrusted from size 200 on")
		// Below that size its signatures count.
		z = bundleAt(t, w, 199, rotated(t), 2, first)
		require.Equal(t, Verified, check(t, z, by(firstKey)).Outcome)
		require.Equal(t, Verified, check(t, z, Trust{KeyList: rotated(t)}).Outcome)
		// A distrusted key vouches for no list of keys.
		third, thirdKey := logKey(t, 3)
		forged := &tlog.KeyList{Origin: origin, Keys: []tlog.LogKey{{VKey: firstKey, Until: -1, Distrusted: -1}, {VKey: thirdKey, Until: -1, Distrusted: -1}}}
		z = bundleAt(t, w, 270, forged, 1, third)
		found(t, check(t, z, Trust{KeyList: rotated(t)}), "a list by a distrusted key", "no key of the log that counts")
	})
	t.Run("retired", func(t *testing.T) {
		retired := rotated(t)
		retired.Keys[0].Distrusted, retired.Keys[0].Until = -1, 160
		z := bundleAt(t, w, 270, retired, 2, first)
		found(t, check(t, z, by(firstKey)), "retired", "signed until size 160")
	})
}

func policyOf(t *testing.T, quorum string) *tlog.Policy {
	_, vkey := logKey(t, 1)
	_, w1 := witnessKey(t, 1)
	_, w2 := witnessKey(t, 2)
	p, err := tlog.ParsePolicy([]byte("log " + vkey + "\nwitness one " + w1 + "\nwitness two " + w2 + "\ngroup both all one two\nquorum " + quorum + "\n"))
	require.NoError(t, err)
	return p
}

func TestPolicies(t *testing.T) {
	w := story(t)
	first, firstKey := logKey(t, 1)
	one, _ := witnessKey(t, 1)
	z := bundleAt(t, w, 270, &tlog.KeyList{Origin: origin, Keys: []tlog.LogKey{{VKey: firstKey, Until: -1, Distrusted: -1}}}, 1, first, one)
	for _, quorum := range []string{"none", "one"} {
		require.Equal(t, Verified, check(t, z, Trust{Policy: policyOf(t, quorum)}).Outcome, quorum)
	}
	for _, quorum := range []string{"two", "both"} {
		r := check(t, z, Trust{Policy: policyOf(t, quorum)})
		found(t, r, quorum, "witness two did not cosign")
		found(t, r, quorum, "too few witnesses")
	}
	// A key beside the policy must have signed as well.
	_, strange := logKey(t, 3)
	found(t, check(t, z, Trust{Policy: policyOf(t, "one"), Keys: []string{strange}}), "a strange key", "no key of the log that counts")
	// A policy does not know of distrust; a key list does.
	found(t, check(t, z, Trust{Policy: policyOf(t, "one"), KeyList: rotated(t)}), "a list beside the policy", "distrusted from size 200 on")
	// Who is not known to the caller is told.
	r := check(t, z, Trust{Keys: []string{firstKey}})
	require.Equal(t, Verified, r.Outcome)
	trust := r.Checks[slices.IndexFunc(r.Checks, func(c Check) bool { return c.Name == CheckTrust })]
	require.Contains(t, trust.Detail, "not checked, as their keys were not given: witness1.example+")
}

func TestANewerCheckpoint(t *testing.T) {
	w := story(t)
	z := golden(t)
	first, firstKey := logKey(t, 1)
	second, secondKey := logKey(t, 2)
	proof := func(from, to int) []byte {
		path, err := tlog.Consistency(t.Context(), &world{t: t, entries: w.entries[:to]}, int64(to), rootOf(w.entries[:to]), int64(from))
		require.NoError(t, err)
		return tlog.MarshalConsistency(int64(from), int64(to), path)
	}
	newer, older, same := w.checkpoint(300), w.checkpoint(200), w.checkpoint(270)
	forked := &world{t: t, entries: slices.Clone(w.entries)}
	forked.entries[3] = forked.entries[4]
	keyed := trusted(t)

	for name, test := range map[string]struct {
		trust Trust
		want  Outcome
		names string
	}{
		"a good proof":                {Trust{Checkpoint: newer, Consistency: proof(270, 300)}, Verified, ""},
		"a good proof and the key":    {Trust{Keys: keyed.Keys, Checkpoint: newer, Consistency: proof(270, 300)}, Verified, ""},
		"by tiles":                    {Trust{Checkpoint: newer, Tiles: w}, Verified, ""},
		"nothing to compare by":       {Trust{Checkpoint: newer}, Incomplete, ""},
		"nothing but the key":         {Trust{Keys: keyed.Keys, Checkpoint: newer}, Incomplete, ""},
		"an older one alone":          {Trust{Keys: keyed.Keys, Checkpoint: older}, Incomplete, ""},
		"the same size and the key":   {Trust{Keys: keyed.Keys, Checkpoint: same}, Verified, ""},
		"another key, uncompared":     {Trust{Keys: []string{secondKey}, Checkpoint: w.checkpoint(300, second)}, Found, "no key of the log that counts"},
		"the same size":               {Trust{Checkpoint: same}, Verified, ""},
		"an older one":                {Trust{Checkpoint: older, Consistency: proof(200, 270)}, Unanchored, ""},
		"an older one and the key":    {Trust{Keys: keyed.Keys, Checkpoint: older, Consistency: proof(200, 270)}, Verified, ""},
		"a proof of other sizes":      {Trust{Checkpoint: newer, Consistency: proof(200, 300)}, Found, "sizes 200 and 300"},
		"a proof that is none":        {Trust{Checkpoint: newer, Consistency: []byte("hello")}, Found, "consistency proof"},
		"another history":             {Trust{Checkpoint: forked.checkpoint(300), Consistency: proof(270, 300)}, Found, "two histories"},
		"another history, same size":  {Trust{Checkpoint: forked.checkpoint(270)}, Found, "two histories"},
		"tiles of another history":    {Trust{Checkpoint: newer, Tiles: forked}, Found, "tiles"},
		"no checkpoint":               {Trust{Checkpoint: []byte("hello\n")}, Found, "no checkpoint"},
		"not signed by the key given": {Trust{Keys: keyed.Keys, Checkpoint: w.checkpoint(300, second), Consistency: proof(270, 300)}, Found, "no key of the log that counts"},
	} {
		t.Run(name, func(t *testing.T) {
			r := check(t, z, test.trust)
			require.Equal(t, test.want, r.Outcome, r.Findings)
			if test.want == Found {
				found(t, r, name, test.names)
			}
		})
	}
	t.Run("another log", func(t *testing.T) {
		s, _, err := tlog.NewSigner("elsewhere.example", make([]byte, 32))
		require.NoError(t, err)
		cp := tlog.Checkpoint{Origin: "elsewhere.example", Size: 270, Root: rootOf(w.entries[:270])}
		for _, trust := range []Trust{{Checkpoint: sign(t, cp.Text(), s)}, {Keys: keyed.Keys, Checkpoint: sign(t, cp.Text(), s)}} {
			r := check(t, z, trust)
			require.Equal(t, Incomplete, r.Outcome, "%v", r.Findings)
			require.Contains(t, detail(r, CheckNewer), "they are of two logs")
			require.Contains(t, detail(r, CheckNewer), "holds the event LogRestarted that names the earlier checkpoint")
		}
	})
	t.Run("it vouches for a tree whose own key does not count any more", func(t *testing.T) {
		old := &tlog.KeyList{Origin: origin, Keys: []tlog.LogKey{{VKey: firstKey, Until: -1, Distrusted: -1}}}
		z := bundleAt(t, w, 270, old, 1, first)
		trust := Trust{KeyList: rotated(t)}
		found(t, check(t, z, trust), "alone", "distrusted")
		trust.Checkpoint, trust.Consistency = w.checkpoint(300, second), proof(270, 300)
		require.Equal(t, Verified, check(t, z, trust).Outcome)
		require.Equal(t, Verified, check(t, z, Trust{Keys: []string{secondKey}, Checkpoint: trust.Checkpoint, Consistency: trust.Consistency}).Outcome)
	})
	t.Run("tiles that cannot be read", func(t *testing.T) {
		r, err := Verify(context.Background(), z, Trust{Keys: keyed.Keys, Checkpoint: newer, Tiles: broken{}, Entries: broken{}})
		require.ErrorIs(t, err, errBroken)
		require.Empty(t, r.Findings)
		require.Equal(t, Incomplete, r.Outcome)
		require.Contains(t, detail(r, CheckNewer), "the tiles could not be read")
	})
}

// detail is what a report says of a check.
func detail(r *Report, check string) string {
	return r.Checks[slices.IndexFunc(r.Checks, func(c Check) bool { return c.Name == check })].Detail
}

var errBroken = errors.New("broken")

// broken is a source that cannot be read.
type broken struct{}

func (broken) ReadTile(context.Context, int, int64, int) ([]byte, error) { return nil, errBroken }
func (broken) ReadEntries(context.Context, int64, int) ([]byte, error)   { return nil, errBroken }

func TestProofs(t *testing.T) {
	w := story(t)
	path, err := tlog.Inclusion(t.Context(), w, 300, rootOf(w.entries), 66)
	require.NoError(t, err)
	proof := tlog.Proof{Extra: w.entries[66], Index: 66, Path: path, Checkpoint: w.checkpoint(300)}
	verify := func(p tlog.Proof, trust Trust) *Report {
		r, err := VerifyProof(t.Context(), p.Marshal(), trust)
		require.NoError(t, err)
		return r
	}
	r := verify(proof, trusted(t))
	require.Equal(t, Verified, r.Outcome)
	require.Equal(t, "FieldsRecorded", r.Entry.Type)
	require.Equal(t, Unanchored, verify(proof, Trust{}).Outcome)
	trust := trusted(t)
	trust.Checkpoint = w.checkpoint(290)
	require.Equal(t, Incomplete, verify(proof, trust).Outcome, "asked for and not compared")
	trust.Tiles = w
	require.Equal(t, Verified, verify(proof, trust).Outcome)
	s, _, err := tlog.NewSigner("ledger.example/after", make([]byte, 32))
	require.NoError(t, err)
	later := tlog.Checkpoint{Origin: "ledger.example/after", Size: 301, Root: tlog.Hash{1}}
	trust.Checkpoint = sign(t, later.Text(), s)
	require.Equal(t, Incomplete, verify(proof, trust).Outcome, "of another name")
	altered := proof
	altered.Index = 67
	require.Equal(t, Found, verify(altered, trust).Outcome, "a finding counts more")
	text := proof.Marshal()
	for at := range text {
		text[at] ^= 1 << (at % 8)
		r, err := VerifyProof(t.Context(), text, trusted(t))
		require.NoError(t, err)
		found(t, r, "a byte of the proof")
		text[at] ^= 1 << (at % 8)
	}
	for name, change := range map[string]func(p *tlog.Proof){
		"no entry":      func(p *tlog.Proof) { p.Extra = nil },
		"no leaf":       func(p *tlog.Proof) { p.Extra = []byte("x") },
		"another entry": func(p *tlog.Proof) { p.Extra = w.entries[67] },
		"another index": func(p *tlog.Proof) { p.Index = 67 },
		"another tree":  func(p *tlog.Proof) { p.Checkpoint = w.checkpoint(299) },
	} {
		p := proof
		change(&p)
		found(t, verify(p, trusted(t)), name)
	}
}
