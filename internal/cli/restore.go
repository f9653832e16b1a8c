package cli

import (
	"context"
	"net/http"
	"os"
	"path/filepath"
	"strconv"

	"lethe/internal/backup"
	"lethe/internal/httpapi"
	"lethe/internal/keyring"
)

type restoreCmd struct {
	Run     restoreRunCmd     `cmd:"" default:"withargs" help:"Put back a ledger, its keys, or both, from backups."`
	Accept  restoreAcceptCmd  `cmd:"" help:"Accept, as an officer, what a restored log has lost."`
	Journal restoreJournalCmd `cmd:"" help:"Declare that the erasure journal is lost for good, and begin it anew."`
}

type restoreRunCmd struct {
	LedgerFrom string `name:"ledger-from" placeholder:"DIR" help:"Backup of the ledger, or a place: then its newest. It is put back to --data."`
	KeysFrom   string `name:"keys-from" placeholder:"DIR" help:"Backup of the keys, or a place: then its newest. They are put back to --keys."`
	OlderKeys  bool   `name:"older-keys" help:"Take keys that were backed up before the ledger: values that were written between the two are lost."`
	NoOpen     bool   `name:"no-open" help:"Only put the files in place; the next start does the rest."`
}

// Help is shown by --help.
func (restoreRunCmd) Help() string {
	return `Nothing is overwritten: where a ledger or a key store is, it says what to move away first. Every file is compared with its hash before anything is put in place, and all of a backup is, or nothing. A restore that was stopped goes on when the same command is run again.

The root key, the epoch keys, the erasure journal and the known checkpoints are in no backup: they must be where the settings say. When the ledger is opened, by this command or by the next start, erasures that the backup does not know of are carried out again before anything is served. A restored ledger goes on under a new log name, and purposes that rest on consent are off until an officer accepts what is lost.

Examples:

    lethe restore --ledger-from /mnt/a/ledger --keys-from /mnt/b/keys --data /var/lib/lethe
    lethe restore --keys-from /mnt/b/keys/20260131T090000.000000Z
    lethe restore accept 1`
}

func (c *restoreRunCmd) Run(ctx context.Context, s *shell) error {
	switch {
	case s.root.Client.Server != "":
		return usage("a restore works on the directories themselves: stop the server, and leave --server out")
	case c.LedgerFrom == "" && c.KeysFrom == "":
		return usage("name a backup: --ledger-from DIR, --keys-from DIR, or both")
	}
	at := s.root.Storage.Resolved()
	bars := newProgress(s.process.Stderr)
	done, err := backup.Restore(ctx, backup.RestoreOptions{
		LedgerFrom: c.LedgerFrom, KeysFrom: c.KeysFrom, Data: at.Data, KeyDir: at.Keys, OlderKeys: c.OlderKeys,
		Progress: func(of backup.Kind, done, total int64) { bars.set("restoring the "+string(of), done, total) },
	})
	bars.end(err == nil)
	if err != nil {
		return err
	}
	r := restored{Restored: httpapi.BackupsOf(entries(done, backup.Ledger), entries(done, backup.Keys))}
	if err := c.open(ctx, s, &r); err != nil {
		return err
	}
	if s.root.JSON {
		return s.json(r)
	}
	p := &page{}
	restoredLines(p, r)
	return p.writeTo(s.process.Stdout)
}

func entries(done []backup.Restored, kind backup.Kind) (out []backup.Entry) {
	for _, d := range done {
		if d.Manifest.Kind == kind {
			out = append(out, backup.Entry{Place: filepath.Dir(d.Dir), Dir: d.Dir, Manifest: d.Manifest})
		}
	}
	return out
}

// restored is what a restore did.
type restored struct {
	Restored []httpapi.Backup `json:"restored"`
	Opened   bool             `json:"opened"` // the ledger was opened, and so brought up to date
	Origin   string           `json:"origin,omitempty"`
	Lost     uint64           `json:"lost_range,omitempty"`
	Unkeyed  int              `json:"values_without_key,omitempty"` // sealed after the keys were backed up, under keys that were made since
	Reports  []string         `json:"reports,omitempty"`
}

// open opens the ledger, which applies what the backups do not know.
func (c *restoreRunCmd) open(ctx context.Context, s *shell, r *restored) error {
	at := s.root.Storage.Resolved()
	_, noLog := os.Stat(filepath.Join(at.Data, "log"))
	keys, err := keyring.StoreThere(at.Keys)
	if c.NoOpen || noLog != nil || err != nil || !keys { // keys would be made where none were restored
		return nil
	}
	a, err := s.open(ctx)
	if err != nil {
		return err
	}
	ops, err := a.Ledger.Operations(ctx)
	if err != nil {
		return err
	}
	for _, b := range r.Restored {
		if b.Of != backup.Keys {
			continue
		}
		if r.Unkeyed, err = a.WithoutKey(ctx, b.Position); err != nil {
			return err
		}
	}
	r.Opened, r.Origin, r.Lost, r.Reports = true, a.Seal.Origin(), ops.LostRange(a.Ledger.Now()), a.Reports()
	return nil
}

func restoredLines(p *page, r restored) {
	for _, b := range r.Restored {
		p.line("Restored the %s of %s: %s events, %s bytes.", b.Of, stamp(b.Taken), count(b.Events), count(b.Bytes))
	}
	if !r.Opened {
		p.line("Not opened yet: the next start brings it up to date before it serves.")
		return
	}
	p.line("Opened as %s.", r.Origin)
	if r.Unkeyed > 0 {
		p.line("%s values were sealed after these keys were backed up, under keys that are lost: they cannot be read, and do not count as erased. "+
			"lethe audit verify names them.", count(r.Unkeyed))
	}
	if r.Lost > 0 {
		p.line("The log has a new key that signs it: back up the keys now.")
	}
	if r.Lost > 0 {
		p.line("Bring in again what is known to be lost: withdrawals, objections, restrictions, legal holds, erasures that were ordered and had not started.")
		p.line("Purposes based on consent are off, and no erasure starts, until an officer accepts what is lost: lethe restore accept %d", r.Lost)
	}
}

type restoreAcceptCmd struct {
	Number uint64 `arg:"" help:"Number of the restart, as lethe status tells it."`
}

// Help is shown by --help.
func (restoreAcceptCmd) Help() string {
	return `Bring in again first what is known to have been recorded since the backup: withdrawals, objections, restrictions, legal holds, and erasures that were ordered and had not started. Afterwards consents count as the log has them, and erasures start.

Example:

    lethe restore accept 1 --server https://ledger.example.com --token-file officer.token`
}

func (c *restoreAcceptCmd) Run(ctx context.Context, s *shell) error {
	q := call{method: http.MethodPost, path: []string{"log", "restarts", strconv.FormatUint(c.Number, 10), "accept"}}
	return show(ctx, s, q, func(p *page, v httpapi.Outcome) error {
		if v.Events == 0 {
			p.line("It was accepted before.")
			return nil
		}
		p.line("Accepted. Consents count again as the log has them.")
		return nil
	})
}
