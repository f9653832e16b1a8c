package rootkey

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"regexp"
	"strings"
)

// vaultKey is a key of Vault's transit engine, over its HTTP API: two requests
// are all that is needed of it.
//
//	POST ADDR/v1/ENGINE/encrypt/KEY {"plaintext":"<base64>"} → {"data":{"ciphertext":"vault:v1:…"}}
//	POST ADDR/v1/ENGINE/decrypt/KEY {"ciphertext":"vault:v1:…"} → {"data":{"plaintext":"<base64>"}}
//
// Where Vault is and what it is asked with comes from the environment, as of
// Vault's own tools: VAULT_ADDR (or VAULT_SERVER_URL), VAULT_TOKEN_FILE or
// VAULT_TOKEN (or VAULT_SERVER_TOKEN), VAULT_NAMESPACE, VAULT_CACERT.
type vaultKey struct {
	key, engine string
	base        *url.URL
	namespace   string
	token       func() (string, error)
	client      *http.Client
}

var vaultName = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9_.-]*(/[A-Za-z0-9_][A-Za-z0-9_.-]*)*$`)

// maxVaultAnswer bounds an answer, in bytes.
const maxVaultAnswer = 64 << 10

func openVault(_ context.Context, name string, o Options) (Provider, error) {
	u, err := url.Parse(name)
	if err != nil || u.User != nil || u.Fragment != "" {
		return nil, errors.New("a key of Vault is named as hashivault://KEY?engine=transit")
	}
	k := &vaultKey{key: u.Host + u.Path, engine: "transit"}
	for option, values := range u.Query() {
		if option != "engine" || len(values) != 1 {
			return nil, errors.New("a key of Vault has no other option than engine")
		}
		k.engine = values[0]
	}
	if !vaultName.MatchString(k.key) || !vaultName.MatchString(k.engine) || strings.Contains(k.key, "/") {
		return nil, errors.New("the name of the key or engine of Vault is malformed")
	}
	address := first(o.Env, "VAULT_ADDR", "VAULT_SERVER_URL")
	k.base, err = url.Parse(address)
	if err != nil || k.base.Host == "" || k.base.User != nil || k.base.Scheme != "http" && k.base.Scheme != "https" {
		return nil, errors.New("where Vault is must be in VAULT_ADDR, as https://HOST:PORT")
	}
	k.namespace = first(o.Env, "VAULT_NAMESPACE")
	k.token = vaultToken(o.Env)
	k.client, err = vaultClient(o)
	return k, err
}

func first(env func(string) (string, bool), names ...string) string {
	for _, n := range names {
		if v, ok := env(n); ok && v != "" {
			return v
		}
	}
	return ""
}

// vaultToken reads the token at each use: an agent may renew the file.
func vaultToken(env func(string) (string, bool)) func() (string, error) {
	return func() (string, error) {
		token := first(env, "VAULT_TOKEN", "VAULT_SERVER_TOKEN")
		if file := first(env, "VAULT_TOKEN_FILE"); file != "" {
			b, err := os.ReadFile(file) //nolint:gosec // the operator names it
			if err != nil {
				return "", fmt.Errorf("reading Vault's token: %w", err)
			}
			token = strings.TrimSpace(string(b))
		}
		if token == "" || strings.ContainsAny(token, " \r\n\t") {
			return "", fmt.Errorf("%w: name the file with Vault's token in VAULT_TOKEN_FILE, or set VAULT_TOKEN", ErrDenied)
		}
		return token, nil
	}
}

// vaultClient follows no redirect: the token would go along.
func vaultClient(o Options) (*http.Client, error) {
	client := *o.HTTP
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	file := first(o.Env, "VAULT_CACERT")
	if file == "" {
		return &client, nil
	}
	pem, err := os.ReadFile(file) //nolint:gosec // the operator names it
	if err != nil {
		return nil, fmt.Errorf("reading Vault's certificate authority: %w", err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("%s holds no certificate", file)
	}
	client.Transport = &http.Transport{Proxy: http.ProxyFromEnvironment, TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}}
	return &client, nil
}

// Name implements Provider.
func (k *vaultKey) Name() string { return "hashivault://" + k.key }

// Wrap implements Provider.
func (k *vaultKey) Wrap(ctx context.Context, plain []byte) ([]byte, error) {
	if len(plain) == 0 || len(plain) > MaxPlain {
		return nil, fmt.Errorf("wrapping: 1 to %d bytes", MaxPlain)
	}
	answer, err := k.ask(ctx, "encrypt", vaultBody{Plaintext: base64.StdEncoding.EncodeToString(plain)})
	if err != nil {
		return nil, err
	}
	if !strings.HasPrefix(answer.Ciphertext, "vault:") {
		return nil, fmt.Errorf("%w: its answer is not Vault's", ErrUnreachable)
	}
	return []byte(answer.Ciphertext), nil
}

// Unwrap implements Provider.
func (k *vaultKey) Unwrap(ctx context.Context, wrapped []byte) ([]byte, error) {
	if !bytes.HasPrefix(wrapped, []byte("vault:")) {
		return nil, fmt.Errorf("%w: it was wrapped by no Vault", ErrWrong)
	}
	answer, err := k.ask(ctx, "decrypt", vaultBody{Ciphertext: string(wrapped)})
	if err != nil {
		return nil, err
	}
	plain, err := base64.StdEncoding.DecodeString(answer.Plaintext)
	if err != nil || len(plain) == 0 {
		return nil, fmt.Errorf("%w: its answer is not Vault's", ErrUnreachable)
	}
	return plain, nil
}

// Close implements Provider.
func (k *vaultKey) Close() error {
	k.client.CloseIdleConnections()
	return nil
}

type vaultBody struct {
	Plaintext  string `json:"plaintext,omitempty"`
	Ciphertext string `json:"ciphertext,omitempty"`
}

func (k *vaultKey) ask(ctx context.Context, what string, body vaultBody) (answer vaultBody, err error) {
	token, err := k.token()
	if err != nil {
		return answer, err
	}
	text, err := json.Marshal(body)
	if err != nil {
		return answer, fmt.Errorf("asking Vault: %w", err)
	}
	at := k.base.JoinPath("v1", k.engine, what, k.key)
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, at.String(), bytes.NewReader(text))
	if err != nil {
		return answer, fmt.Errorf("asking Vault: %w", err)
	}
	req.Header.Set("X-Vault-Token", token)
	req.Header.Set("X-Vault-Request", "true")
	req.Header.Set("Content-Type", "application/json")
	if k.namespace != "" {
		req.Header.Set("X-Vault-Namespace", k.namespace)
	}
	res, err := k.client.Do(req)
	if err != nil {
		return answer, errors.Join(fmt.Errorf("%w: %w", ErrUnreachable, err), ctx.Err())
	}
	defer res.Body.Close() //nolint:errcheck // read to its end
	text, err = io.ReadAll(io.LimitReader(res.Body, maxVaultAnswer))
	if err != nil {
		return answer, fmt.Errorf("%w: %w", ErrUnreachable, err)
	}
	var got struct {
		Data   vaultBody `json:"data"`
		Errors []string  `json:"errors"`
	}
	bad := json.Unmarshal(text, &got)
	if res.StatusCode != http.StatusOK {
		return answer, k.refusal(res.StatusCode, got.Errors)
	}
	if bad != nil {
		return answer, fmt.Errorf("%w: its answer is not Vault's", ErrUnreachable)
	}
	return got.Data, nil
}

// refusal sorts Vault's statuses. Its words are its own; they repeat neither
// the token nor what was asked.
func (k *vaultKey) refusal(status int, said []string) error {
	why := fmt.Sprintf("Vault answers %d for key %s of engine %s", status, k.key, k.engine)
	if len(said) > 0 {
		why += ": " + strings.Join(strings.Fields(strings.Join(said, "; ")), " ")
	}
	switch {
	case status == http.StatusForbidden || status == http.StatusUnauthorized:
		return fmt.Errorf("%w (%s)", ErrDenied, why)
	case status == http.StatusNotFound,
		status == http.StatusBadRequest && strings.Contains(why, "key not found"):
		return fmt.Errorf("%w (%s)", ErrMissing, why)
	case status == http.StatusBadRequest:
		return fmt.Errorf("%w (%s)", ErrWrong, why)
	}
	return fmt.Errorf("%w (%s)", ErrUnreachable, why)
}
