package projections_test

import (
	"crypto/sha256"
	"encoding/binary"
	"slices"
	"time"

	"lethe/domain"
	"lethe/domain/personal"
	"lethe/domain/subject"
	"lethe/eventstore"
	"lethe/internal/codec"
	"lethe/internal/keyring"
	"lethe/internal/part"
)

// madeUpKeys names keys as a keyring does, and seals without any: parts have
// their shape, and no two have the same bytes.
type madeUpKeys struct {
	ids  map[*keyring.Key]madeUpKey
	live map[keyring.Compartment][]*keyring.Key // newest last
	last map[keyring.Compartment]uint32
}

type madeUpKey struct {
	subject.KeyRef
	owner string
}

func newMadeUpKeys() *madeUpKeys {
	return &madeUpKeys{
		ids: map[*keyring.Key]madeUpKey{}, live: map[keyring.Compartment][]*keyring.Key{}, last: map[keyring.Compartment]uint32{},
	}
}

// newest is the key that is sealed with now.
func (m *madeUpKeys) newest(of keyring.Compartment) *keyring.Key {
	if live := m.live[of]; len(live) > 0 {
		return live[len(live)-1]
	}
	return m.next(of)
}

// next makes a new generation.
func (m *madeUpKeys) next(of keyring.Compartment) *keyring.Key {
	m.last[of]++
	k, id := &keyring.Key{}, madeUpKey{owner: of.Owner}
	id.Group, id.Generation = of.Group, m.last[of]
	sum := sha256.Sum256(binary.BigEndian.AppendUint32([]byte(of.Owner+"/"+string(of.Group)), id.Generation))
	copy(id.Key[:], sum[:])
	m.ids[k] = id
	m.live[of] = append(m.live[of], k)
	return k
}

// destroy takes all live keys of a compartment but the newest few.
func (m *madeUpKeys) destroy(of keyring.Compartment, but int) (gone []subject.KeyRef) {
	live := m.live[of]
	n := max(0, len(live)-but)
	for _, k := range live[:n] {
		gone = append(gone, m.ids[k].KeyRef)
	}
	m.live[of] = slices.Clone(live[n:])
	return gone
}

func (m *madeUpKeys) Seal(dst []byte, key *keyring.Key, at part.Context, plaintext []byte) ([]byte, error) {
	id := m.ids[key]
	h := part.Header{Version: 1, KeyID: part.KeyID(id.Key), Owner: id.owner, Group: string(id.Group), Generation: id.Generation, Field: at.Field}
	h.Commitment = sha256.Sum256(append(at.EventID[:], at.Field...))
	dst = h.Append(dst)
	body := h.Commitment
	for size := 12 + 16 + len(plaintext); size > 0; size -= len(body) {
		body = sha256.Sum256(body[:])
		dst = append(dst, body[:min(size, len(body))]...)
	}
	return dst, nil
}

var groups = []domain.Name{"contact", "identity", domain.EvidenceGroup, domain.RecordGroup}

// erasure appends a step of an erasure: one that makes sense or, since a view
// must stand any history, one that does not.
func (g *generator) erasure(c chooser, token domain.Token) eventstore.Position {
	id := g.ordered(c, token)
	switch c.pick(12) {
	case 0:
		g.orders[token] = append(g.orders[token], g.id())
		id = g.orders[token][len(g.orders[token])-1]
		fallthrough
	case 1:
		e := &subject.ErasureOrdered{
			Erasure: id, Cause: subject.OnRequest, Everything: c.pick(2) == 0, Groups: g.weighed(c), By: subject.Self,
			Due: g.when.Add(time.Duration(c.pick(5)-2) * time.Hour), Reason: personal.Of("moved away"),
		}
		if c.pick(3) == 0 {
			e.Linked, e.Follows = g.tokens[:c.pick(3)], domain.ID{8}
		}
		return g.add(c, token, e)
	case 2:
		return g.add(c, token, &subject.ErasureCancelled{Erasure: id, By: subject.Self, Reason: personal.Of("came back")})
	case 3, 4, 5, 6:
		return g.add(c, token, g.started(c, token, id)...)
	case 7:
		return g.add(c, token, &subject.ErasureStopped{Erasure: id, Groups: g.weighed(c)})
	case 8:
		return g.add(c, token, &subject.ErasureCompleted{
			Erasure: id, Marks: uint32(c.pick(3)), DeadFrom: g.when.Add(time.Hour),
			Sinks: []subject.SinkConfirmed{{Sink: "views", Guarantee: subject.Destroyed, At: g.when}},
		})
	case 9:
		of := keyring.Compartment{Owner: token.Stream(), Group: groups[c.pick(len(groups))]}
		keys := append(g.keys.destroy(of, c.pick(2)), subject.KeyRef{Group: "contact", Generation: 1, Key: domain.ID{1}})
		return g.add(c, token, &subject.ErasureReapplied{Erasure: id, Keys: keys})
	default:
		gone := 1 + c.pick(len(groups))
		return g.add(c, token, &subject.LifecycleOpened{
			Number: fold(g.t, g, token).Lifecycle() + 1, Groups: groups[:gone], Waits: groups[gone:], By: subject.Self, Reason: personal.Of("a customer again"),
		})
	}
}

