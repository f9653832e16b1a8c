package certificate

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"time"
)

// Certificate is one erasure of a person. Times are RFC 3339 in UTC with six
// decimals; IDs are UUIDs; fingerprints and digests are hexadecimal.
type Certificate struct {
	Format     string   `json:"format"`
	Erasure    string   `json:"erasure"`
	Statement  string   `json:"statement"`
	Guarantee  string   `json:"guarantee"` // the weakest of all sinks: destroyed, purge_scheduled, fenced, unknown
	Records    []Record `json:"records"`   // the one that was asked for first, then those that went along
	NotCovered []string `json:"not_covered,omitempty"`
	Origin     string   `json:"origin"`
	Size       int64    `json:"size"`
	Root       string   `json:"root"`
	Checkpoint string   `json:"checkpoint"` // signed note
	LogKeys    string   `json:"log_keys"`   // signed note
	Signature  string   `json:"signature"`  // signed note
}

// Outcomes of a record.
const (
	Erased        = "erased"
	NothingErased = "nothing_erased" // weighed again, nothing of it may go any more
)

// Record is the erasure of one record. Down to Again it is derived from Events.
type Record struct {
	Token      string        `json:"token"`
	Of         string        `json:"of,omitempty"` // the record that it went along with
	Outcome    string        `json:"outcome"`
	Cause      string        `json:"cause"`
	By         string        `json:"by"`
	Everything bool          `json:"everything"` // all consents were withdrawn and marketing objected to, too
	Ordered    string        `json:"ordered"`
	Started    string        `json:"started,omitempty"`
	Stopped    string        `json:"stopped,omitempty"`
	Completed  string        `json:"completed,omitempty"`
	Erased     []ErasedGroup `json:"erased"`
	Keys       []Key         `json:"keys"`
	Kept       []Kept        `json:"kept"`
	Sinks      []Sink        `json:"sinks"`
	Marks      uint32        `json:"marks"` // suppression marks that were left
	Linked     []string      `json:"linked,omitempty"`
	Again      []Again       `json:"again,omitempty"`
	Before     []Before      `json:"before,omitempty"`

	DeadFrom    string       `json:"dead_from,omitempty"` // no backup of the keys can revive it from then on; absent: not known
	Disclosures []Disclosure `json:"disclosures"`
	Openings    []Opening    `json:"openings"`
	Events      []Event      `json:"events"`
}

// ErasedGroup is a retention group of which something went.
type ErasedGroup struct {
	Group   string   `json:"group"`
	Extent  string   `json:"extent"`           // whole, values, superseded, so_far
	Values  []string `json:"values,omitempty"` // "phone", "phone#1": which went, when Extent is values
	Ground  string   `json:"ground"`
	Article string   `json:"article"`
	DPV     string   `json:"dpv,omitempty"`
}

// Extents.
const (
	Whole      = "whole"
	Values     = "values"
	Superseded = "superseded" // values that had been replaced or removed
	SoFar      = "so_far"     // of evidence: what was recorded up to then
)

// Key is one key that is gone.
type Key struct {
	Group       string `json:"group"`
	Generation  uint32 `json:"generation"`
	Key         string `json:"key"`
	Fingerprint string `json:"fingerprint,omitempty"` // absent: the key was not there; it is fenced
	At          string `json:"at"`
}

// Kept is a retention group that stays, or stays in part, and why.
type Kept struct {
	Group   string `json:"group"`
	Rule    string `json:"rule"`
	Article string `json:"article"`
	DPV     string `json:"dpv,omitempty"`
	Purpose string `json:"purpose,omitempty"` // that it is kept for; by an exception of 17(3), for no other
	Until   string `json:"until,omitempty"`
	Hold    string `json:"hold,omitempty"`
}

// Sink is a place that confirmed that it holds no more what was erased.
type Sink struct {
	Sink      string `json:"sink"`
	Guarantee string `json:"guarantee"`
	Position  uint64 `json:"position,omitempty,string"` // of the log, up to which it says so
	At        string `json:"at"`
}

