// Package app is the composition root: it opens the parts in their order,
// starts what runs beside requests, and closes everything again. Clock and
// chance enter the ledger here.
package app

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"lethe/domain"
	"lethe/domain/operations"
	"lethe/eventstore"
	"lethe/eventstore/segment"
	"lethe/internal/backup"
	"lethe/internal/codec"
	"lethe/internal/config"
	"lethe/internal/disclose"
	"lethe/internal/dropping"
	"lethe/internal/erasure"
	"lethe/internal/keyring"
	"lethe/internal/ledger"
	"lethe/internal/retention"
	"lethe/internal/rootkey"
	"lethe/internal/seal"
	"lethe/projections"
)

// App is an open data directory.
type App struct {
	Config config.Config
	Log    *slog.Logger
	Store  *segment.Store
	Keys   *keyring.Keyring
	Codec  *codec.Codec
	Ledger *ledger.Ledger
	Door   *disclose.Door
	Views  *Views
	Seal   *seal.Log
	// Erasures carries out what is ordered.
	Erasures *erasure.Process
	// Drops takes what was erased long ago out of the log's files.
	Drops *dropping.Job
	// Retention orders what retention has ended for to be erased.
	Retention *retention.Job
	Report    []string // what opening survived and an operator should know
	// LostJournal is what this opening recorded of a declaration that the erasure
	// journal is lost; nil: nothing.
	LostJournal *operations.ErasureJournalLost

	journalLost operations.CurrentPart
	roots       map[string]rootkey.Opener
	stop        context.CancelFunc
	keeping     context.CancelFunc // of KeepEpochs
	running     sync.WaitGroup

	reporting sync.Mutex
	open      bool
	later     []string // what was found damaged and mended since
}

// Open opens or makes a data directory. It fails with eventstore.ErrLocked
// when another process has it, and changes nothing when a part is missing,
// damaged, or made by a newer program.
func Open(ctx context.Context, cfg config.Config, log *slog.Logger, more ...Option) (_ *App, err error) {
	a := &App{Config: cfg, Log: log}
	for _, option := range more {
		option(a)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, a.Close())
		}
	}()
	if err := keyring.DisableCoreDumps(); err != nil {
		log.WarnContext(ctx, "core dumps stay on: keys could be written to disk by a crash", "error", err)
	}
	if err := a.openStore(ctx); err != nil {
		return nil, err
	}
	if a.Keys, err = a.openKeys(ctx); err != nil {
		return nil, err
	}
	if err := a.openSeal(ctx); err != nil {
		return nil, err
	}
	if a.Codec, err = codec.New(); err != nil {
		return nil, fmt.Errorf("making the codec: %w", err)
	}
	a.Ledger, err = ledger.New(ledger.Options{
		Store: a.Store, Keys: a.Keys, Codec: a.Codec, Now: time.Now, Rand: rand.Reader, Logger: log,
		EvidenceRetention: domain.Duration(cfg.Erasure.Limitation()),
	})
	if err != nil {
		return nil, err
	}
	if err := a.recordRestart(ctx); err != nil {
		return nil, err
	}
	if err := backup.KeysOpened(vfs.Default, cfg.Storage.Resolved().Keys); err != nil {
		return nil, err
	}
	if err := a.rebuildLookup(ctx); err != nil {
		return nil, err
	}
	a.Door = disclose.New(a.Ledger, a.Codec, a.Keys, log)
	if err := a.introduce(ctx); err != nil {
		return nil, err
	}
	if a.Views, err = a.openViews(ctx, filepath.Join(cfg.Storage.Data, "views")); err != nil {
		return nil, err
	}
	a.openErasures()
	a.openDrops()
	a.openRetention()
	a.Seal.Run(ctx)
	a.opened()
	return a, a.follow(ctx)
}

