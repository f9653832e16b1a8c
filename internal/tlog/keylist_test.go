package tlog_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/mod/sumdb/note"
	"pgregory.net/rapid"

	"lethe/internal/tlog"
)

func point(t testing.TB, size int64, by ...actor) []byte {
	t.Helper()
	root := leafHash(int(size))
	if size == 0 {
		root = tlog.EmptyRoot()
	}
	return sign(t, tlog.Checkpoint{Origin: origin, Size: size, Root: root}.Text(), by...)
}

func TestKeyListOpens(t *testing.T) {
	a := theCast(t)
	list := &tlog.KeyList{Origin: origin, Keys: []tlog.LogKey{
		{VKey: a.log.vkey, From: 10, Until: 200, Distrusted: 150},
		{VKey: a.next.vkey, From: 100, Until: tlog.Unbounded, Distrusted: tlog.Unbounded},
	}}
	back, err := tlog.ParseKeyList(list.Text())
	require.NoError(t, err)
	require.Equal(t, list, back)

	counts := func(size int64, by ...actor) error {
		_, n, err := list.Open(point(t, size, by...))
		if err == nil {
			require.NotEmpty(t, n.Sigs)
		}
		return err
	}
	require.ErrorContains(t, counts(9, a.log), "signs from size 10 on")
	require.ErrorIs(t, counts(9, a.log), tlog.ErrNoSignature)
	require.NoError(t, counts(10, a.log))
	require.NoError(t, counts(149, a.log))
	require.ErrorIs(t, counts(150, a.log), tlog.ErrDistrusted)
	require.ErrorContains(t, counts(201, a.log), "distrusted from size 150 on")
	require.ErrorIs(t, counts(99, a.next), tlog.ErrNoSignature)
	require.NoError(t, counts(100, a.next))
	require.NoError(t, counts(150, a.log, a.next), "one that counts is enough")
	_, n, err := list.Open(point(t, 150, a.log, a.next, a.ed))
	require.NoError(t, err)
	require.Len(t, n.Sigs, 1)
	require.Equal(t, a.next.KeyHash(), n.Sigs[0].Hash)
	require.Len(t, n.UnverifiedSigs, 2)

	list.Keys[0].Distrusted = tlog.Unbounded
	require.NoError(t, counts(200, a.log))
	require.ErrorContains(t, counts(201, a.log), "signed until size 200")
	require.ErrorIs(t, counts(50, a.ed), tlog.ErrNoSignature)
	_, _, err = list.Open(sign(t, tlog.Checkpoint{Origin: "another.example", Size: 20, Root: leafHash(1)}.Text(), a.log))
	require.ErrorContains(t, err, "origin")
	_, _, err = list.Open([]byte(strings.Replace(string(point(t, 50, a.log)), "\n50\n", "\n51\n", 1)))
	var invalid *note.InvalidSignatureError
	require.ErrorAs(t, err, &invalid)
	_, _, err = list.Open([]byte("nonsense"))
	require.ErrorIs(t, err, tlog.ErrMalformed)
}

func TestKeyListsRoundTrip(t *testing.T) {
	a := theCast(t)
	pq := witnessActor(t, origin, tlog.CosignMLDSA44)
	size := rapid.Int64Range(0, tlog.MaxSize)
	rapid.Check(t, func(t *rapid.T) {
		list := &tlog.KeyList{Origin: origin}
		for _, vkey := range []string{a.log.vkey, a.next.vkey, pq.vkey} {
			k := tlog.LogKey{VKey: vkey, From: size.Draw(t, "from"), Until: tlog.Unbounded, Distrusted: tlog.Unbounded}
			if rapid.Bool().Draw(t, "ends") {
				k.Until = rapid.Int64Range(k.From, tlog.MaxSize).Draw(t, "until")
			}
			if rapid.Bool().Draw(t, "compromised") {
				k.Distrusted = size.Draw(t, "distrusted")
			}
			list.Keys = append(list.Keys, k)
			s := size.Draw(t, "size")
			want := k.From <= s && (k.Until < 0 || s <= k.Until) && (k.Distrusted < 0 || s < k.Distrusted)
			require.Equal(t, want, k.Counts(s))
		}
		back, err := tlog.ParseKeyList(list.Text())
		require.NoError(t, err)
		require.Equal(t, list, back)
	})
}
