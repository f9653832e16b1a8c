package tlog

import (
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// Proof is a proof that can be checked offline that an entry is in a log
// (c2sp.org/tlog-proof). Nothing of it is verified by parsing.
type Proof struct {
	Extra      []byte // opaque, not authenticated; empty: none
	Index      int64  // the entry's
	Path       []Hash // of inclusion, from the leaf's sibling up
	Checkpoint []byte // signed note, as the log gave it
}

const proofHeader = "c2sp.org/tlog-proof@v1\n"

// Marshal writes the proof:
//
//	c2sp.org/tlog-proof@v1
//	extra <base64>            when there is any
//	index <decimal>
//	<base64 hash>             none or more
//	(empty line)
//	<signed note, verbatim>
func (p *Proof) Marshal() []byte {
	b := []byte(proofHeader)
	if len(p.Extra) > 0 {
		b = append(b, "extra "+base64.StdEncoding.EncodeToString(p.Extra)+"\n"...)
	}
	b = append(b, "index "+strconv.FormatInt(p.Index, 10)+"\n"...)
	b = AppendHashes(b, p.Path)
	b = append(b, '\n')
	return append(b, p.Checkpoint...)
}

// ParseProof is the strict inverse of Marshal. The checkpoint must be one, and
// hold the index.
func ParseProof(b []byte) (*Proof, error) {
	p, err := parseProof(b)
	if err != nil {
		return nil, fmt.Errorf("parsing a proof: %w", err)
	}
	return p, nil
}

func parseProof(b []byte) (*Proof, error) {
	const most = 2*MaxExtra + MaxNote // base64 takes four thirds
	if len(b) > most {
		return nil, fmt.Errorf("%d bytes, more than %d", len(b), most)
	}
	rest, ok := strings.CutPrefix(string(b), proofHeader)
	if !ok {
		return nil, fmt.Errorf("line 1 is not %s", strings.TrimSuffix(proofHeader, "\n"))
	}
	p := &Proof{}
	line := 2
	if strings.HasPrefix(rest, "extra ") {
		value, after, err := keyword(rest, "extra")
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", line, err)
		}
		if p.Extra, err = decode64(value); err != nil || len(p.Extra) == 0 || len(p.Extra) > MaxExtra {
			return nil, fmt.Errorf("line %d: the extra data is not canonical base64 of 1 to %d bytes", line, MaxExtra)
		}
		rest, line = after, line+1
	}
	var err error
	if p.Index, rest, err = CutNumber(rest, "index"); err != nil {
		return nil, fmt.Errorf("line %d: %w", line, err)
	}
	if p.Path, rest, err = CutHashes(rest, line+1); err != nil {
		return nil, err
	}
	line += 1 + len(p.Path)
	rest, ok = strings.CutPrefix(rest, "\n")
	if !ok {
		return nil, fmt.Errorf("line %d: no empty line before the checkpoint", line)
	}
	p.Checkpoint = []byte(rest)
	c, err := CheckpointOf(p.Checkpoint)
	if err != nil {
		return nil, fmt.Errorf("from line %d on: %w", line+1, err)
	}
	return p, checkIndex(c.Size, p.Index)
}

// MarshalConsistency writes a consistency proof as text:
//
//	from <decimal>
//	to <decimal>
//	<base64 hash>     none or more, in the order of RFC 6962, 2.1.2
func MarshalConsistency(from, to int64, path []Hash) []byte {
	return AppendHashes(fmt.Appendf(nil, "from %d\nto %d\n", from, to), path)
}

// ParseConsistency is the strict inverse of MarshalConsistency.
func ParseConsistency(b []byte) (from, to int64, path []Hash, err error) {
	from, to, path, err = parseConsistency(string(b))
	if err != nil {
		return 0, 0, nil, fmt.Errorf("parsing a consistency proof: %w", err)
	}
	return from, to, path, nil
}

func parseConsistency(s string) (from, to int64, path []Hash, err error) {
	if from, s, err = CutNumber(s, "from"); err != nil {
		return 0, 0, nil, fmt.Errorf("line 1: %w", err)
	}
	if to, s, err = CutNumber(s, "to"); err != nil {
		return 0, 0, nil, fmt.Errorf("line 2: %w", err)
	}
	if path, s, err = CutHashes(s, 3); err != nil {
		return 0, 0, nil, err
	}
	if s != "" {
		return 0, 0, nil, fmt.Errorf("line %d: more follows the hashes", 3+len(path))
	}
	return from, to, path, checkFrom(to, from)
}

// CutHashes splits off lines of base64 hashes, up to an empty line or the end
// and at most MaxPath. line is the number of the first one, for errors.
func CutHashes(s string, line int) (path []Hash, rest string, err error) {
	for ; s != "" && s[0] != '\n'; line++ {
		text, rest, ok := cutLine(s)
		if !ok {
			return nil, "", fmt.Errorf("line %d: no newline at the end", line)
		}
		if len(path) == MaxPath {
			return nil, "", fmt.Errorf("line %d: more than %d hashes", line, MaxPath)
		}
		h, err := ParseHash(text)
		if err != nil {
			return nil, "", fmt.Errorf("line %d: %w", line, err)
		}
		path, s = append(path, h), rest
	}
	return path, s, nil
}

// AppendHashes writes hashes as lines of base64.
func AppendHashes(b []byte, path []Hash) []byte {
	for _, h := range path {
		b = append(append(b, h.String()...), '\n')
	}
	return b
}

// CutNumber splits off a line "<word> <decimal>".
func CutNumber(s, word string) (n int64, rest string, err error) {
	value, rest, err := keyword(s, word)
	if err != nil {
		return 0, "", err
	}
	if n, err = ParseSize(value); err != nil {
		return 0, "", fmt.Errorf("%s: %w", word, err)
	}
	return n, rest, nil
}

// keyword splits off a line "<word> <value>".
func keyword(s, word string) (value, rest string, err error) {
	line, rest, ok := cutLine(s)
	if !ok {
		return "", "", errors.New("no newline at the end")
	}
	value, ok = strings.CutPrefix(line, word+" ")
	if !ok {
		return "", "", fmt.Errorf("%s instead of %q and a value", quoted(line), word)
	}
	return value, rest, nil
}
