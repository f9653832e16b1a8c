package bundle

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"time"
)

// manifest is manifest.json: what is in the bundle, for programs. Subject and
// AsOf are what was asked for; all else follows from the other files.
type manifest struct {
	Format    string          `json:"format"`
	Subject   string          `json:"subject"`
	AsOf      string          `json:"as_of,omitempty"` // RFC 3339 with six decimals, UTC
	Origin    string          `json:"origin"`
	Size      int64           `json:"size"`
	Root      string          `json:"root"`     // base64, as in the checkpoint
	Revision  uint64          `json:"revision"` // the last one here
	Statement string          `json:"statement"`
	Events    []manifestEvent `json:"events"`
	Files     []manifestFile  `json:"files"` // all but this one
}

type manifestEvent struct {
	Index     uint64          `json:"index"` // in the tree
	EventID   string          `json:"event_id"`
	Stream    string          `json:"stream"`
	Revision  uint64          `json:"revision"`
	Type      string          `json:"type"`
	Recorded  string          `json:"recorded"`
	Effective string          `json:"effective"`
	Sealed    int             `json:"sealed"` // values, the disclosed ones among them
	Disclosed []manifestValue `json:"disclosed,omitempty"`
}

type manifestValue struct {
	Part  int    `json:"part"`
	Field string `json:"field"`
}

type manifestFile struct {
	Name   string `json:"name"`
	Bytes  int    `json:"bytes"`
	SHA256 string `json:"sha256"`
}

const stampLayout = "2006-01-02T15:04:05.000000Z"

func stamp(t time.Time) string { return t.UTC().Format(stampLayout) }

// manifestOf lists contents and files, which are sorted by name.
func manifestOf(c *content, files []file) ([]byte, error) {
	m := manifest{
		Format: Format, Subject: c.in.Subject, Origin: c.checkpoint.Origin, Size: c.checkpoint.Size, Root: c.checkpoint.Root.String(),
		Revision: c.revision, Statement: statement(c.revision, c.checkpoint.Size),
	}
	if !c.in.AsOf.IsZero() {
		m.AsOf = stamp(c.in.AsOf)
	}
	for _, e := range c.events {
		me := manifestEvent{
			Index: e.leaf.Index, EventID: e.leaf.EventID.String(), Stream: e.leaf.Stream, Revision: e.leaf.Revision, Type: e.leaf.Type,
			Recorded: stamp(e.leaf.Recorded), Effective: stamp(e.leaf.Effective), Sealed: len(e.leaf.Parts),
		}
		for _, v := range e.values {
			me.Disclosed = append(me.Disclosed, manifestValue{v.part, v.field})
		}
		m.Events = append(m.Events, me)
	}
	for _, f := range files {
		m.Files = append(m.Files, manifestFile{f.name, len(f.data), digest(f.data)})
	}
	text, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("writing the manifest: %w", err)
	}
	return append(text, '\n'), nil
}

func digest(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

// statement is what a bundle says of itself.
func statement(revision uint64, size int64) string {
	return fmt.Sprintf("complete to revision %d at checkpoint %d", revision, size)
}

// parseManifest reads a manifest as manifestOf writes it. Members that are
// not known are refused.
func parseManifest(text []byte) (*manifest, error) {
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	var m manifest
	if err := d.Decode(&m); err != nil {
		return nil, fmt.Errorf("reading the manifest: %w", err)
	}
	if m.Format != Format {
		return nil, fmt.Errorf("reading the manifest: its format is not %s, which is what this program reads", Format)
	}
	return &m, nil
}

// readManifest takes out of the manifest what only it has: what was asked for.
func readManifest(text []byte, r *Report) (subject string, asOf time.Time) {
	m, err := parseManifest(text)
	if err != nil {
		r.find(CheckDerived, nameManifest, err.Error(), "it was altered, or is of another version of this program")
		return "", time.Time{}
	}
	if m.AsOf != "" {
		if asOf, err = time.Parse(stampLayout, m.AsOf); err != nil {
			r.find(CheckDerived, nameManifest, "its time as_of does not parse", "it was altered")
		}
	}
	return m.Subject, asOf
}

// listed compares files with a manifest's own list. It serves to name every
// altered file when the manifest cannot be made anew because what it is made
// of was altered too.
func listed(m *manifest, files []file, r *Report) {
	at := map[string]manifestFile{}
	for _, f := range m.Files {
		at[f.Name] = f
	}
	for _, f := range files {
		if f.name == nameManifest {
			continue
		}
		want, ok := at[f.name]
		delete(at, f.name)
		switch {
		case !ok:
			r.find(CheckDerived, f.name, "the manifest does not list it", "the file was added or renamed, or the manifest was altered")
		case want.SHA256 != digest(f.data):
			r.find(CheckDerived, f.name, "it does not have the SHA-256 that the manifest lists", "the file or the manifest was altered")
		}
	}
	for _, f := range m.Files {
		if _, missing := at[f.Name]; missing {
			r.find(CheckDerived, f.Name, "the manifest lists it and it is not there", "the file was left out or renamed, or the manifest was altered")
		}
	}
}
