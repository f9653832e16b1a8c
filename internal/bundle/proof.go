package bundle

import (
	"bytes"
	"context"
	"encoding/hex"

	"lethe/internal/leaf"
	"lethe/internal/tlog"
)

// proofMagic begins a C2SP tlog-proof.
const proofMagic = "c2sp.org/tlog-proof@"

// IsProof reports whether a file is meant to be a tlog-proof.
func IsProof(b []byte) bool { return bytes.HasPrefix(b, []byte(proofMagic)) }

// VerifyProof checks a C2SP tlog-proof of one event. Its extra line holds the
// entry: what the tree has of the event, which is names, times and hashes. The
// error is as for Verify.
func VerifyProof(ctx context.Context, text []byte, t Trust) (*Report, error) {
	r := &Report{Kind: "proof", Checks: []Check{}, Findings: []Finding{}}
	const where = "the proof"
	p, err := tlog.ParseProof(text)
	if err != nil {
		r.find(CheckForm, where, err.Error(), "the file was altered, or is no proof")
		return r.end(), nil
	}
	l, err := leaf.Parse(p.Extra)
	switch {
	case len(p.Extra) == 0:
		r.find(CheckForm, where, "it has no extra line with the entry", "it does not say of what it is the proof; check it by another program that has the entry")
	case err != nil:
		r.find(CheckForm, where, err.Error(), "the entry was altered, or is of a newer version of the ledger")
	case int64(l.Index) != p.Index:
		r.find(CheckForm, where, "the entry is of another index than the proof", "the entry was altered or exchanged")
	}
	cp, cpErr := tlog.CheckpointOf(p.Checkpoint)
	if cpErr == nil {
		cpErr = cp.Check()
	}
	if cpErr != nil {
		r.find(CheckCheckpoint, where, cpErr.Error(), "the checkpoint was altered")
	}
	if len(r.Findings) > 0 {
		return r.end(), nil
	}
	r.tree(cp)
	r.Entry = entryOf(&l)
	r.close(CheckForm, "a C2SP tlog-proof with the entry")
	anchored, _, broken := anchor(ctx, tree{signed: p.Checkpoint, cp: cp}, &t, r)
	if err := tlog.VerifyInclusion(p.Path, cp.Size, cp.Root, p.Index, leaf.Hash(p.Extra)); err != nil {
		r.find(CheckInclusion, where, err.Error(), "the entry, the proof or the checkpoint was altered: this event is not shown to be in history")
	}
	r.close(CheckInclusion, "the entry is in the tree of size %d at index %d", cp.Size, p.Index)
	r.skip(CheckContents, "a proof has no facts and no values: compare those that you have with the hashes")
	r.settle(anchored, broken)
	return r, broken
}

// end closes a report that could not go on.
func (r *Report) end() *Report {
	for _, check := range []string{CheckForm, CheckCheckpoint} {
		if r.failed(check) {
			r.close(check, "")
		}
	}
	r.skip(CheckInclusion, "what is before it could not be read")
	r.settle(false, nil)
	return r
}

func entryOf(l *leaf.Leaf) *Entry {
	return &Entry{
		Index: int64(l.Index), EventID: l.EventID.String(), Stream: l.Stream, Revision: l.Revision, Type: l.Type, TypeVersion: l.Version,
		Recorded: stamp(l.Recorded), Effective: stamp(l.Effective), FactsSHA256: hex.EncodeToString(l.Facts[:]),
		MetaSHA256: hex.EncodeToString(l.Metadata[:]), Sealed: len(l.Parts),
	}
}
