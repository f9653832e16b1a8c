package witness_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/stretchr/testify/require"
	"golang.org/x/mod/sumdb/note"
	sumdb "golang.org/x/mod/sumdb/tlog"

	"lethe/internal/tlog"
	"lethe/internal/witness"
)

const (
	origin  = "ledger.example/log"
	name    = "witness.example/w1"
	started = 1_700_000_000
)

// history is a log's tree in memory. Two that share their first leaves are a
// log that shows different histories.
type history struct {
	stored []tlog.Hash
	signer note.Signer
	vkey   string
}

func (h *history) ReadHashes(at []int64) (out []tlog.Hash, err error) {
	for _, i := range at {
		out = append(out, h.stored[i])
	}
	return out, nil
}

// grow makes a tree of size leaves, other than a tree without a fork from
// leaf fork on.
func grow(t testing.TB, size, fork int) *history {
	t.Helper()
	h := &history{}
	for i := range size {
		data := binary.BigEndian.AppendUint64(nil, uint64(i))
		if i >= fork {
			data = append(data, "forked"...)
		}
		hashes, err := sumdb.StoredHashes(int64(i), data, h)
		require.NoError(t, err)
		h.stored = append(h.stored, hashes...)
	}
	var err error
	h.signer, h.vkey, err = tlog.NewSigner(origin, seed("log"))
	require.NoError(t, err)
	return h
}

func seed(name string) []byte {
	sum := sha256.Sum256([]byte(name))
	return sum[:]
}

func (h *history) point(t testing.TB, size int64) tlog.Checkpoint {
	t.Helper()
	root := tlog.EmptyRoot()
	if size > 0 {
		var err error
		root, err = sumdb.TreeHash(size, h)
		require.NoError(t, err)
	}
	return tlog.Checkpoint{Origin: origin, Size: size, Root: root}
}

func (h *history) signed(t testing.TB, size int64) []byte {
	t.Helper()
	return signNote(t, h.point(t, size).Text(), h.signer)
}

func signNote(t testing.TB, text string, by ...note.Signer) []byte {
	t.Helper()
	b, err := note.Sign(&note.Note{Text: text}, by...)
	require.NoError(t, err)
	return b
}

func (h *history) proof(t testing.TB, old, size int64) []tlog.Hash {
	t.Helper()
	if old == 0 || old == size {
		return nil
	}
	path, err := sumdb.ProveTree(size, old, h)
	require.NoError(t, err)
	return path
}

// clock is a time that a test moves.
type clock struct{ unix atomic.Int64 }

func (c *clock) now() time.Time { return time.Unix(c.unix.Load(), 0) }

// party is a witness that can be stopped and started on its files.
type party struct {
	fs    vfs.FS
	key   witness.Key
	clock *clock
	logs  []string
	mldsa bool
	told  *bytes.Buffer // what it logged

	server *witness.Server
	http   *httptest.Server
	client *witness.Client
}

func newParty(t testing.TB, logs ...string) *party {
	t.Helper()
	key, err := witness.NewKey(bytes.NewReader(append(seed("ed"), seed("pq")...)))
	require.NoError(t, err)
	p := &party{fs: vfs.NewCrashableMem(), key: key, clock: &clock{}, logs: logs, mldsa: true, told: &bytes.Buffer{}}
	p.clock.unix.Store(started)
	return p
}

func (p *party) open() (*witness.Server, error) {
	return witness.Open(witness.Options{
		FS: p.fs, Dir: "w", Name: name, Key: p.key, MLDSA: p.mldsa, Logs: p.logs, Now: p.clock.now,
		Log: slog.New(slog.NewTextHandler(p.told, nil)),
	})
}

// start serves over HTTP and makes a client that knows the witness's keys.
func (p *party) start(t testing.TB) *party {
	t.Helper()
	var err error
	p.server, err = p.open()
	require.NoError(t, err)
	p.http = httptest.NewServer(p.server.Handler())
	p.client = &witness.Client{URL: p.http.URL + "/", HTTP: p.http.Client(), Verifiers: verifiers(t, p.server.VKeys()...)}
	t.Cleanup(func() { p.stop(t) })
	return p
}

func (p *party) stop(t testing.TB) {
	t.Helper()
	if p.server == nil {
		return
	}
	p.http.Close()
	require.NoError(t, p.server.Close())
	p.server = nil
}

func verifiers(t testing.TB, vkeys ...string) (out []note.Verifier) {
	t.Helper()
	for _, vkey := range vkeys {
		v, err := tlog.NewVerifier(vkey)
		require.NoError(t, err)
		out = append(out, v)
	}
	return out
}

// post sends a body as it is.
func (p *party) post(t testing.TB, body []byte) (code int, contentType, answer string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, p.http.URL+"/add-checkpoint", bytes.NewReader(body))
	require.NoError(t, err)
	return p.do(t, req)
}

func (p *party) get(t testing.TB, path string) (code int, contentType, answer string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, p.http.URL+path, nil)
	require.NoError(t, err)
	return p.do(t, req)
}

func (p *party) do(t testing.TB, req *http.Request) (code int, contentType, answer string) {
	t.Helper()
	resp, err := p.http.Client().Do(req)
	require.NoError(t, err)
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	return resp.StatusCode, resp.Header.Get("Content-Type"), string(b)
}
