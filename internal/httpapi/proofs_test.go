package httpapi_test

import (
	"crypto/sha256"
	"fmt"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/transparency-dev/merkle/proof"
	"github.com/transparency-dev/merkle/rfc6962"

	"lethe/domain/principal"
	"lethe/internal/bundle"
	"lethe/internal/httpapi"
	"lethe/internal/leaf"
	"lethe/internal/tlog"
)

// opened opens a signed checkpoint by the keys that the log says are its own.
func (w *world) opened(signed []byte) tlog.Checkpoint {
	w.t.Helper()
	text, _, err := tlog.SplitNote(w.anyone("GET", "/log-keys", nil).is(200).body)
	require.NoError(w.t, err)
	list, err := tlog.ParseKeyList(text)
	require.NoError(w.t, err)
	c, _, err := list.Open(signed)
	require.NoError(w.t, err)
	return c
}

// proven checks a proof and gives what it is of. The oracle checks it too.
func (w *world) proven(text []byte) leaf.Leaf {
	w.t.Helper()
	p, err := tlog.ParseProof(text)
	require.NoError(w.t, err)
	c := w.opened(p.Checkpoint)
	require.NoError(w.t, tlog.VerifyInclusion(p.Path, c.Size, c.Root, p.Index, leaf.Hash(p.Extra)))
	hash := leaf.Hash(p.Extra)
	require.NoError(w.t, proof.VerifyInclusion(rfc6962.DefaultHasher, uint64(p.Index), uint64(c.Size), hash[:], bytesOf(p.Path), c.Root[:]))
	l, err := leaf.Parse(p.Extra)
	require.NoError(w.t, err)
	require.EqualValues(w.t, p.Index, l.Index)
	return l
}

func bytesOf(path []tlog.Hash) (list [][]byte) {
	for i := range path {
		list = append(list, path[i][:])
	}
	return list
}

// Every event has a proof, by its ID and by its place; one that was recorded
// a moment ago is waited for.
func TestEveryEventIsProven(t *testing.T) {
	w := newWorld(t)
	w.declare()
	w.newsletter(w.person("ada@example.com"), "give", "2024-05-01T10:00:00Z")
	n := 0
	for rec, err := range w.app.Store.ReadAll(t.Context(), 0) {
		require.NoError(t, err)
		byID := w.do("GET", "/v1/events/"+rec.ID.String()+"/proof", nil).is(200)
		require.Equal(t, "text/plain; charset=utf-8", byID.header.Get("Content-Type"))
		require.Equal(t, "no-store", byID.header.Get("Cache-Control"))
		byPlace := w.do("GET", fmt.Sprintf("/v1/streams/%s/%d/proof", rec.Stream, rec.Revision), nil).is(200)
		for _, a := range []*answer{byID, byPlace} {
			l := w.proven(a.body)
			require.EqualValues(t, n, l.Index, "leaves stand in the order of the log")
			require.Equal(t, rec.ID, l.EventID)
			require.Equal(t, []any{rec.Stream, rec.Revision, rec.Type}, []any{l.Stream, l.Revision, l.Type})
			require.Equal(t, sha256.Sum256(rec.Facts), l.Facts)
			require.Equal(t, sha256.Sum256(rec.Metadata), l.Metadata)
			require.Len(t, l.Parts, len(rec.Sealed))
		}
		n++
	}
	require.Greater(t, n, 10)
	for i := range 20 { // at once, each time
		token := w.person(fmt.Sprintf("p%d@example.com", i))
		require.Equal(t, "subject-"+token, w.proven(w.do("GET", "/v1/streams/subject-"+token+"/1/proof", nil).is(200).body).Stream)
	}
}

func TestWhatIsNotThereIsNotProven(t *testing.T) {
	w := newWorld(t)
	w.declare()
	w.do("GET", "/v1/events/00000000-0000-4000-8000-000000000000/proof", nil).problem(404, "proof.event")
	w.do("GET", "/v1/events/x/proof", nil).is(422)
	w.do("GET", "/v1/streams/catalogue/100000/proof", nil).problem(404, "proof.event")
	w.do("GET", "/v1/streams/nothing/0/proof", nil).problem(404, "proof.event")
	w.do("GET", "/v1/streams/catalogue/-1/proof", nil).is(422)

	none := newWorldIn(t, t.TempDir(), func(o *httpapi.Options) { o.Seal, o.Leaves = nil, nil })
	none.do("GET", "/v1/events/00000000-0000-4000-8000-000000000000/proof", nil).problem(404, "request.route")
	none.do("GET", "/checkpoint", nil).problem(404, "request.route")
}

// What is not published is refused after a bounded wait; what was published
// before is proven all the same.
func TestNothingIsProvenThatIsNotPublished(t *testing.T) {
	w := newWorld(t, func(o *httpapi.Options) { o.Limits.Wait = 50 * time.Millisecond })
	w.declare()
	w.sealed()
	require.NoError(t, w.app.Seal.Close(t.Context()))
	token := w.person("ada@example.com")
	w.do("GET", "/v1/streams/catalogue/0/proof", nil).is(200)
	w.do("GET", "/v1/streams/subject-"+token+"/0/proof", nil).problem(503, "proof.not_sealed")
	w.bundle(token, nil).problem(503, "proof.not_sealed")
	w.bundle(token, m{"checkpoint": string(w.anyone("GET", "/checkpoint", nil).body)}).problem(404, "bundle.empty")
}

