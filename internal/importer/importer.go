// Package importer brings the people of another system into the ledger.
//
// A file is read as rows of a source (package source), and every row becomes
// commands that the ledger decides: an import has no way past the rules.
//
// Who a row is: within one system the same table and primary key are the same
// person, through a claim that is durable before anything is appended. Other
// matches are proposed as links for an officer.
//
// What is sent: a value only if the source's own value changed since it was
// last imported. Where the ledger's value was changed meanwhile by somebody
// else, or taken out, the difference is a reported conflict and not written.
// An empty cell erases nothing and is reported. A yes of the source does not
// override a later no, and the end of a no is no yes. Data of people who are
// restricted and of groups that were erased is refused; a no is taken even
// then.
//
// On what basis: the purpose that a mapping or a format names is what the
// values are kept for, and its declared basis is asserted with them, unless it
// is consent, which only the person gives, or somebody has asserted or ended
// it before. A no without a date counts from when its row was last changed,
// else from when it was made, else from now. A person whose country is not
// known is taken to be where the first controller is.
//
// How often: a row's commands carry an ID made of its claim, the number of
// times it was imported, and the import, so that an import that was cut off is
// run again and leaves what one run would have left. The same file a second
// time appends nothing and gives the first report, unless people were erased
// since, or are let in again. A claim that was lost and
// made anew from the log has no memory of values: what its row brought is then
// read from the record itself.
//
// A dump that may be only a part of one, since a table that its system always
// has or its writer's last line is missing, is imported and says so in a
// finding.
//
// A value that may not be recorded (not declared, not needed by the purpose,
// not of the field's type) is left out and listed with its row and rule; the
// rest of the row is imported. A row that is refused is listed and is tried
// again by the next import.
//
// Whoever was erased does not come back: a row whose person was erased is
// suppressed, and nothing is made of it, no record, no claim and no key.
package importer

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"lethe/domain"
	"lethe/domain/catalogue"
	"lethe/domain/importing"
	"lethe/domain/personal"
	"lethe/internal/auth"
	"lethe/internal/importer/source"
	"lethe/internal/keyring"
	"lethe/internal/ledger"
)

// Formats of a file.
const (
	DolibarrSQL domain.Name = "dolibarr-sql"
	CiviCRMSQL  domain.Name = "civicrm-sql"
	CSV         domain.Name = "csv"
)

// Formats lists them.
func Formats() []domain.Name { return []domain.Name{DolibarrSQL, CiviCRMSQL, CSV} }

// Deps are the parts an import works with.
type Deps struct {
	Ledger *ledger.Ledger
	Keys   *keyring.Keyring
	Now    func() time.Time
	Rand   io.Reader
	Logger *slog.Logger

	// crash is called at each point that a crash could follow; an error ends
	// the import there. Tests set it.
	crash func(point string) error
}

// Job is one import.
type Job struct {
	Format   domain.Name
	File     io.ReaderAt
	Size     int64
	FileName string // personal: it is sealed
	Mapping  []byte // of a CSV file
	Caller   auth.Caller
	DryRun   bool // decide and report; write no event, no claim and no key
	// Refused takes the refused rows in full, to mend and import again: CSV
	// with the file's own columns for a CSV file, else one JSON object a line.
	// It holds personal data in clear; nil for none.
	Refused  io.Writer
	Progress func(Progress) // called from one goroutine
	Workers  int            // rows under way at once, 0 = 2,048
}

// Progress is how far an import is.
type Progress struct {
	Table       domain.Name `json:"table,omitzero"`
	Rows        uint64      `json:"rows"`
	Bytes       int64       `json:"bytes"` // read, of Total, over all passes
	Total       int64       `json:"total"`
	Created     uint64      `json:"created"`
	Updated     uint64      `json:"updated"`
	Unchanged   uint64      `json:"unchanged"`
	LeftOut     uint64      `json:"left_out"`
	RefusedRows uint64      `json:"refused"`
	Suppressed  uint64      `json:"suppressed"`
}

