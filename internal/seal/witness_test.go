package seal

import (
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/stretchr/testify/require"
	"golang.org/x/mod/sumdb/note"

	"lethe/eventstore/storetest"
	"lethe/internal/tlog"
	"lethe/internal/witness"
)

// watcher is a witness that is served, and can be away.
type watcher struct {
	*witness.Client
	vkey string
	away atomic.Bool
}

func watch(t *testing.T, name string, mldsa bool, logs ...string) *watcher {
	key, err := witness.NewKey(&counter{n: byte(len(name))})
	require.NoError(t, err)
	s, err := witness.Open(witness.Options{
		FS: vfs.NewMem(), Dir: "witness", Name: name, Key: key, MLDSA: mldsa, Logs: logs,
		Now: time.Now, Log: slog.New(slog.DiscardHandler),
	})
	require.NoError(t, err)
	w := &watcher{vkey: s.VKeys()[len(s.VKeys())-1]}
	handler := s.Handler()
	server := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if w.away.Load() {
			http.Error(rw, "away", http.StatusServiceUnavailable)
			return
		}
		handler.ServeHTTP(rw, r)
	}))
	t.Cleanup(func() { server.Close(); require.NoError(t, s.Close()) })
	v, err := tlog.NewVerifier(w.vkey)
	require.NoError(t, err)
	w.Client = &witness.Client{Label: name, URL: server.URL, Verifiers: []note.Verifier{v}}
	return w
}

// A checkpoint counts as published once the policy's witnesses cosigned it.
func TestWitnessesDecideWhatIsPublished(t *testing.T) {
	w := newWorld(t)
	o := w.options()
	o.Now, o.Interval = time.Now, time.Millisecond
	w.append(300)
	alone := w.open(o)
	require.NoError(t, w.seal(alone, 300))
	require.NotNil(t, alone.Published(), "without a policy, signed is published")
	require.NoError(t, alone.Close(t.Context()))
	vkey := alone.Keys()[0].VKey
	one, two := watch(t, "w.example/one", false, vkey), watch(t, "w.example/two2", true, vkey)
	two.away.Store(true)
	policy, err := tlog.ParsePolicy(fmt.Appendf(nil,
		"log %s\nwitness one %s %s\nwitness two %s %s\ngroup both all one two\nquorum both\n", vkey, one.vkey, one.URL, two.vkey, two.URL))
	require.NoError(t, err)
	o.Policy, o.Witnesses = policy, []Witness{one, two}

	l := w.open(o)
	require.Nil(t, l.Published(), "what was published before the policy does not meet it")
	l.Run(t.Context())
	require.Eventually(t, func() bool {
		st := l.Status()
		return st.Size == 300 && st.Witnesses[0].Size == 300 && st.Witnesses[1].Error != ""
	}, 20*time.Second, time.Millisecond)
	require.Nil(t, l.Published(), "one of two is not enough")
	two.away.Store(false)
	require.NoError(t, l.WaitFor(t.Context(), w.store.Stats().Head))
	c, n, err := policy.Open(l.Published().Note)
	require.NoError(t, err)
	require.EqualValues(t, 300, c.Size)
	require.Len(t, n.Sigs, 3)
	w.append(10)
	require.NoError(t, l.WaitFor(t.Context(), w.store.Stats().Head))
	require.NoError(t, l.Close(t.Context()))

	// The log's own files and its pins come back older: the witness knows.
	older := vfs.NewMem()
	cloneDir(t, w.fs, older, "keys")
	w.fs, w.store, w.n = older, storetest.NewMemory(storetest.MemoryOptions{}), 0
	w.append(100)
	o.FS, o.Store = older, w.store
	l = w.open(o)
	l.Run(t.Context())
	require.Eventually(t, func() bool { return l.Status().Failed != "" }, 20*time.Second, time.Millisecond)
	require.ErrorIs(t, l.failure(), ErrAhead)
	require.Zero(t, l.Status().Size, "nothing was signed")
	require.NoError(t, l.Close(t.Context()))
	l = w.open(o)
	require.NotNil(t, l.Restart(), "the next start knows it from the pin")
	require.Equal(t, "example.com/ledger/restart-1", l.Origin())
	require.NoError(t, l.Close(t.Context()))
}

// A witness that names a size and shows nothing stops nothing.
func TestAWitnessThatShowsNothingStopsNothing(t *testing.T) {
	w := newWorld(t)
	o := w.options()
	o.Now, o.Interval = time.Now, time.Millisecond
	vkey := w.open(o).Keys()[0].VKey
	server := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodGet {
			http.NotFound(rw, r)
			return
		}
		rw.Header().Set("Content-Type", "text/x.tlog.size")
		rw.WriteHeader(http.StatusConflict)
		_, _ = rw.Write([]byte("1000000\n"))
	}))
	defer server.Close()
	liar := watch(t, "w.example/liar", false, vkey)
	policy, err := tlog.ParsePolicy(fmt.Appendf(nil, "log %s\nwitness liar %s %s\nquorum none\n", vkey, liar.vkey, server.URL))
	require.NoError(t, err)
	liar.URL = server.URL
	o.Policy, o.Witnesses = policy, []Witness{liar}
	l := w.open(o)
	w.append(10)
	l.Run(t.Context())
	require.NoError(t, l.WaitFor(t.Context(), w.store.Stats().Head))
	require.Contains(t, l.Status().Witnesses[0].Error, "does not show")
	require.NoError(t, l.Close(t.Context()))
}
