package httpapi

import (
	"context"
	"net/http"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"lethe/domain"
	"lethe/internal/auth"
	"lethe/internal/bundle"
	"lethe/internal/certificate"
)

// ErasureRef names an erasure: its ID, or latest for the newest one that was
// completed.
type ErasureRef string

const latestErasure ErasureRef = "latest"

// Valid reports whether the form is right.
func (r ErasureRef) Valid() bool {
	_, err := domain.ParseID(string(r))
	return r == latestErasure || err == nil
}

// ErasurePath names an erasure of a person.
type ErasurePath struct {
	Token domain.Token `path:"token" doc:"The person's pseudonym"`
	ID    ErasureRef   `path:"erasure" doc:"The erasure's ID, or latest: the newest that was completed and erased more than evidence, else the newest that has ended"`
}

// document is an answer that is kept or sent as it is.
type document struct {
	ContentType string `header:"Content-Type"`
	Disposition string `header:"Content-Disposition"`
	Policy      string `header:"Content-Security-Policy"`
	Access      string `header:"Lethe-Access" doc:"The event that recorded this access"`
	Erasure     string `header:"Lethe-Erasure" doc:"The erasure that it is about"`
	Body        []byte
}

// pagePolicy lets a page have its own style sheet and nothing else.
const pagePolicy = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'"

func asDocument(contentType, name string, text []byte) *document {
	d := &document{ContentType: contentType, Disposition: `attachment; filename="` + name + `"`, Body: text, Policy: pagePolicy}
	if strings.HasPrefix(contentType, "text/") {
		d.Disposition = `inline; filename="` + name + `"`
	}
	return d
}

const (
	mediaHTML = "text/html; charset=utf-8"
	mediaText = "text/plain; charset=utf-8"
	mediaJSON = "application/json"
)

// asPage reports whether a page is wanted rather than what is its default.
func (c *call) asPage(format string) bool {
	if format != "" {
		return format == "html"
	}
	return strings.HasPrefix(strings.TrimSpace(c.accept), "text/html")
}

func (s *API) certificateRoutes() {
	handle(s, route{
		method: http.MethodGet, path: "/subjects/{token}/erasure/{erasure}/letter", tag: tagRights, summary: "Write letter about erasure", action: auth.WriteLetter,
		about: "The letter to the person about an erasure that has ended: what was erased, what stays, why and until when, who had received " +
			"data before, and how to complain (GDPR 12(3), 12(4)). It has the controller's contacts and no value of the person, nor the " +
			"record's token: whoever sends it addresses it. Text, or a page to print with `format=html` or `Accept: text/html`. The access is recorded.",
	}, s.letter)
	s.documentBody("/subjects/{token}/erasure/{erasure}/letter", http.MethodGet, "text/plain", &huma.Schema{Type: huma.TypeString})
	if s.Seal == nil {
		return
	}
	handle(s, route{
		method: http.MethodGet, path: "/subjects/{token}/erasure/{erasure}/certificate", tag: tagRights, summary: "Make certificate of erasure", action: auth.CertifyErasure,
		about: "The certificate of an erasure that was completed, over all records of the person that went along: which retention groups went, " +
			"under which keys, when; what stays, by which rule and until when; which places confirmed, with which guarantee; from when on no backup " +
			"can revive it; what had been handed over before. It proves the erasure's events and is signed by the log: `lethe-verify certificate` " +
			"checks it anywhere. JSON, or a page to print with `format=html` or `Accept: text/html`. The access is recorded.\n\n" +
			"An erasure that is not completed has none: 409 says what it waits for.",
	}, s.certificate)
	s.documentBody("/subjects/{token}/erasure/{erasure}/certificate", http.MethodGet, "application/json", &huma.Schema{Type: huma.TypeObject})
}

func (s *API) certificate(ctx context.Context, c *call, in *struct {
	ErasurePath
	Format string `query:"format" enum:"json,html" doc:"html is a page to read and print, made from the JSON; by Accept when left out"`
},
) (*document, error) {
	e, err := s.erasing(ctx, &in.ErasurePath)
	if err != nil {
		return nil, err
	}
	if err := e.completed(); err != nil {
		return nil, err
	}
	cert, err := e.certify(ctx)
	if err != nil {
		return nil, err
	}
	write, answer := cert.Text, asDocument(mediaJSON, "erasure.json", nil)
	if c.asPage(in.Format) {
		write, answer = func() ([]byte, error) { return certificate.Page(cert) }, asDocument(mediaHTML, "erasure.html", nil)
	}
	if answer.Body, err = write(); err != nil {
		return nil, domain.Internal("writing a certificate", err)
	}
	return answer, e.read(ctx, c, auth.CertifyErasure, answer)
}

// certify makes and signs the certificate, and checks it as its reader will.
func (e *erasing) certify(ctx context.Context) (*certificate.Certificate, error) {
	in, size, err := e.input(ctx)
	if err != nil {
		return nil, err
	}
	cert, err := certificate.Make(*in)
	if err != nil {
		return nil, domain.Internal("certifying an erasure", err)
	}
	text, err := cert.Note()
	if err != nil {
		return nil, domain.Internal("certifying an erasure", err)
	}
	signed, err := e.Seal.Attest(size, text)
	if err != nil {
		return nil, domain.Internal("signing a certificate", err)
	}
	cert.Signature = string(signed)
	whole, err := cert.Text()
	if err != nil {
		return nil, domain.Internal("certifying an erasure", err)
	}
	r, err := bundle.VerifyCertificate(ctx, whole, nil, bundle.Trust{})
	if err != nil || len(r.Findings) > 0 {
		e.Logger.ErrorContext(ctx, "ALARM: what is stored of an erasure does not prove what was sealed of it: run `lethe audit verify`", "error", err)
		return nil, domain.Internal("checking a certificate", err)
	}
	return cert, nil
}

// read records the access and names it in the answer.
func (e *erasing) read(ctx context.Context, c *call, may auth.Action, answer *document) error {
	var tokens []domain.Token
	for i := range e.records {
		tokens = append(tokens, e.records[i].token)
	}
	id, err := e.Door.Erasure(ctx, c.caller, may, tokens, c.id)
	answer.Access, answer.Erasure = id.String(), e.records[0].ID.String()
	return err
}
