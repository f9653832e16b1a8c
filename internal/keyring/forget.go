package keyring

import (
	"context"
	"fmt"
	"strings"

	"lethe/domain"
)

// forget deletes the rows of people from the lookup file and cuts its
// write-ahead log. It may be repeated.
func (k *Keyring) forget(ctx context.Context, people []person) error {
	job := &lookupJob{clear: true}
	for i := range people {
		if p := &people[i]; p.token != "" && (p.everything || len(p.fields) > 0) {
			job.rows++
		}
	}
	if job.rows == 0 {
		return nil
	}
	job.run = func(w *writer) error {
		for i := range people {
			if err := k.forgetOne(w, &people[i]); err != nil {
				return fmt.Errorf("deleting from the lookup: %w", err)
			}
		}
		return nil
	}
	if err := k.lookups.group.do(ctx, job); err != nil {
		return err
	}
	return job.notCleared
}

func (k *Keyring) forgetOne(w *writer, p *person) error {
	if p.token == "" {
		return nil
	}
	for _, f := range p.fields {
		if _, err := w.exec("DELETE FROM lookup WHERE token = ? AND field = ?", string(p.token), string(f)); err != nil {
			return err
		}
	}
	switch {
	case p.everything:
		return k.forgetClaims(w, string(p.token))
	case len(p.fields) > 0:
		return k.forgetFields(w, string(p.token), p.fields)
	}
	return nil
}

// forgetClaims deletes what recognises a person's imports, and the digests of
// the bodies that created them.
func (k *Keyring) forgetClaims(w *writer, token string) error {
	if _, err := w.exec("DELETE FROM imports WHERE token = ?", token); err != nil {
		return err
	}
	gone := forgottenRow{token: token}
	_, err := w.exec("INSERT OR REPLACE INTO forgotten ("+forgottenColumns+") VALUES (?,?)", token, k.secrets.shortMAC(gone.message(nil)))
	if err != nil {
		return err
	}
	var rows []creationRow
	err = eachIn(w, "SELECT "+creationColumns+" FROM creations WHERE token = ? AND body <> x''", token, func(scan func(...any) error) error {
		var r creationRow
		err := r.scan(scan)
		rows = append(rows, r)
		return err
	})
	if err != nil {
		return err
	}
	for i := range rows {
		r := &rows[i]
		r.body = []byte{}
		_, err := w.exec("UPDATE creations SET body = x'', row_mac = ? WHERE principal = ? AND command = ?",
			k.secrets.shortMAC(r.message(nil)), r.principal, r.command)
		if err != nil {
			return err
		}
	}
	return nil
}

// forgetFields takes fields out of import claims. A claim's field is named
// "field" or "field@slot".
func (k *Keyring) forgetFields(w *writer, token string, fields []domain.Name) error {
	goes := map[domain.Name]bool{}
	for _, f := range fields {
		goes[f] = true
	}
	var changed []importRow
	err := eachIn(w, "SELECT "+importColumns+" FROM imports WHERE token = ?", token, func(scan func(...any) error) error {
		var r importRow
		if err := r.scan(scan); err != nil {
			return err
		}
		had, err := decodeFields(r.fields)
		if err != nil {
			return err
		}
		var stay []FieldMAC
		for _, f := range had {
			if name, _, _ := strings.Cut(string(f.Field), "@"); !goes[domain.Name(name)] {
				stay = append(stay, f)
			}
		}
		if len(stay) < len(had) {
			r.fields = encodeFields(stay)
			changed = append(changed, r)
		}
		return nil
	})
	if err != nil {
		return err
	}
	for i := range changed {
		r := &changed[i]
		_, err := w.exec("UPDATE imports SET fields = ?, row_mac = ? WHERE mac = ?", r.fields, k.secrets.shortMAC(r.message(nil)), r.key)
		if err != nil {
			return err
		}
	}
	return nil
}

// remember lets people have claims again.
func (k *Keyring) remember(ctx context.Context, of []Compartment) error {
	var tokens []string
	for _, c := range of {
		if t, is := strings.CutPrefix(c.Owner, "subject-"); is && (tokens == nil || tokens[len(tokens)-1] != t) {
			tokens = append(tokens, t)
		}
	}
	if tokens == nil {
		return nil
	}
	return k.lookups.submit(ctx, len(tokens), func(w *writer) error {
		for _, t := range tokens {
			if _, err := w.exec("DELETE FROM forgotten WHERE token = ?", t); err != nil {
				return err
			}
		}
		return nil
	})
}

// eachIn goes over rows inside a writer's transaction.
func eachIn(w *writer, query string, arg any, f func(scan func(...any) error) error) error {
	stmt, err := w.stmt(query)
	if err != nil {
		return err
	}
	return eachOf(context.Background(), stmt, arg, f)
}
