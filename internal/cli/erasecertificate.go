package cli

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"lethe/internal/bundle"
	"lethe/internal/certificate"
	"lethe/internal/httpapi"
)

// eraseDocuments are what is given to others about an erasure.
type eraseDocuments struct {
	Certificate eraseCertificateCmd `cmd:"" help:"Certify an erasure that was completed, for lethe-verify to check anywhere."`
	Letter      eraseLetterCmd      `cmd:"" help:"Write the letter to the person: what was erased, what stays, why, and how to complain."`
}

// ended names an erasure that has ended.
type ended struct {
	person  `embed:""`
	Erasure string `arg:"" optional:"" default:"latest" help:"The erasure, as lethe erase printed it; when left out the newest that was completed and erased more than evidence."`
	textOut `embed:""`
}

// ask asks for a document. When the erasure was not named it says which one it
// is, if there are others.
func (c *ended) ask(ctx context.Context, s *shell, what string, q url.Values) (answer, error) {
	a, err := s.ask(ctx, call{method: http.MethodGet, path: c.path("erasure", c.Erasure, what), query: q})
	if err != nil || c.Erasure != "latest" {
		return a, err
	}
	list, err := s.ask(ctx, call{method: http.MethodGet, path: c.path("erasure")})
	if err != nil {
		return a, err
	}
	var all httpapi.Erasures
	if err := list.into(&all); err != nil {
		return a, err
	}
	if n := len(all.Items) - 1; n > 0 {
		fmt.Fprintf(s.process.Stderr, "lethe: this is the %s of erasure %s; others of this record: %d, see `lethe erase show %s`\n",
			what, printable(a.header.Get("Lethe-Erasure")), n, c.Token)
	}
	return a, nil
}

type eraseCertificateCmd struct {
	ended `embed:""`
	Page  string `name:"page" placeholder:"FILE" help:"Also write the page of it, to read and print, to a new file (0600)."`
}

// Help is shown by --help.
func (eraseCertificateCmd) Help() string {
	return `The certificate says of all records of the person that went along: which retention groups went, under which keys, when; what stays, by which rule and until when; which places confirmed and with which guarantee; from when on no backup can revive it; what had been handed over before. It proves the erasure's events and is signed by the log. Making one is recorded as an access.

It has the record's token. Whoever gets it together with the person's name can tie what stays of the record to them.

Examples:

    lethe erase certificate TOKEN -o erasure.json
    lethe erase certificate TOKEN ERASURE -o erasure.json --page erasure.html
    lethe-verify certificate erasure.json --key log.vkey --page erasure.html`
}

func (c *eraseCertificateCmd) Run(ctx context.Context, s *shell) error {
	a, err := c.ask(ctx, s, "certificate", url.Values{"format": {"json"}})
	if err != nil {
		return err
	}
	if err := plain(a.body); err != nil {
		return err
	}
	r, err := bundle.VerifyCertificate(ctx, a.body, nil, bundle.Trust{})
	if err != nil {
		return fmt.Errorf("checking the certificate: %w", err)
	}
	if len(r.Findings) > 0 {
		return errBrokenCertificate
	}
	if err := c.give(s, a.body, r.Erasure); err != nil || c.Out == "" || s.root.JSON {
		return err
	}
	keys, err := s.keysAt(ctx, r.Origin, r.Size)
	if err != nil {
		return err
	}
	p := &page{}
	p.line("Check it anywhere, with a key that came by another way than the file:")
	for _, k := range keys {
		p.line("  lethe-verify certificate %s --key %s", printable(c.Out), printable(k))
	}
	return p.writeTo(s.process.Stdout)
}

// give writes the certificate, and its page.
func (c *eraseCertificateCmd) give(s *shell, text []byte, e *bundle.Erasure) error {
	var err error
	if c.Out == "" && s.root.JSON { // it is JSON, in the one form that counts
		_, err = s.process.Stdout.Write(text)
	} else {
		err = c.put(s, text, e, certified(e))
	}
	if err != nil {
		return err
	}
	return c.writePage(text)
}

// writePage makes the page of a certificate, which is the same for everybody
// who has the certificate.
func (c *eraseCertificateCmd) writePage(text []byte) error {
	if c.Page == "" {
		return nil
	}
	cert, err := certificate.Parse(text)
	if err != nil {
		return err
	}
	html, err := certificate.Page(cert)
	if err != nil {
		return err
	}
	file, err := newOutFile(c.Page, c.Force)
	if err != nil {
		return err
	}
	defer file.discard()
	if _, err := file.Write(html); err != nil {
		return fmt.Errorf("writing the page: %w", err)
	}
	return file.keep()
}

var errBrokenCertificate = &problem{Code: "certificate.broken", Detail: "what came is not a whole certificate, and was not kept: ask again"}

// plain refuses a text that could steer a terminal.
func plain(text []byte) error {
	if s := strings.ReplaceAll(string(text), "\n", ""); s != printable(s) {
		return &problem{Code: "answer.broken", Detail: "what came is no plain text, and was not kept"}
	}
	return nil
}

// certified is a certificate in a line.
func certified(e *bundle.Erasure) string {
	said := "erased " + cmp.Or(words(e.Erased), "no group whole")
	if len(e.InPart) > 0 {
		said += "; in part " + words(e.InPart)
	}
	said += "; kept " + cmp.Or(words(e.Kept), "nothing that was weighed")
	return printable(said + "; guarantee: " + strings.ReplaceAll(e.Guarantee, "_", " "))
}

type eraseLetterCmd struct {
	ended    `embed:""`
	Language string `name:"language" default:"en" placeholder:"LANGUAGE" help:"en or de."`
	Format   string `name:"format" default:"text" placeholder:"FORMAT" help:"text, or html, a page to print."`
}

// Help is shown by --help.
func (eraseLetterCmd) Help() string {
	return `The letter holds no value of the person and not the record's token: whoever sends it addresses it. It names what was erased and who had received it, what stays, why and until when, and how to complain (GDPR 12(3), 12(4)); the controller's contacts are those of the catalogue. Writing one is recorded as an access.

Examples:

    lethe erase letter TOKEN
    lethe erase letter TOKEN --language de --format html -o letter.html`
}

func (c *eraseLetterCmd) Run(ctx context.Context, s *shell) error {
	if !slices.Contains(certificate.Languages(), c.Language) {
		return usage("--language is %s", strings.Join(certificate.Languages(), " or "))
	}
	if c.Format != "text" && c.Format != "html" {
		return usage("--format is text or html")
	}
	a, err := c.ask(ctx, s, "letter", url.Values{"language": {c.Language}, "format": {c.Format}})
	if err != nil {
		return err
	}
	if err := plain(a.body); err != nil {
		return err
	}
	said := struct {
		Language string `json:"language"`
		Format   string `json:"format"`
		Letter   string `json:"letter"`
	}{c.Language, c.Format, string(a.body)}
	return c.put(s, a.body, said, "the letter about an erasure")
}
