package ledger

import (
	"lethe/domain"
	"lethe/domain/subject"
	"lethe/internal/keyring"
)

// KeyOf is a record's key as the key store names it.
func KeyOf(token domain.Token, k subject.KeyRef) keyring.KeyInfo {
	return keyring.KeyInfo{
		Compartment: keyring.Compartment{Owner: token.Stream(), Group: k.Group}, Generation: k.Generation, ID: keyring.KeyID(k.Key),
	}
}

// RefOf is a key as the events of its record name it.
func RefOf(k keyring.KeyInfo) subject.KeyRef {
	return subject.KeyRef{Group: k.Compartment.Group, Generation: k.Generation, Key: domain.ID(k.ID)}
}

// GoneValues are the values that go of groups of which something stays, as the
// erasure journal names them.
func GoneValues(groups []subject.Weighed) (values []keyring.ValueRef) {
	for _, g := range groups {
		for _, v := range g.Values {
			values = append(values, keyring.ValueRef{Field: v.Field, Slot: v.Slot})
		}
	}
	return values
}
