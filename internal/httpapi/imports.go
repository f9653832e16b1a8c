package httpapi

import (
	"context"
	"errors"
	"io"
	"mime/multipart"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"lethe/domain"
	"lethe/domain/importing"
	"lethe/domain/personal"
	"lethe/eventstore"
	"lethe/internal/auth"
	views "lethe/projections/imports"
)

const tagImports = "Imports"

// Importer runs imports.
type Importer interface {
	// Import reads the file, writes what it means and reports. Progress is
	// called from one goroutine at a time. Errors: *domain.Error for what is
	// wrong with the options, the mapping or the file as a whole; refused rows
	// are in the report.
	Import(ctx context.Context, caller auth.Caller, req ImportRequest, progress func(ImportProgress)) (ImportReport, error)
}

// ImportRequest is a file to import.
type ImportRequest struct {
	Options  ImportOptions
	Mapping  []byte         // YAML, for csv
	FileName personal.Value // as the caller named it; personal
	File     io.ReaderAt
	Size     int64
}

// ImportOptions say how a file is read.
type ImportOptions struct {
	Format domain.Name `json:"format" enum:"dolibarr-sql,civicrm-sql,csv"`
	DryRun bool        `json:"dry_run,omitzero" doc:"Report what would happen and write nothing"`
}

// ImportProgress is how far an import is.
type ImportProgress struct {
	Read  int64       `json:"read" doc:"Bytes, over all passes"`
	Total int64       `json:"total"`
	Table domain.Name `json:"table,omitzero"`
	Rows  uint64      `json:"rows"`
}

// ImportReport is what became of an import.
type ImportReport struct {
	ID       domain.ID           `json:"import,omitzero" doc:"Absent from a dry run"`
	Position eventstore.Position `json:"position,omitzero"`
	DryRun   bool                `json:"dry_run,omitzero"`
	Repeated bool                `json:"repeated,omitzero" doc:"This file was imported before: this is the earlier report"`
	Tables   []importing.Table   `json:"tables"`
	Refused  []importing.Refusal `json:"refused,omitempty" doc:"Rows and conflicts by number, field and rule, at most 1000"`
	Links    []importing.Link    `json:"links,omitempty" doc:"Records that may be one person, proposed for an officer; at most 1000"`
}

// ImportLine is one line of the answer to an import: progress, the report or
// a problem.
type ImportLine struct {
	Progress *ImportProgress `json:"progress,omitempty"`
	Report   *ImportReport   `json:"report,omitempty"`
	Problem  *Problem        `json:"problem,omitempty"`
}

// ImportHead is an import in a list.
type ImportHead struct {
	ID        domain.ID           `json:"import"`
	System    domain.Name         `json:"system"`
	Format    domain.Name         `json:"format"`
	Bytes     int64               `json:"bytes"`
	Principal domain.ID           `json:"principal" doc:"Who imported"`
	Status    views.Status        `json:"status" enum:"running,completed" doc:"running also when it was interrupted: send the file again to go on"`
	Started   time.Time           `json:"started"`
	Completed time.Time           `json:"completed,omitzero"`
	Position  eventstore.Position `json:"position"`
	Refused   uint64              `json:"refused" doc:"Rows listed as refused"`
	Conflicts uint64              `json:"conflicts"`
	Links     uint64              `json:"links"`
}

// ImportAnswer is one import with its report.
type ImportAnswer struct {
	ImportHead
	FileName *Value              `json:"file_name,omitempty" nullable:"false"`
	Tables   []importing.Table   `json:"tables"`
	Rows     []importing.Refusal `json:"rows,omitempty" doc:"Refused rows and conflicts by number, field and rule; the first 1000"`
	Proposed []importing.Link    `json:"proposed,omitempty" doc:"Proposed links; the first 1000"`
}

