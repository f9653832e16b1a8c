package httpapi

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"syscall"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"lethe/domain"
	"lethe/domain/operations"
	"lethe/eventstore"
	"lethe/internal/auth"
	"lethe/internal/backup"
)

// Backups makes backups at the places that the server was started with, and
// lists them. Where that is no caller says.
type Backups interface {
	// Places tells what there is a place for.
	Places() (ledger, keys bool)
	// Create backs up what is asked for. backup.ErrBusy, backup.ErrNoRoom and
	// *domain.Error are told to the caller.
	Create(ctx context.Context, ledger, keys bool, progress func(of backup.Kind, done, total int64)) ([]backup.Made, error)
	List(ctx context.Context) (ledger, keys []backup.Entry, err error)
}

// Backup is a backup of the ledger or of its keys.
type Backup struct {
	Of       backup.Kind         `json:"of" enum:"ledger,keys"`
	Name     string              `json:"name" doc:"Of its directory: the time it was taken" example:"20260131T090000.000000Z"`
	Place    string              `json:"place" doc:"The directory that it lies in, on the server"`
	Taken    time.Time           `json:"taken"`
	Bytes    int64               `json:"bytes" doc:"Of all its files"`
	Files    int                 `json:"files"`
	Events   uint64              `json:"events" doc:"That the log had; of keys: every key that they need is in it"`
	Position eventstore.Position `json:"position" doc:"Of the last of them"`
	Sealed   uint64              `json:"sealed" doc:"Events of them that were sealed"`
	KeyStore string              `json:"key_store" doc:"ID of the key store that it belongs to"`
	Fences   uint64              `json:"fences" doc:"Destructions of keys up to this number are in it"`
	Program  string              `json:"program" doc:"Version of the program that made it"`
	Dead     time.Time           `json:"dead,omitzero" doc:"Since, or from when, nobody can open this backup of keys any more: the epoch keys that wrap it were destroyed. Absent while they are there, or when it is not known"`
	Damaged  string              `json:"damaged,omitzero" doc:"Why it cannot be used"`
}

func backupOf(place string, m *backup.Manifest) Backup {
	return Backup{
		Of: m.Kind, Name: m.Name, Place: place, Taken: m.Time, Bytes: m.Bytes(), Files: len(m.Files),
		Events: m.Log.Events, Position: m.Log.Position, Sealed: m.Seal.Size, KeyStore: m.Keys.Store, Fences: m.Keys.FenceSeq, Program: m.Program,
	}
}

// BackupsOf describes what lies at the places.
func BackupsOf(ledger, keys []backup.Entry) []Backup {
	out := []Backup{}
	for kind, all := range map[backup.Kind][]backup.Entry{backup.Ledger: ledger, backup.Keys: keys} {
		for _, e := range all {
			b := Backup{Of: kind, Name: e.Name(), Place: e.Place}
			if e.Err != nil {
				b.Damaged = e.Err.Error()
			} else {
				b = backupOf(e.Place, e.Manifest)
				b.Dead = e.Dead
			}
			out = append(out, b)
		}
	}
	slices.SortFunc(out, func(a, b Backup) int { return cmp.Or(-cmp.Compare(a.Of, b.Of), cmp.Compare(a.Name, b.Name)) })
	return out
}

// BackupBody says what to back up.
type BackupBody struct {
	Of []backup.Kind `json:"of,omitempty" enum:"ledger,keys" doc:"All that there are places for when left out"`
}

// BackupLine is one line of the answer to making a backup.
type BackupLine struct {
	Of    backup.Kind `json:"of,omitzero" doc:"What is being copied"`
	Bytes int64       `json:"bytes,omitzero" doc:"Copied so far"`
	Total int64       `json:"total,omitzero" doc:"To copy"`
	Made  []Made      `json:"made,omitempty" doc:"What is complete; at the end"`
	Ended bool        `json:"done,omitzero" doc:"Everything asked for was made"`
}

// Made is a backup that was made.
type Made struct {
	Backup
	Copied int64 `json:"copied" doc:"Bytes that were not linked to an earlier backup"`
}

