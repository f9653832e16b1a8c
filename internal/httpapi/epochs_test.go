package httpapi_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"lethe/domain/operations"
	"lethe/domain/principal"
	"lethe/eventstore"
	"lethe/internal/app"
	"lethe/internal/ledger"
)

// retired are the events that say what became of epoch keys.
func (w *world) retired() (list []operations.EpochRetired, forgotten int) {
	for rec, err := range w.app.Store.ReadStream(w.t.Context(), "operations", eventstore.StreamRange{}) {
		require.NoError(w.t, err)
		e, err := w.app.Codec.Decode(rec)
		require.NoError(w.t, err)
		switch e := e.Event.(type) {
		case *operations.EpochRetired:
			list = append(list, *e)
		case *operations.EpochPlaceForgotten:
			forgotten++
		}
	}
	return list, forgotten
}

func TestEpochsAreRotatedAndThatIsRecorded(t *testing.T) {
	w := newWorld(t)
	w.declare()
	rotate := func(body any) []string {
		return strings.Split(strings.TrimSpace(string(w.do("POST", "/v1/keys/epochs/rotate", body).is(200).body)), "\n")
	}
	before := w.do("GET", "/v1/keys/epochs", nil).is(200)
	require.Equal(t, "live", before.get("epochs.0.state"))
	require.Equal(t, "destroyed", before.get("guarantee"))
	lines := rotate(nil)
	require.Contains(t, lines[len(lines)-1], `"done":true`)
	after := w.do("GET", "/v1/keys/epochs", nil).is(200)
	require.Equal(t, "destroyed", after.get("epochs.0.state"))
	require.Equal(t, "0-255", after.get("epochs.0.buckets"))
	require.NotEmpty(t, after.get("epochs.0.dead"))
	list, _ := w.retired()
	require.Len(t, list, 1)
	require.Equal(t, []operations.BucketRange{{First: 0, Last: 255}}, list[0].Buckets)
	require.Zero(t, list[0].Pending)
	require.NotZero(t, list[0].Dead)
	require.NoError(t, w.app.Ledger.RecordEpochs(t.Context(), ledger.Request{Principal: app.System}))
	list, _ = w.retired()
	require.Len(t, list, 1, "recorded once")

	rotate(m{"buckets": []int{3, 4, 9}})
	list, _ = w.retired()
	require.Equal(t, []operations.BucketRange{{First: 3, Last: 4}, {First: 9, Last: 9}}, list[1].Buckets)

	w.do("POST", "/v1/keys/epochs/rotate", m{"buckets": []int{256}}).problem(422, "epoch.bucket")
	w.anyone("POST", "/v1/keys/epochs/rotate", nil, bearer(w.tokenFor(principal.Officer))).problem(403, "auth.role")
	w.anyone("GET", "/v1/keys/epochs", nil, bearer(w.tokenFor(principal.Service))).problem(403, "auth.role")
	place := after.text("places.0.id")
	w.do("POST", "/v1/keys/places/"+place+"/forget", nil).problem(409, "epoch_place.here")
	w.do("POST", "/v1/keys/places/00000000-0000-4000-8000-000000000000/forget", nil).problem(404, "epoch_place.unknown")

	// The only disk is gone: the keys are written there anew from memory, and
	// what lay there is waited for, or declared gone.
	dir := after.text("places.0.directory")
	require.NoError(t, os.Rename(dir, filepath.Join(t.TempDir(), "away")))
	require.NoError(t, w.app.Keys.SyncEpochs(t.Context()))
	lines = rotate(m{"tokens": []string{w.person("a@example.org")}})
	require.Contains(t, lines[len(lines)-1], `"pending":1`)
	list, _ = w.retired()
	last := list[len(list)-1]
	require.EqualValues(t, 1, last.Pending)
	require.Zero(t, last.Destroyed)
	w.do("POST", "/v1/keys/places/"+place+"/forget", nil).is(200)
	gone := w.do("POST", "/v1/keys/places/"+place+"/forget", nil).is(200)
	require.NotEmpty(t, gone.get("places.0.forgotten"))
	list, forgotten := w.retired()
	require.Equal(t, 1, forgotten, "recorded once")
	require.Zero(t, list[len(list)-1].Pending)
	require.NotZero(t, list[len(list)-1].Destroyed)
	require.Len(t, list, 4)
}
