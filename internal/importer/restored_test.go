package importer

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"lethe/domain"
	"lethe/domain/catalogue"
	"lethe/domain/importing"
	"lethe/domain/personal"
	"lethe/domain/subject"
	"lethe/internal/keyring"
	"lethe/internal/ledger"
)

// addresses are rows of a person's that bring one e-mail address each: the
// row's key is sealed with the address, and goes with it.
const addresses = `version: 1
system: shop
table: addresses
key: [id]
refers: {table: people, key: [person]}
purpose: customer.service
fields:
  - {column: email, field: email, class: provided}
`

const nobody = "id,name,email,city,stop\n1,Ada Lovelace,,London,\n"

// keep remembers the log as it is now, and restored puts it back, as a restored
// backup of the ledger does: the keys go on knowing what was destroyed.
func (p *place) keep(w *world) *world {
	p.t.Helper()
	w.close()
	require.NoError(p.t, os.CopyFS(filepath.Join(p.dir, "older"), os.DirFS(filepath.Join(p.dir, "log"))))
	return p.open()
}

func (p *place) restored(w *world) *world {
	p.t.Helper()
	w.close()
	require.NoError(p.t, os.RemoveAll(filepath.Join(p.dir, "log")))
	require.NoError(p.t, os.Rename(filepath.Join(p.dir, "older"), filepath.Join(p.dir, "log")))
	return p.forget(p.open())
}

// An erased value does not come back with the next import, whatever the claims
// have forgotten: of which row it was, nobody knows any more.
func TestPitfall23AnErasedValueStaysOutWhenTheClaimsAreLost(t *testing.T) {
	for name, lost := range map[string]bool{"the lookup was lost": false, "an older ledger was restored": true} {
		t.Run(name, func(t *testing.T) {
			p := newPlace(t)
			w := p.open()
			defer func() { w.close() }()
			w.declare()
			w.csv(people, nobody)
			w.csv(addresses, "id,person,email\n7,1,ada@example.org\n8,1,ada@work.example\n")
			s := w.who(catalogue.LookupEmail, "ada@example.org")
			w = p.keep(w)
			w.eraseSome(0, subject.Scope{Values: []subject.ValueRef{{Field: "email"}}}, s.Token())
			if lost {
				w = p.restored(w)
			} else {
				w = p.forget(w)
			}
			file := "id,person,email\n7,1,ada@example.org\n8,1,ada@work.example\n"
			for range 2 { // with claims made anew, and then with ones that have a memory
				file += "9,2,nobody\n" // the file is another one
				rep := w.csv(addresses, file)
				require.Contains(t, rep.Conflicts, importing.Refusal{Table: "addresses", Row: 1, Field: "email", Rule: ruleRemoved, Conflict: true})
				s = w.who(catalogue.LookupExternalID, "1")
				require.False(t, w.holds(s, "email", "ada@example.org"))
			}
			rep := w.csv(addresses, strings.Replace(file, "ada@example.org", "ada@new.example", 1))
			require.Contains(t, rep.Conflicts, importing.Refusal{Table: "addresses", Row: 1, Field: "email", Rule: ruleRemoved, Conflict: true})
			require.False(t, w.holds(w.who(catalogue.LookupExternalID, "1"), "email", "ada@new.example"))

			w.on(s, subject.RecordFields{Purpose: "customer.service", Items: []subject.Entry{{Field: "email", Text: personal.Of("ada@example.org")}}})
			require.True(t, w.holds(w.who(catalogue.LookupEmail, "ada@example.org"), "email", "ada@example.org"), "an officer may")
		})
	}
}

// The key of a person's own row is sealed with another value: what that row
// had brought is known, and the erased value among it.
func TestPitfall23AnErasedValueOfAKnownRowStaysOut(t *testing.T) {
	for name, lost := range map[string]bool{"the lookup was lost": false, "an older ledger was restored": true} {
		t.Run(name, func(t *testing.T) {
			p := newPlace(t)
			w := p.open()
			defer func() { w.close() }()
			w.declare()
			w.csv(people, ada)
			s := w.who(catalogue.LookupEmail, "ada@example.org")
			w = p.keep(w)
			w.eraseSome(0, subject.Scope{Values: []subject.ValueRef{{Field: "email"}}}, s.Token())
			if lost {
				w = p.restored(w)
			} else {
				w = p.forget(w)
			}
			for _, file := range []string{ada + "2,Bob,bob@example.org,Paris,\n", strings.Replace(ada, "ada@example.org", "ada@new.example", 1)} {
				rep := w.csv(people, file)
				require.Contains(t, rep.Conflicts, importing.Refusal{Table: "people", Row: 1, Field: "email", Rule: ruleRemoved, Conflict: true})
				s = w.who(catalogue.LookupExternalID, "1")
				require.False(t, w.holds(s, "email", "ada@example.org"))
				require.False(t, w.holds(s, "email", "ada@new.example"))
				require.True(t, w.holds(s, "address.city", "London") || lost)
			}
		})
	}
}

// While the claims are there a row without one is new, whatever was erased.
func TestANewRowIsNewAfterAnErasure(t *testing.T) {
	w := start(t)
	w.csv(people, nobody)
	w.csv(addresses, "id,person,email\n7,1,ada@example.org\n8,1,ada@work.example\n")
	s := w.who(catalogue.LookupEmail, "ada@example.org")
	w.eraseSome(0, subject.Scope{Values: []subject.ValueRef{{Field: "email"}}}, s.Token())
	rep := w.csv(addresses, "id,person,email\n7,1,ada@example.org\n8,1,ada@work.example\n9,1,ada@new.example\n")
	require.Empty(t, rep.Conflicts)
	s = w.who(catalogue.LookupEmail, "ada@new.example")
	require.False(t, w.holds(s, "email", "ada@example.org"))
	require.True(t, w.holds(s, "email", "ada@work.example"))
}

