package main

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"lethe/internal/rootkey"
)

const amazonID, amazonSecret = "AKIDEXAMPLE", "wJalrXUtnFEMI-secret-access-key"

// amazonStandIn answers Encrypt and Decrypt of AWS KMS's JSON protocol, as
// the KMS API reference says. It is an http.Handler.
type amazonStandIn struct {
	server *httptest.Server
	t      testing.TB

	mu    sync.Mutex
	keys  map[string]*versions // by the names that requests use
	user  string
	says  *refusal // to every request
	asked int
}

type refusal struct {
	status     int
	code, text string
}

func newAmazonStandIn(t *testing.T) *amazonStandIn {
	a := &amazonStandIn{t: t, user: amazonID, keys: map[string]*versions{"alias/lethe": newVersions(t), "alias/other": newVersions(t)}}
	a.server = httptest.NewServer(a)
	t.Cleanup(a.server.Close)
	amazonEnvironment(t)
	return a
}

// amazonEnvironment leaves the client nothing of this machine's.
func amazonEnvironment(t *testing.T) {
	for name, value := range map[string]string{
		"AWS_ACCESS_KEY_ID": amazonID, "AWS_SECRET_ACCESS_KEY": amazonSecret, "AWS_EC2_METADATA_DISABLED": "true",
		"AWS_SESSION_TOKEN": "", "AWS_PROFILE": "", "AWS_REGION": "", "AWS_DEFAULT_REGION": "",
		"AWS_CONFIG_FILE": t.TempDir() + "/none", "AWS_SHARED_CREDENTIALS_FILE": t.TempDir() + "/none",
	} {
		t.Setenv(name, value)
	}
}

func (a *amazonStandIn) name(key string) string {
	return "awskms://" + key + "?region=eu-central-1&endpoint=" + a.server.URL
}

func (a *amazonStandIn) do(what func()) func() {
	return func() {
		a.mu.Lock()
		defer a.mu.Unlock()
		what()
	}
}

func (a *amazonStandIn) standIn() *standIn {
	kept := a.keys["alias/lethe"]
	return &standIn{
		root: a.name("alias/lethe"), other: a.name("alias/other"), opener: opener(openAmazon), secrets: []string{amazonSecret},
		rotate:  a.do(func() { kept.rotate(a.t) }),
		remove:  a.do(func() { delete(a.keys, "alias/lethe") }),
		back:    a.do(func() { a.keys["alias/lethe"], a.says = kept, nil }),
		swap:    a.do(func() { a.keys["alias/lethe"] = newVersions(a.t) }),
		disable: a.do(func() { a.keys["alias/lethe"].disabled = true }),
		deny:    a.do(func() { a.user = "another" }),
		away:    a.do(func() { a.says = &refusal{503, "ServiceUnavailableException", "come again"} }),
	}
}

// ServeHTTP implements http.Handler.
func (a *amazonStandIn) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.asked++
	var in struct {
		KeyID                     string `json:"KeyId"`
		Plaintext, CiphertextBlob []byte
	}
	w.Header().Set("Content-Type", "application/x-amz-json-1.1")
	var says *refusal
	switch err := json.NewDecoder(r.Body).Decode(&in); {
	case a.says != nil:
		says = a.says
	case err != nil:
		says = &refusal{400, "SerializationException", err.Error()}
	case !strings.Contains(r.Header.Get("Authorization"), "Credential="+a.user+"/"):
		says = &refusal{400, "AccessDeniedException", "User is not authorized to perform this operation"}
	case a.keys[in.KeyID] == nil:
		says = &refusal{400, "NotFoundException", "Alias " + in.KeyID + " is not found."}
	case a.keys[in.KeyID].disabled:
		says = &refusal{400, "DisabledException", in.KeyID + " is disabled."}
	}
	if says != nil {
		says.answer(w)
		return
	}
	switch key := a.keys[in.KeyID]; r.Header.Get("X-Amz-Target") {
	case "TrentService.Encrypt":
		_ = json.NewEncoder(w).Encode(map[string]any{"CiphertextBlob": key.encrypt(in.Plaintext), "KeyId": in.KeyID})
	case "TrentService.Decrypt":
		id, known := keyOf(in.CiphertextBlob)
		plain, ok := key.decrypt(in.CiphertextBlob)
		switch {
		case known && id != key.id:
			(&refusal{400, "IncorrectKeyException", "The key ID in the request does not identify a CMK that can perform this operation."}).answer(w)
		case !ok:
			(&refusal{400, "InvalidCiphertextException", ""}).answer(w)
		default:
			_ = json.NewEncoder(w).Encode(map[string]any{"Plaintext": plain, "KeyId": in.KeyID})
		}
	default:
		(&refusal{400, "UnknownOperationException", ""}).answer(w)
	}
}

