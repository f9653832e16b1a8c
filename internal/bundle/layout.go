package bundle

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"lethe/eventstore"
	"lethe/internal/leaf"
	"lethe/internal/tlog"
)

// Names of files; doc.go has the whole layout.
const (
	nameCheckpoint = "checkpoint"
	nameLogKeys    = "log-keys"
	nameManifest   = "manifest.json"
	nameSummary    = "summary.html"
	eventsDir      = "events/"
	inLeaf         = "leaf"
	inProof        = "leaf.tlog-proof"
	inFacts        = "facts.json"
	inMetadata     = "metadata.json"
	inPart         = "part-"
	inSecret       = "secret-"
)

// dirOf is the folder of an event, with its slash.
func dirOf(index uint64) string { return fmt.Sprintf("%s%012d/", eventsDir, index) }

func numbered(prefix string, n int) string { return fmt.Sprintf("%s%03d", prefix, n) }

// lay makes all files of a bundle from contents that were examined without a
// finding, sorted by name.
func lay(c *content) ([]file, error) {
	files := []file{{nameCheckpoint, c.in.Checkpoint}, {nameLogKeys, c.in.LogKeys}}
	for _, e := range c.events {
		proof := tlog.Proof{Index: int64(e.leaf.Index), Path: e.Path, Checkpoint: c.in.Checkpoint}
		files = append(
			files,
			file{e.dir + inLeaf, e.Leaf}, file{e.dir + inProof, proof.Marshal()},
			file{e.dir + inFacts, e.Facts}, file{e.dir + inMetadata, e.Metadata},
		)
		for _, d := range e.Disclosed {
			files = append(
				files,
				file{e.dir + numbered(inPart, d.Index), d.Part},
				file{e.dir + numbered(inSecret, d.Index), slices.Clone(d.Secret[:])},
			)
		}
	}
	summary, err := summaryOf(c)
	if err != nil {
		return nil, err
	}
	files = append(files, file{nameSummary, summary})
	sortFiles(files)
	manifest, err := manifestOf(c, files)
	if err != nil {
		return nil, err
	}
	files = append(files, file{nameManifest, manifest})
	sortFiles(files)
	return files, nil
}

func sortFiles(files []file) {
	slices.SortFunc(files, func(a, b file) int { return cmp.Compare(a.name, b.name) })
}

// collect is the reverse of lay as far as it goes: it sorts the files into an
// input. What does not belong is found; what is missing is left nil, and found
// when it is examined.
func collect(files []file, r *Report) *Input {
	in := &Input{}
	var dir, claimed string
	for _, f := range files {
		switch {
		case f.name == nameCheckpoint:
			in.Checkpoint = f.data
		case f.name == nameLogKeys:
			in.LogKeys = f.data
		case f.name == nameManifest:
			claimed, in.AsOf = readManifest(f.data, r)
		case f.name == nameSummary:
		case isEventDir(f.name):
			if d := f.name[:len(eventsDir)+13]; d != dir {
				dir, in.Events = d, append(in.Events, Event{dir: d})
			}
			collectEvent(f, &in.Events[len(in.Events)-1], r)
		default:
			foreignFile(f.name, r)
		}
	}
	in.Subject = subjectOf(in.Events, claimed)
	return in
}

// subjectOf is whose events these are. The events say it themselves; what the
// manifest says counts only where they do not agree.
func subjectOf(events []Event, claimed string) string {
	subject := ""
	for i := range events {
		name, _, _ := leaf.StreamOf(events[i].Leaf)
		token, ok := strings.CutPrefix(string(name), streamOf(""))
		switch {
		case !ok || token == subject:
		case subject != "":
			return claimed
		default:
			subject = token
		}
	}
	return cmp.Or(subject, claimed)
}

func foreignFile(name string, r *Report) {
	r.find(CheckForm, name, "no file of this name belongs in a bundle", "it was added or renamed; it is not part of what is proven")
}

// isEventDir reports whether a name is events/<12 digits>/….
func isEventDir(name string) bool {
	rest, ok := strings.CutPrefix(name, eventsDir)
	return ok && len(rest) > 13 && rest[12] == '/' && strings.Trim(rest[:12], "0123456789") == ""
}

// collectEvent puts one file of an event's folder where it belongs.
func collectEvent(f file, e *Event, r *Report) {
	name := f.name[len(eventsDir)+13:]
	switch name {
	case inLeaf:
		e.Leaf = f.data
	case inFacts:
		e.Facts = f.data
	case inMetadata:
		e.Metadata = f.data
	case inProof:
		p, err := tlog.ParseProof(f.data)
		if err != nil {
			r.find(CheckInclusion, f.name, err.Error(), "the proof that the event is in the tree was altered")
			return
		}
		e.Path = p.Path
	default:
		collectPart(f, name, e, r)
	}
}

func collectPart(f file, name string, e *Event, r *Report) {
	digits, isSecret := strings.CutPrefix(name, inSecret)
	if !isSecret {
		digits = strings.TrimPrefix(name, inPart)
	}
	n, err := strconv.Atoi(digits)
	if err != nil || n >= eventstore.MaxParts || name != numbered(inPart, n) && name != numbered(inSecret, n) {
		foreignFile(f.name, r)
		return
	}
	at := slices.IndexFunc(e.Disclosed, func(d Disclosed) bool { return d.Index == n })
	if at < 0 {
		at, e.Disclosed = len(e.Disclosed), append(e.Disclosed, Disclosed{Index: n})
	}
	d := &e.Disclosed[at]
	switch {
	case !isSecret:
		d.Part = f.data
	case copy(d.Secret[:], f.data) != len(f.data) || len(f.data) != len(d.Secret):
		r.find(CheckContents, f.name, fmt.Sprintf("a secret has %d bytes, this one %d", len(d.Secret), len(f.data)), "it was altered; it opens nothing")
	}
}
