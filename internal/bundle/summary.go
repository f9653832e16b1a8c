package bundle

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	_ "embed"
	"fmt"
	"html/template"
	"strings"

	"lethe/internal/tlog"
)

// summary.html is derived: a page of this version is the same for ever, since
// a verifier makes it anew and compares bytes. So the template of a version
// is not changed once bundles of it are out; the golden bundle in testdata
// fails when a new version of Go escapes otherwise.
//
//go:embed summary.html.tmpl
var summaryText string

// Types of events and names of fields that the page knows by name. It shows
// all others too.
const (
	typeNotice      = "NoticePublished"
	typePurpose     = "PurposeDeclared"
	fieldNoticeText = "notice.text"
)

// page is what summary.html shows.
type page struct {
	Format, Subject, Statement string
	Revision                   uint64
	AsOf                       string // "" when all is in
	Origin, Root               string
	Size                       int64
	Signatures                 []pageSignature
	Keys                       []pageKey
	Own                        []pageEvent // of the person
	Others                     []pageEvent
	Purposes                   []pagePurpose
	Disclosed, Sealed          int
}

// pageSignature is one line of the checkpoint; whether it holds is not for
// the page to say.
type pageSignature struct{ Key, Role, Time string }

type pageKey struct{ VKey, Counts string }

type pageEvent struct {
	Index               uint64
	Dir, ID, Stream     string
	Revision            uint64
	Title               string
	Recorded, Effective string
	Facts               facts
	Values              []pageValue
	Sealed              int    // values that stay sealed
	Principal           string // who recorded it
}

type pageValue struct {
	Field, Text string
	Long        bool // more than a line
}

// pagePurpose is what was decided about one purpose, in order of recording.
type pagePurpose struct {
	Name    string
	Entries []pageChoice
}

type pageChoice struct {
	pageEvent
	Version, Notice, Language, Medium, Method, Channel, By, Until string
}

func summaryOf(c *content) ([]byte, error) {
	t, err := template.New(nameSummary).Parse(summaryText)
	if err != nil {
		return nil, fmt.Errorf("reading the summary's template: %w", err)
	}
	var b bytes.Buffer
	if err := t.Execute(&b, c.page()); err != nil {
		return nil, fmt.Errorf("writing the summary: %w", err)
	}
	return b.Bytes(), nil
}

func (c *content) page() *page {
	p := &page{
		Format: Format, Subject: c.in.Subject, Statement: statement(c.revision, c.checkpoint.Size), Revision: c.revision,
		Origin: c.checkpoint.Origin, Root: c.checkpoint.Root.String(), Size: c.checkpoint.Size,
	}
	if !c.in.AsOf.IsZero() {
		p.AsOf = readable(c.in.AsOf)
	}
	p.Signatures, p.Keys = c.signatures(), c.logKeys()
	notices := c.notices()
	for i := range c.events {
		e := &c.events[i]
		shown := shownEvent(e, notices)
		p.Disclosed, p.Sealed = p.Disclosed+len(shown.Values), p.Sealed+shown.Sealed
		if !c.own(e) {
			p.Others = append(p.Others, shown)
			continue
		}
		p.Own = append(p.Own, shown)
		p.choose(e.leaf.Type, e.Facts, shown, notices)
	}
	return p
}

func shownEvent(e *event, notices map[string]string) pageEvent {
	s := pageEvent{
		Index: e.leaf.Index, Dir: e.dir, ID: e.leaf.EventID.String(), Stream: e.leaf.Stream, Revision: e.leaf.Revision,
		Title: words(e.leaf.Type), Recorded: readable(e.leaf.Recorded), Effective: readable(e.leaf.Effective),
		Facts: factsOf(e.Facts), Sealed: len(e.leaf.Parts) - len(e.values), Principal: factsOf(e.Metadata).get("principal"),
	}
	for i, f := range s.Facts {
		if name := notices[f.Value]; f.Name == "notice" && name != "" {
			s.Facts[i].Value = name + ", SHA-256 " + f.Value[:16] + "…"
		}
	}
	for _, v := range e.values {
		text := strings.ToValidUTF8(v.text, "\uFFFD")
		s.Values = append(s.Values, pageValue{v.field, text, len(text) > 120 || strings.Contains(text, "\n")})
	}
	return s
}

// choose puts what decides about a purpose under its name.
func (p *page) choose(typ string, raw []byte, e pageEvent, notices map[string]string) {
	f := factsOf(raw)
	purpose := f.get("purpose")
	decides := strings.HasPrefix(typ, "Consent") || strings.HasPrefix(typ, "Basis") || strings.HasPrefix(typ, "Object")
	if purpose == "" || !decides {
		return
	}
	at := 0
	for at < len(p.Purposes) && p.Purposes[at].Name != purpose {
		at++
	}
	if at == len(p.Purposes) {
		p.Purposes = append(p.Purposes, pagePurpose{Name: purpose})
	}
	choice := pageChoice{
		pageEvent: e, Version: f.get("version"), Language: f.get("language"), Medium: words(f.get("medium")),
		Method: words(f.get("method")), Channel: f.get("channel"), By: f.get("by"), Until: f.get("until"),
	}
	if digest := f.get("notice"); digest != "" {
		choice.Notice = cmp.Or(notices[digest], "not in this bundle: "+digest)
	}
	p.Purposes[at].Entries = append(p.Purposes[at].Entries, choice)
}

// notices names the notices of the bundle by their digests.
func (c *content) notices() map[string]string {
	names := map[string]string{}
	for i := range c.events {
		if e := &c.events[i]; e.leaf.Stream == streamCatalogue && e.leaf.Type == typeNotice {
			f := factsOf(e.Facts)
			digest := f.get("digest")
			if len(digest) != 2*sha256.Size {
				continue
			}
			names[digest] = fmt.Sprintf("%s, version %s, %s", f.get("id"), f.get("version"), f.get("language"))
		}
	}
	return names
}

func (c *content) signatures() (out []pageSignature) {
	_, sigs, err := tlog.SplitNote(c.in.Checkpoint)
	if err != nil {
		return nil // examined before
	}
	for _, sig := range sigs {
		s := pageSignature{Key: signer(sig), Role: "log"}
		if sig.Name != c.checkpoint.Origin {
			s.Role = "witness or other"
		}
		if at, ok := tlog.SignatureTime(sig); ok {
			s.Time = readable(at)
		}
		out = append(out, s)
	}
	return out
}

func (c *content) logKeys() (out []pageKey) {
	for _, k := range c.keys.list.Keys {
		counts := fmt.Sprintf("from size %d on", k.From)
		if k.Until >= 0 {
			counts += fmt.Sprintf(", until %d", k.Until)
		}
		if k.Distrusted >= 0 {
			counts += fmt.Sprintf("; distrusted from size %d on", k.Distrusted)
		}
		out = append(out, pageKey{k.VKey, counts})
	}
	return out
}
