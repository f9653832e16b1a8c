package backup

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/cockroachdb/pebble/v2/vfs"
	"golang.org/x/mod/sumdb/note"

	"lethe/eventstore"
	"lethe/eventstore/segment"
	"lethe/internal/leaf"
	"lethe/internal/tlog"
)

// VerifyOptions say what a backup is compared with.
type VerifyOptions struct {
	FS vfs.FS // vfs.Default when nil
	// Verifier is of a key that must have signed the checkpoint, and that came
	// by another way than the backup; nil = the log's own list of keys, which the
	// backup holds, is believed.
	Verifier note.Verifier
	// InspectKeys says what a copy of the key store holds, and checks its file.
	InspectKeys func(ctx context.Context, path string) (KeyState, error)
	// Progress is told how many bytes were read; may be nil.
	Progress func(done, total int64)
}

// Report is what verifying a backup showed.
type Report struct {
	Dir      string    `json:"dir"`
	Manifest *Manifest `json:"manifest"`
	Clean    bool      `json:"clean" doc:"Nothing was found"`
	Findings []Finding `json:"findings"`
	Events   uint64    `json:"events,omitzero" doc:"That the copy of a ledger was seen to hold"`
	Sealed   uint64    `json:"sealed,omitzero" doc:"Of them, those that the checkpoint proves"`
	Signers  []string  `json:"signers,omitempty" doc:"Who signed the checkpoint: name+key ID"`
}

// Finding is something that is wrong with a backup.
type Finding struct {
	Where string `json:"where"`
	What  string `json:"what"`
}

// check is one verification under way.
type check struct {
	VerifyOptions
	Report
}

func (c *check) found(where, what string, args ...any) {
	c.Findings = append(c.Findings, Finding{Where: where, What: fmt.Sprintf(what, args...)})
}

// Verify reads a whole backup, that in dir or the newest of the place dir:
// every file against its hash, and of a ledger every event, whose tree must
// have the root that the checkpoint signs. It changes nothing. The error says
// that it could not be verified to the end; what is wrong is in the report.
// Errors: ErrNoBackup, durable.ErrDamaged when the MANIFEST itself cannot be
// read, ctx's.
func Verify(ctx context.Context, dir string, o VerifyOptions) (Report, error) {
	if o.FS == nil {
		o.FS = vfs.Default
	}
	if o.Progress == nil {
		o.Progress = func(int64, int64) {}
	}
	dir, m, err := Find(o.FS, dir, "")
	if err != nil {
		return Report{}, err
	}
	c := &check{VerifyOptions: o, Report: Report{Dir: dir, Manifest: m, Findings: []Finding{}}}
	err = c.files(ctx)
	if err == nil && len(c.Findings) == 0 { // else what is wrong is known already
		if m.Kind == Ledger {
			err = c.ledger(ctx)
		} else {
			err = c.keys(ctx)
		}
	}
	c.Clean = err == nil && len(c.Findings) == 0
	if err != nil {
		return c.Report, fmt.Errorf("verifying the backup in %s: %w", dir, err)
	}
	return c.Report, nil
}

// files compares what lies in the directory with what MANIFEST names.
func (c *check) files(ctx context.Context) error {
	total, done := c.Manifest.Bytes(), int64(0)
	dirs := []string{""}
	for _, f := range c.Manifest.Files {
		if dir := c.FS.PathDir(f.Path); dir != "." && !slices.Contains(dirs, dir) {
			dirs = append(dirs, dir)
		}
		switch fault, err := fileFault(ctx, c.FS, c.FS.PathJoin(c.Dir, f.Path), f); {
		case err != nil:
			return err
		case fault != "":
			c.found(f.Path, "%s", fault)
		}
		done += f.Bytes
		c.Progress(done, total)
	}
	for _, dir := range dirs {
		names, err := c.FS.List(c.FS.PathJoin(c.Dir, dir))
		if err != nil {
			return fmt.Errorf("listing a backup: %w", err)
		}
		for _, name := range names {
			path := name
			if dir != "" {
				path = dir + "/" + name
			}
			if _, named := c.Manifest.file(path); !named && path != manifestName && !slices.Contains(dirs, path) {
				c.found(path, "MANIFEST does not name it: somebody else has put it there")
			}
		}
	}
	return nil
}