// Again is when keys were there again, as after a restored backup, and were
// destroyed again before anything was served.
type Again struct {
	At   string   `json:"at"`
	Keys []string `json:"keys"`
}

// Before is an erasure whose order the log does not have, since it is an older
// copy: it had destroyed keys of what this one names already. At is when they
// were known, or seen, to be destroyed.
type Before struct {
	Erasure string   `json:"erasure"`
	At      string   `json:"at"`
	Keys    []KeyRef `json:"keys"`
}

// KeyRef names a key.
type KeyRef struct {
	Group      string `json:"group"`
	Generation uint32 `json:"generation"`
	Key        string `json:"key"`
}

// Disclosure is a value that was handed over before and cannot be called back.
// Fields are those of which something was erased.
type Disclosure struct {
	Event     string   `json:"event"` // that recorded it
	At        string   `json:"at"`
	Purpose   string   `json:"purpose"`
	Door      string   `json:"door"`
	Recipient string   `json:"recipient,omitempty"` // absent: whoever made the request
	Fields    []string `json:"fields"`
}

// Opening sums up accesses within the controller's own house.
type Opening struct {
	Purpose string   `json:"purpose"`
	Door    string   `json:"door"`
	Count   int      `json:"count"`
	First   string   `json:"first"`
	Last    string   `json:"last"`
	Fields  []string `json:"fields"`
}

// Event is an event of the erasure. ID to Recorded are as its leaf has them.
type Event struct {
	ID       string `json:"event"`
	Type     string `json:"type"`
	Index    int64  `json:"index"` // in the tree
	Revision uint64 `json:"revision"`
	Recorded string `json:"recorded"`
	Facts    string `json:"facts"` // as stored
	Proof    string `json:"proof"` // C2SP tlog-proof, with the leaf
}

const stampLayout = "2006-01-02T15:04:05.000000Z"

// Stamp is a time as a certificate has it.
func Stamp(t time.Time) string { return t.UTC().Format(stampLayout) }

// Text is the certificate's one form.
func (c *Certificate) Text() ([]byte, error) {
	b, err := json.MarshalIndent(c, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("writing a certificate: %w", err)
	}
	return append(b, '\n'), nil
}

// Note is the text that signs the certificate, whatever its signature is now.
func (c *Certificate) Note() (string, error) {
	unsigned := *c
	unsigned.Signature = ""
	b, err := unsigned.Text()
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(b)
	return noteHeader + "\n" + c.Origin + "\n" + hex.EncodeToString(sum[:]) + "\n", nil
}

// Is reports whether a file is meant to be a certificate.
func Is(text []byte) bool {
	return bytes.HasPrefix(text, []byte("{\n  \"format\": \"lethe-erasure-certificate/"))
}

// Parse is the strict inverse of Text: any other form of the same is refused.
// Nothing of it is verified.
func Parse(text []byte) (*Certificate, error) {
	if len(text) > MaxSize {
		return nil, fmt.Errorf("reading a certificate: %d bytes, more than %d", len(text), MaxSize)
	}
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	c := &Certificate{}
	if err := d.Decode(c); err != nil {
		return nil, fmt.Errorf("reading a certificate: %w", err)
	}
	if c.Format != Format {
		return nil, fmt.Errorf("reading a certificate: its format is not %s, which is what this program reads", Format)
	}
	again, err := c.Text()
	if err != nil {
		return nil, err
	}
	if !bytes.Equal(text, again) {
		return nil, fmt.Errorf("reading a certificate: from line %d on it is not in the one form that its contents have", Line(text, again))
	}
	return c, nil
}

// Line is the number of the first line in which two texts differ.
func Line(a, b []byte) int {
	n := 1
	for i := range min(len(a), len(b)) {
		if a[i] != b[i] {
			return n
		}
		if a[i] == '\n' {
			n++
		}
	}
	return n
}
