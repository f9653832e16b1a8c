package cli

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"lethe/domain"
	"lethe/domain/subject"
	"lethe/internal/bundle"
	"lethe/internal/httpapi"
	"lethe/internal/tlog"
)

type auditBundleCmd struct {
	Subject    string     `name:"subject" required:"" placeholder:"TOKEN" help:"The person's token."`
	AsOf       pastMoment `name:"as-of" placeholder:"TIME" help:"Only what was recorded up to then: 2026-01-31 (the end of that day, UTC) or 2026-01-31T09:00:00Z; everything under the checkpoint when left out."`
	Purpose    string     `name:"purpose" placeholder:"PURPOSE" help:"Open values that this purpose needs, for whoever holds the file; the access is recorded. Nothing is opened when left out."`
	Disclose   []string   `name:"disclose" placeholder:"FIELD" help:"Only these; all that the purpose needs when left out."`
	Recipient  string     `name:"recipient" placeholder:"RECIPIENT" help:"To whom it goes: then the access is a disclosure."`
	reached    `embed:""`
	Checkpoint string `name:"checkpoint" placeholder:"FILE" help:"A checkpoint of this log to prove everything under; the newest published one when left out."`
	Out        string `name:"out" short:"o" required:"" placeholder:"FILE" help:"The new file to write (0600), FILE.zip."`
	Force      bool   `name:"force" help:"Replace the file if it is there."`
}

// Help is shown by --help.
func (auditBundleCmd) Help() string {
	return `The file is a zip with the person's events, the declarations and notices that they name, all that proves them, and a page to read and print (summary.html). lethe-verify checks it on any machine, without this program and without the ledger.

Of sealed values it has hashes only, and the texts of notices. With --purpose it also has the values that the purpose needs, each with the secret that opens it and nothing else; what was handed out cannot be taken back.

The same flags with the same --checkpoint give the same bytes, also years later, unless a value was erased meanwhile or may no longer be opened. The checkpoint is in the zip.

Examples:

    lethe audit bundle --subject TOKEN -o evidence.zip
    lethe audit bundle --subject TOKEN --as-of 2026-01-31 --checkpoint kept.checkpoint -o evidence.zip
    lethe audit bundle --subject TOKEN --purpose legal.claims --disclose email --recipient court -o evidence.zip`
}

func (c *auditBundleCmd) Run(ctx context.Context, s *shell) error {
	b, err := c.body(s)
	if err != nil {
		return err
	}
	file, err := newOutFile(c.Out, c.Force)
	if err != nil {
		return err
	}
	defer file.discard()
	header, err := s.download(ctx, call{method: http.MethodPost, path: []string{"subjects", c.Subject, "bundle"}, body: b}, file)
	if err != nil {
		return err
	}
	report, err := file.bundle(ctx)
	if err != nil {
		return err
	}
	done := bundledOf(c.Out, report, header)
	if done.Keys, err = s.keysAt(ctx, report.Origin, report.Size); err != nil {
		return err
	}
	if err := file.keep(); err != nil {
		return err
	}
	if s.root.JSON {
		return s.json(done)
	}
	return done.page().writeTo(s.process.Stdout)
}

func (c *auditBundleCmd) body(s *shell) (*httpapi.BundleBody, error) {
	b := &httpapi.BundleBody{
		AsOf:    httpapi.PastTime(c.AsOf.moment.query()), // the end of today is said as it is: with now, a repeat would differ
		Purpose: domain.Name(c.Purpose), Recipient: domain.Name(c.Recipient), Channel: subject.Channel(c.Channel),
	}
	for _, f := range c.Disclose {
		b.Disclose = append(b.Disclose, domain.Name(f))
	}
	if c.Purpose == "" && (len(b.Disclose) > 0 || b.Recipient != "" || b.Channel != "") {
		return nil, usage("--disclose, --recipient and --channel say how values are opened: say what for, with --purpose PURPOSE")
	}
	if c.Checkpoint == "" {
		return b, nil
	}
	text, err := s.read(c.Checkpoint, tlog.MaxNote)
	if err != nil {
		return nil, err
	}
	if _, err := tlog.CheckpointOf(text); err != nil {
		return nil, usage("--checkpoint: this is no signed checkpoint: %w", err)
	}
	b.Checkpoint = string(text)
	return b, nil
}

