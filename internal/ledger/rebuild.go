package ledger

import (
	"context"
	"fmt"
	"iter"

	"lethe/domain"
	"lethe/domain/catalogue"
	"lethe/domain/importing"
	"lethe/domain/personal"
	"lethe/domain/subject"
	"lethe/eventstore"
	"lethe/internal/keyring"
)

// RebuildLookup makes the keyring's lookup and claims anew from the log when
// their file was lost. It is in no backup on purpose, so this is also what
// follows a restore. It opens values to hash them under the index key, the
// one named exception to opening for a decision; none is returned. progress,
// which may be nil, is told how many people are done.
func (l *Ledger) RebuildLookup(ctx context.Context, progress func(done, total int)) error {
	cat, err := l.Catalogue(ctx)
	if err != nil {
		return err
	}
	var people []domain.Token
	b := indexing{l: l, ctx: ctx, cat: cat}
	for rec, err := range l.store.ReadAll(ctx, 0) {
		if err != nil {
			return fmt.Errorf("looking for people to index: %w", err)
		}
		if rec.Type == "SubjectRegistered" {
			people = append(people, domain.Token(rec.Stream[len("subject-"):]))
		}
		if err := b.file(rec); err != nil {
			return err
		}
	}
	return l.keys.Rebuild(ctx, func(yield func(keyring.Rebuilt, error) bool) {
		for _, f := range b.files {
			if !yield(keyring.Rebuilt{File: f}, nil) {
				return
			}
		}
		for i, token := range people {
			for r, err := range b.person(token) {
				if !yield(r, err) || err != nil {
					return
				}
			}
			if progress != nil {
				progress(i+1, len(people))
			}
		}
	})
}

type indexing struct {
	l     *Ledger
	ctx   context.Context
	cat   *catalogue.State
	files []*keyring.RebuiltFile // in the order in which their imports began
}

// file notes the beginning and the end of an import.
func (b *indexing) file(rec *eventstore.Recorded) error {
	if rec.Type != "ImportStarted" && rec.Type != "ImportCompleted" {
		return nil
	}
	d, err := b.l.codec.Decode(rec)
	if err != nil {
		return fmt.Errorf("decoding stream %s: %w", rec.Stream, err)
	}
	switch e := d.Event.(type) {
	case *importing.Started:
		b.files = append(b.files, &keyring.RebuiltFile{
			System: e.System, File: e.File, Mapping: e.Mapping, Catalogue: e.Catalogue, Marks: e.Marks, Import: e.Import,
		})
	case *importing.Completed:
		for _, f := range b.files {
			if importing.Stream(f.Import) == rec.Stream {
				f.Done = true
			}
		}
	}
	return nil
}

// person yields what the log says of one person for lookup and claims.
func (b *indexing) person(token domain.Token) iter.Seq2[keyring.Rebuilt, error] {
	return func(yield func(keyring.Rebuilt, error) bool) {
		var state *subject.State
		seen := map[keyring.RebuiltSource]bool{}
		for rec, err := range b.l.store.ReadStream(b.ctx, token.Stream(), eventstore.StreamRange{}) {
			if err != nil {
				yield(keyring.Rebuilt{}, fmt.Errorf("reading stream %s: %w", token.Stream(), err))
				return
			}
			d, err := b.l.codec.Decode(rec)
			if err != nil {
				yield(keyring.Rebuilt{}, fmt.Errorf("decoding stream %s: %w", token.Stream(), err))
				return
			}
			state = subject.Evolve(state, d)
			for r, err := range b.claims(token, d, rec, seen) {
				if !yield(r, err) || err != nil {
					return
				}
			}
		}
		for r, err := range b.values(token, state) {
			if !yield(r, err) || err != nil {
				return
			}
		}
	}
}

// claims yields the creation of a person and the source rows it is made of.
func (b *indexing) claims(
	token domain.Token, d domain.Recorded, rec *eventstore.Recorded, seen map[keyring.RebuiltSource]bool,
) iter.Seq2[keyring.Rebuilt, error] {
	return func(yield func(keyring.Rebuilt, error) bool) {
		source, row := sourceOf(d.Event)
		if _, registers := d.Event.(*subject.Registered); registers && !d.Metadata.Command.IsZero() {
			digest, there, err := b.digest(rec)
			if err != nil || there && !yield(keyring.Rebuilt{Creation: &keyring.RebuiltCreation{
				Principal: d.Metadata.Principal, Command: d.Metadata.Command, Body: digest, Token: token,
			}}, nil) {
				if err != nil {
					yield(keyring.Rebuilt{}, err)
				}
				return
			}
		}
		key, ok, err := b.text(row)
		unknown := false
		if err == nil && !ok {
			unknown, err = b.l.Erased(b.ctx, row)
		}
		if err != nil {
			yield(keyring.Rebuilt{}, err)
			return
		}
		r := keyring.RebuiltSource{System: source.System, Table: source.Table, PrimaryKey: key, Token: token}
		if unknown {
			r = keyring.RebuiltSource{Token: token, Unknown: true}
		}
		if (ok || unknown) && source.System != "" && !seen[r] {
			seen[r] = true
			yield(keyring.Rebuilt{Source: &r}, nil)
		}
	}
}

// digest is that of the command's body. It is nil when it cannot be read any
// more: whose claim was left out would be created a second time.
func (b *indexing) digest(rec *eventstore.Recorded) (digest *domain.Digest, there bool, err error) {
	sealed := b.l.codec.DigestPart(rec)
	if sealed.State() == personal.Absent {
		return nil, false, nil
	}
	text, ok, err := b.text(sealed)
	if ok && len(text) == len(domain.Digest{}) {
		digest = (*domain.Digest)([]byte(text))
	}
	return digest, true, err
}

// text opens a value; ok is false for one that is absent or cannot be read.
func (b *indexing) text(v personal.Value) (text string, ok bool, err error) {
	opened, err := b.l.reveal(b.ctx, v)
	if err != nil {
		return "", false, fmt.Errorf("opening a value to index it: %w", err)
	}
	text, ok = opened.Reveal()
	return text, ok, nil
}

// values yields the values that the person can be found by now.
func (b *indexing) values(token domain.Token, state *subject.State) iter.Seq2[keyring.Rebuilt, error] {
	return func(yield func(keyring.Rebuilt, error) bool) {
		now := b.l.Now()
		for _, held := range state.At(now, now).Fields {
			f, declared := b.cat.Field(held.Field)
			if !declared || f.Lookup == catalogue.NoLookup {
				continue
			}
			text, ok, err := b.text(held.Value)
			if err != nil {
				yield(keyring.Rebuilt{}, err)
				return
			}
			if ok && !yield(keyring.Rebuilt{Lookup: &keyring.LookupRow{
				Kind: f.Lookup, Text: text, Token: token, Field: held.Field, EventID: held.EventID,
			}}, nil) {
				return
			}
		}
	}
}

func sourceOf(e domain.Event) (subject.Source, personal.Value) {
	switch e := e.(type) {
	case *subject.Registered:
		return e.Source, e.Row
	case *subject.FieldsRecorded:
		return e.Source, e.Row
	case *subject.FieldsRectified:
		return e.Source, e.Row
	default:
		return subject.Source{}, personal.Value{}
	}
}
