package audit

import (
	"fmt"
	"slices"

	"golang.org/x/mod/sumdb/note"

	"lethe/internal/tlog"
)

// unknownSigners names a signature that neither a key of the log nor a witness
// of the policy made; "" when there is none. On a checkpoint that people
// brought, others' cosignatures are no fault.
func (o *origins) unknownSigners(k known, n *note.Note) string {
	keys := slices.Clip(o.keys[k.restarts])
	if p := o.Seal.Policy(); p != nil {
		for _, w := range p.Witnesses {
			keys = append(keys, w.Verifier())
		}
	}
	for _, sig := range append(n.Sigs[:len(n.Sigs):len(n.Sigs)], n.UnverifiedSigs...) {
		if !k.own && sig.Name != n.Sigs[0].Name {
			continue
		}
		if !signedByAny(keys, n.Text, sig) {
			return fmt.Sprintf("%s+%08x", sig.Name, sig.Hash)
		}
	}
	return ""
}

func signedByAny(keys []note.Verifier, text string, sig note.Signature) bool {
	for _, v := range keys {
		if tlog.VerifySignature(v, text, sig) {
			return true
		}
	}
	return false
}

// quorum checks the published checkpoint's cosignatures.
func (o *origins) quorum(n *note.Note, finding func(means, format string, args ...any)) {
	p := o.Seal.Policy()
	if p == nil {
		return
	}
	if err := p.Quorum(n); err != nil {
		finding("by the policy that is configured this checkpoint does not count as published: if the policy was changed lately, the next "+
			"checkpoint follows it; else the file was changed", "%v", err)
	}
}
