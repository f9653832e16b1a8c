package tileclient_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/binary"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
	sumdb "golang.org/x/mod/sumdb/tlog"

	"lethe/internal/tlog"
	"lethe/internal/tlog/tileclient"
)

func write(t *testing.T, root, name string, data []byte) {
	t.Helper()
	file := filepath.Join(root, filepath.FromSlash(name))
	require.NoError(t, os.MkdirAll(filepath.Dir(file), 0o755))
	require.NoError(t, os.WriteFile(file, data, 0o600))
}

func entry(i int) []byte { return binary.BigEndian.AppendUint64(nil, uint64(i)) }

func bundle(from, width int) (b []byte) {
	for i := range width {
		b = append(binary.BigEndian.AppendUint16(b, 8), entry(from+i)...)
	}
	return b
}

// publish lays out the log of 300 leaves, as a static server has it.
func publish(t *testing.T) (dir string, root tlog.Hash) {
	t.Helper()
	const size = 300
	var stored []tlog.Hash
	reader := sumdb.HashReaderFunc(func(at []int64) (out []tlog.Hash, err error) {
		for _, i := range at {
			out = append(out, stored[i])
		}
		return out, nil
	})
	for i := range size {
		hashes, err := sumdb.StoredHashes(int64(i), entry(i), reader)
		require.NoError(t, err)
		stored = append(stored, hashes...)
	}
	dir = t.TempDir()
	for _, tile := range sumdb.NewTiles(8, 0, size) {
		data, err := sumdb.ReadTileData(tile, reader)
		require.NoError(t, err)
		write(t, dir, tlog.TilePath(tile.L, tile.N, tile.W), data)
	}
	write(t, dir, "tile/entries/000", bundle(0, 256))
	write(t, dir, "tile/entries/001.p/44", bundle(256, 44))
	write(t, dir, "checkpoint", []byte("a note\n"))
	root, err := sumdb.TreeHash(size, reader)
	require.NoError(t, err)
	return dir, root
}

func TestReadsALog(t *testing.T) {
	dir, root := publish(t)
	for name, handler := range map[string]http.Handler{"plain": http.FileServer(http.Dir(dir)), "packed": packed(http.FileServer(http.Dir(dir)))} {
		srv := httptest.NewServer(handler)
		defer srv.Close()
		c := tileclient.New(srv.URL+"/", srv.Client())
		note, err := c.Checkpoint(t.Context())
		require.NoError(t, err, name)
		require.Equal(t, "a note\n", string(note))
		path, err := tlog.Inclusion(t.Context(), c, 300, root, 270)
		require.NoError(t, err, name)
		require.NoError(t, tlog.VerifyInclusion(path, 300, root, 270, sumdb.RecordHash(entry(270))))
		older, err := tlog.RootAt(t.Context(), c, 300, root, 100)
		require.NoError(t, err)
		path, err = tlog.Inclusion(t.Context(), c, 100, older, 42) // from the full tile
		require.NoError(t, err)
		require.NoError(t, tlog.VerifyInclusion(path, 100, older, 42, sumdb.RecordHash(entry(42))))
		got, err := c.ReadEntries(t.Context(), 0, 5)
		require.NoError(t, err)
		require.Equal(t, bundle(0, 5), got)
		got, err = c.ReadEntries(t.Context(), 1, 44)
		require.NoError(t, err)
		require.Equal(t, bundle(256, 44), got)
		_, err = c.ReadEntries(t.Context(), 1, 43)
		require.ErrorIs(t, err, fs.ErrNotExist)
		require.ErrorContains(t, err, "tile/entries/001.p/43")
	}
}

// packed answers in gzip without being asked, as logs may.
func packed(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		rec := httptest.NewRecorder()
		h.ServeHTTP(rec, r)
		w.Header().Set("Content-Encoding", "gzip")
		w.WriteHeader(rec.Code)
		z := gzip.NewWriter(w)
		_, _ = z.Write(rec.Body.Bytes())
		_ = z.Close()
	})
}

func TestTokenIsForEntriesOnly(t *testing.T) {
	var seen atomic.Value
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		seen.Store(r.URL.Path + " " + r.Header.Get("Authorization") + " " + r.Header.Get("Accept-Encoding"))
		http.Error(w, "no", http.StatusForbidden)
	}))
	defer srv.Close()
	c := tileclient.New(srv.URL, srv.Client())
	c.EntriesToken = "secret"
	_, err := c.ReadEntries(t.Context(), 1234, 256)
	require.ErrorContains(t, err, "getting tile/entries/x001/234: the log answers 403")
	require.NotErrorIs(t, err, fs.ErrNotExist)
	require.Equal(t, "/tile/entries/x001/234 Bearer secret gzip, identity", seen.Load())
	_, err = c.ReadTile(t.Context(), 1, 0, 3)
	require.Error(t, err)
	require.Equal(t, "/tile/1/000.p/3  gzip, identity", seen.Load())
	_, err = c.Checkpoint(t.Context())
	require.Error(t, err)
	require.Equal(t, "/checkpoint  gzip, identity", seen.Load())
}

func TestAnswersAreBounded(t *testing.T) {
	body := make([]byte, 32<<20) // a bomb: 32 KiB when packed
	var answer http.Handler
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { answer.ServeHTTP(w, r) }))
	defer srv.Close()
	c := tileclient.New(srv.URL, srv.Client())
	plain := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(body) })
	for _, answer = range []http.Handler{plain, packed(plain)} {
		_, err := c.ReadTile(t.Context(), 0, 0, 256)
		require.ErrorContains(t, err, "more than 8192 bytes")
		_, err = c.Checkpoint(t.Context())
		require.ErrorContains(t, err, "more than 1048576 bytes")
		_, err = c.ReadEntries(t.Context(), 0, 256)
		require.ErrorContains(t, err, "more than")
	}
	answer = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(make([]byte, 8191)) })
	_, err := c.ReadTile(t.Context(), 0, 0, 256)
	require.ErrorContains(t, err, "tile/0/000: 8191 bytes instead of 8192")
	answer = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Encoding", "br")
		_, _ = w.Write([]byte("x"))
	})
	_, err = c.Checkpoint(t.Context())
	require.ErrorContains(t, err, `encoding "br"`)
	answer = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Encoding", "gzip")
		_, _ = bytes.NewReader([]byte("not packed")).WriteTo(w)
	})
	_, err = c.Checkpoint(t.Context())
	require.ErrorContains(t, err, "unpacking")
}

func TestErrorsDoNotNameThePrefix(t *testing.T) {
	srv := httptest.NewServer(http.NotFoundHandler())
	srv.Close()
	secret := strings.Replace(srv.URL, "http://", "http://user:pa55word@", 1)
	_, err := tileclient.New(secret, nil).Checkpoint(t.Context())
	require.ErrorContains(t, err, "getting checkpoint")
	require.NotContains(t, err.Error(), "pa55word")
	_, err = tileclient.New("http://us er:pa55word@x", nil).Checkpoint(t.Context())
	require.ErrorContains(t, err, "no URL")
	require.NotContains(t, err.Error(), "pa55word")
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = tileclient.New(srv.URL, nil).Checkpoint(ended)
	require.ErrorIs(t, err, context.Canceled)
	_, err = tileclient.New(srv.URL, nil).ReadTile(t.Context(), -1, 0, 256)
	require.Error(t, err)
	_, err = tileclient.New(srv.URL, nil).ReadEntries(t.Context(), 0, 300)
	require.Error(t, err)
}
