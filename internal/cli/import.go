package cli

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"net/textproto"
	"os"
	"path/filepath"

	"github.com/go-json-experiment/json"

	"lethe/domain"
	"lethe/domain/importing"
	"lethe/domain/personal"
	"lethe/internal/httpapi"
)

type importCmd struct {
	Dolibarr importDolibarrCmd `cmd:"" name:"dolibarr-sql" help:"A dump of a Dolibarr database (MySQL or MariaDB)."`
	CiviCRM  importCiviCmd     `cmd:"" name:"civicrm-sql" help:"A dump of a CiviCRM database (MySQL or MariaDB)."`
	CSV      importCSVCmd      `cmd:"" name:"csv" help:"A CSV file, by a mapping."`
}

// Help is shown by --help.
func (importCmd) Help() string {
	return `An import goes on where it was interrupted; importing a file again writes nothing and prints the earlier report; a changed file sends only what changed in it, and overwrites neither what was corrected nor what was withdrawn since. What is no evidence of a consent gives none; every no counts.

Examples:

    lethe import dolibarr-sql dump.sql --dry-run
    lethe import civicrm-sql civicrm.sql --refused refused.csv
    lethe import csv people.csv --map mapping.yaml --json`
}

// importFlags is what every format takes.
type importFlags struct {
	File    string `arg:"" help:"The file to import."`
	DryRun  bool   `name:"dry-run" help:"Report what would happen and write nothing; ends with exit code 3 when rows would be refused."`
	Refused string `name:"refused" placeholder:"FILE" help:"Write refused rows in full to a new file (0600), to mend and import again. It holds personal data in clear: delete it afterwards. Not with --server."`
}

type importDolibarrCmd struct {
	importFlags `embed:""`
}

func (c *importDolibarrCmd) Run(ctx context.Context, s *shell) error {
	return c.run(ctx, s, "dolibarr-sql", "")
}

type importCiviCmd struct {
	importFlags `embed:""`
}

func (c *importCiviCmd) Run(ctx context.Context, s *shell) error {
	return c.run(ctx, s, "civicrm-sql", "")
}

type importCSVCmd struct {
	importFlags `embed:""`
	Map         string `name:"map" required:"" placeholder:"FILE" help:"Mapping (YAML) from columns to fields of the catalogue."`
}

func (c *importCSVCmd) Run(ctx context.Context, s *shell) error { return c.run(ctx, s, "csv", c.Map) }

// maxMapping bounds a mapping file.
const maxMapping = 256 << 10

// imported is a file to import, opened.
type imported struct {
	options httpapi.ImportOptions
	mapping []byte
	file    *os.File
	size    int64
	refused string
}

func (c *importFlags) run(ctx context.Context, s *shell, format, mapping string) error {
	if c.Refused != "" && s.root.Client.Server != "" {
		return usage("--refused: a server gives no rows back; run the import on the data directory, or leave --refused out")
	}
	in := imported{refused: c.Refused, options: httpapi.ImportOptions{
		Format: domain.Name(format), DryRun: c.DryRun,
	}}
	if err := in.open(s, c.File, mapping); err != nil {
		return err
	}
	defer in.file.Close() //nolint:errcheck // read only
	bars := newProgress(s.process.Stderr)
	tell := func(p httpapi.ImportProgress) { bars.set("importing", p.Read, p.Total) }
	with := s.importHere
	if s.root.Client.Server != "" {
		with = s.upload
	}
	report, err := with(ctx, in, tell)
	bars.end(err == nil)
	if err != nil {
		return err
	}
	if err := s.printReport(report); err != nil {
		return err
	}
	if report.DryRun && refusedRows(report) > 0 {
		return errFound
	}
	return nil
}