// openStore opens or makes the event log.
func (a *App) openStore(ctx context.Context) error {
	of := a.Config.Storage
	if err := unfinished(of); err != nil {
		return err
	}
	if err := RequireLog(of); err != nil {
		return err
	}
	if err := os.MkdirAll(of.Data, 0o700); err != nil {
		return fmt.Errorf("making the data directory: %w", err)
	}
	var err error
	a.Store, err = segment.Open(filepath.Join(of.Data, "log"), segment.Options{
		Now: time.Now, Logger: a.Log, SegmentBytes: int64(of.SegmentBytes),
		DurableMark: max(viewMark(ctx, filepath.Join(of.Data, "views")), seal.Mark(filepath.Join(of.Data, "seal"))),
		Report:      func(e error) { a.report(e.Error()) },
	})
	if err != nil {
		return locked(of.Data, err)
	}
	return a.requireKeys()
}

// rebuildLookup makes lookup and claims again where they were lost. It comes
// after the keys of those who were erased are destroyed again: nobody is to be
// found by what had come back.
func (a *App) rebuildLookup(ctx context.Context) error {
	why, lost := a.Keys.LookupLost()
	if !lost {
		return nil
	}
	a.Log.WarnContext(ctx, "rebuilding lookup and claims from the log", "why", why)
	if err := a.Ledger.RebuildLookup(ctx, nil); err != nil {
		return err
	}
	a.report("lookup and claims were rebuilt: " + why)
	return nil
}

// Option changes what an App is made of.
type Option func(*App)

// RootKeys adds kinds of root keys by the scheme of their names.
func RootKeys(more map[string]rootkey.Opener) Option { return func(a *App) { a.roots = more } }

// maxReports bounds what is remembered of a ledger that goes on being damaged.
const maxReports = 1000

// report notes damage that was survived.
func (a *App) report(what string) {
	a.reporting.Lock()
	defer a.reporting.Unlock()
	switch {
	case !a.open:
		a.Report = append(a.Report, what)
	case len(a.later) < maxReports:
		a.later = append(a.later, what)
	}
}

func (a *App) opened() {
	a.reporting.Lock()
	defer a.reporting.Unlock()
	a.open = true
}

// Reports is Report, and what was found damaged and mended since.
func (a *App) Reports() []string {
	a.reporting.Lock()
	defer a.reporting.Unlock()
	return append(slices.Clone(a.Report), a.later...)
}

func locked(dir string, err error) error {
	if errors.Is(err, eventstore.ErrLocked) {
		return fmt.Errorf("%w: %s: stop the other lethe process, or go through it with --server URL and a token", err, dir)
	}
	return fmt.Errorf("opening the event log: %w", err)
}

func (a *App) openKeys(ctx context.Context) (*keyring.Keyring, error) {
	s := a.Config.Storage.Resolved()
	return keyring.Open(ctx, keyring.Options{
		JournalLost: a.declaration(ctx), KeysCurrent: a.journalLost == operations.CurrentKeys,
		Dir: s.Keys, EpochDir: s.Epochs, LookupDir: s.Lookup, RootKeyFile: s.RootKey,
		RootPassphraseFile: s.RootPassphrase, RootProviders: a.roots,
		EpochReplicas: s.EpochReplicas, RotateEvery: s.RotateEvery, PurgeAfter: s.PurgeAfter, Report: a.report,
		JournalDir: s.Journal, HeadDir: s.Pins, CreateRoot: true, Rand: rand.Reader, Now: time.Now, Logger: a.Log, DefaultCountry: s.PhoneRegion,
	})
}

// Close stops what runs and closes the parts in the reverse order. It may be
// called on an App that opened in part.
func (a *App) Close() error {
	if a.keeping != nil {
		a.keeping()
	}
	if a.stop != nil {
		a.stop()
		a.running.Wait()
	}
	var errs []error
	if a.Door != nil && a.Store != nil {
		errs = append(errs, a.Door.Close(context.Background()))
	}
	if a.Views != nil {
		errs = append(errs, a.Views.Close())
	}
	if a.Seal != nil {
		errs = append(errs, a.closeSeal())
	}
	if a.Store != nil {
		errs = append(errs, a.Store.Close())
	}
	if a.Keys != nil {
		errs = append(errs, a.Keys.Close())
	}
	return errors.Join(errs...)
}

var _ projections.Decoder = (*codec.Codec)(nil)
