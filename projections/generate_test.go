package projections_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"lethe/domain"
	"lethe/domain/access"
	"lethe/domain/importing"
	"lethe/domain/personal"
	"lethe/domain/subject"
	"lethe/eventstore"
	"lethe/eventstore/storetest"
	"lethe/internal/codec"
)

// chooser makes the choices of a history; rapid is one, a cheap generator for
// benchmarks another.
type chooser interface {
	// pick gives a number below n.
	pick(n int) int
}

// generator appends histories.
type generator struct {
	t      testing.TB
	store  eventstore.Store
	codec  *codec.Codec
	ids    uint64
	tokens []domain.Token
	events map[domain.Token][]domain.ID // by subject
	orders map[domain.Token][]domain.ID // its erasures
	keys   *madeUpKeys
	when   time.Time
}

var (
	began    = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	purposes = []domain.Name{"newsletter", "invoice", "profiling"}
	fields   = []domain.Name{"email", "name", "phone", "city"}
)

func newGenerator(t testing.TB, store eventstore.Store, people int) *generator {
	c, err := codec.New()
	require.NoError(t, err)
	g := &generator{
		t: t, store: store, codec: c, events: map[domain.Token][]domain.ID{}, orders: map[domain.Token][]domain.ID{},
		keys: newMadeUpKeys(), when: began,
	}
	for i := range people {
		seed := binary.BigEndian.AppendUint64(make([]byte, 8, 16), uint64(i)*0x9E3779B97F4A7C15)
		token, err := domain.NewToken(bytes.NewReader(seed))
		require.NoError(t, err)
		g.tokens = append(g.tokens, token)
	}
	return g
}

func newMemory() *storetest.Memory {
	return storetest.NewMemory(storetest.MemoryOptions{Gap: 2, SystemEvents: true})
}

func (g *generator) id() (id domain.ID) {
	g.ids++
	binary.BigEndian.PutUint64(id[8:], g.ids)
	id[0] = byte(g.ids * 151)
	return id
}

func (g *generator) encode(stream string, e domain.Event, effective time.Time) eventstore.Event {
	draft := &codec.Draft{
		ID: g.id(), Stream: stream, Event: e, Effective: effective,
		Metadata: domain.Metadata{Principal: domain.ID{7}, Catalogue: 3},
	}
	stored, err := g.codec.Encode(draft, g.keys.newest, g.keys)
	require.NoError(g.t, err)
	return stored
}

func (g *generator) append(stream string, events ...eventstore.Event) eventstore.Position {
	res, err := g.store.Append(context.Background(), stream, eventstore.Any(), events)
	require.NoError(g.t, err)
	return res.Position
}

// step appends one event, to a subject for the most part.
func (g *generator) step(c chooser) eventstore.Position {
	g.when = g.when.Add(time.Minute)
	switch c.pick(12) {
	case 0:
		return g.append("access-x", g.encode("access-x", g.access(c), g.when))
	case 1:
		id := domain.ID{byte(c.pick(2)), 9}
		stream := importing.Stream(id)
		return g.append(stream, g.encode(stream, g.importing(c, id), g.when))
	}
	token := g.tokens[c.pick(len(g.tokens))]
	if len(g.events[token]) == 0 {
		return g.add(c, token, g.registered(c))
	}
	if c.pick(5) == 0 {
		return g.erasure(c, token)
	}
	return g.add(c, token, g.subject(c, token))
}

// add appends events to a subject, together.
func (g *generator) add(c chooser, token domain.Token, events ...domain.Event) eventstore.Position {
	var stored []eventstore.Event
	for _, e := range events {
		s := g.encode(token.Stream(), e, g.when.Add(time.Duration(c.pick(7)-5)*time.Hour))
		g.events[token] = append(g.events[token], domain.ID(s.ID))
		stored = append(stored, s)
	}
	return g.append(token.Stream(), stored...)
}

func (g *generator) registered(c chooser) *subject.Registered {
	return &subject.Registered{
		Acquired: subject.FromMigration, Jurisdiction: []domain.Place{"DE", "FR"}[c.pick(2)], Row: personal.Of("1"),
		Source: subject.Source{System: "crm", Table: "people", Import: domain.ID{byte(c.pick(2)), 9}},
	}
}

// earlier is one of the subject's events.
func (g *generator) earlier(c chooser, token domain.Token) domain.ID {
	return g.events[token][c.pick(len(g.events[token]))]
}

func (g *generator) choice(c chooser) subject.Choice {
	return subject.Choice{
		Purpose: purposes[c.pick(len(purposes))], Version: 1, Notice: domain.Digest{1}, Language: "en",
		Medium: subject.Web, Method: subject.Checkbox, By: subject.Self, Evidence: personal.Of("evidence"),
	}
}

func (g *generator) grant(c chooser) subject.Grant {
	grant := subject.Grant{Choice: g.choice(c), Class: subject.Proven, Channels: []subject.Channel{subject.Email, subject.SMS}}
	if c.pick(2) == 0 {
		grant.Until = g.when.Add(time.Duration(c.pick(5)-1) * time.Hour)
	}
	return grant
}