func (s *API) backupRoutes() {
	if s.Backups == nil {
		return
	}
	handle(s, route{
		method: http.MethodPost, path: "/backups", tag: tagOperations, summary: "Make backup", action: auth.MakeBackup, long: true, bodyOptional: true,
		about: "Backs up the ledger and then its keys, each to the place that the server was started with (`--ledger-to`, `--keys-to`), while " +
			"requests go on. Segments that the last backup has are linked to it. An event says that it was made. " +
			"The answer is a line of JSON for each step; what was made comes at the end, then done, or a problem. One runs at a time.",
	}, s.makeBackup)
	documentLines[BackupLine](s, "/backups")
	handle(s, route{
		method: http.MethodGet, path: "/backups", tag: tagOperations, summary: "List backups", action: auth.ReadStatus,
		about: "The complete backups at the server's places, the oldest first.",
	}, func(ctx context.Context, _ *call, _ *noInput) (*bare[list[Backup]], error) {
		ledger, keys, err := s.Backups.List(ctx)
		return &bare[list[Backup]]{Body: list[Backup]{Items: BackupsOf(ledger, keys)}}, err
	})
}

func (s *API) makeBackup(_ context.Context, c *call, in *struct{ Body body[BackupBody] }) (*streamed, error) {
	var ledger, keys bool
	toLedger, toKeys := s.Backups.Places()
	for _, of := range in.Body.Value.Of {
		ledger, keys = ledger || of == backup.Ledger, keys || of == backup.Keys
	}
	if len(in.Body.Value.Of) == 0 {
		ledger, keys = toLedger, toKeys
	}
	if !ledger && !keys || ledger && !toLedger || keys && !toKeys {
		return nil, domain.Conflict("backup.no_place", "of",
			"there is no place for this backup: start the server with --ledger-to DIR and --keys-to DIR, on other disks")
	}
	return &streamed{Body: func(hctx huma.Context) {
		_, w := humago.Unwrap(hctx)
		ctx := hctx.Context()
		out := s.startStream(w, false)
		last := time.Time{}
		made, err := s.Backups.Create(ctx, ledger, keys, func(of backup.Kind, done, total int64) {
			if now := s.Now(); now.Sub(last) > time.Second/2 {
				last = now
				_ = out.line(BackupLine{Of: of, Bytes: done, Total: total}) // it goes on without its caller's interest
			}
		})
		lines := make([]Made, len(made))
		for i, m := range made {
			lines[i] = Made{Backup: backupOf(m.Place, m.Manifest), Copied: m.Copied}
			if rerr := s.noteBackup(ctx, c, m); err == nil {
				err = rerr
			}
		}
		_ = out.line(BackupLine{Made: lines, Ended: err == nil})
		if err != nil {
			out.problem(problem(c, backupProblem(err)))
		}
	}}, nil
}

// noteBackup records that a backup was made.
func (s *API) noteBackup(ctx context.Context, c *call, m backup.Made) error {
	req := c.request("")
	req.Command, req.Body = domain.Digest{}, domain.Digest{}
	_, err := s.Ledger.Operate(ctx, req, operations.NoteBackup{BackupMade: operations.BackupMade{
		Of: operations.BackupOf(m.Manifest.Kind), Taken: m.Manifest.Time, Manifest: m.SHA256,
		Events: m.Manifest.Log.Events, Fences: m.Manifest.Keys.FenceSeq,
	}})
	return err
}

// backupProblem says which backup failed, where and why. Whoever may make
// backups is told in which places they lie.
func backupProblem(err error) error {
	var failed *backup.Failed
	if !errors.As(err, &failed) {
		return err
	}
	var errno syscall.Errno
	of := fmt.Sprintf("the backup of the %s to %s", failed.Of, failed.Place)
	switch {
	case ended(err):
	case errors.Is(err, backup.ErrBusy):
		return domain.Conflict("backup.busy", "", "another backup is being made in %s: wait for it, or stop it", failed.Place)
	case errors.Is(err, backup.ErrNoRoom):
		return &domain.Error{
			Kind: domain.KindUnavailable, Code: "backup.no_room", Err: err,
			Message: "there is no room for " + of + ", and nothing of it was kept: make room there, or name another place",
		}
	case errors.As(err, &errno):
		return &domain.Error{
			Kind: domain.KindUnavailable, Code: "backup.place", Err: err,
			Message: fmt.Sprintf("a file of %s cannot be read or written (%v): see that the place is there and may be written. The program's log names the file", of, errno),
		}
	default:
		return &domain.Error{
			Kind: domain.KindUnavailable, Code: "backup.failed", Err: err,
			Message: of + " was not made: the program's log says why, under the request's ID",
		}
	}
	return err
}
