package operations

import (
	"slices"
	"time"

	"lethe/domain"
	"lethe/domain/personal"
)

// RootKind is what a root key is.
type RootKind string

// Kinds of root keys.
const (
	RootFile  RootKind = "file"
	RootVault RootKind = "hashivault"
	RootAWS   RootKind = "awskms"
	RootGCP   RootKind = "gcpkms"
	RootAzure RootKind = "azurekeyvault"
)

// Valid reports whether k is a known kind.
func (k RootKind) Valid() bool {
	return slices.Contains([]RootKind{RootFile, RootVault, RootAWS, RootGCP, RootAzure}, k)
}

// RootKeyChanged: the key store is under another root key, of this kind.
type RootKeyChanged struct {
	Kind RootKind `json:"kind"`
}

func (*RootKeyChanged) isOperationsEvent() {}

// EventType is the stored name and version.
func (*RootKeyChanged) EventType() domain.Type {
	return domain.Type{Name: "RootKeyChanged", Version: 1}
}

// Personal lists nothing: the event is facts only.
func (*RootKeyChanged) Personal(dst []personal.Slot) []personal.Slot { return dst }

// ChangeRootKey records a change that was made.
type ChangeRootKey struct{ RootKeyChanged }

// EffectiveAt is now.
func (ChangeRootKey) EffectiveAt() time.Time { return time.Time{} }

func (ChangeRootKey) isOperationsCommand() {}

func changeRootKey(c ChangeRootKey) ([]domain.Event, error) {
	if !c.Kind.Valid() {
		return nil, domain.Invalid("root_key.kind", "kind", "a root key is a file or a key of a known service")
	}
	return []domain.Event{&c.RootKeyChanged}, nil
}
