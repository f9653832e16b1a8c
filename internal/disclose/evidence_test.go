package disclose_test

import (
	"log/slog"
	"math"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"lethe/domain"
	"lethe/domain/access"
	"lethe/domain/catalogue"
	"lethe/domain/personal"
	"lethe/domain/principal"
	"lethe/domain/subject"
	"lethe/eventstore"
	"lethe/eventstore/faultstore"
	"lethe/internal/disclose"
	"lethe/internal/keyring"
	"lethe/internal/part"
)

const all = eventstore.Position(math.MaxUint64)

// audited opens a house with a purpose that names an auditor and needs a
// field of which a person has several values, and a person who has them.
func audited(t *testing.T) (*house, domain.Token) {
	h := open(t)
	p := h.purpose("club.members", []domain.Name{"name.full", "email", "nickname"}, false)
	p.Recipients = []domain.Name{"auditor"}
	_, err := h.l.Declare(h.ctx, h.request(),
		catalogue.DeclareField{FieldDeclared: catalogue.FieldDeclared{
			ID: "nickname", Group: "identity", Type: catalogue.Text, Category: "Name", Many: true,
		}},
		catalogue.DeclareRecipient{RecipientDeclared: catalogue.RecipientDeclared{
			ID: "auditor", Kind: catalogue.IsAuthority, Country: "DE", Name: personal.Of("Supervisor"), Contact: personal.Of("x"),
		}}, p)
	require.NoError(t, err)
	token := h.person("Ada", "old@example.org")
	zero, one := uint16(0), uint16(1)
	h.do(token, subject.RecordFields{Purpose: "club.members", Items: []subject.Entry{
		{Field: "name.full", Text: personal.Of("Ada")},
		{Field: "email", Text: personal.Of("old@example.org")},
		{Field: "nickname", Text: personal.Of("First"), Slot: &zero},
		{Field: "nickname", Text: personal.Of("Second"), Slot: &one},
	}})
	h.do(token, subject.AssertBasis{Purpose: "club.members", Basis: domain.LegitimateInterests, Reference: personal.Of("balancing test 8")})
	h.do(token, subject.RectifyFields{Items: []subject.Entry{{Field: "email", Text: personal.Of("new@example.org")}}})
	return h, token
}

func handOver(token domain.Token, fields ...domain.Name) disclose.Ask {
	a := ask("club.members", token)
	a.Operation, a.Recipient, a.Fields = access.Disclose, "auditor", fields
	return a
}

func officers(a disclose.Ask) disclose.Ask {
	a.Caller.Roles = []principal.Role{principal.Officer}
	return a
}

// stored are the person's events as the store has them.
func (h *house) stored(token domain.Token) map[domain.ID]*eventstore.Recorded {
	h.t.Helper()
	events := map[domain.ID]*eventstore.Recorded{}
	for rec, err := range h.store.ReadStream(h.ctx, token.Stream(), eventstore.StreamRange{}) {
		require.NoError(h.t, err)
		events[domain.ID(rec.ID)] = rec.Clone()
	}
	return events
}

// opened opens what was given with the stored parts alone, and requires that
// each secret opens its own part and no other one of the person.
func (h *house) opened(token domain.Token, given []disclose.Disclosed) (texts []string) {
	h.t.Helper()
	events := h.stored(token)
	for _, d := range given {
		if d.State != personal.Present {
			require.Zero(h.t, [32]byte(d.Secret))
			texts = append(texts, d.Field+" "+d.State.String())
			continue
		}
		for id, rec := range events {
			for _, sealed := range rec.Sealed {
				field, ok := part.Field(sealed)
				require.True(h.t, ok)
				at := part.Context{Stream: rec.Stream, EventID: rec.ID, Type: rec.Type, Version: rec.Version, Field: string(field)}
				text, err := part.Open(d.Secret[:], sealed, at)
				if id != d.EventID || string(field) != d.Field {
					require.ErrorIs(h.t, err, part.ErrSecret)
					continue
				}
				require.NoError(h.t, err)
				texts = append(texts, d.Field+" "+text)
			}
		}
	}
	return texts
}

