package backup

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/cockroachdb/pebble/v2/vfs"

	"lethe/internal/durable"
	"lethe/internal/seal"
	"lethe/internal/tlog"
)

// RestoreOptions say what is put back, and where.
type RestoreOptions struct {
	FS         vfs.FS // vfs.Default when nil
	LedgerFrom string // a backup, or a place, whose newest is taken; "" = none
	KeysFrom   string // likewise
	Data       string // the ledger's data directory
	KeyDir     string // the key store's directory
	// OlderKeys lets keys be put back that are older than the ledger: values that
	// were written between the two cannot be read then.
	OlderKeys bool
	// Progress is told how many bytes are done; may be nil.
	Progress func(step Kind, done, total int64)
}

// Restored is a backup that was put back.
type Restored struct {
	Dir      string // of the backup
	Manifest *Manifest
}

// Errors of restoring.
var (
	ErrInUse     = errors.New("something is there already")
	ErrApart     = errors.New("the backups do not belong together")
	ErrOlderKeys = errors.New("the keys were backed up before the ledger")
)

// Restore puts back a ledger, its keys, or both, all or nothing each: the
// files are copied under another name, compared with their hashes, and then
// renamed. What was stopped is gone on with by the same call again; until then
// Unfinished says that the directory must not be opened. The parts to be put
// in place must not be there: nothing is ever overwritten. Errors: ErrInUse,
// ErrNoBackup, ErrApart, ErrOlderKeys, ErrNoRoom, durable.ErrDamaged when the
// backup is damaged.
//
// What comes then is the opening's: it applies the erasures that the backup
// does not know of, and begins a new era and a new origin of the log.
func Restore(ctx context.Context, o RestoreOptions) (done []Restored, err error) {
	if o.FS == nil {
		o.FS = vfs.Default
	}
	if o.Progress == nil {
		o.Progress = func(Kind, int64, int64) {}
	}
	jobs, err := o.plan()
	if err != nil {
		return nil, err
	}
	for _, j := range jobs {
		err := j.run(ctx)
		if noSpace(err) {
			err = fmt.Errorf("%w in %s: make room, and run the same again: %w", ErrNoRoom, j.to, err)
		}
		if err != nil {
			return done, fmt.Errorf("restoring the %s: %w", j.manifest.Kind, err)
		}
		done = append(done, Restored{Dir: j.from, Manifest: j.manifest})
	}
	return done, nil
}

// plan finds the backups and checks everything that can be checked before
// anything is written.
func (o *RestoreOptions) plan() ([]*job, error) {
	var jobs []*job
	for _, of := range []struct {
		kind     Kind
		from, to string
		parts    []string // renamed in this order; the one that makes the rest count comes last
		others   []string // that must not be there either
	}{
		{Keys, o.KeysFrom, o.KeyDir, []string{restoredName, logKeysFile, keysFile}, []string{keysFile + "-wal", keysFile + "-shm"}},
		{Ledger, o.LedgerFrom, o.Data, []string{sealDir, logDir}, []string{"views", "react"}},
	} {
		if of.from == "" {
			continue
		}
		dir, m, err := Find(o.FS, of.from, of.kind)
		if err != nil {
			return nil, err
		}
		j := &job{RestoreOptions: o, from: dir, manifest: m, to: of.to, stage: o.FS.PathJoin(of.to, stageName), parts: of.parts}
		if err := j.vacant(append(slices.Clone(of.parts), of.others...)); err != nil {
			return nil, err
		}
		jobs = append(jobs, j)
	}
	if len(jobs) == 2 {
		return jobs, o.together(jobs[1].manifest, jobs[0].manifest)
	}
	return jobs, nil
}

// together checks that keys open a ledger.
func (o *RestoreOptions) together(ledger, keys *Manifest) error {
	switch {
	case ledger.Keys.Store != keys.Keys.Store:
		return fmt.Errorf("%w: the ledger's values are sealed under the key store %s, and the keys are of %s", ErrApart, ledger.Keys.Store, keys.Keys.Store)
	case keys.Log.Position < ledger.Log.Position && !o.OlderKeys:
		return fmt.Errorf("%w: values that were written between %s and %s could not be read, and would count as lost, not as erased. "+
			"Name a backup of the keys from %s or later, or say that you mean it with --older-keys",
			ErrOlderKeys, keys.Name, ledger.Name, ledger.Name)
	}
	return nil
}

