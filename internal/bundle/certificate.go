package bundle

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"slices"

	"golang.org/x/mod/sumdb/note"

	"lethe/internal/certificate"
	"lethe/internal/leaf"
	"lethe/internal/tlog"
)

// Erasure is what a certificate says, in short. Lists name retention groups,
// once also when several records of the person have them.
type Erasure struct {
	ID        string   `json:"erasure"`
	Tokens    []string `json:"tokens"`
	Completed string   `json:"completed"` // of the last record
	Erased    []string `json:"erased"`
	InPart    []string `json:"erased_in_part"` // some values of them
	Kept      []string `json:"kept"`           // those that went in part among them
	Keys      int      `json:"keys"`
	Guarantee string   `json:"guarantee"`
	DeadFrom  string   `json:"dead_from,omitempty"` // of the last record; absent: not known
	Signed    bool     `json:"signed"`              // by a key that is vouched for
}

// VerifyCertificate checks a certificate of erasure, and the page that was
// printed of it when there is one. The error is as for Verify.
func VerifyCertificate(ctx context.Context, text, page []byte, t Trust) (*Report, error) {
	r := &Report{Kind: "certificate", Checks: []Check{}, Findings: []Finding{}}
	c, err := certificate.Parse(text)
	if err != nil {
		r.find(CheckForm, theCertificate, err.Error(), "the file was altered, or is no certificate")
		return r.end(), nil
	}
	r.close(CheckForm, "%s, every byte of it as it must be", certificate.Format)
	own := &content{in: &Input{Checkpoint: []byte(c.Checkpoint), LogKeys: []byte(c.LogKeys)}}
	if own.openCheckpoint(r) {
		own.openKeys(r)
	}
	if r.failed(CheckCheckpoint) {
		return r.end(), nil
	}
	r.tree(own.checkpoint)
	r.close(CheckCheckpoint, "%s, size %d, signed as the log's own key list says", own.checkpoint.Origin, own.checkpoint.Size)
	anchored, vouched, broken := anchor(ctx, tree{signed: own.in.Checkpoint, cp: own.checkpoint, own: own.keys}, &t, r)
	v := &certified{Certificate: c, own: own, report: r}
	v.events()
	v.derived(page)
	signed := v.signature(vouched)
	if !r.failed(CheckInclusion, CheckContents, CheckDerived) {
		v.summary(signed)
	}
	r.settle(anchored && signed, broken)
	return r, broken
}

const theCertificate = "the certificate"

// certified is a certificate that is checked.
type certified struct {
	*certificate.Certificate
	own    *content
	report *Report
}

// events checks that each event is in the tree and that its facts are its own.
func (v *certified) events() {
	r := v.report
	for i := range v.Records {
		for j := range v.Records[i].Events {
			v.event(&v.Records[i].Events[j])
			r.Events++
		}
	}
	r.close(CheckInclusion, "%s in the tree where %s", number(r.Events, "event is", "events are"), either(r.Events, "it says", "they say"))
	r.close(CheckContents, "what the events say is what the entries name")
}

func (v *certified) event(e *certificate.Event) {
	r, where := v.report, "event "+e.ID
	p, err := tlog.ParseProof([]byte(e.Proof))
	if err != nil {
		r.find(CheckInclusion, where, err.Error(), "the proof that the event is in the tree was altered")
		return
	}
	l, err := leaf.Parse(p.Extra)
	switch {
	case err != nil:
		r.find(CheckInclusion, where, err.Error(), "the entry was altered, or is of a newer version of the ledger")
		return
	case int64(l.Index) != p.Index:
		r.find(CheckInclusion, where, "the entry is of another index than the proof", "the entry was altered or exchanged")
	case !bytes.Equal(p.Checkpoint, v.own.in.Checkpoint):
		r.find(CheckInclusion, where, "it is proven under another checkpoint than the certificate's", "the proof was altered or exchanged")
	}
	cp := v.own.checkpoint
	if err := tlog.VerifyInclusion(p.Path, cp.Size, cp.Root, p.Index, leaf.Hash(p.Extra)); err != nil {
		r.find(CheckInclusion, where, err.Error(), "the entry, its proof or the checkpoint was altered: this event is not shown to be in history")
	}
	if sha256.Sum256([]byte(e.Facts)) != l.Facts {
		r.find(CheckContents, where, fmt.Sprintf("its facts do not have the SHA-256 that leaf %d has of them", l.Index), "they were altered, or are another event's: this is not what was recorded")
	}
}

