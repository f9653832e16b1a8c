// Package auth says who calls and what the caller's roles allow. Access
// tokens are bearer secrets of 32 random bytes; the ledger holds only their
// SHA-256, which for a random secret needs no salt and gives nothing away.
package auth

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"lethe/domain"
	"lethe/domain/operations"
	"lethe/domain/principal"
)

// Caller is an authenticated principal with the rights of its token.
type Caller struct {
	Principal domain.ID
	Token     domain.ID // zero for the local operator
	Roles     []principal.Role
	Purposes  []domain.Name // none = any
}

// Has reports whether the caller has any of the roles.
func (c Caller) Has(roles ...principal.Role) bool {
	return slices.ContainsFunc(roles, func(r principal.Role) bool { return slices.Contains(c.Roles, r) })
}

// For reports whether the caller may act for the purpose.
func (c Caller) For(purpose domain.Name) bool {
	return len(c.Purposes) == 0 || slices.Contains(c.Purposes, purpose)
}

// Action is something a role may do; the table below is the one place that
// says which.
type Action string

// Actions.
const (
	ReadCatalogue  Action = "read the catalogue"
	WriteCatalogue Action = "change the catalogue"
	WriteSubject   Action = "record people, changes and consents"
	RevokeConsent  Action = "revoke or invalidate a consent"
	DecideRights   Action = "decide on restrictions, objections, holds and links"
	ExerciseRights Action = "pass on a person's restriction or objection"
	ReadHolds      Action = "read which holds there are"
	ReadRetention  Action = "read what retention has ended for"
	RunRetention   Action = "order what is overdue to be erased"
	ReadFacts      Action = "read a person's history as facts"
	OpenData       Action = "open personal data for a purpose"
	ReadAccesses   Action = "read who accessed a person's data"
	ReadEvents     Action = "read the event feed"
	RunImport      Action = "import"
	RunProjections Action = "rebuild views"
	ReadStatus     Action = "read the status"
	ManageTokens   Action = "manage tokens"
	ReadProofs     Action = "read proofs"
	ReadEntries    Action = "read the entries of the log"
	ManageLogKeys  Action = "manage the keys that sign the log"
	ManageKeys     Action = "rotate the keys that wrap all others"
	VerifyLedger   Action = "verify the whole ledger"
	MakeBundle     Action = "make evidence bundles"
	EraseData      Action = "order or cancel an erasure"
	CertifyErasure Action = "make certificates of erasure"
	WriteLetter    Action = "write the letter about an erasure"
	MakeBackup     Action = "make backups"
	AcceptLoss     Action = "accept what a restored log has lost"
	DropPayloads   Action = "drop erased values from the log's files"
)

var allowed = map[Action][]principal.Role{
	ReadCatalogue:  {principal.Admin, principal.Officer, principal.Operator, principal.Auditor, principal.Service},
	WriteCatalogue: {principal.Admin, principal.Officer},
	WriteSubject:   {principal.Officer, principal.Operator, principal.Service},
	RevokeConsent:  {principal.Officer, principal.Operator},
	DecideRights:   {principal.Officer},
	ExerciseRights: {principal.Officer, principal.Operator, principal.Service},
	ReadHolds:      {principal.Officer, principal.Auditor},
	ReadRetention:  {principal.Officer, principal.Auditor},
	RunRetention:   {principal.Officer},
	ReadFacts:      {principal.Officer, principal.Operator, principal.Auditor, principal.Service},
	OpenData:       {principal.Officer, principal.Operator, principal.Service},
	ReadAccesses:   {principal.Officer, principal.Auditor},
	ReadEvents:     {principal.Officer, principal.Auditor, principal.Service},
	RunImport:      {principal.Admin, principal.Officer},
	RunProjections: {principal.Admin},
	ReadStatus:     {principal.Admin, principal.Officer, principal.Operator, principal.Auditor},
	ManageTokens:   {principal.Admin},
	ReadProofs:     {principal.Admin, principal.Officer, principal.Operator, principal.Auditor, principal.Service},
	ReadEntries:    {principal.Auditor},
	ManageLogKeys:  {principal.Admin},
	ManageKeys:     {principal.Admin, principal.Operator},
	VerifyLedger:   {principal.Admin, principal.Officer, principal.Auditor},
	MakeBundle:     {principal.Officer, principal.Auditor},
	EraseData:      {principal.Officer, principal.Operator},
	CertifyErasure: {principal.Officer, principal.Auditor},
	WriteLetter:    {principal.Officer, principal.Operator, principal.Service},
	MakeBackup:     {principal.Admin, principal.Operator},
	AcceptLoss:     {principal.Officer},
	DropPayloads:   {principal.Admin},
}

// RolesFor lists the roles that an action is allowed to, for documentation.
func RolesFor(a Action) []principal.Role { return slices.Clone(allowed[a]) }

// Allow refuses (403) what none of the caller's roles allows.
func Allow(c Caller, a Action) error {
	if c.Has(allowed[a]...) {
		return nil
	}
	return domain.Forbidden("auth.role", "role", "your token's roles do not allow to %s: one of %s is needed", a, list(allowed[a]))
}

func list(roles []principal.Role) string {
	names := make([]string, len(roles))
	for i, r := range roles {
		names[i] = string(r)
	}
	return strings.Join(names, ", ")
}

const prefix = "lethe_"

// Mint draws a token: the secret, which is shown once, and its hash.
func Mint(rand io.Reader) (secret string, hash domain.Digest, err error) {
	var b [32]byte
	if _, err := io.ReadFull(rand, b[:]); err != nil {
		return "", domain.Digest{}, fmt.Errorf("drawing an access token: %w", err)
	}
	return prefix + base64.RawURLEncoding.EncodeToString(b[:]), sha256.Sum256(b[:]), nil
}

func hashOf(bearer string) (domain.Digest, bool) {
	encoded, ok := strings.CutPrefix(bearer, prefix)
	if !ok || len(encoded) != base64.RawURLEncoding.EncodedLen(32) {
		return domain.Digest{}, false
	}
	b, err := base64.RawURLEncoding.DecodeString(encoded)
	if err != nil {
		return domain.Digest{}, false
	}
	return sha256.Sum256(b), true
}

// Directory answers from the operations and principals streams.
type Directory interface {
	Operations(ctx context.Context) (*operations.State, error)
	Principal(ctx context.Context, id domain.ID) (*principal.State, error)
}

var errNoEntry = &domain.Error{
	Kind: domain.KindUnauthorized, Code: "auth.token",
	Message: "no valid token: send Authorization: Bearer with a token that exists, has not expired and was not revoked",
}

// Authenticate finds the caller of a bearer token. Whatever is wrong with a
// token, the answer is the same.
func Authenticate(ctx context.Context, dir Directory, bearer string, now time.Time) (Caller, error) {
	hash, ok := hashOf(bearer)
	if !ok {
		return Caller{}, errNoEntry
	}
	state, err := dir.Operations(ctx)
	if err != nil {
		return Caller{}, err
	}
	t, ok := state.ByHash(hash)
	if !ok || subtle.ConstantTimeCompare(t.Hash[:], hash[:]) != 1 || !t.Valid(now) {
		return Caller{}, errNoEntry
	}
	who, err := dir.Principal(ctx, t.Principal)
	if err != nil {
		return Caller{}, err
	}
	if who == nil || who.Disabled {
		return Caller{}, errNoEntry
	}
	return Caller{Principal: t.Principal, Token: t.TokenCreated.Token, Roles: t.Roles, Purposes: t.Purposes}, nil
}
