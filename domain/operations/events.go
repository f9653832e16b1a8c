// Package operations is what is done with the ledger itself: tokens created,
// expired, revoked; holds that are about many people. Rotations, backups and
// restores belong here too.
package operations

import (
	"time"

	"lethe/domain"
	"lethe/domain/personal"
	"lethe/domain/principal"
)

// Stream is the one stream of operations.
const Stream = "operations"

// Event is the sealed sum of operations.
//
//sumtype:decl
type Event interface {
	domain.Event
	isOperationsEvent()
}

// TokenCreated: an access token exists. Hash is the SHA-256 of its 32 random
// bytes, which needs no salt and cannot be reversed; the token is nowhere.
type TokenCreated struct {
	Token     domain.ID        `json:"token"`
	Principal domain.ID        `json:"principal"`
	Hash      domain.Digest    `json:"hash"`
	Roles     []principal.Role `json:"roles"`
	Purposes  []domain.Name    `json:"purposes,omitzero"` // none = any purpose the role allows
	Expires   time.Time        `json:"expires"`
}

// TokenRevoked: it counts no more, from now.
type TokenRevoked struct {
	Token domain.ID `json:"token"`
}

// TokenExpired notes that its end has passed; expiry itself is computed.
type TokenExpired struct {
	Token domain.ID `json:"token"`
}

func (*TokenCreated) isOperationsEvent() {}
func (*TokenRevoked) isOperationsEvent() {}
func (*TokenExpired) isOperationsEvent() {}

// EventType is the stored name and version.
func (*TokenCreated) EventType() domain.Type { return domain.Type{Name: "TokenCreated", Version: 1} }

// EventType is the stored name and version.
func (*TokenRevoked) EventType() domain.Type { return domain.Type{Name: "TokenRevoked", Version: 1} }

// EventType is the stored name and version.
func (*TokenExpired) EventType() domain.Type { return domain.Type{Name: "TokenExpired", Version: 1} }

// Personal lists nothing: the event is facts only.
func (*TokenCreated) Personal(dst []personal.Slot) []personal.Slot { return dst }

// Personal lists nothing: the event is facts only.
func (*TokenRevoked) Personal(dst []personal.Slot) []personal.Slot { return dst }

// Personal lists nothing: the event is facts only.
func (*TokenExpired) Personal(dst []personal.Slot) []personal.Slot { return dst }
