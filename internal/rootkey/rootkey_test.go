package rootkey_test

import (
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"lethe/internal/rootkey"
	"lethe/internal/rootkey/rootkeytest"
	"lethe/internal/testenv"
)

const (
	phrase = "correct horse battery staple"
	token  = "hvs.secret-token"
)

func opener(name string, o rootkey.Options) func(t *testing.T) (rootkey.Provider, error) {
	o.Rand = rand.Reader
	return func(t *testing.T) (rootkey.Provider, error) { return rootkey.Open(t.Context(), name, o) }
}

func private(t *testing.T, name, content string) string {
	path := filepath.Join(t.TempDir(), name)
	require.NoError(t, os.WriteFile(path, []byte(content), 0o600))
	return path
}

func fileSubject(o rootkey.Options) func(t *testing.T) rootkeytest.Subject {
	return func(t *testing.T) rootkeytest.Subject {
		path := filepath.Join(t.TempDir(), "root.key")
		create := rootkey.Weaker(o)
		create.Create = true
		for _, name := range []string{path, path + ".other"} {
			p, err := opener("file:"+name, create)(t)
			require.NoError(t, err)
			require.NoError(t, p.Close())
		}
		line, err := os.ReadFile(path)
		require.NoError(t, err)
		return rootkeytest.Subject{
			Open: opener("file:"+path, o), Other: opener(path+".other", o), Secrets: []string{strings.TrimSpace(string(line)), phrase},
			Delete: func() { require.NoError(t, os.Remove(path)) },
		}
	}
}

func TestFile(t *testing.T) { rootkeytest.Run(t, fileSubject(rootkey.Options{})) }

func TestFileUnderAPassphrase(t *testing.T) {
	rootkeytest.Run(t, fileSubject(rootkey.Options{PassphraseFile: private(t, "phrase", phrase+"\n")}))
}

func environment(all map[string]string) func(string) (string, bool) {
	return func(name string) (string, bool) { v, ok := all[name]; return v, ok }
}

func TestVaultStandIn(t *testing.T) {
	rootkeytest.Run(t, func(t *testing.T) rootkeytest.Subject {
		v := rootkeytest.NewVault(token)
		v.Make("lethe")
		v.Make("other")
		server := httptest.NewServer(v)
		t.Cleanup(server.Close)
		o := rootkey.Options{Env: environment(map[string]string{"VAULT_ADDR": server.URL, "VAULT_TOKEN": token})}
		return rootkeytest.Subject{
			Open: opener("hashivault://lethe", o), Other: opener("hashivault://other?engine=transit", o), Secrets: []string{token},
			Rotate: func() { v.Rotate("lethe") }, Delete: func() { v.Take("lethe") },
			Deny: func() { v.Token = "another" }, Away: func() { v.Seal(true) },
		}
	})
}

// A real server, when LETHE_VAULT is its address and VAULT_TOKEN a token that
// may manage its transit engine.
func TestVault(t *testing.T) {
	address := os.Getenv("LETHE_VAULT")
	if address == "" {
		testenv.Missing(t, "vault", "LETHE_VAULT is not set: no Vault to try")
	}
	rootkeytest.Run(t, vaultAt(address, os.Getenv("VAULT_TOKEN")))
}

// The same way of asking a server, at the stand-in: so it cannot rot where
// there is no server.
func TestVaultByItsAddress(t *testing.T) {
	v := rootkeytest.NewVault(token)
	server := httptest.NewServer(v)
	defer server.Close()
	rootkeytest.Run(t, vaultAt(server.URL, token))
	require.Greater(t, v.Asked(), 50)
}

// vaultAt makes two keys in a server for each part of the contract, and
// deletes them.
func vaultAt(address, token string) func(t *testing.T) rootkeytest.Subject {
	return func(t *testing.T) rootkeytest.Subject {
		ask := func(method, path, body string) int {
			req, err := http.NewRequest(method, address+"/v1/"+path, strings.NewReader(body))
			require.NoError(t, err)
			req.Header.Set("X-Vault-Token", token)
			res, err := http.DefaultClient.Do(req)
			require.NoError(t, err)
			_, _ = io.Copy(io.Discard, res.Body)
			require.NoError(t, res.Body.Close())
			return res.StatusCode
		}
		done := func(method, path, body string) { require.Less(t, ask(method, path, body), 300, "%s %s", method, path) }
		ask(http.MethodPost, "sys/mounts/transit", `{"type":"transit"}`) // may be there already
		var n [4]byte
		_, _ = rand.Read(n[:])
		key := fmt.Sprintf("lethe-test-%x", n)
		drop := func(name string) {
			done(http.MethodPost, "transit/keys/"+name+"/config", `{"deletion_allowed":true}`)
			done(http.MethodDelete, "transit/keys/"+name, "")
		}
		deleted := false
		for _, name := range []string{key, key + "-other"} {
			done(http.MethodPost, "transit/keys/"+name, "{}")
			t.Cleanup(func() {
				if name != key || !deleted {
					drop(name)
				}
			})
		}
		env := map[string]string{"VAULT_ADDR": address, "VAULT_TOKEN": token}
		o := rootkey.Options{Env: environment(env)}
		return rootkeytest.Subject{
			Open: opener("hashivault://"+key, o), Other: opener("hashivault://"+key+"-other", o), Secrets: []string{token},
			Rotate: func() { done(http.MethodPost, "transit/keys/"+key+"/rotate", "") },
			Delete: func() { drop(key); deleted = true },
			Deny:   func() { env["VAULT_TOKEN"] = "nobody" }, Away: func() { env["VAULT_ADDR"] = "http://127.0.0.1:1" },
		}
	}
}

