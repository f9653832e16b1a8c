package bundle

import (
	"context"
	"fmt"
)

// Verify checks a bundle. What is not as it should be is in the report's
// findings; the error says that something else than the bundle (tiles,
// entries) could not be read, and the report is then of what was checked up
// to there.
func Verify(ctx context.Context, zip []byte, t Trust) (*Report, error) {
	r := &Report{Kind: "bundle", Checks: []Check{}, Findings: []Finding{}}
	files, wrong := decode(zip)
	for _, d := range wrong {
		r.find(CheckForm, fmt.Sprintf("the zip, at offset %d", d.offset), d.what, "the file is not as it was written; whether its contents are is told by the other checks")
	}
	in := collect(files, r)
	c := examine(in, r)
	c.derived(files, r)
	r.tree(c.checkpoint)
	c.count(r)
	r.close(CheckForm, "%s, every byte of the zip as it must be", number(len(files), "file", "files"))
	if r.failed(CheckCheckpoint) {
		r.close(CheckCheckpoint, "")
		r.skip(CheckNewer, "there is no checkpoint to compare")
		r.skip(CheckTrust, "there is no checkpoint to trust")
		c.closeEvents(r)
		r.skip(CheckEntries, "there is no checkpoint to scan up to")
		r.settle(false, nil)
		return r, nil
	}
	r.close(CheckCheckpoint, "%s, size %d, signed as the log's own key list says", c.checkpoint.Origin, c.checkpoint.Size)
	anchored, _, broken := anchor(ctx, tree{signed: c.in.Checkpoint, cp: c.checkpoint, own: c.keys, restarts: c.restarts()}, &t, r)
	c.closeEvents(r)
	if err := c.complete(ctx, &t, r); broken == nil {
		broken = err
	}
	r.settle(anchored, broken)
	return r, broken
}

func (c *content) count(r *Report) {
	r.Events, r.Subject, r.AsOf = len(c.events), c.in.Subject, c.in.AsOf
	for i := range c.events {
		e := &c.events[i]
		r.Disclosed += len(e.values)
		r.Sealed += len(e.leaf.Parts) - len(e.values)
		if c.own(e) {
			r.Revision = &c.revision
		}
	}
}

func (c *content) closeEvents(r *Report) {
	if len(c.events) == 0 {
		c.skipEvents(r)
		return
	}
	if c.checkpoint.Origin == "" {
		r.skip(CheckInclusion, "there is no checkpoint that says which tree the entries are in")
	} else {
		r.close(CheckInclusion, "%s in the tree where %s", number(len(c.events), "entry is", "entries are"), either(len(c.events), "it says", "they say"))
	}
	r.close(CheckContents, "facts and metadata are those of the entries; %s as %s sealed",
		number(r.Disclosed, "disclosed value opens", "disclosed values open"), either(r.Disclosed, "it was", "they were"))
	asOf := ""
	if !c.in.AsOf.IsZero() {
		asOf = ", nothing of it recorded after " + stamp(c.in.AsOf)
	}
	r.close(CheckOrder, "revisions 0 to %d of the stream are there without a gap, in the order of recording%s", c.revision, asOf)
	if r.failed(CheckInclusion, CheckContents, CheckOrder, CheckCheckpoint) {
		how := "nothing lists the files"
		if c.listed {
			how = "files were compared with the manifest's list"
		}
		r.skip(CheckDerived, "manifest and summary cannot be made anew from what was altered; %s", how)
		return
	}
	r.close(CheckDerived, "manifest, proofs and summary are what the rest gives, to the byte")
}

// skipEvents notes that there was no event to check.
func (c *content) skipEvents(r *Report) {
	for _, check := range []string{CheckInclusion, CheckContents, CheckOrder, CheckDerived} {
		r.skip(check, "there is no event that could be read")
	}
}

// derived makes the derived files anew and compares every byte. When what they
// are made of has findings, the files are compared with the manifest's own
// list, so that all that was altered is named.
func (c *content) derived(files []file, r *Report) {
	have := map[string][]byte{}
	for _, f := range files {
		have[f.name] = f.data
	}
	if r.failed(CheckCheckpoint, CheckInclusion, CheckContents, CheckOrder) {
		if m, err := parseManifest(have[nameManifest]); err == nil {
			listed(m, files, r)
			c.listed = true
		}
		return
	}
	want, err := lay(c)
	if err != nil {
		r.find(CheckDerived, nameSummary, err.Error(), "the summary cannot be made anew")
		return
	}
	for _, f := range want {
		data, there := have[f.name]
		delete(have, f.name)
		if !there {
			r.find(CheckDerived, f.name, "the file is missing", "it was left out or renamed; all that it says follows from the rest")
			continue
		}
		if at, same := equalFile(data, f.data); !same {
			r.find(CheckDerived, f.name, fmt.Sprintf("from byte %d on it is not what the rest of the bundle gives", at), meansDerived(f.name))
		}
	}
	for name := range have {
		if !r.where(name) {
			foreignFile(name, r)
		}
	}
}

func meansDerived(name string) string {
	switch name {
	case nameManifest:
		return "the manifest was altered, or a file that it lists; the events were checked apart from it"
	case nameSummary:
		return "the page was altered, or the manifest's as_of: do not rely on what they say; the events were checked apart from it"
	}
	return "the file was altered; the event was checked apart from it"
}

// where reports whether there is a finding about a file already.
func (r *Report) where(name string) bool {
	for _, f := range r.Findings {
		if f.Where == name {
			return true
		}
	}
	return false
}
