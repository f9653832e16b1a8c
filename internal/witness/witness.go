// Package witness is both sides of the witness protocol (c2sp.org/tlog-witness):
// Client asks a witness to cosign a log's checkpoints, Server is one.
//
// A witness remembers the latest checkpoint of each log that it was told of,
// and cosigns a newer one only when that is proven to go on from it. So an
// operator who would show different histories to different people has to win
// over the witnesses too.
//
// Limits: sign-subtree, which the specification leaves optional, is not there.
// The server serves the logs that it was configured with and no others.
package witness

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"

	"lethe/internal/tlog"
)

// Bounds of the protocol's messages.
const (
	// maxProof is how many lines of a proof the protocol allows.
	maxProof = 63
	// maxRequest bounds a request's body in bytes. A note with 16 signatures
	// of ML-DSA-44, which is what anybody must accept, has 52 KiB.
	maxRequest = 256 << 10
)

const contentTypeSize = "text/x.tlog.size"

// request is the body of add-checkpoint:
//
//	old <size, decimal>
//	<base64 hash>         up to 63 lines, a consistency proof
//	(empty line)
//	<signed note>         the checkpoint
type request struct {
	old        int64
	proof      []tlog.Hash
	signed     []byte
	checkpoint tlog.Checkpoint // of signed, not verified
}

func (r *request) marshal() []byte {
	b := fmt.Appendf(nil, "old %d\n", r.old)
	b = append(tlog.AppendHashes(b, r.proof), '\n')
	return append(b, r.signed...)
}

// parseRequest is the strict inverse of marshal.
func parseRequest(body []byte) (*request, error) {
	if len(body) > maxRequest {
		return nil, fmt.Errorf("%d bytes, more than %d", len(body), maxRequest)
	}
	// The part before the note is small: a request of many lines is not copied.
	head, signed, ok := bytes.Cut(body, []byte("\n\n"))
	if !ok {
		return nil, errors.New("no empty line before the checkpoint")
	}
	old, rest, err := tlog.CutNumber(string(head)+"\n", "old")
	if err != nil {
		return nil, fmt.Errorf("line 1: %w", err)
	}
	proof, rest, err := tlog.CutHashes(rest, 2)
	if err != nil {
		return nil, err
	}
	if rest != "" || len(proof) > maxProof {
		return nil, fmt.Errorf("more than %d lines of proof", maxProof)
	}
	c, err := tlog.CheckpointOf(signed)
	if err != nil {
		return nil, err
	}
	return &request{old: old, proof: proof, signed: signed, checkpoint: c}, nil
}

// originHash names a log in the monitoring path: lower-case hex of SHA-256.
func originHash(origin string) string {
	sum := sha256.Sum256([]byte(origin))
	return hex.EncodeToString(sum[:])
}
