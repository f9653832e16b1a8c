package witness_test

import (
	"encoding/base64"
	"encoding/binary"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/mod/sumdb/note"

	"lethe/internal/tlog"
	"lethe/internal/witness"
)

// scripted is a witness that answers as a test says.
func scripted(t *testing.T, code int, contentType, body string) *witness.Client {
	t.Helper()
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", contentType)
		w.WriteHeader(code)
		_, _ = w.Write([]byte(body))
	}))
	t.Cleanup(srv.Close)
	return &witness.Client{URL: srv.URL, HTTP: srv.Client()}
}

func cosigner(t *testing.T, seedName string, at int64) (note.Signer, note.Verifier) {
	t.Helper()
	s, vkey, err := tlog.NewCosigner(name, tlog.CosignEd25519, seed(seedName), func() time.Time { return time.Unix(at, 0) })
	require.NoError(t, err)
	return s, verifiers(t, vkey)[0]
}

func TestClientVerifies(t *testing.T) {
	log := grow(t, 20, never)
	own, verifier := cosigner(t, "own", started)
	other, _ := cosigner(t, "other", started)
	text := log.point(t, 20).Text()
	line := func(s note.Signer, text string) string { return string(signNote(t, text, s))[len(text)+1:] }
	ask := func(body string) ([]byte, error) {
		c := scripted(t, 200, "text/plain", body)
		c.Verifiers = []note.Verifier{verifier}
		return c.AddCheckpoint(t.Context(), 0, nil, log.signed(t, 20))
	}
	good := line(own, text)
	lines, err := ask(good)
	require.NoError(t, err)
	require.Equal(t, good, string(lines))
	lines, err = ask(line(other, text) + good + good)
	require.NoError(t, err)
	require.Equal(t, good, string(lines), "unknown ones are left out, and repeated ones")
	_, err = ask(line(other, text))
	require.ErrorIs(t, err, witness.ErrNoCosignature)
	_, err = ask(line(own, log.point(t, 19).Text()))
	require.ErrorContains(t, err, "is not valid")
	timeless, _ := cosigner(t, "own", 0)
	_, err = ask(line(timeless, text))
	require.ErrorContains(t, err, "is not valid", "it must state a time")
	for _, body := range []string{"", "\n", "hello\n", strings.TrimSuffix(good, "\n"), strings.Repeat(good, 101), strings.Repeat(good, 20000)} {
		_, err = ask(body)
		require.Error(t, err)
	}
	_, err = scripted(t, 200, "text/plain", good).AddCheckpoint(t.Context(), 0, nil, []byte("nonsense"))
	require.ErrorIs(t, err, tlog.ErrMalformed)
}

func TestClientReadsConflicts(t *testing.T) {
	log := grow(t, 20, never)
	ask := func(code int, contentType, body string) error {
		_, err := scripted(t, code, contentType, body).AddCheckpoint(t.Context(), 0, nil, log.signed(t, 20))
		return err
	}
	var conflict *witness.ConflictError
	var status *witness.StatusError
	require.ErrorAs(t, ask(409, "text/x.tlog.size", "20852014\n"), &conflict)
	require.Equal(t, int64(20852014), conflict.Size)
	for _, body := range []string{"", "\n", "12", "012\n", "-1\n", "1\n2\n", "1152921504606846977\n"} {
		err := ask(409, "text/x.tlog.size", body)
		require.ErrorContains(t, err, "without a size", "%q", body)
	}
	require.ErrorAs(t, ask(409, "text/plain", "20\n"), &status)
	require.Equal(t, 409, status.Code)
	require.ErrorAs(t, ask(422, "text/plain", "no\x1b[31m\nmore"), &status)
	require.Equal(t, `"no\x1b[31m"`, status.Text, "quoted")
	require.ErrorAs(t, ask(500, "text/plain", ""), &status)
	require.Equal(t, "the witness answers 500 Internal Server Error", status.Error())
}

func TestClientReadsTheLatest(t *testing.T) {
	log := grow(t, 20, never)
	got, err := scripted(t, 200, "", string(log.signed(t, 20))).Latest(t.Context(), origin)
	require.NoError(t, err)
	require.Equal(t, log.signed(t, 20), got)
	_, err = scripted(t, 200, "", string(log.signed(t, 20))).Latest(t.Context(), "another.example")
	require.ErrorContains(t, err, "its origin")
	_, err = scripted(t, 404, "", "no").Latest(t.Context(), origin)
	require.ErrorIs(t, err, witness.ErrNone)
	_, err = scripted(t, 500, "", "no").Latest(t.Context(), origin)
	require.ErrorAs(t, err, new(*witness.StatusError))
	_, err = scripted(t, 200, "", "nonsense").Latest(t.Context(), origin)
	require.ErrorIs(t, err, tlog.ErrMalformed)

	// The monitoring prefix may be another one.
	c := scripted(t, 200, "", string(log.signed(t, 20)))
	c.Monitor, c.URL = c.URL, "http://127.0.0.1:1"
	_, err = c.Latest(t.Context(), origin)
	require.NoError(t, err)
	_, err = c.AddCheckpoint(t.Context(), 0, nil, log.signed(t, 20))
	require.Error(t, err)
	require.NotContains(t, err.Error(), "add-checkpoint\"")
}

func TestClientNames(t *testing.T) {
	require.Equal(t, "w.example:1", (&witness.Client{URL: "https://user:secret@w.example:1/x"}).Name())
	require.Equal(t, "ours", (&witness.Client{Label: "ours", URL: "https://w.example"}).Name())
	require.Empty(t, (&witness.Client{URL: ":"}).Name())
	_, err := (&witness.Client{URL: "http://us er:secret@x"}).Latest(t.Context(), origin)
	require.ErrorContains(t, err, "no URL")
	require.NotContains(t, err.Error(), "secret")
}

// A cosignature's line as the specification draws it.
func TestCosignatureLine(t *testing.T) {
	log := grow(t, 20, never)
	p := newParty(t, log.vkey)
	p.mldsa = false
	p.start(t)
	lines, err := p.client.AddCheckpoint(t.Context(), 0, nil, log.signed(t, 20))
	require.NoError(t, err)
	b64, ok := strings.CutPrefix(strings.TrimSuffix(string(lines), "\n"), "— "+name+" ")
	require.True(t, ok)
	raw, err := base64.StdEncoding.DecodeString(b64)
	require.NoError(t, err)
	require.Len(t, raw, 4+8+64)
	require.Equal(t, uint64(started), binary.BigEndian.Uint64(raw[4:]))
}
