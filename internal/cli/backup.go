package cli

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/mod/sumdb/note"

	"lethe/domain"
	"lethe/internal/app"
	"lethe/internal/backup"
	"lethe/internal/config"
	"lethe/internal/httpapi"
	"lethe/internal/tlog"
)

type backupCmd struct {
	Create backupCreateCmd `cmd:"" help:"Back up the ledger, its keys, or both, while it goes on."`
	List   backupListCmd   `cmd:"" help:"Show the backups there are."`
	Verify backupVerifyCmd `cmd:"" help:"Read a backup and compare it with its hashes and its signed checkpoint."`
}

type backupCreateCmd struct {
	config.Backup
}

// Help is shown by --help.
func (backupCreateCmd) Help() string {
	return `The ledger goes to --ledger-to and its keys to --keys-to, each to a directory of its own that has a MANIFEST when it is complete. Either can be left out. Full segments that the last backup has are linked to it. With --server the server backs up to the places that it was started with.

The root key, the epoch keys, the lookup, the erasure journal and the known checkpoints are in no backup: docs/backup.md says why, and what to do with each.

Examples:

    lethe backup create --ledger-to /mnt/a/ledger --keys-to /mnt/b/keys
    lethe backup create --server https://ledger.example.com --token-file operator.token`
}

func (c *backupCreateCmd) Run(ctx context.Context, s *shell) error {
	remote := s.root.Client.Server != ""
	switch given := c.LedgerTo != "" || c.KeysTo != ""; {
	case remote && given:
		return usage("--ledger-to and --keys-to are the server's own with --server: leave them out")
	case !remote && !given:
		return usage("name a place: --ledger-to DIR, --keys-to DIR, or both")
	}
	if _, err := app.Places(c.Backup, s.root.Storage); err != nil && !remote {
		return &usageError{err: err}
	}
	s.backups = c.Backup
	made, err := s.backUp(ctx)
	if s.root.JSON {
		if err == nil {
			err = s.json(items[httpapi.Made]{Items: made})
		}
		return err
	}
	p := &page{}
	for _, m := range made {
		p.line("%s", filepath.Join(m.Place, m.Name))
		p.line("  %s with %s events, %s bytes, of them %s copied", m.Of, count(m.Events), count(m.Bytes), count(m.Copied))
	}
	if werr := p.writeTo(s.process.Stdout); err == nil {
		err = werr
	}
	return err
}

// backUp asks for a backup and gives what was made, also when it failed.
func (s *shell) backUp(ctx context.Context) (made []httpapi.Made, err error) {
	res, err := s.stream(ctx, call{method: http.MethodPost, path: []string{"backups"}})
	if err != nil {
		return nil, err
	}
	defer res.Close() //nolint:errcheck // read to its end
	bars := newProgress(s.process.Stderr)
	defer func() { bars.end(err == nil) }()
	ended, err := eachLine(res, func(at httpapi.BackupLine) bool {
		if at.Of != "" {
			bars.set("copying the "+string(at.Of), at.Bytes, at.Total)
		}
		made = append(made, at.Made...)
		return at.Ended
	})
	if err == nil && !ended {
		err = &domain.Error{
			Kind: domain.KindUnavailable, Code: "backup.interrupted",
			Message: "the server stopped before the backup was done: what was not complete is not listed; ask again",
		}
	}
	return made, err
}

type backupListCmd struct {
	config.Backup
}

// Help is shown by --help.
func (backupListCmd) Help() string {
	return `Reads the places without opening a ledger; with --server, those of the server. A backup that is under way, or was stopped, is not listed.

Examples:

    lethe backup list --ledger-to /mnt/a/ledger --keys-to /mnt/b/keys
    lethe backup list --server https://ledger.example.com --token-file operator.token`
}

func (c *backupListCmd) Run(ctx context.Context, s *shell) error {
	if s.root.Client.Server != "" {
		return show(ctx, s, call{method: http.MethodGet, path: []string{"backups"}}, func(p *page, v items[httpapi.Backup]) error {
			backupLines(p, v.Items)
			return nil
		})
	}
	if c.LedgerTo == "" && c.KeysTo == "" {
		return usage("name a place: --ledger-to DIR, --keys-to DIR, or both")
	}
	for _, place := range []string{c.LedgerTo, c.KeysTo} {
		if _, err := os.Stat(place); place != "" && err != nil {
			return fmt.Errorf("looking at the place of backups: %w: no backup was made there, or it is not mounted", err)
		}
	}
	ledger, keys, err := app.ListBackups(c.Backup, s.root.Storage)
	if err != nil {
		return err
	}
	all := httpapi.BackupsOf(ledger, keys)
	if s.root.JSON {
		return s.json(items[httpapi.Backup]{Items: all})
	}
	p := &page{}
	backupLines(p, all)
	return p.writeTo(s.process.Stdout)
}