// A claim that stands for unknown rows is none of a row's: no mark is left of it.
func TestNoMarkIsLeftOfUnknownRows(t *testing.T) {
	p := newPlace(t)
	w := p.open()
	defer func() { w.close() }()
	w.declare()
	w.csv(people, nobody)
	w.csv(addresses, "id,person,email\n7,1,ada@example.org\n8,1,ada@work.example\n")
	s := w.who(catalogue.LookupEmail, "ada@example.org")
	w.eraseSome(0, subject.Scope{Values: []subject.ValueRef{{Field: "email"}}}, s.Token())
	w = p.forget(w)
	n, err := w.keys.PlannedMarks(context.Background(), &keyring.Destruction{Token: s.Token(), Everything: true, Marks: keyring.MarkSource})
	require.NoError(t, err)
	require.Equal(t, 1, n[keyring.MarkedSource], "of the person's own row")
}

// A group that was erased as a whole is closed, whatever the log has forgotten.
func TestAfterARestoreAnErasedGroupStaysOut(t *testing.T) {
	p := newPlace(t)
	w := p.open()
	defer func() { w.close() }()
	w.declare()
	w.csv(people, ada)
	s := w.who(catalogue.LookupEmail, "ada@example.org")
	w = p.keep(w)
	w.eraseSome(0, subject.Scope{Values: []subject.ValueRef{{Field: "email"}, {Field: "address.city"}, {Field: "name.full"}, {Field: "external.id"}}}, s.Token())
	w = p.restored(w)
	before := w.footprint()
	rep := w.csv(people, strings.Replace(ada, "London", "Turin", 1))
	require.Zero(t, made(rep))
	require.Equal(t, before, w.footprint())
}

const phones = `version: 1
system: shop
table: phones
key: [id]
refers: {table: people, key: [person]}
purpose: customer.service
fields:
  - {column: phone, field: phone, class: provided}
`

// lost notes what an older ledger does not know, as opening it does.
func (w *world) lost(token domain.Token, erased, lost []subject.ValueRef) {
	w.t.Helper()
	_, err := w.ledger.On(context.Background(), ledger.Request{Principal: w.caller.Principal}, token, subject.Env{},
		subject.NoteReapplied{Reapplied: subject.ErasureReapplied{
			Erasure: domain.ID{0xe}, Keys: []subject.KeyRef{{Group: "contact", Generation: 1, Key: domain.ID{1}}},
			Left: []domain.Name{"contact"}, Erased: erased, Lost: lost,
		}})
	require.NoError(w.t, err)
}

// What is lost with the lost events comes back from its source, and what was
// erased does not.
func TestWhatARestoreLostComesBackAndWhatWasErasedDoesNot(t *testing.T) {
	p := newPlace(t)
	w := p.open()
	defer func() { w.close() }()
	w.declare()
	w.csv(people, ada)
	w.csv(phones, "id,person,phone\n5,1,+4930123456\n")
	s := w.who(catalogue.LookupEmail, "ada@example.org")
	w = p.keep(w)
	email := []subject.ValueRef{{Field: "email"}}
	w.eraseSome(0, subject.Scope{Values: email}, s.Token())
	w = p.restored(w)
	w.lost(s.Token(), email, []subject.ValueRef{{Field: "address.city"}, {Field: "phone"}})
	for range 2 {
		rep := w.csv(people, ada+"2,Bob,bob@example.org,Paris,\n")
		if !rep.Earlier {
			require.Equal(t, []importing.Refusal{{Table: "people", Row: 1, Field: "email", Rule: ruleRemoved, Conflict: true}}, rep.Conflicts)
		}
		rep = w.csv(phones, "id,person,phone\n5,1,+4930123456\n6,2,+4930654321\n")
		require.Empty(t, rep.Conflicts)
		s = w.who(catalogue.LookupExternalID, "1")
		require.True(t, w.holds(s, "address.city", "London"))
		require.True(t, w.holds(s, "phone", "+4930123456"))
		require.False(t, w.holds(s, "email", "ada@example.org"))
		require.Len(t, w.snap(s).Fields, 4, "in their old places")
	}
}

// Of two values of one field one is lost and one erased: which is which is not
// known, so none is written.
func TestWhatMayBeErasedIsNotTakenForLost(t *testing.T) {
	p := newPlace(t)
	w := p.open()
	defer func() { w.close() }()
	w.declare()
	w.csv(people, nobody)
	const file = "id,person,email\n7,1,ada@example.org\n8,1,ada@work.example\n"
	w.csv(addresses, file)
	s := w.who(catalogue.LookupEmail, "ada@example.org")
	w = p.keep(w)
	email := []subject.ValueRef{{Field: "email"}}
	w.eraseSome(0, subject.Scope{Values: email}, s.Token())
	w = p.restored(w)
	w.lost(s.Token(), email, []subject.ValueRef{{Field: "email", Slot: 1}})
	rep := w.csv(addresses, file+"9,2,nobody\n")
	require.Len(t, rep.Conflicts, 2)
	s = w.who(catalogue.LookupExternalID, "1")
	require.False(t, w.holds(s, "email", "ada@example.org"))
	require.False(t, w.holds(s, "email", "ada@work.example"))
}
