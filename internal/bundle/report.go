package bundle

import (
	"fmt"
	"time"

	"lethe/internal/tlog"
)

// Outcome is what a verification came to.
type Outcome string

// Outcomes. Found beats Incomplete, which beats the others.
const (
	Verified   Outcome = "verified"   // all that was checked holds, and somebody whom the caller trusts vouches for the tree
	Found      Outcome = "found"      // something is not as it should be: see the findings
	Unanchored Outcome = "unanchored" // consistent in itself, but signed by a key that nobody vouched for here
	Incomplete Outcome = "incomplete" // nothing found, but something that was to be compared with could not be read or compared
)

// Names of the checks, in the order in which they are reported.
const (
	CheckForm       = "form"       // the file is in the one form that its contents have
	CheckCheckpoint = "checkpoint" // it parses, and the keys that the log names signed it
	CheckNewer      = "newer"      // the tree is part of that of the checkpoint that was given
	CheckTrust      = "trust"      // somebody whom the caller trusts vouches for the tree
	CheckInclusion  = "inclusion"  // every entry is in the tree
	CheckContents   = "contents"   // facts, metadata and disclosed values are those that the entries name
	CheckOrder      = "order"      // revisions without a gap, in the order of recording, up to the time that was asked for
	CheckDerived    = "derived"    // manifest, proofs and summary are what the rest gives
	CheckEntries    = "entries"    // the stream has no other entry in the tree
	CheckSignature  = "signature"  // of a certificate: by the keys of the log that count at its size
)

// State is how a check went.
type State string

// States.
const (
	Passed  State = "passed"
	Failed  State = "failed"
	NotDone State = "not_done"
)

// Check is one check and how it went.
type Check struct {
	Name   string `json:"check"`
	State  State  `json:"state"`
	Detail string `json:"detail"`
}

// Finding is one thing that is not as it should be.
type Finding struct {
	Check string `json:"check"`
	Where string `json:"where"` // a file of the bundle, or a place in the zip
	What  string `json:"what"`
	Means string `json:"means"`
}

// maxFindings bounds how many findings a report lists.
const maxFindings = 200

// Report is what a verification found out. Times are UTC.
type Report struct {
	Outcome  Outcome   `json:"outcome"`
	Kind     string    `json:"kind"` // "bundle", "proof" or "certificate"
	Origin   string    `json:"origin,omitzero"`
	Size     int64     `json:"size"` // of the tree that the checkpoint signs: N
	Root     string    `json:"root,omitzero"`
	Subject  string    `json:"subject,omitzero"`
	Revision *uint64   `json:"revision,omitzero"` // the last one in the bundle: n
	AsOf     time.Time `json:"as_of,omitzero"`
	// Statement is which of the two statements on completeness was checked.
	Statement string    `json:"statement,omitzero"`
	Entry     *Entry    `json:"entry,omitzero"`   // of a proof
	Erasure   *Erasure  `json:"erasure,omitzero"` // of a certificate
	Events    int       `json:"events"`           // in the bundle
	Disclosed int       `json:"disclosed"`        // values that were opened
	Sealed    int       `json:"sealed"`           // values that are in the tree and not in the bundle
	Checks    []Check   `json:"checks"`
	Findings  []Finding `json:"findings"`
	Omitted   int       `json:"findings_omitted,omitzero"` // beyond those listed
	asked     bool      // for a check that was not done all the same
}

// Entry is what the leaf of a single proof says.
type Entry struct {
	Index       int64  `json:"index"`
	EventID     string `json:"event_id"`
	Stream      string `json:"stream"`
	Revision    uint64 `json:"revision"`
	Type        string `json:"type"`
	TypeVersion uint16 `json:"type_version"`
	Recorded    string `json:"recorded"` // RFC 3339, UTC, microseconds
	Effective   string `json:"effective"`
	FactsSHA256 string `json:"facts_sha256"`
	MetaSHA256  string `json:"metadata_sha256"`
	Sealed      int    `json:"sealed"`
}

func (r *Report) find(check, where, what, means string) {
	if len(r.Findings) == maxFindings {
		r.Omitted++
		return
	}
	r.Findings = append(r.Findings, Finding{check, where, what, means})
}

// failed reports whether any of the checks has a finding.
func (r *Report) failed(checks ...string) bool {
	for _, f := range r.Findings {
		for _, c := range checks {
			if f.Check == c {
				return true
			}
		}
	}
	return false
}

// close notes how a check went: failed when it has a finding.
func (r *Report) close(check, format string, args ...any) {
	state, detail := Passed, fmt.Sprintf(format, args...)
	if r.failed(check) {
		state, detail = Failed, "see what was found"
	}
	r.Checks = append(r.Checks, Check{check, state, detail})
}

// skip notes that a check was not done, and why; failed when it has a finding
// all the same.
func (r *Report) skip(check, format string, args ...any) {
	state := NotDone
	if r.failed(check) {
		state = Failed
	}
	r.Checks = append(r.Checks, Check{check, state, fmt.Sprintf(format, args...)})
}

// undone notes that a check that was asked for was not done, and why: the
// report is incomplete.
func (r *Report) undone(check, format string, args ...any) {
	r.skip(check, format, args...)
	r.asked = true
}

// settle sets the outcome. broken is what could not be read.
func (r *Report) settle(anchored bool, broken error) {
	switch {
	case len(r.Findings) > 0:
		r.Outcome = Found
	case broken != nil || r.asked:
		r.Outcome = Incomplete
	case anchored:
		r.Outcome = Verified
	default:
		r.Outcome = Unanchored
	}
}

// number is n with the noun that goes with it.
func number(n int, one, more string) string { return fmt.Sprintf("%d %s", n, either(n, one, more)) }

func either(n int, one, more string) string {
	if n == 1 {
		return one
	}
	return more
}

func (r *Report) tree(cp tlog.Checkpoint) {
	r.Origin, r.Size, r.Root = cp.Origin, cp.Size, cp.Root.String()
}