func backupLines(p *page, all []httpapi.Backup) {
	p.head("backup", "of", "taken", "events", "bytes", "key store", "destructions", "")
	for _, b := range all {
		if b.Damaged != "" {
			p.row(b.Name, string(b.Of), "", "", "", "", "", "DAMAGED: "+b.Damaged)
			continue
		}
		state := ""
		switch {
		case b.Dead.After(time.Now()):
			state = "dead from " + stamp(b.Dead)
		case !b.Dead.IsZero():
			state = "dead since " + stamp(b.Dead)
		}
		p.row(b.Name, string(b.Of), stamp(b.Taken), count(b.Events), count(b.Bytes), b.KeyStore, count(b.Fences), state)
	}
}

type backupVerifyCmd struct {
	Dir []string `arg:"" name:"dir" placeholder:"DIR" help:"A backup's directory, or a place: then its newest."`
	Key string   `name:"key" placeholder:"FILE" help:"The log's verifier key, that came by another way than the backup (lethe keys log export): the checkpoint must be signed by it."`
}

// Help is shown by --help.
func (backupVerifyCmd) Help() string {
	return `Reads every file and compares it with the hash in the MANIFEST. Of a ledger it also reads every event, computes the tree, and compares its root with the checkpoint that the log signed; of keys it checks the structure of their file. It needs no keys and no ledger, and changes nothing.

Exit codes: 0 nothing was found, 1 it could not be read, 2 usage, 3 something was found.

Examples:

    lethe backup verify /mnt/a/ledger --key ledger.vkey
    lethe backup verify /mnt/a/ledger/20260131T090000.000000Z /mnt/b/keys/20260131T090000.000000Z`
}

func (c *backupVerifyCmd) Run(ctx context.Context, s *shell) (err error) {
	o := backup.VerifyOptions{}
	if c.Key != "" {
		if o.Verifier, err = verifierIn(c.Key); err != nil {
			return err
		}
	}
	bars := newProgress(s.process.Stderr)
	defer func() { bars.end(err == nil) }()
	reports := []backup.Report{}
	found := false
	for _, dir := range c.Dir {
		o.Progress = func(done, total int64) { bars.set("reading "+dir, done, total) }
		r, err := app.VerifyBackup(ctx, dir, o)
		if err != nil {
			return err
		}
		reports, found = append(reports, r), found || !r.Clean
	}
	if s.root.JSON {
		err = s.json(items[backup.Report]{Items: reports})
	} else {
		p := &page{}
		for _, r := range reports {
			reportLines(p, r)
		}
		err = p.writeTo(s.process.Stdout)
	}
	if err == nil && found {
		return errFound
	}
	return err
}

func reportLines(p *page, r backup.Report) {
	for _, f := range r.Findings {
		p.line("%s: %s: %s", r.Dir, f.Where, f.What)
	}
	if !r.Clean {
		return
	}
	p.line("%s: nothing was found", r.Dir)
	p.line("  %s of %s, %d files, %s bytes", r.Manifest.Kind, stamp(r.Manifest.Time), len(r.Manifest.Files), count(r.Manifest.Bytes()))
	if r.Manifest.Kind == backup.Ledger {
		p.line("  %s events, of them %s proven by a checkpoint of %s", count(r.Events), count(r.Sealed), r.Manifest.Seal.Origin)
		for _, signer := range r.Signers {
			p.line("  signed by %s", signer)
		}
	}
}

// verifierIn reads a verifier key from a file.
func verifierIn(name string) (note.Verifier, error) {
	b, err := os.ReadFile(name) //nolint:gosec // the caller names it
	if err != nil {
		return nil, usage("--key: %w", err)
	}
	v, err := tlog.NewVerifier(string(trimLine(b)))
	if err != nil {
		return nil, usage("--key %s: %w", name, err)
	}
	return v, nil
}

func trimLine(b []byte) []byte {
	for len(b) > 0 && (b[len(b)-1] == '\n' || b[len(b)-1] == '\r' || b[len(b)-1] == ' ') {
		b = b[:len(b)-1]
	}
	return b
}
