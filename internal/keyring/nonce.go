package keyring

import (
	"encoding/base64"
	"time"

	"lethe/domain"
)

// NonceOf is what a double-opt-in nonce speaks of: one request, for one
// version of one purpose, on one text, until one time.
type NonceOf struct {
	Request domain.ID // the event
	Token   domain.Token
	Purpose domain.Name
	Version uint32
	Notice  domain.Digest
	Expires time.Time
}

// Nonce is the secret that goes out with a request for consent and comes back
// with its confirmation. It is a keyed hash, so it is stored nowhere and a
// repeated request gives the same one; whoever has the log cannot make it.
func (k *Keyring) Nonce(of NonceOf) string {
	mac := k.nonce(of)
	return base64.RawURLEncoding.EncodeToString(mac[:])
}

// NonceMatches compares in constant time.
func (k *Keyring) NonceMatches(of NonceOf, nonce string) bool {
	mac := k.nonce(of)
	if len(nonce) != base64.RawURLEncoding.EncodedLen(len(mac)) {
		return false
	}
	given, err := base64.RawURLEncoding.Strict().DecodeString(nonce)
	return err == nil && equal(mac[:], given)
}

func (k *Keyring) nonce(of NonceOf) [32]byte {
	msg := lp(lp(lp(nil, "nonce"), of.Request[:]), of.Token)
	msg = lp32(lp(msg, of.Purpose), of.Version)
	expires := of.Expires.UTC().Format(time.RFC3339Nano)
	return hmacOf(&k.secrets.command, lp(lp(msg, of.Notice[:]), expires))
}
