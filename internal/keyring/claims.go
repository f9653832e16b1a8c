package keyring

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"

	"lethe/domain"
)

// text is LP of a text's SHA-256: texts of any length, bounded in what is
// hashed under a key.
func lpText(dst []byte, s string) []byte {
	sum := sha256.Sum256([]byte(s))
	return lp(dst, sum[:])
}

// CommandID names a command: a keyed hash of who sent it and the idempotency
// key that the sender chose. The same two always give the same ID.
func (k *Keyring) CommandID(principal domain.ID, idempotencyKey string) domain.Digest {
	return hmacOf(&k.secrets.command, lpText(lp(lp(nil, "command"), principal[:]), idempotencyKey))
}

// Claim is who a creation made, once and for all.
type Claim struct {
	Token domain.Token

	stored, given [32]byte
	erased        bool
}

// Erased reports that the person was erased, and the digest of the body that
// claimed with them: whether it is the same command is not known any more.
func (c *Claim) Erased() bool { return c.erased }

// SameBody reports, in constant time, whether the command that asked has the
// body of the one that claimed.
func (c *Claim) SameBody() bool { return !c.erased && equal(c.stored[:], c.given[:]) }

func (k *Keyring) bodyMAC(principal domain.ID, command, body domain.Digest) [32]byte {
	return hmacOf(&k.secrets.command, lp(lp(lp(lp(nil, "body"), principal[:]), command[:]), body[:]))
}

// ClaimCreation gives a creating command its token, durably and before
// anything is appended. When the command was claimed before, existing is true
// and the claim holds the first token, whatever was given now; ask SameBody
// whether it is the same command.
func (k *Keyring) ClaimCreation(ctx context.Context, principal domain.ID, command, body domain.Digest, token domain.Token) (claim Claim, existing bool, err error) {
	given := k.bodyMAC(principal, command, body)
	stored, err := k.findCreation(ctx, principal, command)
	if err != nil {
		return Claim{}, false, fmt.Errorf("claiming a creation: %w", err)
	}
	if stored != nil {
		stored.given = given
		return *stored, true, nil
	}
	if !token.Valid() {
		return Claim{}, false, errors.New("claiming a creation: the token is malformed")
	}
	var inserted int64
	args := k.creationArgs(principal, command, token, given[:])
	claim = Claim{stored: given, given: given}
	err = k.lookups.submit(ctx, 1, func(w *writer) error {
		var err error
		inserted, err = w.exec("INSERT INTO creations ("+creationColumns+") VALUES (?,?,?,?,?,?) ON CONFLICT DO NOTHING", args...)
		if err != nil || inserted == 1 {
			return err
		}
		var body []byte
		err = w.row("SELECT token, body FROM creations WHERE principal = ? AND command = ?", []any{principal[:], command[:]}, &claim.Token, &body)
		copy(claim.stored[:], body)
		claim.erased = err == nil && len(body) == 0
		return err
	})
	if err != nil {
		return Claim{}, false, fmt.Errorf("claiming a creation: %w", err)
	}
	if inserted == 1 {
		claim.Token = token
	}
	return claim, inserted == 0, nil
}

// CreationClaimed reports whether a command claimed a creation before.
func (k *Keyring) CreationClaimed(ctx context.Context, principal domain.ID, command domain.Digest) (bool, error) {
	c, err := k.findCreation(ctx, principal, command)
	if err != nil {
		return false, fmt.Errorf("looking for a creation: %w", err)
	}
	return c != nil, nil
}

// creationArgs are the columns of a new row of creations.
func (k *Keyring) creationArgs(principal domain.ID, command domain.Digest, token domain.Token, body []byte) []any {
	r := creationRow{principal: principal[:], command: command[:], body: body, token: string(token), at: k.opts.Now().UnixMicro()}
	return []any{r.principal, r.command, r.token, r.body, r.at, k.secrets.shortMAC(r.message(nil))}
}

// findCreation answers a repeated command without a write transaction.
func (k *Keyring) findCreation(ctx context.Context, principal domain.ID, command domain.Digest) (*Claim, error) {
	rows, err := k.lookups.read.creation.QueryContext(ctx, principal[:], command[:])
	if err != nil {
		return nil, fmt.Errorf("reading claims: %w", err)
	}
	defer rows.Close() //nolint:errcheck // read only
	if !rows.Next() {
		return nil, rows.Err()
	}
	var c Claim
	var body []byte
	if err := rows.Scan(&c.Token, &body); err != nil {
		return nil, fmt.Errorf("reading claims: %w", err)
	}
	copy(c.stored[:], body)
	c.erased = len(body) == 0
	return &c, nil
}
