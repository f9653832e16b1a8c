// Package tlog reads and writes the C2SP formats of a transparency log:
// checkpoints, signed notes and cosignatures, tiles, proofs, trust policies,
// and a log's statement about its own keys. The tree and the notes are those
// of golang.org/x/mod/sumdb; this package adds what that one does not have.
//
// Sources, all at c2sp.org: signed-note, tlog-checkpoint, tlog-cosignature,
// tlog-tiles, tlog-proof, tlog-policy; the tree is that of RFC 6962.
//
// Limits: every parser is strict, so that what it accepts encodes back to the
// same bytes (policies, which have comments, aside), and bounded by the
// constants here. Trees have at most MaxSize leaves. Nothing here speaks HTTP,
// reads a clock or draws a random number.
//
// Promise: a text that this package accepts today stays acceptable. New
// signature types are new values of Algorithm.
package tlog

import (
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"strings"

	sumdb "golang.org/x/mod/sumdb/tlog"
)

// Hash is a node of the tree, 32 bytes of SHA-256. Its String is base64.
type Hash = sumdb.Hash

// TileWidth is how many hashes, or entries, a full tile holds.
const TileWidth = 256

// tileHeight is the height of a tile's subtree: 256 is 2 to the 8th.
const tileHeight = 8

// Bounds of what is parsed.
const (
	// MaxSize bounds a tree's size. From 2^62 on the arithmetic of x/mod's
	// tree does not end, and seven levels of tiles hold 2^56 leaves.
	MaxSize = 1 << 60

	MaxNote     = 1 << 20   // bytes of a signed note
	MaxPath     = 64        // hashes of a proof
	MaxExtra    = 1 << 20   // bytes of a proof's extra data
	MaxPolicy   = 256 << 10 // bytes of a policy: 32 logs and 32 witnesses with ML-DSA-44 keys take 116 KiB
	MaxKeyList  = 256 << 10 // bytes of a key list's text
	maxSigs     = 100       // signatures of a note, the limit of x/mod
	maxVKey     = 4 << 10   // bytes of a verifier key; one with an ML-DSA-44 key has 1.8 KiB
	maxTilePath = 100       // bytes; the longest that can be written has 45
)

// EmptyRoot is the root of the tree without leaves: the hash of nothing.
func EmptyRoot() Hash { return sha256.Sum256(nil) }

// ParseHash parses a hash as the formats here write it: canonical base64.
func ParseHash(s string) (Hash, error) {
	b, err := decode64(s)
	if err != nil {
		return Hash{}, fmt.Errorf("parsing a hash: %w", err)
	}
	if len(b) != len(Hash{}) {
		return Hash{}, fmt.Errorf("parsing a hash: %d bytes instead of %d", len(b), len(Hash{}))
	}
	return Hash(b), nil
}

// ParseSize parses a size or an index: decimal digits without leading zeroes,
// at most MaxSize.
func ParseSize(s string) (int64, error) {
	if s == "" || len(s) > 1 && s[0] == '0' || strings.Trim(s, "0123456789") != "" {
		return 0, fmt.Errorf("%s is not a decimal number without leading zeroes", quoted(s))
	}
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil || n > MaxSize {
		return 0, fmt.Errorf("%s is larger than %d", quoted(s), int64(MaxSize))
	}
	return n, nil
}

var errBase64 = errors.New("not canonical base64")

// decode64 decodes standard base64 and refuses any text but the one that
// encodes the result: no line breaks, no stray bits.
func decode64(s string) ([]byte, error) {
	b, err := base64.StdEncoding.DecodeString(s)
	if err != nil || base64.StdEncoding.EncodeToString(b) != s {
		return nil, errBase64
	}
	return b, nil
}

// quoted shows a piece of input in an error, cut when it is long.
func quoted(s string) string {
	const most = 60
	if len(s) > most {
		return strconv.Quote(s[:most]) + "…"
	}
	return strconv.Quote(s)
}

// cutLine splits off the first line, without its newline; ok is false when
// there is none.
func cutLine(s string) (line, rest string, ok bool) { return strings.Cut(s, "\n") }
