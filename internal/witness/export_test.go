package witness

import "lethe/internal/tlog"

// MaxAtOnce is shown to tests.
const MaxAtOnce = maxAtOnce

// ParseRequest shows the parser to tests.
func ParseRequest(b []byte) (again []byte, c tlog.Checkpoint, err error) {
	r, err := parseRequest(b)
	if err != nil {
		return nil, c, err
	}
	return r.marshal(), r.checkpoint, nil
}

// FormatRequest shows the writer to tests.
func FormatRequest(old int64, proof []tlog.Hash, signed []byte) []byte {
	return (&request{old: old, proof: proof, signed: signed}).marshal()
}