func (s *API) importRoutes() {
	handle(s, route{
		method: http.MethodPost, path: "/imports", tag: tagImports, summary: "Run import", action: auth.RunImport,
		long: true, stream: true,
		about: "Imports a file: multipart/form-data with the parts `options` (JSON), `mapping` (YAML, for csv) and `file`, in this order. " +
			"The answer is a line of JSON for each step, the last with the report or a problem. " +
			"Sending the same file again writes nothing and gives the earlier report; after an interruption it goes on. " +
			"The file is kept on disk meanwhile, encrypted under a key that is nowhere else than in memory.",
	}, s.runImport)
	s.documentImport()
	handle(s, route{
		method: http.MethodGet, path: "/imports", tag: tagImports, summary: "List imports", action: auth.RunImport,
		about: "Imports, newest first.",
	}, s.listImports)
	handle(s, route{
		method: http.MethodGet, path: "/imports/{id}", tag: tagImports, summary: "Get import", action: auth.RunImport,
		about: "One import's report: rows read, people created, values recorded, and what was refused by which rule.",
	}, s.getImport)
}

func (s *API) documentImport() {
	s.documentStream("/imports", http.MethodPost, "application/x-ndjson")
	op := operationAt(s.api.OpenAPI().Paths[prefix+"/imports"], http.MethodPost)
	registry := s.api.OpenAPI().Components.Schemas
	op.RequestBody = &huma.RequestBody{Required: true, Content: map[string]*huma.MediaType{
		"multipart/form-data": {
			Schema: &huma.Schema{
				Type: huma.TypeObject, Required: []string{"options", "file"},
				Properties: map[string]*huma.Schema{
					"options": schemaOf[ImportOptions](registry),
					"mapping": {Type: huma.TypeString, Description: "YAML; see the guide to importing CSV"},
					"file":    {Type: huma.TypeString, Format: "binary"},
				},
			},
			Encoding: map[string]*huma.Encoding{"options": {ContentType: "application/json"}, "mapping": {ContentType: "application/yaml"}},
		},
	}}
	op.Responses["200"].Content["application/x-ndjson"].Schema = schemaOf[ImportLine](registry)
}

func (s *API) runImport(_ context.Context, c *call, _ *noInput) (*streamed, error) {
	return &streamed{Body: func(hctx huma.Context) {
		r, w := humago.Unwrap(hctx)
		ctx := hctx.Context()
		req, done, err := s.receive(w, r)
		if err != nil {
			refuse(w, c, err)
			return
		}
		defer done()
		out := s.startStream(w, false)
		report, err := s.Imports.Import(ctx, c.caller, req, func(p ImportProgress) {
			_ = out.line(ImportLine{Progress: &p}) // a caller that is gone ends it by ctx
		})
		if err != nil {
			_ = out.line(ImportLine{Problem: problem(c, err)})
			return
		}
		_ = out.line(ImportLine{Report: &report})
	}}, nil
}

// maxMapping bounds the options and the mapping of an import.
const maxMapping = 256 << 10

// receive reads the parts of an upload in their order.
func (s *API) receive(w http.ResponseWriter, r *http.Request) (req ImportRequest, done func(), err error) {
	control := http.NewResponseController(w)
	_ = control.SetReadDeadline(time.Time{})  // an upload may take long; not every writer has
	_ = control.SetWriteDeadline(time.Time{}) // deadlines
	parts, err := r.MultipartReader()
	if err != nil {
		return req, nil, domain.Invalid("request.media_type", "Content-Type", "send an import as multipart/form-data")
	}
	hasOptions := false
	for {
		part, err := parts.NextPart()
		if err != nil {
			return req, nil, missingPart(err, s.Limits.MaxImport)
		}
		switch part.FormName() {
		case "options":
			err, hasOptions = readOptions(part, &req.Options), true
		case "mapping":
			req.Mapping, err = bounded(part, "mapping")
		case "file":
			if !hasOptions {
				return req, nil, malformed("options", "send the options before the file")
			}
			req.FileName = sealed(part.FileName())
			return s.receiveFile(req, part)
		default:
			return req, nil, malformed("body", "an import has the parts options, mapping and file, and no other")
		}
		if err != nil {
			return req, nil, err
		}
	}
}