func (in *imported) open(s *shell, file, mapping string) (err error) {
	if mapping != "" {
		if in.mapping, err = s.read(mapping, maxMapping); err != nil {
			return err
		}
	}
	if in.file, err = os.Open(filepath.Clean(file)); err != nil {
		return fmt.Errorf("opening the file to import: %w", err)
	}
	info, err := in.file.Stat()
	switch {
	case err != nil:
		return fmt.Errorf("looking at the file to import: %w", err)
	case !info.Mode().IsRegular():
		return usage("a regular file is needed: an import reads it more than once")
	}
	in.size = info.Size()
	return nil
}

// upload sends the file to a server, which keeps it encrypted meanwhile.
func (s *shell) upload(ctx context.Context, in imported, tell func(httpapi.ImportProgress)) (report httpapi.ImportReport, err error) {
	api, err := s.api(ctx)
	if err != nil {
		return report, err
	}
	body, sink := io.Pipe()
	parts := multipart.NewWriter(sink)
	go func() { _ = sink.CloseWithError(in.writeParts(parts)) }()
	defer body.Close() //nolint:errcheck // ends the writer
	q := call{method: http.MethodPost, path: []string{"imports"}, header: http.Header{"Content-Type": {parts.FormDataContentType()}}}
	res, err := api.send(ctx, q, body)
	if err != nil {
		return report, err
	}
	if res.StatusCode >= http.StatusBadRequest {
		_, err := read(res)
		return report, err
	}
	defer res.Body.Close() //nolint:errcheck // read to its end
	return followImport(res.Body, tell)
}

// name is what the file is called, without its directory; personal.
func (in *imported) name() personal.Value { return personal.Of(filepath.Base(in.file.Name())) }

func (in *imported) writeParts(w *multipart.Writer) error {
	options, err := json.Marshal(in.options)
	if err != nil {
		return fmt.Errorf("writing the options: %w", err)
	}
	if err := writePart(w, "options", "application/json", options); err != nil {
		return err
	}
	if in.mapping != nil {
		if err := writePart(w, "mapping", "application/yaml", in.mapping); err != nil {
			return err
		}
	}
	part, err := w.CreateFormFile("file", filepath.Base(in.file.Name()))
	if err != nil {
		return fmt.Errorf("uploading: %w", err)
	}
	if _, err := io.Copy(part, io.NewSectionReader(in.file, 0, in.size)); err != nil {
		return fmt.Errorf("uploading: %w", err)
	}
	return w.Close()
}

func writePart(w *multipart.Writer, name, media string, content []byte) error {
	part, err := w.CreatePart(textproto.MIMEHeader{
		"Content-Disposition": {`form-data; name="` + name + `"`}, "Content-Type": {media},
	})
	if err != nil {
		return fmt.Errorf("uploading: %w", err)
	}
	if _, err := part.Write(content); err != nil {
		return fmt.Errorf("uploading: %w", err)
	}
	return nil
}

// importLine is one line of the answer.
type importLine struct {
	Progress *httpapi.ImportProgress `json:"progress"`
	Report   *httpapi.ImportReport   `json:"report"`
	Problem  *problem                `json:"problem"`
}

// maxLine bounds a line of the answer: a report lists 1000 rows and links.
const maxLine = 4 << 20

func followImport(body io.Reader, tell func(httpapi.ImportProgress)) (httpapi.ImportReport, error) {
	lines := bufio.NewScanner(body)
	lines.Buffer(nil, maxLine)
	for lines.Scan() {
		if len(lines.Bytes()) == 0 {
			continue
		}
		var at importLine
		if err := json.Unmarshal(lines.Bytes(), &at); err != nil {
			return httpapi.ImportReport{}, fmt.Errorf("reading the server's answer: %w", err)
		}
		switch {
		case at.Problem != nil:
			return httpapi.ImportReport{}, at.Problem
		case at.Report != nil:
			return *at.Report, nil
		case at.Progress != nil:
			tell(*at.Progress)
		}
	}
	if err := lines.Err(); err != nil {
		return httpapi.ImportReport{}, fmt.Errorf("reading the server's answer: %w", err)
	}
	return httpapi.ImportReport{}, &problem{
		Code: "import.interrupted", Detail: "the server stopped before the import was done: send the file again, and it goes on from there",
	}
}