// Report says what became of a file. It names rows by number and rules by
// name and holds no value.
//
// In each table Read = Created + Updated + Unchanged + LeftOut + Refused +
// Suppressed. A
// value that was left out of a row that was imported is a refusal with its
// field, and counted among the findings by its rule.
type Report struct {
	Import   domain.ID             `json:"import,omitzero"` // zero for a dry run of a file that was not imported
	Earlier  bool                  `json:"earlier"`         // the file was imported before: nothing was done, this is that report
	DryRun   bool                  `json:"dry_run"`
	System   domain.Name           `json:"system"`
	Format   domain.Name           `json:"format"`
	Tables   []importing.Table     `json:"tables"`
	Findings []importing.RuleCount `json:"findings"` // over all tables
	// The first maxListed of each.
	Refusals  []importing.Refusal `json:"refusals"`
	Conflicts []importing.Refusal `json:"conflicts"`
	Links     []importing.Link    `json:"links"`
	Duration  time.Duration       `json:"duration"` // nanoseconds
}

// Bounds.
const (
	defaultWorkers = 2048
	maxListed      = 100_000 // refusals and conflicts, and links, that are listed; the rest is counted
	batchRows      = 2048
	closedAtOnce   = 8192 // claims; a crash before costs deciding these again
	maxFileName    = 1024 // bytes
)

// run is one import under way.
type run struct {
	Deps
	job      Job
	src      source.Source
	cat      *catalogue.State
	id       domain.ID
	key      keyring.FileKey
	resumed  bool
	purposes map[domain.Name]*catalogue.PurposeDeclared // in force
	home     domain.Place                               // of a person whose country is not known
	paper    sync.Map                                   // of a dry run: keyring.SourceKey of who would be created
	contacts atomic.Bool                                // there are marks of addresses and numbers
}

// Run imports a file. A file that cannot be read to its end, a mapping that
// is wrong, and a ledger that cannot write end it with an error; running it
// again goes on. Errors: *domain.Error for what the user can mend.
func Run(ctx context.Context, d Deps, j Job) (Report, error) {
	if d.crash == nil {
		d.crash = func(string) error { return nil }
	}
	if d.Logger == nil {
		d.Logger = slog.New(slog.DiscardHandler)
	}
	if j.Workers <= 0 {
		j.Workers = defaultWorkers
	}
	if len(j.FileName) > maxFileName {
		return Report{}, domain.Invalid("import.file_name", "file_name", "the file's name is longer than %d bytes", maxFileName)
	}
	if err := auth.Allow(j.Caller, auth.RunImport); err != nil {
		return Report{}, err
	}
	r := &run{Deps: d, job: j}
	if err := r.open(ctx); err != nil {
		return Report{}, err
	}
	if earlier, err := r.begin(ctx); earlier != nil || err != nil {
		return orNone(earlier), err
	}
	began := d.Now()
	book, err := r.rows(ctx)
	if err != nil {
		return Report{}, err
	}
	if err := r.after(ctx, book); err != nil {
		return Report{}, err
	}
	if err := r.finish(ctx, book); err != nil {
		return Report{}, err
	}
	report := r.report(book)
	report.Duration = d.Now().Sub(began)
	return report, nil
}

func orNone(r *Report) Report {
	if r == nil {
		return Report{}
	}
	return *r
}

// open opens the source and names the file.
func (r *run) open(ctx context.Context) (err error) {
	if r.cat, err = r.Ledger.Catalogue(ctx); err != nil {
		return fmt.Errorf("reading the catalogue: %w", err)
	}
	if r.src, err = openSource(ctx, r.job); err != nil {
		return fmt.Errorf("opening the file: %w", err)
	}
	r.key = keyring.FileKey{
		System: r.src.System(), Catalogue: r.cat.Next(),
		Mapping: sha256.Sum256(append([]byte(r.job.Format+"/1\x00"), r.job.Mapping...)),
	}
	n, err := r.Keys.CountMarks(ctx)
	if err != nil {
		return domain.Internal("counting marks", err)
	}
	r.key.Marks = n.Changes
	if r.key.File, err = digest(ctx, r.job.File, r.job.Size); err != nil {
		return err
	}
	now := r.Ledger.Now()
	r.purposes = map[domain.Name]*catalogue.PurposeDeclared{}
	for _, p := range r.cat.Purposes() {
		if in, ok := r.cat.InForce(p.ID, now); ok {
			r.purposes[p.ID] = in
		}
	}
	for _, c := range r.cat.Controllers() {
		r.home = c.Country
		return nil
	}
	return domain.Invalid("import.no_controller", "catalogue", "the catalogue declares no controller: load a catalogue first").Citing("GDPR 13(1)(a)")
}

