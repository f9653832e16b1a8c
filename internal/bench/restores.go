package bench

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"lethe/internal/app"
	"lethe/internal/backup"
	"lethe/internal/config"
)

// restores measures a backup of the ledger and its keys and its way back, each
// beside copying and syncing the same files.
func (b *bench) restores(ctx context.Context) error {
	if !b.wanted("import") { // there is nothing to back up yet
		figures := b.report.Figures
		if err := b.imports(ctx); err != nil {
			return err
		}
		b.report.Figures = figures
	}
	b.tell("backup")
	if err := caughtUp(ctx, b.app); err != nil {
		return err
	}
	if err := b.app.Seal.WaitFor(ctx, b.app.Store.Stats().Head); err != nil {
		return err
	}
	to := config.Backup{LedgerTo: filepath.Join(b.Dir, "backups", "ledger"), KeysTo: filepath.Join(b.Dir, "backups", "keys")}
	places := app.Backups{App: b.app, To: to, Program: "bench"}
	start := begin()
	made, err := places.Create(ctx, true, true, nil)
	if err != nil {
		return err
	}
	var size int64
	for _, m := range made {
		size += m.Manifest.Bytes()
	}
	full := start.megabytes(size)
	base, err := b.copyFiles(made)
	if err != nil {
		return err
	}
	const same = "copying and syncing the same files"
	b.add(Figure{Name: "backup of ledger and keys", Unit: "MB/s", Note: "while the ledger is open, with hashes; nothing of an earlier backup to link"}.
		of(full).against(same, base, 0))
	start = begin()
	again, err := places.Create(ctx, true, true, nil)
	if err != nil {
		return err
	}
	b.fact("a second backup", "%s, %.1f of %.1f MB copied", time.Since(start.start).Round(time.Millisecond),
		float64(again[0].Copied+again[1].Copied)/1e6, float64(size)/1e6)
	return b.restore(ctx, made, size, base)
}

// restore measures the way back: the files, and the opening until every view
// has caught up.
func (b *bench) restore(ctx context.Context, made []backup.Made, size int64, base rate) error {
	b.tell("restore")
	cfg := config.Config{Storage: config.Storage{Data: filepath.Join(b.Dir, "restored"), SegmentBytes: 64 << 20}}
	at := cfg.Storage.Resolved()
	start := begin()
	done, err := backup.Restore(ctx, backup.RestoreOptions{
		FS: vfs.Default, LedgerFrom: made[0].Dir, KeysFrom: made[1].Dir, Data: at.Data, KeyDir: at.Keys,
	})
	if err != nil {
		return err
	}
	const same = "copying and syncing the same files"
	b.add(Figure{Name: "restore of the files", Unit: "MB/s", Note: "every file compared with its hash"}.of(start.megabytes(size)).against(same, base, 0))
	from := b.app.Config.Storage.Resolved()
	for to, live := range map[string]string{at.Epochs: from.Epochs, at.Journal: from.Journal} {
		if err := os.CopyFS(to, os.DirFS(live)); err != nil {
			return fmt.Errorf("bringing what is in no backup: %w", err)
		}
	}
	if err := copyFile(at.RootKey, from.RootKey); err != nil {
		return err
	}
	a, err := app.Open(ctx, cfg, b.app.Log)
	if err != nil {
		return err
	}
	if err := caughtUp(ctx, a); err != nil {
		return err
	}
	events := int(done[1].Manifest.Log.Events)
	measured := start.rate(events)
	if err := a.Close(); err != nil {
		return err
	}
	share := float64(size) / 1e6 / float64(max(events, 1)) // megabytes of an event
	copied := rate{each: base.each / share, cpu: time.Duration(float64(base.cpu) * share)}
	b.add(Figure{
		Name: "restore until ready", Unit: "events/s",
		Note: fmt.Sprintf("%d events, %.1f MB in %s: files, index, lookup, views; sealing goes on behind it", events, float64(size)/1e6,
			time.Since(start.start).Round(10*time.Millisecond)),
	}.of(measured).against(same, copied, 0))
	return nil
}

// caughtUp waits for the views.
func caughtUp(ctx context.Context, a *app.App) error {
	for _, v := range a.Views.Status() {
		if err := a.Views.WaitFor(ctx, v.Name, a.Store.Stats().Head); err != nil {
			return fmt.Errorf("waiting for the view %s: %w", v.Name, err)
		}
	}
	return nil
}

// megabytes is the rate of so many bytes, by the megabyte.
func (c clock) megabytes(n int64) rate {
	r := c.rate(int(n / 1000))
	return rate{each: r.each / 1000, cpu: r.cpu * 1000}
}

// copyFiles copies the files of backups one after the other, and syncs each.
func (b *bench) copyFiles(made []backup.Made) (rate, error) {
	dir := filepath.Join(b.Dir, "copied")
	var size int64
	start := begin()
	for _, m := range made {
		for _, f := range m.Manifest.Files {
			if err := copyFile(filepath.Join(dir, string(m.Manifest.Kind), f.Path), filepath.Join(m.Dir, f.Path)); err != nil {
				return rate{}, err
			}
			size += f.Bytes
		}
	}
	measured := start.megabytes(size)
	if err := os.RemoveAll(dir); err != nil {
		return rate{}, fmt.Errorf("removing a copy: %w", err)
	}
	return measured, nil
}

func copyFile(to, from string) error {
	if err := os.MkdirAll(filepath.Dir(to), 0o700); err != nil {
		return fmt.Errorf("copying a file: %w", err)
	}
	in, err := os.Open(from) //nolint:gosec // made by this run
	if err != nil {
		return fmt.Errorf("copying a file: %w", err)
	}
	defer in.Close()                                                      //nolint:errcheck // read only
	out, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600) //nolint:gosec // made by this run
	if err != nil {
		return fmt.Errorf("copying a file: %w", err)
	}
	_, err = io.Copy(out, in)
	if err == nil {
		err = out.Sync()
	}
	if cerr := out.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		return fmt.Errorf("copying a file: %w", err)
	}
	return nil
}