func missingPart(err error, limit int64) error {
	if errors.Is(err, io.EOF) {
		return malformed("file", "the part named file is missing")
	}
	return badBody(err, limit)
}

func readOptions(part *multipart.Part, into *ImportOptions) error {
	content, err := bounded(part, "options")
	if err != nil {
		return err
	}
	b := body[ImportOptions]{}
	b.decode(content)
	*into = b.Value
	return b.check()
}

func bounded(part *multipart.Part, name string) ([]byte, error) {
	content, err := io.ReadAll(io.LimitReader(part, maxMapping+1))
	if err != nil {
		return nil, badBody(err, maxMapping)
	}
	if len(content) > maxMapping {
		return nil, domain.Invalid("request.too_large", name, "%s has at most %d bytes", name, maxMapping)
	}
	return content, nil
}

func (s *API) receiveFile(req ImportRequest, part *multipart.Part) (ImportRequest, func(), error) {
	spooled, err := newSpool(s.Spool, s.Rand)
	if err != nil {
		return req, nil, err
	}
	size, err := spooled.fill(part)
	if err != nil {
		spooled.close()
		var write *spoolError
		if errors.As(err, &write) {
			return req, nil, err
		}
		return req, nil, badBody(err, s.Limits.MaxImport)
	}
	req.File, req.Size = spooled, size
	return req, spooled.close, nil
}

func (s *API) listImports(ctx context.Context, _ *call, in *struct{ Page }) (*bare[paged[ImportHead]], error) {
	if err := s.waitFor(ctx, views.Name, in.AfterPosition); err != nil {
		return nil, err
	}
	before, _ := in.before()
	found, err := views.Queries{Source: s.Views}.List(ctx, before, in.Limit)
	if err != nil {
		return nil, err
	}
	a := paged[ImportHead]{Items: each(found, importHead)}
	if n := len(found); n == in.Limit {
		a.Next = found[n-1].Position.String()
	}
	return &bare[paged[ImportHead]]{Body: a}, nil
}

func importHead(i views.Import) ImportHead {
	return ImportHead{
		ID: i.ID, System: i.System, Format: i.Format, Bytes: i.Bytes, Principal: i.Principal, Status: i.Status, Started: i.Started,
		Completed: i.Completed, Position: i.Position, Refused: i.Refused, Conflicts: i.Conflicts, Links: i.Links,
	}
}

func (s *API) getImport(ctx context.Context, c *call, in *struct {
	ID            domain.ID `path:"id" doc:"The import"`
	AfterPosition string    `query:"after_position" pattern:"^[0-9]+$" maxLength:"20" doc:"Wait until the view has seen this position"`
},
) (*bare[ImportAnswer], error) {
	if err := s.waitFor(ctx, views.Name, in.AfterPosition); err != nil {
		return nil, err
	}
	q := views.Queries{Source: s.Views}
	r, err := q.Get(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	refusals, err := q.Refusals(ctx, in.ID, views.Cursor{}, importing.MaxRefusals)
	if err != nil {
		return nil, err
	}
	links, err := q.Links(ctx, in.ID, views.Cursor{}, importing.MaxRefusals)
	if err != nil {
		return nil, err
	}
	a := ImportAnswer{
		ImportHead: importHead(r.Import), Tables: r.Tables,
		Rows:     each(refusals, func(r views.Refusal) importing.Refusal { return r.Refusal }),
		Proposed: each(links, func(l views.Link) importing.Link { return l.Link }),
	}
	if a.Tables == nil {
		a.Tables = []importing.Table{}
	}
	if !r.FileName.IsZero() {
		name, err := s.Door.FileName(ctx, c.caller, r.FileName)
		if err != nil {
			return nil, err
		}
		a.FileName = ptr(shown(name))
	}
	return &bare[ImportAnswer]{Body: a}, nil
}
