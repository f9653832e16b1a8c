package httpapi_test

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/transparency-dev/merkle/compact"
	"github.com/transparency-dev/merkle/rfc6962"

	"lethe/domain/principal"
	"lethe/eventstore"
	"lethe/internal/leaf"
	"lethe/internal/tlog"
	"lethe/internal/tlog/tileclient"
)

// crowded is a world with more events than two full tiles.
func crowded(t *testing.T) *world {
	w := newWorld(t)
	w.declare()
	for i := range 280 {
		w.person(fmt.Sprintf("p%d@example.com", i))
	}
	require.Greater(t, w.sealed().Size, int64(2*tlog.TileWidth))
	return w
}

// get is a request over a connection, its answer as it came.
func get(t *testing.T, method, url string, h http.Header) (*http.Response, []byte) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, nil)
	require.NoError(t, err)
	req.Header = h
	res, err := (&http.Client{Transport: &http.Transport{DisableCompression: true}}).Do(req)
	require.NoError(t, err)
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	return res, body
}

const immutable = "max-age=31536000, immutable"

// The log's files are public as far as they are hashes and signatures.
func TestTheLogsFilesAreServedAsTheSpecificationHasThem(t *testing.T) {
	w := crowded(t)
	server := httptest.NewServer(w.api)
	defer server.Close()
	size := w.sealed().Size
	part := int(size % tlog.TileWidth)
	require.NotZero(t, part)
	for _, file := range []struct {
		path, contentType, cache string
		bytes                    int
	}{
		{"checkpoint", "text/plain; charset=utf-8", "public, max-age=1", 0},
		{"log-keys", "text/plain; charset=utf-8", "public, max-age=1", 0},
		{tlog.TilePath(0, 0, 256), "application/octet-stream", "public, " + immutable, 8192},
		{tlog.TilePath(0, size/256, part), "application/octet-stream", "public, " + immutable, 32 * part},
		{tlog.TilePath(0, 0, 7), "application/octet-stream", "public, " + immutable, 32 * 7},
		{tlog.TilePath(1, 0, 2), "application/octet-stream", "public, " + immutable, 64},
	} {
		res, body := get(t, "GET", server.URL+"/"+file.path, nil)
		require.Equal(t, 200, res.StatusCode, file.path)
		require.Equal(t, file.contentType, res.Header.Get("Content-Type"), file.path)
		require.Equal(t, file.cache, res.Header.Get("Cache-Control"), file.path)
		require.Empty(t, res.Header.Get("Content-Encoding"), file.path)
		require.Equal(t, fmt.Sprint(len(body)), res.Header.Get("Content-Length"), file.path)
		if file.bytes > 0 {
			require.Len(t, body, file.bytes, file.path)
		}
		head, none := get(t, "HEAD", server.URL+"/"+file.path, nil)
		require.Equal(t, 200, head.StatusCode, file.path)
		require.Empty(t, none)
		for _, name := range []string{"Content-Type", "Cache-Control", "Content-Length"} {
			require.Equal(t, res.Header.Get(name), head.Header.Get(name), "%s of %s", name, file.path)
		}
		post, _ := get(t, "POST", server.URL+"/"+file.path, nil)
		require.Contains(t, []int{401, 405}, post.StatusCode, file.path)
	}
	require.EqualValues(t, size, w.opened(w.anyone("GET", "/checkpoint", nil).body).Size)
}

func TestEntriesAreForTheAuditor(t *testing.T) {
	w := crowded(t)
	at := "/" + tlog.EntriesPath(0, 256)
	w.anyone("GET", at, nil).problem(401, "auth.token")
	w.anyone("GET", at, nil, bearer("lethe_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA")).problem(401, "auth.token")
	for _, role := range roles {
		a := w.anyone("GET", at, nil, bearer(w.tokenFor(role)))
		if role != principal.Auditor {
			a.problem(403, "auth.role")
			require.Equal(t, "no-store", a.header.Get("Cache-Control"))
			continue
		}
		require.Equal(t, "application/octet-stream", a.is(200).header.Get("Content-Type"))
		require.Equal(t, "private, "+immutable, a.header.Get("Cache-Control"))
		require.Equal(t, "Accept-Encoding", a.header.Get("Vary"))
		require.Empty(t, a.header.Get("Content-Encoding"))
		n := 0
		for entry, err := range leaf.Entries(a.body) {
			require.NoError(t, err)
			l, err := leaf.Parse(entry)
			require.NoError(t, err)
			require.EqualValues(t, n, l.Index)
			n++
		}
		require.Equal(t, 256, n)

		for accepts, packed := range map[string]bool{"gzip": true, "br, gzip;q=0.5": true, "gzip;q=0": false, "identity": false, "x-gzip": false} {
			z := w.anyone("GET", at, nil, bearer(w.tokenFor(role)), header("Accept-Encoding", accepts)).is(200)
			require.Equal(t, packed, z.header.Get("Content-Encoding") == "gzip", accepts)
			if !packed {
				require.Equal(t, a.body, z.body)
				continue
			}
			require.Less(t, len(z.body), len(a.body))
			r, err := gzip.NewReader(bytes.NewReader(z.body))
			require.NoError(t, err)
			plain, err := io.ReadAll(r)
			require.NoError(t, err)
			require.Equal(t, a.body, plain)
		}
	}
}