// fileFault says what is wrong with a file; "" when nothing is.
func fileFault(ctx context.Context, fs vfs.FS, path string, f File) (string, error) {
	info, err := fs.Stat(path)
	switch {
	case err != nil:
		return "it is missing or cannot be read: " + err.Error(), nil
	case info.IsDir() || info.Size() != f.Bytes:
		return fmt.Sprintf("it has %d bytes of %d", info.Size(), f.Bytes), nil
	}
	sum, err := hashFile(ctx, fs, path, f.Bytes)
	switch {
	case ctx.Err() != nil:
		return "", ctx.Err()
	case err != nil:
		return err.Error(), nil
	case sum != f.SHA256:
		return "its bytes are not those that were backed up", nil
	}
	return "", nil
}

// ledger reads every event and compares the tree of their leaves with what
// was sealed.
func (c *check) ledger(ctx context.Context) error {
	signed, err := c.checkpoint()
	if err != nil {
		c.found("checkpoint", "%s", err)
		return nil
	}
	r, err := segment.OpenReader(c.FS, c.FS.PathJoin(c.Dir, logDir))
	if err == nil {
		err = errors.Join(c.events(ctx, r, signed), r.Close())
	}
	var corrupt *eventstore.CorruptError
	if errors.As(err, &corrupt) {
		c.found(logDir+"/"+corrupt.File, "%s", corrupt.Error())
		return nil
	}
	return err
}

// checkpoint opens the signed note; its size is 0 when nothing was signed yet.
func (c *check) checkpoint() (tlog.Checkpoint, error) {
	s := c.Manifest.Seal
	if s.Checkpoint == "" {
		return tlog.Checkpoint{}, nil
	}
	var cp tlog.Checkpoint
	var n *note.Note
	var err error
	if c.Verifier != nil {
		n, err = tlog.OpenNote([]byte(s.Checkpoint), note.VerifierList(c.Verifier))
		if err == nil {
			cp, err = tlog.ParseCheckpoint(n.Text)
		}
	} else {
		cp, n, err = openBy(s.KeyList, s.Checkpoint)
	}
	switch {
	case err != nil:
		return cp, err
	case cp.Origin != s.Origin:
		return cp, fmt.Errorf("it is of the log %s and not of %s", cp.Origin, s.Origin)
	case uint64(cp.Size) > s.Size || s.Size > c.Manifest.Log.Events:
		return cp, errors.New("it covers more events than were backed up")
	}
	for _, sig := range n.Sigs {
		c.Signers = append(c.Signers, fmt.Sprintf("%s+%08x", sig.Name, sig.Hash))
	}
	return cp, nil
}

// openBy opens a checkpoint by a log's own list of keys.
func openBy(keyList, checkpoint string) (tlog.Checkpoint, *note.Note, error) {
	text, _, err := tlog.SplitNote([]byte(keyList))
	if err != nil {
		return tlog.Checkpoint{}, nil, err
	}
	list, err := tlog.ParseKeyList(text)
	if err != nil {
		return tlog.Checkpoint{}, nil, err
	}
	return list.Open([]byte(checkpoint))
}

func (c *check) events(ctx context.Context, r *segment.Reader, signed tlog.Checkpoint) error {
	var t tree
	var of leaf.Leaf
	var entry []byte
	var last eventstore.Position
	for _, sec := range r.Sections() {
		for rec, err := range r.ReadSection(ctx, sec) {
			if err != nil {
				return err
			}
			leaf.Of(t.size, rec, &of)
			entry, last = of.Append(entry[:0]), rec.Position
			t.add(leaf.Hash(entry))
			c.compare(&t, uint64(signed.Size), signed.Root[:], "the checkpoint's")
			c.compare(&t, c.Manifest.Seal.Size, c.Manifest.Seal.Root, "the one that was sealed")
		}
	}
	c.Events, c.Sealed = t.size, uint64(signed.Size)
	if t.size != c.Manifest.Log.Events || last != c.Manifest.Log.Position {
		c.found(logDir, "it holds %d events, the last at position %s; %d were backed up, the last at position %s",
			t.size, last, c.Manifest.Log.Events, c.Manifest.Log.Position)
	}
	return nil
}

func (c *check) compare(t *tree, size uint64, root []byte, whose string) {
	if t.size != size {
		return
	}
	if got := t.root(); !slices.Equal(got[:], root) {
		c.found(logDir, "the root of its first %d events is not %s: history was altered", size, whose)
	}
}

// keys looks into the copy of the key store.
func (c *check) keys(ctx context.Context) error {
	if c.InspectKeys == nil {
		return nil
	}
	at, err := c.InspectKeys(ctx, c.FS.PathJoin(c.Dir, keysFile))
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case err != nil:
		c.found(keysFile, "%s", err)
	case !c.Manifest.Keys.describes(at):
		c.found(keysFile, "it is not the copy that MANIFEST describes")
	}
	return nil
}
