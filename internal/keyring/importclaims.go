package keyring

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"lethe/domain"
	"lethe/internal/part"
)

// Bounds of import claims.
const (
	MaxImportBatch  = 65_536 // claims of one call
	MaxImportFields = 512    // of one claim
)

// SourceKey is the keyed hash of a row's key in its source.
type SourceKey [macSize]byte

// ValueMAC is the keyed hash of a value as its source has it.
type ValueMAC [macSize]byte

// FieldMAC is what a source said for one of its fields.
type FieldMAC struct {
	Field domain.Name
	MAC   ValueMAC
}

// ImportClaim maps a source's row to its record. Reserved (not Done): an
// import may or may not have appended for it; load the stream and decide
// again. Done: what the source said, when it was last imported, under that
// mapping and catalogue revision.
type ImportClaim struct {
	Key       SourceKey
	Token     domain.Token
	Done      bool
	Version   uint32 // how often it was done
	Mapping   domain.Digest
	Catalogue uint64
	Fields    []FieldMAC
}

// Field finds a field's MAC.
func (c *ImportClaim) Field(name domain.Name) (ValueMAC, bool) {
	for _, f := range c.Fields {
		if f.Field == name {
			return f.MAC, true
		}
	}
	return ValueMAC{}, false
}

// SourceKeyOf hashes a row's key under the import key.
func (k *Keyring) SourceKeyOf(system, table domain.Name, primaryKey string) (key SourceKey) {
	m := hmacOf(&k.secrets.imports, lpText(lp(lp(lp(nil, "source"), system), table), primaryKey))
	copy(key[:], m[:])
	return key
}

// UnknownRowsOf is the key of a claim that is no row's: there is one when the
// claims were made anew and something of the person was erased together with
// the keys of the rows that had brought it. Until then a row without a claim is
// one that was never imported; from then on it may be one of these.
func (k *Keyring) UnknownRowsOf(token domain.Token) (key SourceKey) {
	m := hmacOf(&k.secrets.imports, lp(lp(nil, "unknown rows"), token))
	copy(key[:], m[:])
	return key
}

// ValueMACOf hashes a value of a source's row. The row's key is in it, so
// that equal values of two people do not show.
func (k *Keyring) ValueMACOf(of SourceKey, field domain.Name, value string) (m ValueMAC) {
	full := hmacOf(&k.secrets.imports, lpText(lp(lp(lp(nil, "value"), of[:]), field), value))
	copy(m[:], full[:])
	return m
}

func encodeFields(fields []FieldMAC) []byte {
	b := make([]byte, 0, len(fields)*(2+24+macSize))
	for _, f := range fields {
		b = append(lp(b, f.Field), f.MAC[:]...)
	}
	return b
}

func decodeFields(b []byte) ([]FieldMAC, error) {
	var fields []FieldMAC
	for len(b) > 0 {
		name, rest, ok := part.Cut(b, 64)
		if !ok || len(rest) < macSize {
			return nil, errors.New("an import claim is damaged")
		}
		f := FieldMAC{Field: domain.Name(name)}
		copy(f.MAC[:], rest)
		fields, b = append(fields, f), rest[macSize:]
	}
	return fields, nil
}

func scanImport(scan func(...any) error) (c ImportClaim, err error) {
	var r importRow
	if err = r.scan(scan); err != nil {
		return c, fmt.Errorf("reading import claims: %w", err)
	}
	c = ImportClaim{Token: domain.Token(r.token), Done: r.done, Version: r.version, Catalogue: uint64(r.catalogue)} //nolint:gosec // the bits
	copy(c.Key[:], r.key)
	copy(c.Mapping[:], r.mapping)
	c.Fields, err = decodeFields(r.fields)
	return c, err
}

// ImportClaims returns the claims that there are among keys.
func (k *Keyring) ImportClaims(ctx context.Context, keys []SourceKey) (map[SourceKey]ImportClaim, error) {
	if len(keys) > MaxImportBatch {
		return nil, fmt.Errorf("reading import claims: %d are more than %d", len(keys), MaxImportBatch)
	}
	found := make(map[SourceKey]ImportClaim)
	for len(keys) > 0 {
		n := chunkOf(len(keys))
		if err := k.importChunk(ctx, keys[:n], found); err != nil {
			return nil, err
		}
		keys = keys[n:]
	}
	return found, nil
}

func (k *Keyring) importChunk(ctx context.Context, keys []SourceKey, found map[SourceKey]ImportClaim) error {
	args := make([]any, len(keys))
	for i := range keys {
		args[i] = keys[i][:]
	}
	stmt := k.lookups.read.claim
	if len(keys) > 1 {
		stmt = k.lookups.read.claims
	}
	rows, err := stmt.QueryContext(ctx, args...)
	if err != nil {
		return fmt.Errorf("reading import claims: %w", err)
	}
	defer rows.Close() //nolint:errcheck // read only
	for rows.Next() {
		c, err := scanImport(rows.Scan)
		if err != nil {
			return err
		}
		found[c.Key] = c
	}
	if err := rows.Err(); err != nil {
		return fmt.Errorf("reading import claims: %w", err)
	}
	return nil
}