func TestThereAreNoOtherTiles(t *testing.T) {
	w := crowded(t)
	auditor := bearer(w.tokenFor(principal.Auditor))
	size := w.sealed().Size
	for _, path := range []string{
		tlog.TilePath(0, size/256, 256), tlog.TilePath(0, size/256+1, 1), tlog.TilePath(1, 0, 256), tlog.TilePath(1, 1, 1), tlog.TilePath(2, 0, 1),
		tlog.TilePath(63, 0, 1), tlog.EntriesPath(size/256, 256), tlog.EntriesPath(size/256+1, 1), tlog.EntriesPath(1<<40, 256),
		"tile/0/000.p/0", "tile/0/000.p/256", "tile/0/000.p/257", "tile/0/000.p/01", "tile/0/000.p/-1", "tile/0/000.p/", "tile/0/000.p/1/2",
		"tile/0/0", "tile/0/00", "tile/0/0000", "tile/0/x000/000", "tile/0/001x", "tile/00/000", "tile/-1/000", "tile/64/000", "tile/x/000",
		"tile/0", "tile", "tile/entries", "tile/entries/0", "tile/entries/000.p/0", "tile/entries/x000/000", "tile/0/%2e%2e/STATE", "tile/0/..%2fSTATE",
		"tile/entries/%2e%2e/0/000", "tile/0/000/../000", "tile/./0/000", "tile//0/000", "tile/0/000/", "checkpoint/", "log-keys/x",
		"tile/0/000.tmp", "tile/0/CHECKPOINT", "tile/8/0/000",
	} {
		a := w.anyone("GET", "/"+path, nil, auditor)
		require.Equal(t, 404, a.status, "%s: %s", path, a.body)
		require.Equal(t, "no-store", a.header.Get("Cache-Control"), path)
		require.NotContains(t, string(a.body), w.dir, path)
	}
}

// Another party's client reads the whole tree: the entries hash to the hash
// tiles and to the root that is signed.
func TestTheTileClientReadsTheWholeLog(t *testing.T) {
	w := crowded(t)
	server := httptest.NewServer(w.api)
	defer server.Close()
	client := tileclient.New(server.URL, nil)
	signed, err := client.Checkpoint(t.Context())
	require.NoError(t, err)
	c := w.opened(signed)
	_, err = client.ReadEntries(t.Context(), 0, 256)
	require.ErrorContains(t, err, "401", "entries are not for everybody")
	client.EntriesToken = w.tokenFor(principal.Auditor)
	tree := (&compact.RangeFactory{Hash: rfc6962.DefaultHasher.HashChildren}).NewEmptyRange(0)
	for n := int64(0); n*tlog.TileWidth < c.Size; n++ {
		width := int(min(tlog.TileWidth, c.Size-n*tlog.TileWidth))
		hashes, err := client.ReadTile(t.Context(), 0, n, width)
		require.NoError(t, err)
		bundle, err := client.ReadEntries(t.Context(), n, width)
		require.NoError(t, err)
		for entry, err := range leaf.Entries(bundle) {
			require.NoError(t, err)
			hash := leaf.Hash(entry)
			require.Equal(t, hash[:], hashes[:32])
			hashes = hashes[32:]
			require.NoError(t, tree.Append(hash[:], nil))
		}
		require.Empty(t, hashes)
	}
	root, err := tree.GetRootHash(nil)
	require.NoError(t, err)
	require.Equal(t, c.Root[:], root)
	for _, index := range []int64{0, 255, 256, c.Size - 1} {
		_, err := tlog.Inclusion(t.Context(), client, c.Size, c.Root, index)
		require.NoError(t, err)
	}
}