// job puts back one backup.
type job struct {
	*RestoreOptions
	from     string // the backup
	manifest *Manifest
	to       string   // the directory
	stage    string   // where it is put together, inside to
	parts    []string // what is renamed from stage to to
}

// Names of what a restore puts together. READY says that all of it is there,
// whole and durable, and that renaming has begun.
const (
	stageName = "restore.partial"
	doneName  = "restore.done" // what is left of it, to be removed
	readyName = "READY"
)

// Unfinished reports, as an error that says what to do, that something was
// being restored into one of the directories.
func Unfinished(fs vfs.FS, dirs ...string) error {
	for _, dir := range dirs {
		if _, err := fs.Stat(fs.PathJoin(dir, stageName)); err == nil {
			return fmt.Errorf("a restore into %s was not finished: run the same lethe restore again, or remove %s and begin anew",
				dir, fs.PathJoin(dir, stageName))
		}
	}
	return nil
}

// vacant refuses to restore over anything. What this restore has renamed
// already is no obstacle.
func (j *job) vacant(names []string) error {
	if _, err := j.FS.Stat(j.FS.PathJoin(j.stage, readyName)); err == nil {
		return j.same()
	}
	var there []string
	for _, name := range names {
		path := j.FS.PathJoin(j.to, name)
		info, err := j.FS.Stat(path)
		switch {
		case durable.IsNotExist(err):
			continue
		case err != nil:
			return fmt.Errorf("looking at %s: %w", path, err)
		case info.IsDir():
			if inside, err := j.FS.List(path); err == nil && len(inside) == 0 {
				continue
			}
		}
		there = append(there, path)
	}
	if len(there) > 0 {
		return fmt.Errorf("%w: move %s away first, and keep it until you know that the restored one is what you want",
			ErrInUse, strings.Join(there, ", "))
	}
	if _, err := j.FS.Stat(j.stage); err == nil {
		return j.same()
	}
	return nil
}

// restoredName is in a directory of restored keys until they were opened.
const restoredName = "RESTORED"

// KeysRestored reports whether keys in a directory came from a backup and were
// not opened since.
func KeysRestored(fs vfs.FS, dir string) (bool, error) {
	_, err := fs.Stat(fs.PathJoin(dir, restoredName))
	if durable.IsNotExist(err) {
		return false, nil
	}
	return err == nil, err
}

// KeysOpened notes that keys were opened, with all that they did not know.
func KeysOpened(fs vfs.FS, dir string) error {
	if there, err := KeysRestored(fs, dir); !there || err != nil {
		return err
	}
	if err := fs.Remove(fs.PathJoin(dir, restoredName)); err != nil {
		return fmt.Errorf("noting that restored keys were opened: %w", err)
	}
	return durable.SyncDir(fs, dir)
}

// same refuses to go on with what another restore began.
func (j *job) same() error {
	m, err := ReadManifest(j.FS, j.stage)
	if errors.Is(err, ErrNoBackup) {
		return nil // it had only begun
	}
	if err != nil {
		return err
	}
	if m.Name != j.manifest.Name || m.Kind != j.manifest.Kind || m.Keys.Store != j.manifest.Keys.Store {
		return fmt.Errorf("%w: the restore of the backup %s into %s was not finished: finish it, or remove %s first",
			ErrInUse, m.Name, j.to, j.stage)
	}
	return nil
}

func (j *job) run(ctx context.Context) error {
	ready := j.FS.PathJoin(j.stage, readyName)
	if _, err := j.FS.Stat(ready); err != nil {
		if err := j.gather(ctx); err != nil {
			return err
		}
		if err := durable.ReplaceFile(j.FS, j.stage, readyName, []byte("whole\n")); err != nil {
			return err
		}
	}
	for _, part := range j.parts {
		if err := j.place(part); err != nil {
			return err
		}
	}
	done := j.FS.PathJoin(j.to, doneName)
	if err := j.FS.RemoveAll(done); err != nil {
		return fmt.Errorf("removing what an earlier restore left: %w", err)
	}
	if err := j.FS.Rename(j.stage, done); err != nil { // in one step: half of it would look unfinished
		return fmt.Errorf("ending the restore: %w", err)
	}
	if err := durable.SyncDir(j.FS, j.to); err != nil {
		return err
	}
	_ = j.FS.RemoveAll(done) // harmless, and removed by the next one
	return nil
}