// download sends a request and writes its answer as it comes, however long.
func (s *shell) download(ctx context.Context, q call, to io.Writer) (http.Header, error) {
	api, err := s.api(ctx)
	if err != nil {
		return nil, err
	}
	body, err := q.encode()
	if err != nil {
		return nil, err
	}
	for try := 1; ; try++ {
		res, err := api.send(ctx, q, bytes.NewReader(body))
		if err != nil {
			return nil, err
		}
		if res.StatusCode < http.StatusBadRequest {
			defer res.Body.Close() //nolint:errcheck // read only
			if _, err := io.Copy(to, res.Body); err != nil {
				return nil, fmt.Errorf("writing what the server sends: %w", err)
			}
			return res.Header, nil
		}
		if _, err = read(res); try == tries || !again(err) {
			return nil, err
		}
		if err := pause(ctx, res.Header, try); err != nil {
			return nil, err
		}
	}
}

// bundle checks that what was written is a whole bundle, and says what is in it.
func (o *outFile) bundle(ctx context.Context) (*bundle.Report, error) {
	zip, err := io.ReadAll(io.NewSectionReader(o.temp, 0, bundle.MaxSize+1))
	if err != nil {
		return nil, fmt.Errorf("reading the bundle again: %w", err)
	}
	r, err := bundle.Verify(ctx, zip, bundle.Trust{})
	if err != nil {
		return nil, fmt.Errorf("checking the bundle: %w", err)
	}
	if len(r.Findings) > 0 || r.Revision == nil {
		return nil, &problem{Code: "bundle.broken", Detail: "what came is not a whole bundle, and was not kept: ask again"}
	}
	return r, nil
}

// bundled is what the command says of a bundle.
type bundled struct {
	File        string    `json:"file"`
	Statement   string    `json:"statement"`
	Subject     string    `json:"subject"`
	Revision    uint64    `json:"revision"`
	AsOf        time.Time `json:"as_of,omitzero"`
	Origin      string    `json:"origin"`
	Size        int64     `json:"size"`
	Root        string    `json:"root"`
	Events      int       `json:"events"`
	Disclosed   int       `json:"disclosed"`
	Sealed      int       `json:"sealed"`
	Undisclosed []string  `json:"undisclosed,omitempty"` // "email=erased"
	Access      string    `json:"access,omitzero"`
	Keys        []string  `json:"keys"` // that sign the log at this size
}

func bundledOf(file string, r *bundle.Report, h http.Header) bundled {
	b := bundled{
		File: file, Statement: fmt.Sprintf("complete to revision %d at checkpoint %d", *r.Revision, r.Size), Subject: r.Subject,
		Revision: *r.Revision, AsOf: r.AsOf, Origin: r.Origin, Size: r.Size, Root: r.Root,
		Events: r.Events, Disclosed: r.Disclosed, Sealed: r.Sealed, Access: h.Get("Lethe-Access"),
	}
	if without := h.Get("Lethe-Undisclosed"); without != "" {
		b.Undisclosed = strings.Split(without, ", ")
	}
	return b
}

func (b *bundled) page() *page {
	p := &page{}
	p.line("%s: %s", b.File, b.Statement)
	p.row("  person", b.Subject)
	if !b.AsOf.IsZero() {
		p.row("  as of", stamp(b.AsOf))
	}
	p.row("  log", fmt.Sprintf("%s, size %s, root %s", b.Origin, count(b.Size), b.Root))
	own := int(b.Revision) + 1
	p.row("  events", fmt.Sprintf("%s of the person, %s that they refer to", count(own), count(b.Events-own)))
	p.row("  values", fmt.Sprintf("%s disclosed, notices among them; %s sealed", count(b.Disclosed), count(b.Sealed)))
	for _, u := range b.Undisclosed {
		p.row("  no key", u)
	}
	if b.Access != "" {
		p.row("  access", b.Access)
	}
	p.line("Check it anywhere, with a key that came by another way than the file:")
	for _, k := range b.Keys {
		p.line("  lethe-verify %s --key %s", printable(b.File), printable(k))
	}
	return p
}

// keysAt are the keys of a log whose signatures count at a size.
func (s *shell) keysAt(ctx context.Context, origin string, size int64) ([]string, error) {
	a, err := s.ask(ctx, call{method: http.MethodGet, path: []string{"log", "keys"}})
	if err != nil {
		return nil, err
	}
	var list struct {
		Items []httpapi.LogKey `json:"items"`
	}
	if err := a.into(&list); err != nil {
		return nil, err
	}
	keys := []string{}
	for _, k := range list.Items {
		if k.Origin == origin && (tlog.LogKey{From: k.From, Until: k.Until, Distrusted: k.Distrusted}).Counts(size) {
			keys = append(keys, k.VKey)
		}
	}
	return keys, nil
}