func (r *refusal) answer(w http.ResponseWriter) {
	w.WriteHeader(r.status)
	_ = json.NewEncoder(w).Encode(map[string]string{"__type": r.code, "message": r.text})
}

// Each error that the reference lists, as the service sends it.
func TestWhatAmazonMaySay(t *testing.T) {
	a := newAmazonStandIn(t)
	s := a.standIn()
	p, err := s.open(s.root)(t)
	require.NoError(t, err)
	defer p.Close() //nolint:errcheck // a test
	require.Equal(t, "awskms://alias/lethe", p.Name())
	for _, c := range []struct {
		status int
		code   string
		unwrap error
		wrap   error
		asked  int
	}{
		{400, "NotFoundException", rootkey.ErrMissing, rootkey.ErrMissing, 1},
		{400, "InvalidCiphertextException", rootkey.ErrWrong, rootkey.ErrDenied, 1},
		{400, "IncorrectKeyException", rootkey.ErrWrong, rootkey.ErrDenied, 1},
		{400, "AccessDeniedException", rootkey.ErrDenied, rootkey.ErrDenied, 1},
		{400, "UnrecognizedClientException", rootkey.ErrDenied, rootkey.ErrDenied, 1},
		{403, "InvalidSignatureException", rootkey.ErrDenied, rootkey.ErrDenied, 1},
		{400, "ExpiredTokenException", rootkey.ErrDenied, rootkey.ErrDenied, 1},
		{400, "DisabledException", rootkey.ErrDenied, rootkey.ErrDenied, 1},
		{400, "KMSInvalidStateException", rootkey.ErrDenied, rootkey.ErrDenied, 1},
		{400, "InvalidKeyUsageException", rootkey.ErrDenied, rootkey.ErrDenied, 1},
		{400, "ThrottlingException", rootkey.ErrUnreachable, rootkey.ErrUnreachable, attempts},
		{500, "KeyUnavailableException", rootkey.ErrUnreachable, rootkey.ErrUnreachable, attempts},
		{500, "KMSInternalException", rootkey.ErrUnreachable, rootkey.ErrUnreachable, attempts},
		{503, "DependencyTimeoutException", rootkey.ErrUnreachable, rootkey.ErrUnreachable, attempts},
	} {
		a.do(func() { a.says, a.asked = &refusal{c.status, c.code, "some\nwords"}, 0 })()
		_, err := p.Unwrap(t.Context(), []byte("x"))
		require.ErrorIs(t, err, c.unwrap, c.code)
		require.ErrorContains(t, err, c.code+": some words")
		require.Equal(t, c.asked, a.asked, c.code)
		if c.asked > 1 { // the client has a budget of attempts
			continue
		}
		_, err = p.Wrap(t.Context(), []byte("x"))
		require.ErrorIs(t, err, c.wrap, c.code)
		require.NotContains(t, err.Error(), amazonSecret)
	}
}

func TestAmazonWithoutItsSettings(t *testing.T) {
	amazonEnvironment(t)
	open := (&standIn{opener: opener(openAmazon)}).open
	for name, says := range map[string]string{
		"awskms://?region=x":                          "is named as",
		"awskms://alias/lethe":                        "add ?region=",
		"awskms://alias/lethe?region=x&kms=1":         "unknown query parameter",
		"awskms://user:secret@alias/lethe?region=x":   "malformed",
		"awskms://alias/lethe?region=x#secret":        "malformed",
		"awskms:// secret":                            "malformed",
		"awskms://alias/lethe?region=x&profile=other": "other",
	} {
		_, err := open(name)(t)
		require.ErrorContains(t, err, says, name)
		require.NotContains(t, err.Error(), "secret")
	}
	p, err := open("awskms:///arn:aws:kms:eu-central-1:111122223333:key/1234?region=eu-central-1&endpoint=http://127.0.0.1:1")(t)
	require.NoError(t, err)
	require.Equal(t, "awskms:///arn:aws:kms:eu-central-1:111122223333:key/1234", p.Name())
	_, err = p.Wrap(t.Context(), []byte("x"))
	require.ErrorIs(t, err, rootkey.ErrUnreachable)
	t.Setenv("AWS_ACCESS_KEY_ID", "")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "")
	p, err = open("awskms://1234?region=eu-central-1&endpoint=http://127.0.0.1:1")(t)
	require.NoError(t, err)
	_, err = p.Wrap(t.Context(), []byte("x"))
	require.ErrorIs(t, err, rootkey.ErrDenied)
	require.ErrorContains(t, err, "no credentials of AWS")
}
