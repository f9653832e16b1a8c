package disclose_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"lethe/domain"
	"lethe/domain/personal"
	"lethe/domain/subject"
	"lethe/internal/keyring"
)

// A value that was to stay and is lost with the events that a restore lost is
// not called erased, although its key was destroyed.
func TestPitfall24WhatARestoreLostIsNotCalledErased(t *testing.T) {
	h := open(t)
	token := h.person("Ada", "ada@example.org")
	keys, err := h.keys.Keys(h.ctx, token.Stream())
	require.NoError(t, err)
	for _, k := range keys {
		if k.Compartment.Group == "contact" {
			_, err := h.keys.ProvisionNext(h.ctx, []keyring.Compartment{k.Compartment})
			require.NoError(t, err)
			_, err = h.keys.Destroy(h.ctx, "erasure", keyring.Destruction{Keys: []keyring.KeyInfo{k}})
			require.NoError(t, err)
			h.do(token, subject.NoteReapplied{Reapplied: subject.ErasureReapplied{
				Erasure: domain.ID{1}, Keys: []subject.KeyRef{{Group: "contact", Generation: k.Generation, Key: domain.ID(k.ID)}},
				Left: []domain.Name{"contact"}, Lost: []subject.ValueRef{{Field: "email"}},
			}})
		}
	}
	answer, err := h.door.Open(h.ctx, ask("customer.service", token))
	require.NoError(t, err)
	states := map[domain.Name]personal.State{}
	for _, f := range answer.Subjects[0].Fields {
		states[f.Field.Field] = f.Opened.State()
	}
	require.Equal(t, map[domain.Name]personal.State{"name.full": personal.Present, "email": personal.Lost}, states)
}
