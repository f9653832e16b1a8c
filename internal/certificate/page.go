package certificate

import (
	"bytes"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"html/template"
	"strings"
	"time"

	"lethe/internal/tlog"
)

// The page is derived: a verifier makes it anew and compares bytes. So the
// template of a version is not changed once certificates of it are out.
//
//go:embed certificate.html.tmpl
var pageText string

// Page writes a certificate to read and to print: HTML that reaches nowhere
// and runs nothing.
func Page(c *Certificate) ([]byte, error) {
	text, err := c.Text()
	if err != nil {
		return nil, err
	}
	t, err := template.New("certificate").Funcs(template.FuncMap{
		"time": readable, "day": day, "words": words, "ground": groundSays, "rule": ruleSays, "guarantee": guaranteeSays, "extent": extentSays, "cause": causeSays, "list": list,
	}).Parse(pageText)
	if err != nil {
		return nil, fmt.Errorf("reading the certificate's page: %w", err)
	}
	sum := sha256.Sum256(text)
	var b bytes.Buffer
	p := page{
		Certificate: c, SHA256: hex.EncodeToString(sum[:]), Bytes: len(text), Signers: signers(c.Signature),
		Data: template.URL("data:application/json;base64," + base64.StdEncoding.EncodeToString(text)), //nolint:gosec // made here
	}
	if err := t.Execute(&b, p); err != nil {
		return nil, fmt.Errorf("writing the certificate's page: %w", err)
	}
	return b.Bytes(), nil
}

type page struct {
	*Certificate
	SHA256  string // of the certificate's text
	Bytes   int
	Signers []string     // keys that signed it; whether they hold is not for the page to say
	Data    template.URL // the certificate's text: whoever has the page has it too
}

// Title is the record's place in the certificate.
func (r Record) Title() string {
	if r.Of == "" {
		return "Record " + r.Token
	}
	return "Linked record " + r.Token
}

// Gone reports whether something of the record was destroyed.
func (r Record) Gone() bool { return r.Outcome == Erased }

func signers(signed string) (out []string) {
	_, sigs, err := tlog.SplitNote([]byte(signed))
	if err != nil {
		return nil
	}
	for _, sig := range sigs {
		out = append(out, fmt.Sprintf("%s+%08x", sig.Name, sig.Hash))
	}
	return out
}

// readable is a time to read, with a fraction only where there is one.
func readable(stamp string) string {
	t, err := time.Parse(stampLayout, stamp)
	if err != nil {
		return stamp
	}
	return t.Format("2006-01-02 15:04:05.999999 UTC")
}

// day is a time's date when it is a midnight, else the whole time.
func day(stamp string) string {
	if d, midnight := strings.CutSuffix(stamp, "T00:00:00.000000Z"); midnight {
		return d
	}
	return readable(stamp)
}

// words makes a name readable: purge_scheduled, ErasureOrdered.
func words(name string) string {
	var b strings.Builder
	for i, c := range strings.ReplaceAll(name, "_", " ") {
		if c >= 'A' && c <= 'Z' && i > 0 {
			b.WriteByte(' ')
			c += 'a' - 'A'
		}
		b.WriteRune(c)
	}
	return b.String()
}

func list(names []string) string { return strings.Join(names, ", ") }