func TestNamesThatAreRefused(t *testing.T) {
	env := environment(map[string]string{"VAULT_ADDR": "https://vault.example"})
	for name, says := range map[string]string{
		"":                            "no root key was named",
		"file:":                       "no root key was named",
		"base64key://":                "base64key is not read",
		"base64key://c2VjcmV0":        "base64key is not read",
		"ftp://x":                     "must be named as",
		"awskms://x":                  "lethe-kms",
		"gcpkms://x":                  "lethe-kms",
		"azurekeyvault://x":           "lethe-kms",
		"hashivault://":               "malformed",
		"hashivault://a/b":            "malformed",
		"hashivault://a?engine=../x":  "malformed",
		"hashivault://a?key=x":        "no other option",
		"hashivault://user:secret@a":  "is named as",
		"hashivault://a?engine=b%2f.": "malformed",
	} {
		_, err := rootkey.Open(t.Context(), name, rootkey.Options{Env: env})
		require.ErrorContains(t, err, says, name)
		require.NotContains(t, err.Error(), "c2VjcmV0")
		require.NotContains(t, err.Error(), "secret@")
	}
	_, err := rootkey.Open(t.Context(), "hashivault://a", rootkey.Options{Env: environment(nil)})
	require.ErrorContains(t, err, "VAULT_ADDR")
	_, err = rootkey.Open(t.Context(), "hashivault://a", rootkey.Options{Env: env, PassphraseFile: "x"})
	require.ErrorContains(t, err, "leave the passphrase out")
	p, err := rootkey.Open(t.Context(), "hashivault://a", rootkey.Options{Env: env})
	require.NoError(t, err)
	_, err = p.Wrap(t.Context(), []byte("x"))
	require.ErrorIs(t, err, rootkey.ErrDenied)
	require.ErrorContains(t, err, "VAULT_TOKEN_FILE")
}

func TestFilesThatAreRefused(t *testing.T) {
	o := rootkey.Options{Rand: rand.Reader, Create: true}
	path := filepath.Join(t.TempDir(), "keys", "root.key")
	_, err := rootkey.Open(t.Context(), path, o)
	require.NoError(t, err)
	for _, mode := range []os.FileMode{0o640, 0o604, 0o666} {
		require.NoError(t, os.Chmod(path, mode))
		_, err = rootkey.Open(t.Context(), path, o)
		require.ErrorIs(t, err, rootkey.ErrExposed)
	}
	require.NoError(t, os.Chmod(path, 0o600))
	o.PassphraseFile = private(t, "phrase", phrase)
	_, err = rootkey.Open(t.Context(), path, o)
	require.ErrorContains(t, err, "has no passphrase")

	path += ".sealed"
	_, err = rootkey.Open(t.Context(), path, o)
	require.NoError(t, err)
	sealed, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Contains(t, string(sealed), "argon2id:t=3,m=65536,p=4:")
	require.NoError(t, os.Remove(path))
	o = rootkey.Weaker(o)
	_, err = rootkey.Open(t.Context(), path, o)
	require.NoError(t, err)
	sealed, err = os.ReadFile(path)
	require.NoError(t, err)
	wrong := o
	wrong.PassphraseFile = private(t, "phrase", "another horse altogether")
	_, err = rootkey.Open(t.Context(), path, wrong)
	require.ErrorIs(t, err, rootkey.ErrPassphrase)
	require.NotContains(t, err.Error(), "another horse")
	wrong.PassphraseFile = ""
	_, err = rootkey.Open(t.Context(), path, wrong)
	require.ErrorContains(t, err, "--root-passphrase-file")
	wrong.PassphraseFile = filepath.Join(t.TempDir(), "none")
	_, err = rootkey.Open(t.Context(), path, wrong)
	require.ErrorContains(t, err, "passphrase of the root key is missing")
	require.NoError(t, os.Chmod(o.PassphraseFile, 0o644))
	_, err = rootkey.Open(t.Context(), path, o)
	require.ErrorIs(t, err, rootkey.ErrExposed)

	short := o
	short.PassphraseFile = private(t, "phrase", "short\n")
	_, err = rootkey.Open(t.Context(), path+".short", short)
	require.ErrorContains(t, err, "at least 12 characters")
	require.NoFileExists(t, path+".short")
	require.NoError(t, os.Chmod(o.PassphraseFile, 0o600))
	for _, change := range []struct{ from, to string }{
		{"t=1", "t=0"}, {"t=1", "t=65"}, {"m=64", "m=99999999"}, {"m=64", "m=1"}, {"p=4", "p=0"}, {"p=4", "p=04"}, {"p=4:", "p=4:AAAA"}, {"argon2id:", "argon2id::"},
	} {
		require.NoError(t, os.WriteFile(path, []byte(strings.Replace(string(sealed), change.from, change.to, 1)), 0o600))
		_, err = rootkey.Open(t.Context(), path, o)
		require.True(t, rootkey.IsDamage(err), "%s: %v", change.to, err)
	}
}