func digest(ctx context.Context, file io.ReaderAt, size int64) (d domain.Digest, err error) {
	h, in, buf := sha256.New(), io.NewSectionReader(file, 0, size), make([]byte, 1<<20)
	for {
		n, err := in.Read(buf)
		h.Write(buf[:n])
		switch {
		case errors.Is(err, io.EOF):
			return domain.Digest(h.Sum(nil)), nil
		case err != nil:
			return d, fmt.Errorf("reading the file: %w", err)
		case ctx.Err() != nil:
			return d, ctx.Err()
		}
	}
}

// begin claims the file and opens the import's stream. A report means that
// the file was imported before.
func (r *run) begin(ctx context.Context) (*Report, error) {
	claim, found, err := r.Keys.FindFile(ctx, r.key)
	if err != nil {
		return nil, domain.Internal("looking for an earlier import", err)
	}
	if r.job.DryRun && !(found && claim.Done) {
		return nil, nil //nolint:nilnil // there is none
	}
	if !found {
		if claim, r.resumed, err = r.claim(ctx); err != nil {
			return nil, err
		}
	} else {
		r.resumed = true
	}
	r.id = claim.Import
	if r.resumed {
		if earlier, err := r.earlier(ctx, claim); earlier != nil || err != nil {
			return earlier, err
		}
		r.Logger.InfoContext(ctx, "going on with an import that was cut off", "import", r.id.String())
	}
	started := importing.Started{
		Import: r.id, System: r.src.System(), Format: r.job.Format, File: r.Keys.FileDigest(r.key.File),
		Mapping: r.Keys.FileDigest(r.key.Mapping), Bytes: r.job.Size, Catalogue: r.key.Catalogue,
		Marks: r.key.Marks,
	}
	if r.job.FileName != "" {
		started.FileName = personal.Of(r.job.FileName)
	}
	return nil, r.note(ctx, "start", importing.Start{Started: started})
}

func (r *run) claim(ctx context.Context) (keyring.FileClaim, bool, error) {
	var id domain.ID
	if _, err := io.ReadFull(r.Rand, id[:]); err != nil {
		return keyring.FileClaim{}, false, domain.Internal("drawing an import's ID", err)
	}
	id[6], id[8] = id[6]&0x0f|0x40, id[8]&0x3f|0x80 // UUID version 4
	claim, existing, err := r.Keys.ClaimFile(ctx, r.key, id)
	if err != nil {
		return claim, false, domain.Internal("claiming a file", err)
	}
	return claim, existing, r.crash("file claimed")
}

// note sends a command to the import's own stream. what tells it from the
// import's other commands; the same one is answered and not decided again.
func (r *run) note(ctx context.Context, what string, c importing.Command) error {
	_, err := r.Ledger.NoteImport(ctx, r.request(r.command("import", what)), r.id, c)
	if err != nil {
		return fmt.Errorf("recording the import: %w", err)
	}
	return r.crash("noted " + what)
}

// command names one command of this import, whoever runs it.
func (r *run) command(kind, what string) domain.Digest {
	return r.Keys.CommandID(domain.ID{}, kind+"\x00"+r.id.String()+"\x00"+what)
}

func (r *run) request(command domain.Digest) ledger.Request {
	return ledger.Request{Principal: r.job.Caller.Principal, Command: command, Correlation: r.id}
}
