package main

import (
	"context"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/tls"
	"encoding/base64"
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/stretchr/testify/require"

	"lethe/internal/rootkey"
)

const microsoftToken = "eyJ-secret-bearer-token"

// microsoftStandIn answers encrypt and decrypt of Key Vault's REST API 7.x,
// over TLS, and challenges who comes without a token.
type microsoftStandIn struct {
	server *httptest.Server
	t      testing.TB

	mu    sync.Mutex
	keys  map[string]*rsaKey // by KEY/VERSION
	token string
	says  *vaultRefusal
	asked int // with a token
}

type rsaKey struct {
	*rsa.PrivateKey
	disabled bool
}

type vaultRefusal struct {
	status            int
	code, inner, text string
}

// pairs are drawn once: that takes long.
var pairs = sync.OnceValues(func() (out [3]*rsa.PrivateKey, err error) {
	for i := range out {
		if out[i], err = rsa.GenerateKey(rand.Reader, 2048); err != nil {
			return out, err
		}
	}
	return out, nil
})

func newMicrosoftStandIn(t *testing.T) *microsoftStandIn {
	drawn, err := pairs()
	require.NoError(t, err)
	m := &microsoftStandIn{t: t, token: microsoftToken, keys: map[string]*rsaKey{"lethe/v1": {PrivateKey: drawn[0]}, "other/v1": {PrivateKey: drawn[1]}}}
	m.server = httptest.NewTLSServer(m)
	t.Cleanup(m.server.Close)
	return m
}

// client reaches the stand-in whatever host it asks for.
func (m *microsoftStandIn) client() *http.Client {
	return m.clientAt(m.server.Listener.Addr().String())
}

func (m *microsoftStandIn) clientAt(address string) *http.Client {
	client := m.server.Client()
	transport := client.Transport.(*http.Transport).Clone()
	transport.TLSClientConfig = &tls.Config{RootCAs: transport.TLSClientConfig.RootCAs, ServerName: "example.com", MinVersion: tls.VersionTLS12}
	transport.DialContext = func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "tcp", address)
	}
	m.t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}

// bearer is a credential with a token, or the lack of one.
type bearer struct{ err error }

func (b bearer) GetToken(context.Context, policy.TokenRequestOptions) (azcore.AccessToken, error) {
	return azcore.AccessToken{Token: microsoftToken, ExpiresOn: time.Now().Add(time.Hour)}, b.err
}

func (m *microsoftStandIn) do(what func()) func() {
	return func() {
		m.mu.Lock()
		defer m.mu.Unlock()
		what()
	}
}

func (m *microsoftStandIn) standIn() *standIn {
	kept := m.keys["lethe/v1"]
	drawn, err := pairs()
	require.NoError(m.t, err)
	return &standIn{
		root: "azurekeyvault://lethe.vault.azure.net/keys/lethe/v1", other: "azurekeyvault://lethe.vault.azure.net/keys/other/v1",
		opener: opener(microsoft{bearer{}, m.client()}.open), secrets: []string{microsoftToken},
		rotate:  m.do(func() { m.keys["lethe/v2"] = &rsaKey{PrivateKey: drawn[2]} }),
		remove:  m.do(func() { delete(m.keys, "lethe/v1") }),
		back:    m.do(func() { m.keys["lethe/v1"], m.says = kept, nil }),
		swap:    m.do(func() { m.keys["lethe/v1"] = &rsaKey{PrivateKey: drawn[2]} }),
		disable: m.do(func() { m.keys["lethe/v1"].disabled = true }),
		deny: m.do(func() {
			m.says = &vaultRefusal{403, "Forbidden", "ForbiddenByPolicy", "The user does not have keys decrypt permission."}
		}),
		away: m.do(func() { m.says = &vaultRefusal{503, "ServiceUnavailable", "", "come again"} }),
	}
}

// ServeHTTP implements http.Handler.
func (m *microsoftStandIn) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	m.mu.Lock()
	defer m.mu.Unlock()
	w.Header().Set("Content-Type", "application/json")
	token := r.Header.Get("Authorization")
	if token == "" {
		w.Header().Set("WWW-Authenticate", `Bearer authorization="https://login.microsoftonline.com/tenant", resource="https://vault.azure.net"`)
		(&vaultRefusal{401, "Unauthorized", "", "AKV10000: Request is missing a Bearer or PoP token."}).answer(w)
		return
	}
	m.asked++
	id, what := "", ""
	if parts := strings.Split(strings.Trim(r.URL.Path, "/"), "/"); len(parts) == 4 && parts[0] == "keys" {
		id, what = parts[1]+"/"+parts[2], parts[3]
	}
	key := m.keys[id]
	switch {
	case token != "Bearer "+m.token:
		(&vaultRefusal{401, "Unauthorized", "", "AKV10022: Invalid audience."}).answer(w)
	case m.says != nil:
		m.says.answer(w)
	case key == nil:
		(&vaultRefusal{404, "KeyNotFound", "", "A key with (name/id) " + id + " was not found in this key vault."}).answer(w)
	case key.disabled:
		(&vaultRefusal{403, "Forbidden", "KeyDisabled", "Operation is not allowed on a disabled key."}).answer(w)
	default:
		key.operate(w, r, id, what)
	}
}