// derived makes the certificate anew from its events, and the page from it.
func (v *certified) derived(page []byte) {
	r := v.report
	again, err := certificate.Make(v.Input())
	if err != nil {
		r.find(CheckDerived, theCertificate, err.Error(), "its events do not show an erasure that was completed")
		r.close(CheckDerived, "")
		return
	}
	again.Signature = v.Signature
	r.same(theCertificate, v.Text, again.Text, "what it says is not what its events say")
	if page != nil {
		made := func() ([]byte, error) { return certificate.Page(v.Certificate) }
		r.same("the page", func() ([]byte, error) { return page, nil }, made, "the page was altered, or is another certificate's")
	}
	what := "what it says of each record"
	if page != nil {
		what += " and the page"
	}
	r.close(CheckDerived, "%s is what the events give; dead_from, disclosures and openings are what the signing log says", what)
}

// same finds where a text is not what it must be.
func (r *Report) same(where string, got, want func() ([]byte, error), means string) {
	a, err := got()
	if err != nil {
		r.find(CheckDerived, where, err.Error(), "it cannot be made anew")
		return
	}
	b, err := want()
	if err != nil {
		r.find(CheckDerived, where, err.Error(), "it cannot be made anew")
		return
	}
	if !bytes.Equal(a, b) {
		r.find(CheckDerived, where, fmt.Sprintf("from line %d on it is not what the events give", certificate.Line(a, b)), means)
	}
}

// signature checks that every key of the log that counts at the size signed
// the certificate, and nobody else, and reports whether one of them is vouched
// for. Names are compared too, so that no byte of the note is free.
func (v *certified) signature(vouched []string) bool {
	r := v.report
	const altered = "the certificate or its signature was altered, or somebody else made it"
	text, err := v.Note()
	if err != nil {
		r.find(CheckSignature, theCertificate, err.Error(), altered)
		return false
	}
	signed, sigs, err := tlog.SplitNote([]byte(v.Signature))
	var keys []note.Verifier
	for _, k := range v.own.keys.list.Keys {
		if key, kerr := tlog.NewVerifier(k.VKey); kerr == nil && k.Counts(v.own.checkpoint.Size) {
			keys = append(keys, key)
		}
	}
	switch {
	case err != nil:
		r.find(CheckSignature, "the signature", err.Error(), altered)
	case signed != text:
		r.find(CheckSignature, theCertificate, "it is not the text that was signed", altered)
	case len(sigs) != len(keys):
		r.find(CheckSignature, "the signature", fmt.Sprintf("%d keys signed it, and %d of the log's count at its size", len(sigs), len(keys)), altered)
	}
	known := false
	for i := range min(len(sigs), len(keys)) {
		if !tlog.VerifySignature(keys[i], signed, sigs[i]) {
			r.find(CheckSignature, "the signature", "it is not by "+keyOf(keys[i]), altered)
		}
		known = known || slices.Contains(vouched, keyOf(keys[i]))
	}
	switch {
	case r.failed(CheckSignature):
		r.close(CheckSignature, "")
	case known:
		r.close(CheckSignature, "by a key that is vouched for and that signed the checkpoint")
	default:
		r.skip(CheckSignature, "it holds, by a key that nobody vouched for here: what the events do not prove, disclosures and openings, rests on it (--key)")
	}
	return known && !r.failed(CheckSignature)
}

func keyOf(v note.Verifier) string { return fmt.Sprintf("%s+%08x", v.Name(), v.KeyHash()) }

// summary says in the report what the certificate is of.
func (v *certified) summary(signed bool) {
	e := &Erasure{ID: v.Erasure, Tokens: []string{}, Erased: []string{}, InPart: []string{}, Kept: []string{}, Guarantee: v.Guarantee, Signed: signed}
	known := true
	for i := range v.Records {
		rec := &v.Records[i]
		e.Tokens, e.Keys = append(e.Tokens, rec.Token), e.Keys+len(rec.Keys)
		for _, g := range rec.Erased {
			if g.Extent == certificate.Whole {
				e.Erased = append(e.Erased, g.Group)
			} else {
				e.InPart = append(e.InPart, g.Group)
			}
		}
		for _, g := range rec.Kept {
			e.Kept = append(e.Kept, g.Group)
		}
		if rec.Gone() {
			known = known && rec.DeadFrom != ""
			e.Completed, e.DeadFrom = max(e.Completed, rec.Completed), max(e.DeadFrom, rec.DeadFrom)
		}
	}
	if !known {
		e.DeadFrom = ""
	}
	for _, list := range []*[]string{&e.Erased, &e.InPart, &e.Kept} {
		slices.Sort(*list)
		*list = slices.Compact(*list)
	}
	v.report.Erasure, v.report.Subject = e, e.Tokens[0]
}
