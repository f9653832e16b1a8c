package cli

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"lethe/domain/importing"
	"lethe/internal/app"
	"lethe/internal/auth"
	"lethe/internal/httpapi"
	"lethe/internal/importer"
)

// imports runs imports for the API.
type imports struct{ app *app.App }

var _ httpapi.Importer = imports{}

// Import implements httpapi.Importer.
func (i imports) Import(
	ctx context.Context, caller auth.Caller, req httpapi.ImportRequest, progress func(httpapi.ImportProgress),
) (httpapi.ImportReport, error) {
	return i.run(ctx, caller, req, nil, progress)
}

func (i imports) run(
	ctx context.Context, caller auth.Caller, req httpapi.ImportRequest, refused io.Writer, progress func(httpapi.ImportProgress),
) (httpapi.ImportReport, error) {
	o := req.Options
	name, _ := req.FileName.Reveal()
	report, err := importer.Run(ctx, importer.Deps{
		Ledger: i.app.Ledger, Keys: i.app.Keys, Now: time.Now, Rand: rand.Reader, Logger: i.app.Log,
	}, importer.Job{
		Format: o.Format, File: req.File, Size: req.Size, FileName: name, Mapping: req.Mapping, Caller: caller,
		DryRun: o.DryRun, Refused: refused,
		Progress: func(p importer.Progress) {
			progress(httpapi.ImportProgress{Read: p.Bytes, Total: p.Total, Table: p.Table, Rows: p.Rows})
		},
	})
	if err != nil {
		return httpapi.ImportReport{}, err
	}
	return reportOf(report, i.app), nil
}

func reportOf(r importer.Report, a *app.App) httpapi.ImportReport {
	out := httpapi.ImportReport{
		ID: r.Import, Position: a.Store.Stats().Head, DryRun: r.DryRun, Repeated: r.Earlier, Tables: r.Tables,
		Refused: firstOf(append(r.Refusals[:len(r.Refusals):len(r.Refusals)], r.Conflicts...)), Links: firstOf(r.Links),
	}
	if out.Tables == nil {
		out.Tables = []importing.Table{}
	}
	return out
}

// firstOf bounds a list to what one answer holds.
func firstOf[T any](list []T) []T { return list[:min(len(list), importing.MaxRefusals)] }

// importHere imports in this process, where the file can be read by path and
// refused rows can be given back.
func (s *shell) importHere(ctx context.Context, in imported, tell func(httpapi.ImportProgress)) (report httpapi.ImportReport, err error) {
	a, err := s.open(ctx)
	if err != nil {
		return report, err
	}
	req := httpapi.ImportRequest{
		Options: in.options, Mapping: in.mapping, File: in.file, Size: in.size, FileName: in.name(),
	}
	if in.refused == "" {
		return imports{a}.run(ctx, app.LocalCaller(), req, nil, tell)
	}
	rows, err := newRefusedFile(in.refused, s.root.Storage.Data)
	if err != nil {
		return report, err
	}
	report, err = imports{a}.run(ctx, app.LocalCaller(), req, rows, tell)
	written, closing := rows.close()
	if written && closing == nil {
		fmt.Fprintf(s.process.Stderr, "lethe: refused rows are in %s, in clear: mend them, import them, and delete the file\n", in.refused)
	}
	return report, errors.Join(err, closing)
}

// refusedFile takes refused rows in full. It holds personal data in clear,
// so only its owner may read it, and it may not lie in the data directory,
// which promises to hold none.
type refusedFile struct {
	file  *os.File
	bytes int64
}

func newRefusedFile(name, data string) (*refusedFile, error) {
	inside, err := within(name, data)
	if err != nil {
		return nil, err
	}
	if inside {
		return nil, usage("--refused: the file must lie outside the data directory, which holds no personal data in clear")
	}
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600) //nolint:gosec // the caller names it
	if err != nil {
		return nil, fmt.Errorf("making the file for refused rows: %w", err)
	}
	return &refusedFile{file: f}, nil
}

// within resolves links, so that a path cannot lead into the directory.
func within(name, dir string) (bool, error) {
	parent, err := filepath.EvalSymlinks(filepath.Dir(name))
	if err != nil {
		return false, fmt.Errorf("finding the directory for refused rows: %w", err)
	}
	if parent, err = filepath.Abs(parent); err != nil {
		return false, fmt.Errorf("finding the directory for refused rows: %w", err)
	}
	if resolved, err := filepath.EvalSymlinks(dir); err == nil {
		dir = resolved
	}
	if dir, err = filepath.Abs(dir); err != nil {
		return false, fmt.Errorf("finding the data directory: %w", err)
	}
	rel, err := filepath.Rel(dir, parent)
	return err == nil && rel != ".." && !strings.HasPrefix(rel, ".."+string(filepath.Separator)), nil
}

func (f *refusedFile) Write(b []byte) (int, error) {
	n, err := f.file.Write(b)
	f.bytes += int64(n)
	return n, err
}

// close keeps the file if there is anything in it.
func (f *refusedFile) close() (written bool, err error) {
	if err := f.file.Close(); err != nil {
		return true, fmt.Errorf("closing the file for refused rows: %w", err)
	}
	if f.bytes > 0 {
		return true, nil
	}
	if err := os.Remove(f.file.Name()); err != nil {
		return false, fmt.Errorf("removing the empty file for refused rows: %w", err)
	}
	return false, nil
}