func TestCheckpointsAreBrought(t *testing.T) {
	w := newWorld(t)
	w.declare()
	w.sealed()
	early := w.anyone("GET", "/checkpoint", nil).is(200).body
	w.person("ada@example.com")
	w.sealed()
	text := header("Content-Type", "text/plain; charset=utf-8")
	for range 2 {
		a := w.do("POST", "/v1/log/checkpoints", early, text).is(201)
		require.Equal(t, string(early), a.text("note"))
		require.EqualValues(t, w.opened(early).Size, a.get("size"))
		require.Equal(t, w.app.Seal.Origin(), a.get("origin"))
	}
	known := w.do("GET", "/v1/log/checkpoints", nil).is(200)
	require.Equal(t, 1, strings.Count(string(known.body), strings.Split(string(early), "\n")[2]), "once, however often it was brought")
	require.Empty(t, w.do("GET", fmt.Sprintf("/v1/log/checkpoints?after=%d", w.sealed().Size), nil).get("items"))
	require.Len(t, w.do("GET", "/v1/log/checkpoints?limit=1", nil).get("items"), 1)

	foreign := newWorldIn(t, t.TempDir())
	foreign.declare()
	foreign.sealed()
	for _, not := range []string{
		"no checkpoint", strings.Replace(string(early), "\n"+fmt.Sprint(w.opened(early).Size)+"\n", "\n1\n", 1), string(early) + "\n",
		string(foreign.anyone("GET", "/checkpoint", nil).body), string(foreign.anyone("GET", "/log-keys", nil).body),
	} {
		w.do("POST", "/v1/log/checkpoints", not, text).problem(422, "checkpoint.foreign")
	}
	w.do("POST", "/v1/log/checkpoints", `{}`, header("Content-Type", "application/json")).problem(415, "request.media_type")
	w.do("POST", "/v1/log/checkpoints", nil, text).is(400)
}

// changes are the recorded changes of signing keys: "added 12".
func (w *world) changes(vkey string) (list []string) {
	w.t.Helper()
	sum := sha256.Sum256([]byte(vkey))
	for rec, err := range w.app.Store.ReadStream(w.t.Context(), "operations", eventstore.StreamRange{}) {
		require.NoError(w.t, err)
		if rec.Type == "LogKeyChanged" && strings.Contains(string(rec.Facts), hex.EncodeToString(sum[:])) {
			var facts struct {
				Change string
				Size   int64
			}
			unmarshalled(w.t, rec.Facts, &facts)
			list = append(list, fmt.Sprintf("%s %d", facts.Change, facts.Size))
		}
	}
	return list
}

// Keys are rotated, retired and distrusted; each change is recorded once,
// whoever repeats it.
func TestLogKeysAreChangedAndThatIsRecorded(t *testing.T) {
	w := newWorld(t)
	w.declare()
	w.sealed()
	admins := []opt{bearer(w.tokenFor(principal.Admin)), bearer(w.tokenFor(principal.Admin))}
	w.sealed()
	keys := func() *answer { return w.do("GET", "/v1/log/keys", nil).is(200) }
	first := keys().text("items.0.id")
	at := "/v1/log/keys/" + first
	w.anyone("POST", at+"/retire", nil, admins[0]).problem(409, "log_key.last")
	w.anyone("POST", at+"/distrust", m{"from": 1}, admins[0]).problem(409, "log_key.last")
	w.anyone("POST", "/v1/log/keys", nil, bearer(w.tokenFor(principal.Officer))).problem(403, "auth.role")
	w.anyone("POST", "/v1/log/keys/00000000/retire", nil, admins[0]).problem(404, "log_key.unknown")
	w.anyone("POST", "/v1/log/keys/xyz/retire", nil, admins[0]).is(422)
	w.anyone("POST", at+"/distrust", m{"from": -1}, admins[0]).problem(422, "log_key.from")
	w.anyone("POST", at+"/distrust", m{"until": 1}, admins[0]).problem(400, "request.malformed")
	w.anyone("POST", at+"/distrust", nil, admins[0]).is(400)

	added := w.anyone("POST", "/v1/log/keys", nil, admins[0]).is(200)
	second := added.text("vkey")
	require.Equal(t, true, added.get("signs"))
	require.Len(t, w.changes(second), 1)
	w.sealed()
	both, sigs, err := tlog.SplitNote(w.anyone("GET", "/checkpoint", nil).body)
	require.NoError(t, err)
	require.Len(t, sigs, 2, both)

	for _, admin := range admins {
		retired := w.anyone("POST", at+"/retire", nil, admin).is(200)
		require.Equal(t, false, retired.get("signs"))
		require.Equal(t, []string{fmt.Sprintf("retired %v", retired.get("until"))}, w.changes(keys().text("items.0.vkey")))
	}
	w.sealed()
	_, sigs, err = tlog.SplitNote(w.anyone("GET", "/checkpoint", nil).body)
	require.NoError(t, err)
	require.Len(t, sigs, 1)

	for _, admin := range admins {
		gone := w.anyone("POST", at+"/distrust", m{"from": 5}, admin).is(200)
		require.EqualValues(t, 5, gone.get("distrusted"))
	}
	require.Equal(t, "distrusted 5", w.changes(keys().text("items.0.vkey"))[1])
	require.Len(t, w.changes(keys().text("items.0.vkey")), 2)
	list := string(w.anyone("GET", "/log-keys", nil).body)
	require.Contains(t, list, " distrusted 5\n")
	require.Contains(t, list, second+" from ")
	w.sealed()
	require.Positive(t, w.opened(w.anyone("GET", "/checkpoint", nil).body).Size)
	status := w.do("GET", "/v1/log", nil).is(200)
	require.Equal(t, w.app.Seal.Origin(), status.get("origin"))
	require.Positive(t, status.get("published"))
	require.Nil(t, status.get("failed"))
}
