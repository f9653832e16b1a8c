package tlog

import (
	"crypto/ed25519"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/cloudflare/circl/sign/mldsa/mldsa44"
	"golang.org/x/mod/sumdb/note"
)

// A cosignature says that a checkpoint is consistent with all that the
// cosigner saw of the log, and that it was the largest at a time
// (c2sp.org/tlog-cosignature). After the key ID its line holds
//
//	uint64 big-endian   seconds since 1970
//	64 or 2420 bytes    signature, Ed25519 or ML-DSA-44
const lenTime = 8

// maxLabel bounds the names that an ML-DSA-44 cosignature commits to.
const maxLabel = 255

// NewCosigner makes a cosigner from a seed of 32 bytes, and its vkey. now gives
// the time of a cosignature. Signatures are deterministic. The same seed must
// not serve several cosigners.
func NewCosigner(name string, alg Algorithm, seed []byte, now func() time.Time) (note.Signer, string, error) {
	if err := checkSeed(name, seed); err != nil {
		return nil, "", err
	}
	k := key{name: name, alg: alg}
	var sign func(msg []byte) ([]byte, error)
	switch alg {
	case CosignEd25519:
		private := ed25519.NewKeyFromSeed(seed)
		k.public = private[ed25519.SeedSize:]
		sign = func(msg []byte) ([]byte, error) { return ed25519.Sign(private, msg), nil }
	case CosignMLDSA44:
		public, private := mldsa44.NewKeyFromSeed((*[mldsa44.SeedSize]byte)(seed))
		k.public = public.Bytes()
		sign = func(msg []byte) ([]byte, error) {
			sig := make([]byte, mldsa44.SignatureSize)
			return sig, mldsa44.SignTo(private, msg, nil, false, sig)
		}
	default:
		return nil, "", fmt.Errorf("%s makes no cosignatures", alg)
	}
	cosign := func(text []byte) ([]byte, error) {
		stamp := uint64(max(0, now().Unix()))
		msg, err := cosignedMessage(k, text, stamp)
		if err != nil {
			return nil, fmt.Errorf("cosigning: %w", err)
		}
		sig, err := sign(msg)
		if err != nil {
			return nil, fmt.Errorf("cosigning: %w", err)
		}
		return append(binary.BigEndian.AppendUint64(nil, stamp), sig...), nil
	}
	return &signer{name: name, hash: k.id(), sign: cosign}, k.String(), nil
}

// cosignedMessage is what a cosigner signs of a checkpoint.
func cosignedMessage(k key, text []byte, stamp uint64) ([]byte, error) {
	c, err := ParseCheckpoint(string(text))
	switch {
	case err != nil:
		return nil, err
	case stamp > math.MaxInt64:
		return nil, errors.New("the time is past 2^63 seconds")
	case k.alg == CosignEd25519:
		return fmt.Appendf(nil, "cosignature/v1\ntime %d\n%s", stamp, text), nil
	case len(k.name) > maxLabel || len(c.Origin) > maxLabel:
		return nil, fmt.Errorf("a name of more than %d bytes does not fit an ML-DSA-44 cosignature", maxLabel)
	}
	return subtreeMessage(k.name, c, stamp), nil
}

// subtreeMessage is the cosigned_message of a checkpoint. Extension lines are
// not in it.
//
//	12 bytes              "subtree/v1\n\0"
//	uint8 length, bytes   cosigner's name
//	uint64                time, seconds since 1970; 0: says nothing of the time
//	uint8 length, bytes   log's origin
//	uint64                start, 0 for a checkpoint
//	uint64                end, the checkpoint's size
//	32 bytes              root
//
// Numbers are big-endian.
func subtreeMessage(name string, c Checkpoint, stamp uint64) []byte {
	b := []byte("subtree/v1\n\x00")
	b = append(append(b, byte(len(name))), name...)
	b = binary.BigEndian.AppendUint64(b, stamp)
	b = append(append(b, byte(len(c.Origin))), c.Origin...)
	b = binary.BigEndian.AppendUint64(b, 0)
	b = binary.BigEndian.AppendUint64(b, uint64(c.Size))
	return append(b, c.Root[:]...)
}

func verifyCosignEd25519(k key, text, sig []byte) bool {
	if len(sig) != lenTime+ed25519.SignatureSize {
		return false
	}
	msg, err := cosignedMessage(k, text, binary.BigEndian.Uint64(sig))
	return err == nil && ed25519.Verify(k.public, msg, sig[lenTime:])
}

func verifyCosignMLDSA44(k key, public *mldsa44.PublicKey, text, sig []byte) bool {
	if len(sig) != lenTime+mldsa44.SignatureSize {
		return false
	}
	msg, err := cosignedMessage(k, text, binary.BigEndian.Uint64(sig))
	return err == nil && mldsa44.Verify(public, msg, nil, sig[lenTime:])
}

// SignatureTime returns the time that a cosignature states, in UTC. ok is
// false for a signature that is none, by its length, and for one that states
// no time (0). It does not verify.
func SignatureTime(sig note.Signature) (t time.Time, ok bool) {
	raw, err := decode64(sig.Base64)
	if err != nil {
		return time.Time{}, false
	}
	const lenID = 4
	switch len(raw) {
	case lenID + lenTime + ed25519.SignatureSize, lenID + lenTime + mldsa44.SignatureSize:
	default:
		return time.Time{}, false
	}
	stamp := binary.BigEndian.Uint64(raw[lenID:])
	if stamp == 0 || stamp > math.MaxInt64 {
		return time.Time{}, false
	}
	return time.Unix(int64(stamp), 0).UTC(), true
}
