package keyring

import (
	"context"
	"fmt"
	"iter"

	"lethe/domain"
)

// Rebuilt is one thing that the log says about lookup and claims. Exactly one
// of its members is set.
type Rebuilt struct {
	Lookup   *LookupRow
	Creation *RebuiltCreation
	Source   *RebuiltSource
	File     *RebuiltFile
}

// RebuiltCreation is a creation as its event records it. Body is the digest
// of the command's body, which the event holds sealed; nil: it was erased.
type RebuiltCreation struct {
	Principal domain.ID
	Command   domain.Digest
	Body      *domain.Digest
	Token     domain.Token
}

// RebuiltSource is a record's origin. Its claim comes back as reserved: the
// next import loads the stream and decides again. Unknown stands for all rows
// of Token whose keys were erased: see UnknownRowsOf.
type RebuiltSource struct {
	System, Table domain.Name
	PrimaryKey    string
	Token         domain.Token
	Unknown       bool
}

// RebuiltFile is an import of a file. File and Mapping are the keyed digests
// of FileDigest, as the event has them.
type RebuiltFile struct {
	System        domain.Name
	File, Mapping domain.Digest
	Catalogue     uint64
	Marks         uint64
	Import        domain.ID
	Done          bool
}

const (
	rebuildBatch  = 4096
	creationWidth = 6 // columns
)

// Rebuild fills an empty lookup file from the log and marks it whole. It may
// be repeated after any failure; what is there already stays. Of several
// imports of one file the first that came to its end is the file's.
func (k *Keyring) Rebuild(ctx context.Context, items iter.Seq2[Rebuilt, error]) error {
	var batch rebuilding
	for item, err := range items {
		if err != nil {
			return fmt.Errorf("rebuilding the lookup: %w", err)
		}
		k.gather(&batch, &item)
		if batch.size() >= rebuildBatch {
			if err := k.flush(ctx, &batch); err != nil {
				return err
			}
		}
	}
	if err := k.flush(ctx, &batch); err != nil {
		return err
	}
	err := k.lookups.submit(ctx, 1, func(w *writer) error {
		_, err := w.exec("UPDATE meta SET value = ? WHERE name = 'state'", []byte("ready"))
		return err
	})
	if err != nil {
		return fmt.Errorf("rebuilding the lookup: %w", err)
	}
	k.lookups.lost.Store(nil)
	return nil
}

type rebuilding struct {
	lookups   []LookupRow
	creations []any // columns of creations
	sources   []Reservation
	files     [][]any // columns of files
}

func (b *rebuilding) size() int {
	return len(b.lookups) + len(b.creations)/creationWidth + len(b.sources) + len(b.files)
}

func (k *Keyring) gather(b *rebuilding, item *Rebuilt) {
	if item.Lookup != nil {
		b.lookups = append(b.lookups, *item.Lookup)
	}
	if c := item.Creation; c != nil {
		body := []byte{}
		if c.Body != nil {
			mac := k.bodyMAC(c.Principal, c.Command, *c.Body)
			body = mac[:]
		}
		b.creations = append(b.creations, k.creationArgs(c.Principal, c.Command, c.Token, body)...)
	}
	if s := item.Source; s != nil {
		key := k.SourceKeyOf(s.System, s.Table, s.PrimaryKey)
		if s.Unknown {
			key = k.UnknownRowsOf(s.Token)
		}
		b.sources = append(b.sources, Reservation{Key: key, Token: s.Token})
	}
	if f := item.File; f != nil {
		row := fileRow{mac: k.fileMACOf(f.System, f.File, f.Mapping, f.Catalogue, f.Marks), id: f.Import[:], done: f.Done}
		b.files = append(b.files, k.fileArgs(&row))
	}
}

const rebuildFile = "INSERT INTO files (" + fileColumns + `) VALUES (?,?,?,?)
	ON CONFLICT (mac) DO UPDATE SET import = excluded.import, done = 1, row_mac = excluded.row_mac WHERE done = 0 AND excluded.done = 1`

func (k *Keyring) flush(ctx context.Context, b *rebuilding) error {
	if err := k.PutLookups(ctx, b.lookups); err != nil {
		return err
	}
	if len(b.sources) > 0 {
		if _, err := k.ReserveImports(ctx, b.sources); err != nil {
			return err
		}
	}
	if len(b.creations) > 0 {
		err := k.lookups.submit(ctx, len(b.creations)/creationWidth, func(w *writer) error {
			return insertRows(w, "INSERT OR IGNORE INTO creations ("+creationColumns+") VALUES ", creationWidth, b.creations)
		})
		if err != nil {
			return fmt.Errorf("rebuilding the lookup: %w", err)
		}
	}
	if len(b.files) > 0 {
		err := k.lookups.submit(ctx, len(b.files), func(w *writer) error {
			for _, row := range b.files {
				if _, err := w.exec(rebuildFile, row...); err != nil {
					return fmt.Errorf("inserting file claims: %w", err)
				}
			}
			return nil
		})
		if err != nil {
			return fmt.Errorf("rebuilding the lookup: %w", err)
		}
	}
	*b = rebuilding{}
	return nil
}
