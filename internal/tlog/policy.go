package tlog

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"golang.org/x/mod/sumdb/note"
)

// Policy says when a checkpoint is valid: a listed log signed it, and enough
// of the listed witnesses cosigned it (c2sp.org/tlog-policy). ParsePolicy makes
// one; it is not changed afterwards.
type Policy struct {
	Logs       []PolicyLog
	Witnesses  []PolicyWitness
	Groups     []PolicyGroup // each names only what stands before it
	QuorumName string        // a witness, a group, or NoQuorum
}

// NoQuorum is the quorum that asks for no cosignature.
const NoQuorum = "none"

// PolicyLog is a log that is accepted. Its key's name is its origin.
type PolicyLog struct {
	Origin string
	VKey   string
	URL    string // "" when the policy gives none; what it means is the application's

	verifier *verifier
}

// PolicyWitness is a witness that counts. Its name means something in the
// policy only; it need not be its key's.
type PolicyWitness struct {
	Name string
	VKey string
	URL  string // "" when the policy gives none

	verifier *verifier
}

// PolicyGroup counts as a witness when Threshold of its members do.
type PolicyGroup struct {
	Name      string
	Threshold int // 1 to len(Members)
	Members   []string
}

// Verifier verifies the witness's cosignatures.
func (w PolicyWitness) Verifier() note.Verifier { return w.verifier }

// Verifier verifies the log's signatures.
func (l PolicyLog) Verifier() note.Verifier { return l.verifier }

// ErrUnlisted is in the error about a checkpoint that no listed log signed.
var ErrUnlisted = errors.New("no log that the policy lists signed the checkpoint")

// Open verifies a checkpoint: a listed log signed it under its own origin, and
// the quorum cosigned it. It returns the note with the log's and the
// witnesses' signatures among the verified ones. Errors: ErrMalformed,
// ErrUnlisted, *note.InvalidSignatureError, *QuorumError.
func (p *Policy) Open(signedNote []byte) (Checkpoint, *note.Note, error) {
	c, n, err := p.open(signedNote)
	if err != nil {
		return Checkpoint{}, nil, fmt.Errorf("verifying a checkpoint by the policy: %w", err)
	}
	return c, n, nil
}

func (p *Policy) open(signedNote []byte) (Checkpoint, *note.Note, error) {
	c, err := CheckpointOf(signedNote)
	if err != nil {
		return c, nil, err
	}
	n, err := OpenNote(signedNote, p.verifiers(c.Origin))
	var unverified *note.UnverifiedNoteError
	if errors.As(err, &unverified) {
		return c, nil, fmt.Errorf("%w (origin %s)", ErrUnlisted, quoted(c.Origin))
	}
	if err != nil {
		return c, nil, err
	}
	if !slices.ContainsFunc(p.Logs, func(l PolicyLog) bool { return l.Origin == c.Origin && signed(n, l.verifier) }) {
		return c, nil, fmt.Errorf("%w (origin %s)", ErrUnlisted, quoted(c.Origin))
	}
	if err := p.Quorum(n); err != nil {
		return c, nil, err
	}
	return c, n, c.Check()
}

// verifiers are the keys of the origin's logs and of the witnesses. A key that
// serves as both stands once.
func (p *Policy) verifiers(origin string) note.Verifiers {
	var list []note.Verifier
	seen := map[string]bool{}
	add := func(v *verifier) {
		if s := v.String(); !seen[s] {
			seen[s] = true
			list = append(list, v)
		}
	}
	for _, l := range p.Logs {
		if l.Origin == origin {
			add(l.verifier)
		}
	}
	for _, w := range p.Witnesses {
		add(w.verifier)
	}
	return note.VerifierList(list...)
}

// signed reports whether a note bears a valid signature of a key. It verifies
// by itself: which key the note was opened with does not matter.
func signed(n *note.Note, v *verifier) bool {
	for _, list := range [][]note.Signature{n.Sigs, n.UnverifiedSigs} {
		for _, sig := range list {
			if VerifySignature(v, n.Text, sig) {
				return true
			}
		}
	}
	return false
}

// QuorumError says what is missing of a quorum.
type QuorumError struct {
	Quorum  string   // the policy's name of it
	Missing []string // what did not cosign, and the groups that therefore do not count
}

func (e *QuorumError) Error() string {
	return fmt.Sprintf("the quorum %s is not reached: %s", e.Quorum, strings.Join(e.Missing, "; "))
}

// Quorum checks that enough witnesses cosigned an opened note, whichever keys
// it was opened with, and names what is missing in a *QuorumError.
func (p *Policy) Quorum(n *note.Note) error {
	if p.QuorumName == NoQuorum {
		return nil
	}
	witnessed := map[string]bool{}
	for _, w := range p.Witnesses {
		witnessed[w.Name] = signed(n, w.verifier)
	}
	for _, g := range p.Groups { // each after its members
		witnessed[g.Name] = count(g.Members, witnessed) >= g.Threshold
	}
	if witnessed[p.QuorumName] {
		return nil
	}
	return &QuorumError{Quorum: p.QuorumName, Missing: p.missing(witnessed)}
}

func count(names []string, witnessed map[string]bool) (n int) {
	for _, name := range names {
		if witnessed[name] {
			n++
		}
	}
	return n
}

// missing explains what the quorum lacks, from the quorum down.
func (p *Policy) missing(witnessed map[string]bool) []string {
	groups := map[string]PolicyGroup{}
	for _, g := range p.Groups {
		groups[g.Name] = g
	}
	var out []string
	for queue := []string{p.QuorumName}; len(queue) > 0; queue = queue[1:] {
		g, isGroup := groups[queue[0]]
		if !isGroup {
			out = append(out, fmt.Sprintf("witness %s did not cosign", queue[0]))
			continue
		}
		out = append(out, fmt.Sprintf("group %s has %d of %d needed", g.Name, count(g.Members, witnessed), g.Threshold))
		for _, m := range g.Members {
			if !witnessed[m] {
				queue = append(queue, m)
			}
		}
	}
	return out
}
