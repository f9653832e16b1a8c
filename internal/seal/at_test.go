package seal

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/mod/sumdb/note"

	"lethe/internal/tlog"
)

// What the log says of its keys for a size stays, whatever is done to keys
// afterwards, unless a distrust reaches back to the size.
func TestTheKeyListOfASizeStays(t *testing.T) {
	w := newWorld(t)
	w.append(10)
	l := w.open(w.options())
	require.NoError(t, w.seal(l, 10))
	old := l.Published()
	first := l.Keys()[0]
	at10, err := l.KeyListAt(10)
	require.NoError(t, err)
	same := func() {
		t.Helper()
		again, err := l.KeyListAt(10)
		require.NoError(t, err)
		require.Equal(t, string(at10), string(again))
	}
	_, _, err = l.RotateKey()
	require.NoError(t, err)
	same()
	w.append(10)
	require.NoError(t, w.seal(l, 10))
	_, err = l.RetireKey(first.ID)
	require.NoError(t, err)
	same()
	_, err = l.DistrustKey(first.ID, 15)
	require.NoError(t, err)
	same()
	at20, err := l.KeyListAt(20)
	require.NoError(t, err)
	text, sigs, err := tlog.SplitNote(at20)
	require.NoError(t, err)
	require.Len(t, sigs, 1, "one of the two counts at 20")
	list, err := tlog.ParseKeyList(text)
	require.NoError(t, err)
	require.Len(t, list.Keys, 2)
	require.EqualValues(t, 15, list.Keys[0].Distrusted)
	require.EqualValues(t, tlog.Unbounded, list.Keys[0].Until, "it signed 20 itself")

	text, _, err = tlog.SplitNote(at10)
	require.NoError(t, err)
	list, err = tlog.ParseKeyList(text)
	require.NoError(t, err)
	_, _, err = list.Open(old.Note)
	require.NoError(t, err)
	_, err = l.DistrustKey(first.ID, 5)
	require.NoError(t, err)
	_, err = l.KeyListAt(10)
	require.ErrorIs(t, err, ErrNotOurs)
	require.NoError(t, l.Close(t.Context()))
}

func TestCheckpointsThatAreBroughtAreRecognised(t *testing.T) {
	w := newWorld(t)
	w.append(10)
	l := w.open(w.options())
	require.NoError(t, w.seal(l, 10))
	old := l.Published().Note
	w.append(10)
	require.NoError(t, w.seal(l, 10))
	got, err := l.Recognise(t.Context(), old)
	require.NoError(t, err)
	require.EqualValues(t, 10, got.Size)
	require.Equal(t, old, got.Note)

	signed := func(size int64, root tlog.Hash) []byte {
		c := tlog.Checkpoint{Origin: l.Origin(), Size: size, Root: root}
		b, err := note.Sign(&note.Note{Text: c.Text()}, l.keys.signing(l.Origin())...)
		require.NoError(t, err)
		return b
	}
	for _, test := range []struct {
		note []byte
		err  error
	}{
		{signed(10, tlog.Hash{1}), ErrInconsistent},
		{signed(21, tlog.Hash{1}), ErrNewer},
		{bytes.Replace(old, []byte("\n10\n"), []byte("\n11\n"), 1), ErrNotOurs},
		{[]byte("no note"), ErrNotOurs},
	} {
		_, err := l.Recognise(t.Context(), test.note)
		require.ErrorIs(t, err, test.err)
	}
	require.NoError(t, l.Close(t.Context()))
}

func TestARotatedKeyThatNeverSignedCanBeRetired(t *testing.T) {
	w := newWorld(t)
	w.append(10)
	l := w.open(w.options())
	require.NoError(t, w.seal(l, 10))
	second, _, err := l.RotateKey()
	require.NoError(t, err)
	_, err = l.RetireKey(second.ID)
	require.NoError(t, err)
	text, _, err := tlog.SplitNote(l.KeyList())
	require.NoError(t, err)
	_, err = tlog.ParseKeyList(text)
	require.NoError(t, err)
	require.NoError(t, l.Close(t.Context()))
}

func TestADistrustBeforeTheNextCheckpoint(t *testing.T) {
	w := newWorld(t)
	w.append(10)
	l := w.open(w.options())
	require.NoError(t, w.seal(l, 10))
	first := l.Keys()[0]
	_, _, err := l.RotateKey()
	require.NoError(t, err)
	_, err = l.DistrustKey(first.ID, 0)
	require.NoError(t, err)
	require.NoError(t, l.Close(t.Context()))
	l = w.open(w.options())
	w.append(1)
	require.NoError(t, w.seal(l, 10))
	_, _, err = mustList(t, l).Open(l.Published().Note)
	require.NoError(t, err)
	require.NoError(t, l.Close(t.Context()))
}

// A statement is signed by the keys that count at a size, and can be neither a
// checkpoint nor a key list.
func TestAStatementIsSignedByTheKeysOfItsSize(t *testing.T) {
	w := newWorld(t)
	w.append(10)
	l := w.open(w.options())
	require.NoError(t, w.seal(l, 10))
	first := l.Keys()[0]
	const statement = "lethe something v1\nabc\n"
	at10, err := l.Attest(10, statement)
	require.NoError(t, err)
	v, err := tlog.NewVerifier(first.VKey)
	require.NoError(t, err)
	n, err := tlog.OpenNote(at10, note.VerifierList(v))
	require.NoError(t, err)
	require.Equal(t, statement, n.Text)

	_, _, err = l.RotateKey()
	require.NoError(t, err)
	w.append(10)
	require.NoError(t, w.seal(l, 10))
	again, err := l.Attest(10, statement)
	require.NoError(t, err)
	require.Equal(t, at10, again)
	at20, err := l.Attest(20, statement)
	require.NoError(t, err)
	_, sigs, err := tlog.SplitNote(at20)
	require.NoError(t, err)
	require.Len(t, sigs, 2)
	_, err = l.DistrustKey(first.ID, 5)
	require.NoError(t, err)
	_, err = l.Attest(10, statement)
	require.ErrorIs(t, err, ErrNotOurs)
	checkpoint := tlog.Checkpoint{Origin: l.Origin(), Size: 30}
	for _, bad := range []string{checkpoint.Text(), (&tlog.KeyList{Origin: l.Origin()}).Text(), ""} {
		_, err = l.Attest(20, bad)
		require.ErrorContains(t, err, "could be taken for", bad)
	}
	require.NoError(t, l.Close(t.Context()))
}