// Every consistency proof up to the published size, by the oracle too.
func TestConsistencyIsProven(t *testing.T) {
	w := newWorld(t)
	w.declare()
	size := w.sealed().Size
	roots := make([]tlog.Hash, size+1)
	for n := range size + 1 {
		var err error
		roots[n], err = w.app.Seal.RootAt(t.Context(), n)
		require.NoError(t, err)
	}
	for from := range size + 1 {
		for to := max(from, 1); to <= size; to++ {
			a := w.do("GET", fmt.Sprintf("/v1/proofs/consistency?from=%d&to=%d", from, to), nil).is(200)
			gotFrom, gotTo, path, err := tlog.ParseConsistency(a.body)
			require.NoError(t, err)
			require.Equal(t, []int64{from, to}, []int64{gotFrom, gotTo})
			require.NoError(t, tlog.VerifyConsistency(path, from, roots[from], to, roots[to]))
			if from > 0 {
				require.NoError(t, proof.VerifyConsistency(rfc6962.DefaultHasher, uint64(from), uint64(to), bytesOf(path), roots[from][:], roots[to][:]))
			}
		}
	}
	newest := w.do("GET", "/v1/proofs/consistency?from=3", nil).is(200)
	_, to, _, err := tlog.ParseConsistency(newest.body)
	require.NoError(t, err)
	require.GreaterOrEqual(t, to, size)

	w.do("GET", "/v1/proofs/consistency?from=5&to=4", nil).problem(422, "proof.order")
	w.do("GET", "/v1/proofs/consistency?from=1&to=1000000", nil).problem(404, "proof.size")
	w.do("GET", "/v1/proofs/consistency?from=1000000", nil).problem(422, "proof.order")
	w.do("GET", "/v1/proofs/consistency?from="+strconv.FormatInt(1<<62, 10)+"&to="+strconv.FormatInt(1<<62, 10), nil).problem(404, "proof.size")
	for _, bad := range []string{"", "?to=3", "?from=-1", "?from=x", "?from=1&to=-1", "?from=1&size=2"} {
		require.Contains(t, []int{400, 422}, w.do("GET", "/v1/proofs/consistency"+bad, nil).status, bad)
	}
}

func TestProofsNeedAToken(t *testing.T) {
	w := newWorld(t)
	w.declare()
	at := "/v1/streams/catalogue/0/proof"
	w.anyone("GET", at, nil).problem(401, "auth.token")
	for _, role := range roles {
		w.anyone("GET", at, nil, bearer(w.tokenFor(role))).is(200)
	}
	w.anyone("HEAD", at, nil, bearer(w.tokenFor(principal.Service))).is(200)
}

// A receipt carries its proofs when asked: of the giving, and of what ended it.
func TestReceiptsCarryTheirProofs(t *testing.T) {
	w := newWorld(t)
	w.declare()
	token := w.person("ada@example.com")
	at := "/v1/subjects/" + token + "/consents/newsletter/receipt"
	w.do("GET", at+"?proof=true", nil).problem(404, "receipt.no_consent")
	w.newsletter(token, "give", "2024-05-01T10:00:00Z")
	require.Nil(t, w.do("GET", at, nil).is(200).get("proofs"), "only when it is asked for")
	a := w.do("GET", at+"?proof=true", nil).is(200)
	require.Len(t, a.get("proofs"), 1)
	require.Equal(t, a.text("record_id"), a.text("proofs.0.event_id"))
	w.newsletter(token, "withdraw", "2024-06-01T10:00:00Z")
	a = w.do("GET", at+"?proof=true", nil).is(200)
	require.Len(t, a.get("proofs"), 2)
	for i, want := range []string{"ConsentGiven", "ConsentWithdrawn"} {
		p := fmt.Sprintf("proofs.%d.", i)
		l := w.proven([]byte(a.text(p + "tlog_proof")))
		require.Equal(t, []string{want, want, "subject-" + token, a.text(p + "event_id")}, []string{a.text(p + "event_state"), l.Type, l.Stream, l.EventID.String()})
		require.Equal(t, l.Facts, sha256.Sum256([]byte(a.text(p+"facts"))))
		require.Contains(t, a.text(p+"facts"), `"purpose":"newsletter"`)
		r, err := bundle.VerifyProof(t.Context(), []byte(a.text(p+"tlog_proof")), bundle.Trust{Keys: w.vkeys()})
		require.NoError(t, err)
		require.Equal(t, bundle.Verified, r.Outcome)
	}
	kantara := w.do("GET", at+"?format=kantara&proof=true", nil).is(200)
	w.proven([]byte(kantara.text("proofs.1.tlogProof")))
	require.Equal(t, a.text("proofs.0.facts"), kantara.text("proofs.0.facts"))
	without := w.do("GET", at, nil).is(200)
	require.NotEqual(t, a.header.Get("ETag"), without.header.Get("ETag"))

	none := newWorldIn(t, t.TempDir(), func(o *httpapi.Options) { o.Seal, o.Leaves = nil, nil })
	none.declare()
	token = none.person("ada@example.com")
	none.newsletter(token, "give", "2024-05-01T10:00:00Z")
	none.do("GET", "/v1/subjects/"+token+"/consents/newsletter/receipt?proof=true", nil).problem(404, "receipt.no_proof")
}