func (g *generator) items(c chooser) (items []subject.Item) {
	for range 1 + c.pick(3) {
		items = append(items, subject.Item{
			Slot: uint16(len(items)), Class: subject.Provided, Value: personal.Of("value"),
		})
		it := &items[len(items)-1]
		it.Field = fields[c.pick(len(fields))]
		it.Group = groupOf(it.Field)
	}
	return items
}

// groupOf is the retention group of a field.
func groupOf(field domain.Name) domain.Name {
	if field == "email" || field == "phone" {
		return "contact"
	}
	return "identity"
}

func (g *generator) subject(c chooser, token domain.Token) domain.Event {
	purpose := purposes[c.pick(len(purposes))]
	switch c.pick(24) {
	case 0, 1, 2, 3:
		return &subject.FieldsRecorded{Purpose: purpose, Version: 1, Items: g.items(c)}
	case 4, 5:
		return &subject.FieldsRectified{Items: g.items(c), Reason: personal.Of("typo")}
	case 6:
		field := fields[c.pick(len(fields))]
		return &subject.FieldRemoved{Purpose: purpose, Field: field, Group: groupOf(field)}
	case 7:
		return &subject.ConsentRequested{Choice: g.choice(c), Expires: g.when.Add(time.Hour)}
	case 8:
		return &subject.ConsentDeferred{Choice: g.choice(c)}
	case 9, 10:
		return &subject.ConsentGiven{Grant: g.grant(c)}
	case 11:
		return &subject.ConsentRenewed{Grant: g.grant(c)}
	case 12:
		return &subject.ConsentWithdrawn{Choice: g.choice(c)}
	case 13:
		return &subject.ConsentRefused{Choice: g.choice(c)}
	case 14:
		return &subject.ConsentInvalidated{Choice: g.choice(c), Grant: g.earlier(c, token)}
	case 15:
		return &subject.BasisAsserted{Purpose: purpose, Version: 1, Basis: domain.Contract, Reference: personal.Of("contract 7")}
	case 16:
		return &subject.BasisEnded{Purpose: purpose, Basis: domain.Contract}
	}
	return g.claim(c, token)
}

func (g *generator) claim(c chooser, token domain.Token) domain.Event {
	grounds := []subject.RestrictionGround{subject.AccuracyContested, subject.NeededForClaims}
	other := g.tokens[c.pick(len(g.tokens))]
	switch c.pick(10) {
	case 0:
		return &subject.RestrictionPlaced{Ground: grounds[c.pick(2)], Reason: personal.Of("asked")}
	case 1:
		return &subject.RestrictionLifted{Ground: grounds[c.pick(2)], Informed: g.when}
	case 2, 3:
		return &subject.Objected{Scope: subject.ToMarketing, Channel: subject.Email, By: subject.Self, Reason: personal.Of("no more")}
	case 4:
		return &subject.ObjectionWithdrawn{Objection: g.earlier(c, token)}
	case 5:
		return &subject.ObjectionUpheld{Objection: g.earlier(c, token)}
	case 6:
		return &subject.LinkProposed{Other: other, Ground: subject.SameEmail}
	case 7:
		return &subject.LinkAccepted{Other: other, Mirror: c.pick(2) == 0}
	case 8:
		return &subject.LinkUndone{Other: other}
	default:
		return &subject.Disclosed{Recipient: "printer", Purpose: "invoice", Version: 1, Fields: fields[:2], Access: domain.ID{5}}
	}
}

func (g *generator) access(c chooser) domain.Event {
	if c.pick(3) == 0 {
		return &access.Denied{
			Purpose: "newsletter", Operation: access.Use, Door: access.Read, Reason: access.RuleObjected,
			Tokens: g.tokens[:c.pick(len(g.tokens))], Count: 1,
		}
	}
	e := &access.Granted{Purpose: "invoice", Version: 1, Operation: access.Use, Door: access.List}
	for _, token := range g.tokens[:1+c.pick(len(g.tokens))] {
		e.Subjects = append(e.Subjects, access.Subject{Token: token, Fields: fields[:2], Basis: domain.Contract})
	}
	return e
}

func (g *generator) importing(c chooser, id domain.ID) domain.Event {
	switch c.pick(4) {
	case 0:
		return &importing.Started{
			Import: id, System: "crm", Format: "csv", File: domain.Digest{1}, Mapping: domain.Digest{2}, Bytes: 10,
			FileName: personal.Of("people.csv"), Catalogue: 4,
		}
	case 1:
		return &importing.RowsRefused{Rows: []importing.Refusal{
			{Table: "people", Row: 3, Field: "email", Rule: "email.malformed"}, {Table: "people", Row: 4, Rule: "changed", Conflict: true},
		}}
	case 2:
		return &importing.LinksProposed{Links: []importing.Link{{A: g.tokens[0], B: g.tokens[1], Ground: "same_email"}}}
	default:
		return &importing.Completed{Tables: []importing.Table{{
			Name: "people", Read: 9, Created: 4, Refused: 1, LeftOut: []importing.RuleCount{{Rule: "empty", Count: 2}},
			Findings: []importing.RuleCount{{Rule: "odd", Count: 1}},
		}}}
	}
}
