package bundle

import (
	"fmt"
	"io"
	"time"

	"lethe/internal/tlog"
)

// Input is what a bundle is made of. Byte strings are as the ledger stores or
// signs them.
type Input struct {
	Checkpoint []byte    // signed note of the tree, size N
	LogKeys    []byte    // signed note: the log's statement about its keys
	Subject    string    // token; the person's stream is subject-<token>
	AsOf       time.Time // only what was recorded up to then; zero: all up to the checkpoint. UTC, microseconds
	// Events are those of the person's stream, from revision 0 without a gap
	// to the last one recorded up to AsOf, and those that they refer to, of the
	// streams catalogue and operations. In any order.
	Events []Event
}

// Event is one event and what shows that it is in the tree.
type Event struct {
	Leaf      []byte      // the entry, canonical bytes
	Path      []tlog.Hash // of inclusion at the checkpoint's size
	Facts     []byte
	Metadata  []byte
	Disclosed []Disclosed // by Index, ascending; the rest stays sealed

	dir string // where it was read from; "" to go by the leaf
}

// Disclosed is one sealed value that is opened to the bundle's reader.
type Disclosed struct {
	Index  int    // of the part in its event, from 0
	Part   []byte // as stored
	Secret [32]byte
}

// Write checks all that Verify would check but trust, and writes the bundle.
// The same input gives the same bytes. An input that does not prove what the
// bundle would say is refused, and nothing is written.
func Write(w io.Writer, in Input) error {
	zip, err := makeBundle(&in)
	if err != nil {
		return fmt.Errorf("making a bundle: %w", err)
	}
	if _, err := w.Write(zip); err != nil {
		return fmt.Errorf("writing a bundle: %w", err)
	}
	return nil
}

func makeBundle(in *Input) ([]byte, error) {
	var r Report
	c := examine(in, &r)
	if len(r.Findings) > 0 {
		f := r.Findings[0]
		return nil, fmt.Errorf("%s: %s (%d findings)", f.Where, f.What, len(r.Findings)+r.Omitted)
	}
	files, err := lay(c)
	if err != nil {
		return nil, err
	}
	return encode(files)
}
