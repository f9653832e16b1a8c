package erasure

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"lethe/domain"
	"lethe/domain/personal"
	"lethe/domain/subject"
)

// keep puts a copy of the key store aside.
func (w *world) keep(name string) {
	w.t.Helper()
	w.close()
	require.NoError(w.t, os.CopyFS(filepath.Join(w.dir, name), os.DirFS(filepath.Join(w.dir, "keys"))))
	w.open()
}

// restore opens the ledger with a copy of the key store in its place.
func (w *world) restore(name string) {
	w.t.Helper()
	w.close()
	require.NoError(w.t, os.RemoveAll(filepath.Join(w.dir, "keys")))
	require.NoError(w.t, os.CopyFS(filepath.Join(w.dir, "keys"), os.DirFS(filepath.Join(w.dir, name))))
	w.open()
}

func (w *world) live(token domain.Token) map[domain.Name]uint32 {
	w.t.Helper()
	keys, err := w.Keys.Keys(ctx, token.Stream())
	require.NoError(w.t, err)
	live := map[domain.Name]uint32{}
	for _, k := range keys {
		if !k.Fenced {
			live[k.Compartment.Group] = k.Generation
		}
	}
	return live
}

// A key store that was restored from before does not have a person's keys. Her
// erasure names them all the same: when the right key store comes back, they are
// destroyed before anything is served.
func TestPitfall24MissingKeysAreFencedAndDestroyedWhenTheyComeBack(t *testing.T) {
	w := newWorld(t)
	w.keep("before")
	a := w.register("ada@example.org")
	w.do(a, subject.AssertBasis{Purpose: "service", Basis: domain.LegitimateInterests, Reference: personal.Of("file 7")})
	w.keep("later")
	w.restore("before")
	require.True(t, w.read(a)["email=<key_missing>"])

	it := w.order(a, subject.OrderErasure{Scope: all, Ground: subject.Unlawful})
	w.settleAll()
	e := w.erasure(it)
	require.Equal(t, subject.IsCompleted, e.State)
	lost := map[domain.Name]bool{}
	for _, k := range e.Completed.Keys {
		lost[k.Group] = k.Fingerprint == domain.Digest{}
		require.Contains(t, e.Started.Keys, k.KeyRef)
	}
	require.True(t, lost["contact"] && lost["identity"] && lost["record"], "%v", lost)
	require.Equal(t, subject.Fenced, e.Completed.Sinks[1].Guarantee, "%v", e.Completed.Sinks)
	require.True(t, w.read(a)["email=<erased>"])
	require.True(t, w.read(a)["invoice=<key_missing>"], "it stays, and its key is lost: an alarm still")

	_, err := w.Ledger.OpenLifecycle(ctx, w.req(), a, subject.OpenLifecycle{})
	require.NoError(t, err)
	require.Equal(t, uint32(2), w.live(a)["contact"], "above what is lost")

	w.restore("later")
	require.Len(t, w.Keys.Reapplied(), 4, "destroyed on opening: of contact, identity, record, evidence")
	for value := range w.read(a) {
		require.NotContains(t, value, "ada@example.org")
		require.NotContains(t, value, "Ada Lovelace")
		require.NotContains(t, value, "row of")
	}
	require.True(t, w.read(a)["invoice=invoice 7"], "what was to stay is back")
	require.Zero(t, w.live(a)["contact"])
}

// A group that is trimmed stays open, whichever keys of it are lost.
func TestATrimmedGroupStaysOpenAboveItsLostKeys(t *testing.T) {
	w := newWorld(t)
	w.keep("before")
	a := w.register("ada@example.org")
	w.keep("later")
	w.restore("before")
	it := w.order(a, subject.OrderErasure{Scope: subject.Scope{Values: []subject.ValueRef{{Field: "email"}}}, Ground: subject.Unlawful})
	w.settleAll()
	require.Equal(t, subject.IsCompleted, w.erasure(it).State, w.Trouble(a, it.Erasure))
	require.Equal(t, uint32(2), w.live(a)["contact"])
	w.do(a, subject.RecordFields{Purpose: "service", Items: []subject.Entry{{Field: "email", Text: personal.Of("new@example.org")}}})
	require.True(t, w.read(a)["email=new@example.org"])
	require.True(t, w.read(a)["email=<erased>"])

	w.restore("later")
	require.False(t, w.read(a)["email=ada@example.org"])
	w.do(a, subject.RecordFields{Purpose: "service", Items: []subject.Entry{{Field: "email", Text: personal.Of("newer@example.org")}}})
	require.True(t, w.read(a)["email=newer@example.org"], "open still")
}