// Reservation asks for a claim: Token is used when there is none yet.
type Reservation struct {
	Key   SourceKey
	Token domain.Token
}

// ReserveImports claims source rows, durably, before anything is appended for
// them, and returns the claim that stands for each. A new one is one that is
// not Done and has the token that was given.
func (k *Keyring) ReserveImports(ctx context.Context, wanted []Reservation) ([]ImportClaim, error) {
	if len(wanted) > MaxImportBatch {
		return nil, fmt.Errorf("reserving import claims: %d are more than %d", len(wanted), MaxImportBatch)
	}
	for i := range wanted {
		if !wanted[i].Token.Valid() {
			return nil, errors.New("reserving import claims: a token is malformed")
		}
	}
	claims, rows := make([]ImportClaim, len(wanted)), k.reservedRows(wanted)
	err := k.lookups.submit(ctx, len(wanted), func(w *writer) error {
		for at := 0; at < len(wanted); {
			n := chunkOf(len(wanted) - at)
			if err := reserveChunk(w, rows[at:at+n], claims[at:at+n]); err != nil {
				return err
			}
			at += n
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("reserving import claims: %w", err)
	}
	return claims, nil
}

func (k *Keyring) reservedRows(wanted []Reservation) []importRow {
	rows := make([]importRow, len(wanted))
	var scratch [512]byte
	for i := range wanted {
		rows[i] = importRow{key: wanted[i].Key[:], token: string(wanted[i].Token)}
		rows[i].rowMAC = k.secrets.shortMAC(rows[i].message(scratch[:0]))
	}
	return rows
}

func reserveChunk(w *writer, rows []importRow, claims []ImportClaim) error {
	args := make([]any, 0, 3*len(rows))
	for i := range rows {
		args = append(args, rows[i].key, rows[i].token, rows[i].rowMAC)
		claims[i] = ImportClaim{Key: SourceKey(rows[i].key), Token: domain.Token(rows[i].token)}
	}
	n, err := w.exec("INSERT OR IGNORE INTO imports ("+importColumns+") VALUES "+placeholders("(?,?,0,0,x'',0,x'',?)", len(rows)), args...)
	if err != nil || n == int64(len(rows)) {
		return err
	}
	for i := range claims {
		stmt, err := w.stmt("SELECT " + importColumns + " FROM imports WHERE mac = ?")
		if err != nil {
			return err
		}
		if claims[i], err = scanImport(stmt.QueryRow(rows[i].key).Scan); err != nil {
			return err
		}
	}
	return nil
}

// finishImport does a row that is new or only reserved, which is most of
// them: what is in its MAC is known before. It takes one row: with several
// SQLite copies every page that it touches, so that it could undo the
// statement.
const finishImport = "INSERT INTO imports (" + importColumns + `) SELECT ?1,?2,1,1,?3,?4,?5,?6
	WHERE NOT EXISTS (SELECT 1 FROM forgotten WHERE token = ?2)
	ON CONFLICT (mac) DO UPDATE SET done = 1, version = 1, mapping = excluded.mapping,
	catalogue = excluded.catalogue, fields = excluded.fields, row_mac = excluded.row_mac
	WHERE version = 0 AND token = excluded.token`

const finishAgain = "UPDATE imports SET done = 1, version = ?, mapping = ?, catalogue = ?, fields = ?, row_mac = ? WHERE mac = ?"

// FinishImports marks claims done with what their source said; call it after
// the append was acknowledged. A crash before it costs a decision, not a
// second append. Version is counted here; what the claims say of it and of
// Done is not looked at. The token of a claim that stands is not changed, and
// who was erased meanwhile gets no claim.
func (k *Keyring) FinishImports(ctx context.Context, claims []ImportClaim) error {
	if len(claims) > MaxImportBatch {
		return fmt.Errorf("finishing import claims: %d are more than %d", len(claims), MaxImportBatch)
	}
	rows := make([]importRow, len(claims))
	var scratch [4096]byte
	for i := range claims {
		c := &claims[i]
		if len(c.Fields) > MaxImportFields {
			return fmt.Errorf("finishing import claims: %d fields are more than %d", len(c.Fields), MaxImportFields)
		}
		rows[i] = importRow{
			key: c.Key[:], token: string(c.Token), done: true, version: 1,
			mapping: c.Mapping[:], catalogue: int64(c.Catalogue), fields: encodeFields(c.Fields), //nolint:gosec // a revision
		}
		rows[i].rowMAC = k.secrets.shortMAC(rows[i].message(scratch[:0]))
	}
	return k.lookups.submit(ctx, len(claims), func(w *writer) error {
		for i := range rows {
			if err := k.finishRow(w, &rows[i]); err != nil {
				return fmt.Errorf("finishing import claims: %w", err)
			}
		}
		return nil
	})
}

func (k *Keyring) finishRow(w *writer, r *importRow) error {
	n, err := w.exec(finishImport, r.key, r.token, r.mapping, r.catalogue, r.fields, r.rowMAC)
	if err != nil || n == 1 {
		return err
	}
	// It was done before, has another token, or is of somebody who was erased.
	again := *r
	err = w.row("SELECT token, version FROM imports WHERE mac = ?", []any{r.key}, &again.token, &again.version)
	if errors.Is(err, sql.ErrNoRows) {
		return nil
	}
	if err != nil {
		return err
	}
	again.version++
	again.rowMAC = k.secrets.shortMAC(again.message(nil))
	_, err = w.exec(finishAgain, int64(again.version), again.mapping, again.catalogue, again.fields, again.rowMAC, again.key)
	return err
}

// FileKey names one import of one file. File and Mapping are plain digests;
// they are stored under a key only.
type FileKey struct {
	System    domain.Name
	File      domain.Digest
	Mapping   domain.Digest
	Catalogue uint64
	Marks     uint64 // MarkCount.Changes: what may be created is another import's matter after that
}

// FileClaim is the import that a file belongs to.
type FileClaim struct {
	Import domain.ID
	Done   bool
}

func (k *Keyring) fileMAC(f *FileKey) []byte {
	return k.fileMACOf(f.System, k.FileDigest(f.File), k.FileDigest(f.Mapping), f.Catalogue, f.Marks)
}

// fileMACOf is made of what an import's event records, so that the claim can be
// made anew from the log.
func (k *Keyring) fileMACOf(system domain.Name, file, mapping domain.Digest, catalogue, marks uint64) []byte {
	b := lp(lp(lp(lp(nil, "file"), system), file[:]), mapping[:])
	m := hmacOf(&k.secrets.imports, lp64(lp64(b, catalogue), marks))
	return m[:macSize]
}

// FileDigest is the keyed hash under which a file may be named in an event.
func (k *Keyring) FileDigest(file domain.Digest) domain.Digest {
	return hmacOf(&k.secrets.imports, lp(lp(nil, "file digest"), file[:]))
}

// ClaimFile gives a file its import, durably. When it was claimed before,
// existing is true and the claim is the first one: Done means that importing
// it again has nothing to do.
func (k *Keyring) ClaimFile(ctx context.Context, file FileKey, id domain.ID) (claim FileClaim, existing bool, err error) {
	row := fileRow{mac: k.fileMAC(&file), id: id[:]}
	args := k.fileArgs(&row)
	claim.Import = id
	err = k.lookups.submit(ctx, 1, func(w *writer) error {
		n, err := w.exec("INSERT INTO files ("+fileColumns+") VALUES (?,?,?,?) ON CONFLICT DO NOTHING", args...)
		if err != nil || n == 1 {
			return err
		}
		existing = true
		var stored []byte
		err = w.row("SELECT import, done FROM files WHERE mac = ?", []any{row.mac}, &stored, &claim.Done)
		copy(claim.Import[:], stored)
		return err
	})
	if err != nil {
		return FileClaim{}, false, fmt.Errorf("claiming a file: %w", err)
	}
	return claim, existing, nil
}

// FindFile returns a file's claim without making one.
func (k *Keyring) FindFile(ctx context.Context, file FileKey) (claim FileClaim, found bool, err error) {
	rows, err := k.lookups.read.file.QueryContext(ctx, k.fileMAC(&file))
	if err != nil {
		return claim, false, fmt.Errorf("reading file claims: %w", err)
	}
	defer rows.Close() //nolint:errcheck // read only
	if !rows.Next() {
		return claim, false, rows.Err()
	}
	var id []byte
	if err := rows.Scan(&id, &claim.Done); err != nil {
		return claim, false, fmt.Errorf("reading file claims: %w", err)
	}
	copy(claim.Import[:], id)
	return claim, true, nil
}

// fileArgs are the columns of a row of files.
func (k *Keyring) fileArgs(r *fileRow) []any {
	return []any{r.mac, r.id, int64(flag(r.done)), k.secrets.shortMAC(r.message(nil))}
}

// FinishFile marks a file's import done.
func (k *Keyring) FinishFile(ctx context.Context, file FileKey) error {
	row := fileRow{mac: k.fileMAC(&file), done: true}
	err := k.lookups.submit(ctx, 1, func(w *writer) error {
		err := w.row("SELECT import FROM files WHERE mac = ?", []any{row.mac}, &row.id)
		if errors.Is(err, sql.ErrNoRows) {
			return nil
		}
		if err != nil {
			return err
		}
		_, err = w.exec("UPDATE files SET done = 1, row_mac = ? WHERE mac = ?", k.secrets.shortMAC(row.message(nil)), row.mac)
		return err
	})
	if err != nil {
		return fmt.Errorf("finishing a file: %w", err)
	}
	return nil
}