// Answers that are not Vault's, and others that it gives.
func TestWhatVaultMaySay(t *testing.T) {
	var status int
	var body, location string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		require.Equal(t, token, r.Header.Get("X-Vault-Token"))
		require.Equal(t, "team", r.Header.Get("X-Vault-Namespace"))
		if location != "" {
			w.Header().Set("Location", location)
		}
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}))
	defer server.Close()
	file := private(t, "token", token+"\n")
	p, err := rootkey.Open(t.Context(), "hashivault://lethe", rootkey.Options{Env: environment(map[string]string{
		"VAULT_SERVER_URL": server.URL + "/", "VAULT_TOKEN_FILE": file, "VAULT_NAMESPACE": "team",
	})})
	require.NoError(t, err)
	require.Equal(t, "hashivault://lethe", p.Name())
	errs, err := json.Marshal(map[string]any{"errors": []string{"ciphertext or signature version is disallowed by policy (too old)"}})
	require.NoError(t, err)
	for _, c := range []struct {
		status int
		body   string
		want   error
		says   string
	}{
		{200, "<html>", rootkey.ErrUnreachable, "not Vault's"},
		{200, `{"data":{"plaintext":"%%"}}`, rootkey.ErrUnreachable, "not Vault's"},
		{200, `{"data":{}}`, rootkey.ErrUnreachable, "not Vault's"},
		{400, string(errs), rootkey.ErrWrong, "too old"},
		{403, `{"errors":["permission denied"]}`, rootkey.ErrDenied, "permission denied"},
		{404, `{"errors":[]}`, rootkey.ErrMissing, "404"},
		{429, "", rootkey.ErrUnreachable, "429"},
		{503, `{"errors":["Vault is sealed"]}`, rootkey.ErrUnreachable, "sealed"},
		{307, "", rootkey.ErrUnreachable, "307"},
	} {
		status, body, location = c.status, c.body, ""
		if c.status == 307 {
			location = "http://127.0.0.1:1/elsewhere"
		}
		_, err := p.Unwrap(t.Context(), []byte("vault:v1:AAAA"))
		require.ErrorIs(t, err, c.want, c.body)
		require.ErrorContains(t, err, c.says)
	}
	status, body = 200, `{"data":{"ciphertext":"none"}}`
	_, err = p.Wrap(t.Context(), []byte("x"))
	require.ErrorIs(t, err, rootkey.ErrUnreachable)
	_, err = p.Wrap(t.Context(), make([]byte, rootkey.MaxPlain+1))
	require.Error(t, err)
	server.Close()
	_, err = p.Unwrap(t.Context(), []byte("vault:v1:AAAA"))
	require.ErrorIs(t, err, rootkey.ErrUnreachable)
	require.NotContains(t, err.Error(), token)
	require.NoError(t, os.Remove(file))
	_, err = p.Wrap(t.Context(), []byte("x"))
	require.ErrorContains(t, err, "Vault's token")
}

// What Vault has rotated out opens nothing any more, and says why.
func TestVaultVersionsThatAreTooOld(t *testing.T) {
	v := rootkeytest.NewVault(token)
	v.Make("lethe")
	server := httptest.NewServer(v)
	defer server.Close()
	p, err := rootkey.Open(t.Context(), "hashivault://lethe",
		rootkey.Options{Env: environment(map[string]string{"VAULT_ADDR": server.URL, "VAULT_TOKEN": token})})
	require.NoError(t, err)
	old, err := p.Wrap(t.Context(), []byte("x"))
	require.NoError(t, err)
	v.Rotate("lethe")
	v.MinDecryption("lethe", 2)
	_, err = p.Unwrap(t.Context(), old)
	require.ErrorIs(t, err, rootkey.ErrWrong)
	require.ErrorContains(t, err, "too old")
}

func FuzzRootKeyFile(f *testing.F) {
	dir := f.TempDir()
	o := rootkey.Options{Rand: rand.Reader, Create: true}
	_, err := rootkey.Open(f.Context(), filepath.Join(dir, "plain"), o)
	require.NoError(f, err)
	line, err := os.ReadFile(filepath.Join(dir, "plain"))
	require.NoError(f, err)
	f.Add(line)
	f.Add([]byte("lethe-root-key-1:argon2id:t=1,m=8,p=1:AAAAAAAAAAAAAAAAAAAAAA==:AAAA"))
	f.Fuzz(func(t *testing.T, b []byte) {
		path := filepath.Join(t.TempDir(), "root.key")
		require.NoError(t, os.WriteFile(path, b, 0o600))
		if p, err := rootkey.Open(t.Context(), path, rootkey.Options{}); err == nil {
			_, err = p.Wrap(t.Context(), []byte("x"))
			require.NoError(t, err)
		}
	})
}
