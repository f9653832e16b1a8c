package rootkeytest

import (
	"crypto/cipher"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"

	"lethe/internal/part"
)

// Vault stands in for Vault's transit engine, mounted at /transit: keys are
// made, rotated and deleted, encrypt and decrypt; it has key versions,
// min_decryption_version, Vault's errors and its tokens. It is an http.Handler.
// Unlike Vault, which may make a key that it is asked to encrypt with, it has
// only those that were made.
type Vault struct {
	Token string

	mu     sync.Mutex
	keys   map[string]*transitKey
	sealed bool
	asked  int
}

// transitKey has the versions from 1 on.
type transitKey struct {
	versions   []cipher.AEAD
	minDecrypt int
	deletable  bool
}

// NewVault has one token and no key.
func NewVault(token string) *Vault { return &Vault{Token: token, keys: map[string]*transitKey{}} }

// Make makes a key.
func (v *Vault) Make(name string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.keys[name] = &transitKey{minDecrypt: 1}
	v.keys[name].rotate()
}

// Rotate adds a version.
func (v *Vault) Rotate(name string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.keys[name].rotate()
}

// MinDecryption refuses what older versions encrypted.
func (v *Vault) MinDecryption(name string, version int) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.keys[name].minDecrypt = version
}

// Kept is a key that was taken away and can come back.
type Kept struct{ key *transitKey }

// Take takes a key away.
func (v *Vault) Take(name string) Kept {
	v.mu.Lock()
	defer v.mu.Unlock()
	k := Kept{v.keys[name]}
	delete(v.keys, name)
	return k
}

// Put brings it back.
func (v *Vault) Put(name string, k Kept) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.keys[name] = k.key
}

// Seal makes Vault answer that it is sealed, or not any more.
func (v *Vault) Seal(sealed bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.sealed = sealed
}

// Asked is how many requests came.
func (v *Vault) Asked() int {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.asked
}

// made counts the keys of all stand-ins.
var made atomic.Uint64

func (k *transitKey) rotate() {
	key := sha256.Sum256(strconv.AppendUint(nil, made.Add(1), 10)) // no two are the same: all that a stand-in needs
	aead, _ := part.NewAEAD(key[:])
	k.versions = append(k.versions, aead)
}

// ServeHTTP implements http.Handler.
func (v *Vault) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.asked++
	parts := strings.Split(strings.Trim(r.URL.Path, "/"), "/")
	switch {
	case v.sealed:
		refuse(w, http.StatusServiceUnavailable, "Vault is sealed")
	case r.Header.Get("X-Vault-Token") != v.Token:
		refuse(w, http.StatusForbidden, "permission denied")
	case r.URL.Path == "/v1/sys/mounts/transit":
		refuse(w, http.StatusBadRequest, "path is already in use at transit/")
	case len(parts) < 4 || parts[0] != "v1" || parts[1] != "transit":
		refuse(w, http.StatusNotFound, "no handler for route")
	case parts[2] == "keys":
		v.manage(w, r.Method, parts[3], strings.Join(parts[4:], "/"))
	case len(parts) != 4 || r.Method != http.MethodPost:
		refuse(w, http.StatusNotFound, "no handler for route")
	default:
		v.transit(w, r, parts[2], v.keys[parts[3]])
	}
}

// manage makes, rotates and deletes keys. The one configuration that it knows
// is that a key may be deleted.
func (v *Vault) manage(w http.ResponseWriter, method, name, what string) {
	k := v.keys[name]
	switch {
	case method == http.MethodPost && what == "":
		if k == nil {
			v.keys[name] = &transitKey{minDecrypt: 1}
			v.keys[name].rotate()
		}
	case k == nil:
		refuse(w, http.StatusBadRequest, "no existing key named "+name+" could be found")
		return
	case method == http.MethodPost && what == "rotate":
		k.rotate()
	case method == http.MethodPost && what == "config":
		k.deletable = true
	case method == http.MethodDelete && what == "" && k.deletable:
		delete(v.keys, name)
	case method == http.MethodDelete:
		refuse(w, http.StatusBadRequest, "deletion is not allowed for this key")
		return
	default:
		refuse(w, http.StatusNotFound, "no handler for route")
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

func (v *Vault) transit(w http.ResponseWriter, r *http.Request, what string, k *transitKey) {
	var in struct{ Plaintext, Ciphertext string }
	if err := json.NewDecoder(r.Body).Decode(&in); err != nil {
		refuse(w, http.StatusBadRequest, "error parsing JSON")
		return
	}
	if k == nil {
		refuse(w, http.StatusBadRequest, "encryption key not found")
		return
	}
	switch what {
	case "encrypt":
		plain, err := base64.StdEncoding.DecodeString(in.Plaintext)
		if err != nil {
			refuse(w, http.StatusBadRequest, "failed to base64-decode plaintext")
			return
		}
		n := len(k.versions)
		box := k.versions[n-1].Seal(nil, nil, plain, nil)
		answer(w, map[string]any{"ciphertext": fmt.Sprintf("vault:v%d:%s", n, base64.StdEncoding.EncodeToString(box)), "key_version": n})
	case "decrypt":
		plain, why := k.decrypt(in.Ciphertext)
		if why != "" {
			refuse(w, http.StatusBadRequest, why)
			return
		}
		answer(w, map[string]any{"plaintext": base64.StdEncoding.EncodeToString(plain)})
	default:
		refuse(w, http.StatusNotFound, "no handler for route")
	}
}

func (k *transitKey) decrypt(text string) (plain []byte, why string) {
	rest, ok := strings.CutPrefix(text, "vault:v")
	version, box, found := strings.Cut(rest, ":")
	n, err := strconv.Atoi(version)
	if !ok || !found || err != nil || n < 1 {
		return nil, "invalid ciphertext: no prefix"
	}
	if n < k.minDecrypt {
		return nil, "ciphertext or signature version is disallowed by policy (too old)"
	}
	if n > len(k.versions) {
		return nil, "invalid ciphertext: version is too new"
	}
	raw, err := base64.StdEncoding.DecodeString(box)
	if err != nil {
		return nil, "invalid ciphertext: could not decode base64"
	}
	if plain, err = k.versions[n-1].Open(nil, nil, raw, nil); err != nil {
		return nil, "cipher: message authentication failed"
	}
	return plain, ""
}

func answer(w http.ResponseWriter, data any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(map[string]any{"data": data})
}

func refuse(w http.ResponseWriter, status int, why string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]any{"errors": []string{why}})
}