func TestEvidenceOpensExactlyWhatThePurposeNeedsAndRecordsIt(t *testing.T) {
	h, token := audited(t)
	given, answer, err := h.door.Evidence(h.ctx, handOver(token), token, all)
	require.NoError(t, err)
	require.Equal(t, []string{
		"name.full Ada", "email old@example.org", // recorded for another purpose that needs them too
		"name.full Ada", "email old@example.org", "nickname First", "nickname#1 Second", "email new@example.org",
	}, h.opened(token, given))
	require.Equal(t, []int{0, 1}, []int{given[4].Index, given[5].Index})

	granted, denied := h.accesses()
	require.Empty(t, denied)
	require.Len(t, granted, 1)
	require.Equal(t, access.Evidence, granted[0].Door)
	require.True(t, granted[0].Door.Valid())
	require.Equal(t, domain.Name("auditor"), granted[0].Recipient)
	require.Equal(t, token, granted[0].Subjects[0].Token)
	require.ElementsMatch(t, []domain.Name{"name.full", "email", "nickname"}, granted[0].Subjects[0].Fields)
	require.False(t, answer.Access.IsZero())
	require.NotZero(t, answer.Position)
}

func TestEvidenceOfNamedFieldsUpToAPosition(t *testing.T) {
	h, token := audited(t)
	given, _, err := h.door.Evidence(h.ctx, handOver(token, "email"), token, all)
	require.NoError(t, err)
	require.Equal(t, []string{"email old@example.org", "email old@example.org", "email new@example.org"}, h.opened(token, given))
	granted, _ := h.accesses()
	require.Equal(t, []domain.Name{"email"}, granted[0].Subjects[0].Fields)

	cut := h.stored(token)[given[1].EventID].Position
	given, _, err = h.door.Evidence(h.ctx, handOver(token, "email"), token, cut)
	require.NoError(t, err)
	require.Len(t, given, 2)
	given, _, err = h.door.Evidence(h.ctx, handOver(token, "email"), token, cut-1)
	require.NoError(t, err)
	require.Len(t, given, 1)
}

func TestAnOfficersEvidence(t *testing.T) {
	h, token := audited(t)
	given, _, err := h.door.Evidence(h.ctx, officers(handOver(token)), token, all)
	require.NoError(t, err)
	require.Contains(t, h.opened(token, given), "basis.reference balancing test 8")
	require.NotContains(t, h.opened(token, given), "basis.reference balancing test 7", "of other purposes")

	given, _, err = h.door.Evidence(h.ctx, officers(handOver(token, "basis.reference")), token, all)
	require.NoError(t, err)
	require.Equal(t, []string{"basis.reference balancing test 8"}, h.opened(token, given))
	granted, _ := h.accesses()
	require.Equal(t, []domain.Name{"basis.reference"}, granted[1].Subjects[0].Fields, "no more than was named")

	_, _, err = h.door.Evidence(h.ctx, officers(handOver(token, "canary.field")), token, all)
	require.Equal(t, "access.field_unknown", code(err))
	_, _, err = h.door.Evidence(h.ctx, handOver(token, "basis.reference"), token, all)
	require.Equal(t, "access.field_unknown", code(err), "an operator has no reasons opened")
	granted, _ = h.accesses()
	require.Len(t, granted, 2)
}

func TestNoEvidenceWhenTheAccessCannotBeRecorded(t *testing.T) {
	h, token := audited(t)
	h.store.Reset(faultstore.Plan{{Op: faultstore.Append, Call: 1, Kind: faultstore.NoSpace}})
	given, answer, err := h.door.Evidence(h.ctx, handOver(token), token, all)
	require.Equal(t, "ledger.not_writable", code(err))
	require.Empty(t, given)
	require.Empty(t, answer.Subjects)
}