func (s *shell) printReport(r httpapi.ImportReport) error {
	if s.root.JSON {
		return s.json(r)
	}
	p := &page{}
	switch {
	case r.DryRun:
		p.line("Dry run: nothing was written.")
	case r.Repeated:
		p.line("This file was imported before; nothing was written. Its report:")
	default:
		p.line("Imported.")
	}
	if !r.ID.IsZero() {
		p.row("  import", r.ID.String())
		p.row("  position", r.Position.String())
	}
	p.line("")
	tableLines(p, r.Tables)
	refusalLines(p, r)
	return p.writeTo(s.process.Stdout)
}

func tableLines(p *page, tables []importing.Table) {
	p.head("table", "read", "created", "updated", "unchanged", "left out", "refused", "suppressed", "values", "denials", "consents", "conflicts", "linked")
	var sum importing.Table
	for i := range tables {
		t := &tables[i]
		tableRow(p, string(t.Name), t)
		add(&sum, t)
	}
	if len(tables) > 1 {
		tableRow(p, "together", &sum)
	}
	for i := range tables {
		for _, r := range tables[i].LeftOut {
			p.line("  %s: %s left out: %s", tables[i].Name, count(r.Count), r.Rule)
		}
		for _, r := range tables[i].Findings {
			p.line("  %s: %s found: %s", tables[i].Name, count(r.Count), r.Rule)
		}
	}
}

func tableRow(p *page, name string, t *importing.Table) {
	p.row(name, count(t.Read), count(t.Created), count(t.Updated), count(t.Unchanged), count(total(t.LeftOut)), count(t.Refused), count(t.Suppressed),
		count(t.Values), count(t.Denials), count(t.Consents), count(t.Conflicts), count(t.Linked))
}

func add(sum, t *importing.Table) {
	sum.Read += t.Read
	sum.Created += t.Created
	sum.Updated += t.Updated
	sum.Unchanged += t.Unchanged
	sum.Refused += t.Refused
	sum.Suppressed += t.Suppressed
	sum.Values += t.Values
	sum.Denials += t.Denials
	sum.Consents += t.Consents
	sum.Conflicts += t.Conflicts
	sum.Linked += t.Linked
	sum.LeftOut = append(sum.LeftOut, t.LeftOut...)
}

func total(counts []importing.RuleCount) (n uint64) {
	for _, c := range counts {
		n += c.Count
	}
	return n
}

func refusedRows(r httpapi.ImportReport) (n uint64) {
	for i := range r.Tables {
		n += r.Tables[i].Refused
	}
	return n
}

// shownRows bounds the refused rows and links that people are shown; --json
// has all that the report lists.
const shownRows = 20

func refusalLines(p *page, r httpapi.ImportReport) {
	if len(r.Refused) > 0 {
		p.line("")
		p.head("table", "row", "field", "rule", "")
		for _, e := range r.Refused[:min(len(r.Refused), shownRows)] {
			kind := "refused"
			switch {
			case e.Conflict:
				kind = "conflict"
			case e.Rule == "suppressed":
				kind = "erased before"
			}
			p.row(string(e.Table), count(e.Row), string(e.Field), string(e.Rule), kind)
		}
		more(p, len(r.Refused))
	}
	if len(r.Links) > 0 {
		p.line("")
		p.line("Proposed links: records that may be one person, for an officer to accept or undo")
		for _, e := range r.Links[:min(len(r.Links), shownRows)] {
			p.row("  "+string(e.A), string(e.B), string(e.Ground))
		}
		more(p, len(r.Links))
	}
}

func more(p *page, n int) {
	if n > shownRows {
		p.line("  and %s more (--json lists them)", count(n-shownRows))
	}
}