// ordered is one of the subject's erasures, or none of them.
func (g *generator) ordered(c chooser, token domain.Token) domain.ID {
	if n := len(g.orders[token]); n > 0 {
		return g.orders[token][c.pick(n)]
	}
	return domain.ID{0xEE}
}

func (g *generator) weighed(c chooser) (list []subject.Weighed) {
	for _, group := range groups {
		w := subject.Weighed{Group: group}
		switch c.pick(6) {
		case 0, 1:
			w.Outcome, w.Ground = subject.Erase, subject.NotNecessary
		case 2:
			w.Outcome, w.Ground = subject.Trim, subject.NotNecessary
		case 3:
			w.Outcome, w.Rule, w.Until = subject.Keep, subject.KeptByLaw, g.when.Add(time.Duration(c.pick(5))*time.Hour)
		case 4:
			w.Outcome, w.Rule, w.Hold = subject.Keep, subject.KeptByHold, domain.ID{0xB0}
		default:
			w.Outcome, w.Rule = subject.Refuse, subject.ContractRuns
		}
		list = append(list, w)
	}
	return list
}

// started begins an erasure as the process does: what stays of a trimmed group
// is sealed again under a new key, in the same append.
func (g *generator) started(c chooser, token domain.Token, id domain.ID) []domain.Event {
	e := &subject.ErasureStarted{Erasure: id, Groups: g.weighed(c), Catalogue: 3}
	var events []domain.Event
	for i := range e.Groups {
		w := &e.Groups[i]
		of := keyring.Compartment{Owner: token.Stream(), Group: w.Group}
		switch w.Outcome {
		case subject.Erase:
			keys := g.keys.destroy(of, 0)
			e.Keys = append(e.Keys, keys[:c.pick(len(keys)+1)]...) // a lost one is not named
		case subject.Trim:
			g.keys.next(of)
			kept := g.resealed(c, token, id, w)
			events = append(events, kept)
			e.Keys = append(e.Keys, g.keys.destroy(of, 1)...)
		case subject.Keep, subject.Refuse:
		}
	}
	return append(events, e)
}

func (g *generator) resealed(c chooser, token domain.Token, id domain.ID, w *subject.Weighed) *subject.ValuesResealed {
	e := &subject.ValuesResealed{Erasure: id, Group: w.Group}
	for _, f := range fold(g.t, g, token).At(time.Time{}, time.Time{}).Fields {
		if f.Group != w.Group {
			continue
		}
		if c.pick(2) == 0 {
			e.Dropped = append(e.Dropped, f.Ref())
			continue
		}
		item := f.Item
		item.Value = personal.Of("value")
		e.Items = append(e.Items, subject.Resealed{Item: item, From: f.EventID})
	}
	w.Values = e.Dropped
	return e
}

// gone is the rule written a second time: a value is erased when an event
// behind it says that its group goes whole, or names its key.
func gone(state *subject.State, revision uint64, v personal.Value) bool {
	h, err := part.Parse(v.Ref().Part)
	if err != nil {
		return false
	}
	stopped := map[domain.ID]uint64{}
	for _, r := range state.Entries() {
		if x, ok := r.Event.(*subject.ErasureStopped); ok {
			stopped[x.Erasure] = r.Revision
		}
	}
	for _, r := range state.Entries() {
		if r.Revision <= revision {
			continue
		}
		var keys []subject.KeyRef
		switch e := r.Event.(type) {
		case *subject.ErasureStarted:
			if stopped[e.Erasure] > r.Revision {
				continue
			}
			keys = e.Keys
			for _, w := range e.Groups {
				if w.Outcome == subject.Erase && string(w.Group) == h.Group {
					return true
				}
			}
		case *subject.ErasureReapplied:
			keys = e.Keys
		}
		for _, k := range keys {
			if [16]byte(k.Key) == [16]byte(h.KeyID) {
				return true
			}
		}
	}
	return false
}

// left is how a value stands in a view.
func left(state *subject.State, revision uint64, v personal.Value) personal.Value {
	if v.State() == personal.Sealed && gone(state, revision, v) {
		return personal.Unreadable(personal.Erased)
	}
	return v
}

// dropping decodes a log whose store has dropped everything that was erased.
type dropping struct {
	*codec.Codec
	states map[string]*subject.State
}

func newDropping(g *generator) dropping {
	d := dropping{g.codec, map[string]*subject.State{}}
	for _, token := range g.tokens {
		d.states[token.Stream()] = fold(g.t, g, token)
	}
	return d
}

func (d dropping) Decode(r *eventstore.Recorded) (domain.Recorded, error) {
	e, err := d.Codec.Decode(r)
	if state := d.states[r.Stream]; err == nil && state != nil {
		for _, s := range e.Event.Personal(nil) {
			if s.Value.State() == personal.Sealed && gone(state, e.Revision, *s.Value) {
				at := *s.Value.Ref()
				at.Part = nil
				*s.Value = personal.DroppedAs(&at)
			}
		}
	}
	return e, err
}