func (k *rsaKey) operate(w http.ResponseWriter, r *http.Request, id, what string) {
	var in struct{ Alg, Value string }
	err := json.NewDecoder(r.Body).Decode(&in)
	value, bad := base64.RawURLEncoding.DecodeString(in.Value)
	if err = errors.Join(err, bad); err == nil && in.Alg != "RSA-OAEP-256" {
		err = errors.New("another algorithm")
	}
	var out []byte
	switch {
	case err != nil:
	case what == "encrypt":
		out, err = rsa.EncryptOAEP(sha256.New(), rand.Reader, &k.PublicKey, value, nil)
	case what == "decrypt":
		out, err = k.Decrypt(rand.Reader, value, &rsa.OAEPOptions{Hash: crypto.SHA256})
	default:
		err = errors.New("another operation")
	}
	if err != nil {
		(&vaultRefusal{400, "BadParameter", "", "The parameter is incorrect."}).answer(w)
		return
	}
	_ = json.NewEncoder(w).Encode(map[string]string{"kid": "https://lethe.vault.azure.net/keys/" + id, "value": base64.RawURLEncoding.EncodeToString(out)})
}

func (v *vaultRefusal) answer(w http.ResponseWriter) {
	of := map[string]any{"code": v.code, "message": v.text}
	if v.inner != "" {
		of["innererror"] = map[string]string{"code": v.inner}
	}
	w.WriteHeader(v.status)
	_ = json.NewEncoder(w).Encode(map[string]any{"error": of})
}

func TestWhatMicrosoftMaySay(t *testing.T) {
	m := newMicrosoftStandIn(t)
	s := m.standIn()
	p, err := s.open(s.root)(t)
	require.NoError(t, err)
	defer p.Close() //nolint:errcheck // a test
	require.Equal(t, "azurekeyvault://lethe.vault.azure.net/keys/lethe/v1", p.Name())
	for _, c := range []struct {
		status       int
		unwrap, wrap error
		asked        int
	}{
		{404, rootkey.ErrMissing, rootkey.ErrMissing, 1},
		{400, rootkey.ErrWrong, rootkey.ErrDenied, 1},
		{403, rootkey.ErrDenied, rootkey.ErrDenied, 1},
		{409, rootkey.ErrUnreachable, rootkey.ErrUnreachable, 1},
		{429, rootkey.ErrUnreachable, rootkey.ErrUnreachable, attempts},
		{500, rootkey.ErrUnreachable, rootkey.ErrUnreachable, attempts},
		{503, rootkey.ErrUnreachable, rootkey.ErrUnreachable, attempts},
	} {
		m.do(func() { m.says, m.asked = &vaultRefusal{c.status, "Code", "Inner", "some\nwords"}, 0 })()
		_, err := p.Unwrap(t.Context(), []byte("x"))
		require.ErrorIs(t, err, c.unwrap, c.status)
		require.ErrorContains(t, err, "Code: Inner: some words")
		require.Equal(t, c.asked, m.asked, c.status)
		_, err = p.Wrap(t.Context(), []byte("x"))
		require.ErrorIs(t, err, c.wrap, c.status)
		require.NotContains(t, err.Error(), microsoftToken)
	}
	m.do(func() { m.says, m.token = nil, "another" })()
	_, err = p.Unwrap(t.Context(), []byte("x"))
	require.ErrorIs(t, err, rootkey.ErrDenied)
	require.ErrorContains(t, err, "AKV10022")
}

// noCredential is as azidentity's errors are.
type noCredential struct{ error }

func (noCredential) NonRetriable() {}

func TestMicrosoftWithoutItsSettings(t *testing.T) {
	m := newMicrosoftStandIn(t)
	open := (&standIn{opener: opener(microsoft{bearer{noCredential{errors.New("log in first")}}, m.client()}.open)}).open
	for _, name := range []string{
		"azurekeyvault://", "azurekeyvault://lethe.vault.azure.net/keys/lethe", "azurekeyvault://lethe.example/keys/lethe/v1",
		"azurekeyvault://lethe.vault.azure.net/secrets/lethe/v1", "azurekeyvault://lethe.vault.azure.net/keys/lethe/v1?x=1",
	} {
		_, err := open(name)(t)
		require.ErrorContains(t, err, "is named as", name)
	}
	p, err := open("azurekeyvault://lethe.vault.azure.net/keys/lethe/v1")(t)
	require.NoError(t, err)
	_, err = p.Wrap(t.Context(), []byte("x"))
	require.ErrorIs(t, err, rootkey.ErrDenied)
	require.ErrorContains(t, err, "log in first")

	open = (&standIn{opener: opener(microsoft{bearer{}, m.client()}.open)}).open
	m.server.Close()
	p, err = open("azurekeyvault://lethe.vault.azure.net/keys/lethe/v1")(t)
	require.NoError(t, err)
	_, err = p.Wrap(t.Context(), []byte("x"))
	require.ErrorIs(t, err, rootkey.ErrUnreachable)
}