// gather copies the backup and compares every file with its hash. A file that
// an earlier try copied is compared and kept.
func (j *job) gather(ctx context.Context) error {
	if err := durable.MakeDirs(j.FS, j.stage); err != nil {
		return err
	}
	b, err := durable.EncodeJSON(manifestHead, j.manifest)
	if err != nil {
		return err
	}
	if err := durable.ReplaceFile(j.FS, j.stage, manifestName, b); err != nil {
		return err
	}
	total, before := j.manifest.Bytes(), int64(0)
	for _, f := range j.manifest.Files {
		if err := j.fetch(ctx, f, func(n int64) { j.Progress(j.manifest.Kind, before+n, total) }); err != nil {
			return err
		}
		before += f.Bytes
	}
	switch j.manifest.Kind {
	case Ledger:
		err = j.sealed()
	case Keys:
		err = durable.ReplaceFile(j.FS, j.stage, restoredName, []byte(j.manifest.Name+"\n"))
	}
	if err != nil {
		return err
	}
	for _, part := range j.parts { // those that are files lie in stage itself
		if info, err := j.FS.Stat(j.FS.PathJoin(j.stage, part)); err == nil && info.IsDir() {
			if err := durable.SyncDir(j.FS, j.FS.PathJoin(j.stage, part)); err != nil {
				return err
			}
		}
	}
	return durable.SyncDir(j.FS, j.stage)
}

func (j *job) fetch(ctx context.Context, f File, progress func(int64)) error {
	to := j.FS.PathJoin(j.stage, f.Path)
	switch fault, err := fileFault(ctx, j.FS, to, f); {
	case err != nil:
		return err
	case fault == "":
		progress(f.Bytes)
		return nil
	}
	from := j.FS.PathJoin(j.from, f.Path)
	info, err := j.FS.Stat(from)
	if err != nil {
		return fmt.Errorf("%w: %s in %s: %w", durable.ErrDamaged, f.Path, j.from, err)
	}
	got, err := copyFile(ctx, j.FS, from, to, min(f.Bytes, info.Size()), progress)
	if err != nil {
		return err
	}
	if got.SHA256 != f.SHA256 || info.Size() != f.Bytes {
		return fmt.Errorf("%w: %s in %s: its bytes are not those that were backed up: restore another backup", durable.ErrDamaged, f.Path, j.from)
	}
	return nil
}

// sealed says where the seal stood, so that the opening begins a new origin.
func (j *job) sealed() error {
	s := j.manifest.Seal
	at := seal.Standing{Origin: s.Origin, Restarts: s.Restarts, Size: s.Size, Position: s.Position}
	if len(s.Root) != len(at.Root) {
		return fmt.Errorf("%w: MANIFEST does not say what was sealed", durable.ErrDamaged)
	}
	at.Root = tlog.Hash(s.Root)
	return seal.WriteCopy(j.FS, j.FS.PathJoin(j.stage, sealDir), at, []byte(s.Checkpoint))
}

// place renames one part, unless that was done before.
func (j *job) place(part string) error {
	from, to := j.FS.PathJoin(j.stage, part), j.FS.PathJoin(j.to, part)
	if _, err := j.FS.Stat(from); durable.IsNotExist(err) {
		return nil
	}
	switch info, err := j.FS.Stat(to); {
	case durable.IsNotExist(err):
	case err != nil:
		return fmt.Errorf("looking at %s: %w", to, err)
	case !info.IsDir():
		return fmt.Errorf("%w: %s has appeared meanwhile", ErrInUse, to)
	default: // an empty directory, as was seen; another one is not removed
		if err := j.FS.Remove(to); err != nil {
			return fmt.Errorf("making way for %s: %w", part, err)
		}
	}
	if err := j.FS.Rename(from, to); err != nil {
		return fmt.Errorf("putting %s in place: %w", part, err)
	}
	return durable.SyncDir(j.FS, j.to)
}