func TestRefusedEvidenceIsRecordedAndGivesNothing(t *testing.T) {
	h, token := audited(t)
	refused := map[string]func(*disclose.Ask){
		"auth.role":              func(a *disclose.Ask) { a.Caller.Roles = []principal.Role{principal.Auditor} },
		"access.purpose_unknown": func(a *disclose.Ask) { a.Purpose = "canary.purpose" },
		"access.purpose":         func(a *disclose.Ask) { a.Caller.Purposes = []domain.Name{"support"} },
	}
	for want, change := range refused {
		a := handOver(token)
		change(&a)
		given, _, err := h.door.Evidence(h.ctx, a, token, all)
		require.Equal(t, want, code(err))
		require.Empty(t, given)
	}
	a := handOver(token)
	a.Recipient = "" // disclosed to nobody in particular
	given, _, err := h.door.Evidence(h.ctx, a, token, all)
	require.Equal(t, "access."+string(access.BadRecipient), code(err))
	require.Empty(t, given)
	given, _, err = h.door.Evidence(h.ctx, handOver(token, "note"), token, all)
	require.Equal(t, "access.field_not_needed", code(err))
	require.Empty(t, given)
	h.do(token, subject.PlaceRestriction{Ground: subject.AccuracyContested})
	given, _, err = h.door.Evidence(h.ctx, handOver(token), token, all)
	require.Equal(t, "access."+string(access.RuleRestricted), code(err))
	require.Empty(t, given)

	granted, denied := h.accesses()
	require.Empty(t, granted)
	require.Len(t, denied, 5)
	for _, d := range denied {
		require.Equal(t, access.Evidence, d.Door)
	}
}

func (h *house) erase(token domain.Token, groups ...domain.Name) {
	h.t.Helper()
	keys, err := h.keys.Keys(h.ctx, token.Stream())
	require.NoError(h.t, err)
	var of []keyring.KeyInfo
	for _, k := range keys {
		for _, g := range groups {
			if k.Compartment.Group == g {
				of = append(of, k)
			}
		}
	}
	require.Len(h.t, of, len(groups))
	_, err = h.keys.Destroy(h.ctx, "erasure", keyring.Destruction{Keys: of})
	require.NoError(h.t, err)
}

func TestEvidenceAfterErasure(t *testing.T) {
	h, token := audited(t)
	h.erase(token, "contact")
	given, answer, err := h.door.Evidence(h.ctx, handOver(token), token, all)
	require.NoError(t, err)
	require.Equal(t, []string{
		"name.full Ada", "email erased", "name.full Ada", "email erased", "nickname First", "nickname#1 Second", "email erased",
	}, h.opened(token, given))
	require.False(t, answer.Access.IsZero())
	granted, _ := h.accesses()
	require.ElementsMatch(t, []domain.Name{"name.full", "nickname"}, granted[0].Subjects[0].Fields, "what was erased was not opened")

	given, answer, err = h.door.Evidence(h.ctx, handOver(token, "email"), token, all)
	require.NoError(t, err)
	require.Equal(t, []string{"email erased", "email erased", "email erased"}, h.opened(token, given))
	require.True(t, answer.Access.IsZero(), "nothing was opened")

	h.erase(token, "identity")
	given, _, err = h.door.Evidence(h.ctx, officers(handOver(token)), token, all)
	require.NoError(t, err)
	require.Len(t, given, 7)
	for _, d := range given {
		require.Equal(t, personal.Erased, d.State)
	}
	granted, denied := h.accesses()
	require.Len(t, granted, 1)
	require.Empty(t, denied)

	_, _, err = h.door.Evidence(h.ctx, officers(handOver(token, "basis.reference")), token, all)
	require.Equal(t, "access."+string(access.RuleErased), code(err), "the purpose is closed with what it needs")
	_, denied = h.accesses()
	require.Len(t, denied, 1)
}

// TestEvidenceWithoutKeysIsNotErased: a key store from before a person's keys
// were made says that keys are missing.
func TestEvidenceWithoutKeysIsNotErased(t *testing.T) {
	h := open(t)
	older := filepath.Join(t.TempDir(), "keys")
	require.NoError(t, os.CopyFS(older, os.DirFS(filepath.Join(h.dir, "keys"))))
	token := h.person("Ada", "ada@example.org")

	keys, err := keyring.Open(h.ctx, keyring.Options{
		Dir: older, EpochDir: filepath.Join(h.dir, "epochs"), LookupDir: t.TempDir(), RootKeyFile: filepath.Join(h.dir, "root.key"),
	})
	require.NoError(t, err)
	defer keys.Close() //nolint:errcheck // a test
	door := disclose.New(h.l, h.codec, keys, slog.New(slog.DiscardHandler))
	given, _, err := door.Evidence(h.ctx, ask("customer.service"), token, all)
	require.NoError(t, err)
	require.Equal(t, []string{"name.full key_missing", "email key_missing"}, h.opened(token, given))
}
