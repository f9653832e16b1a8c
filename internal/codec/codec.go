// Package codec turns the domain's events into stored ones and back. Facts
// become JSON, every personal value becomes one sealed part, metadata becomes
// JSON of its own; the three are separate byte strings that are stored,
// returned and hashed as they are.
//
// The shapes are pinned by a golden file. A shape never changes in place: it
// gets a new version and two upcasters of one step, one for the facts and one
// for opened values. What is authenticated stays what was stored.
//
// A part is matched to its place by the field's name in its header, not by
// its order: a newer shape may have other places. When a field occurs more
// than once in an event, all but the first have "#1", "#2", … behind it.
package codec

import (
	"bytes"
	"errors"
	"fmt"
	"reflect"
	"strconv"
	"sync"
	"time"

	"github.com/go-json-experiment/json"

	"lethe/domain"
	"lethe/domain/catalogue"
	"lethe/domain/personal"
	"lethe/eventstore"
	"lethe/internal/keyring"
	"lethe/internal/part"
)

// DigestField names the built-in part that seals the digest of the command's
// body, so that a repeat with another body is recognised until erasure.
const DigestField = "command.digest"

// Errors of encoding and decoding.
var (
	// ErrUnknownType: the name is not an event of this program.
	ErrUnknownType = errors.New("unknown event type")
	// ErrNewer: a newer program wrote the event.
	ErrNewer = errors.New("the event was written by a newer program")
	// ErrTooManyParts: more values than one event may hold; split it.
	ErrTooManyParts = fmt.Errorf("an event holds at most %d sealed values", eventstore.MaxParts)

	errIllegal = errors.New("not a legal value")
)

// Sealer seals one value; the keyring is one.
type Sealer interface {
	Seal(dst []byte, key *keyring.Key, at part.Context, plaintext []byte) ([]byte, error)
}

// Draft is an event that was decided and is to be stored.
type Draft struct {
	ID        domain.ID
	Stream    string
	Event     domain.Event
	Effective time.Time
	Metadata  domain.Metadata
	Digest    []byte // of the command's body; nil: none is sealed
}

// Codec encodes and decodes the events it knows. Safe for concurrent use.
type Codec struct {
	byName map[string]*entry
	steps  map[domain.Type]Upcast
	meta   *check
	free   sync.Pool // of *places
}

// New makes the codec of the domain's events.
func New() (*Codec, error) { return build(events(), upcasts()) }

func build(entries []entry, steps []Upcast) (*Codec, error) {
	c := &Codec{
		byName: make(map[string]*entry, len(entries)), steps: make(map[domain.Type]Upcast, len(steps)),
		meta: checkOf(reflect.TypeFor[domain.Metadata]()),
	}
	for i := range entries {
		e := &entries[i]
		if _, twice := c.byName[e.typ.Name]; twice {
			return nil, fmt.Errorf("event %s is registered twice", e.typ.Name)
		}
		if e.check != nil && e.check.refused != "" {
			return nil, fmt.Errorf("event %s is not of the closed schema: %s", e.typ.Name, e.check.refused)
		}
		c.byName[e.typ.Name] = e
	}
	for _, s := range steps {
		c.steps[domain.Type{Name: s.Type, Version: s.From}] = s
	}
	for _, e := range c.byName {
		for v := uint16(1); v < e.typ.Version; v++ {
			if _, ok := c.steps[domain.Type{Name: e.typ.Name, Version: v}]; !ok {
				return nil, fmt.Errorf("event %s has no upcaster from version %d", e.typ.Name, v)
			}
		}
	}
	return c, nil
}

// storedMetadata is the metadata's JSON. Parts tells how many parts there
// were, so that one that was taken away is not taken for an absent value.
type storedMetadata struct {
	domain.Metadata
	Parts int `json:"parts,omitzero"`
}

// place is a personal value's place in one event.
type place struct {
	personal.Slot
	key string // the part's field
	of  keyring.Compartment
}

// places are an event's places and the group of its digest.
type places struct {
	all   []place
	group domain.Name
	slots []personal.Slot
}

// places lists an event's places; release gives their memory back.
func (c *Codec) places(stream string, event domain.Event) *places {
	ps, ok := c.free.Get().(*places)
	if !ok {
		ps = &places{}
	}
	slots := event.Personal(ps.slots)
	ps.slots, ps.group = slots, domain.EvidenceGroup
	for i := range slots {
		if slots[i].Group != "" {
			ps.group = domain.Name(slots[i].Group)
			break
		}
	}
	for i, s := range slots {
		p := place{Slot: s, key: PartName(s.Field, occurrences(slots[:i], s.Field)), of: keyring.Compartment{Owner: s.Owner, Group: domain.Name(s.Group)}}
		if s.Owner == "" {
			p.of.Owner = stream
		}
		if s.Group == "" {
			p.of.Group = ps.group
		}
		ps.all = append(ps.all, p)
	}
	return ps
}

// release keeps the memory for the next event, and nothing that is in it.
func (c *Codec) release(ps *places) {
	clear(ps.slots)
	clear(ps.all)
	ps.slots, ps.all = ps.slots[:0], ps.all[:0]
	c.free.Put(ps)
}

// PartName is the name in the part of an event's value of a field, n of which
// come before it in the event.
func PartName(field string, n int) string {
	if n == 0 {
		return field
	}
	return field + "#" + strconv.Itoa(n)
}

func occurrences(slots []personal.Slot, field string) (n int) {
	for i := range slots {
		if slots[i].Field == field {
			n++
		}
	}
	return n
}

// Compartments lists, each once, the compartments whose keys encoding the
// draft needs.
func (c *Codec) Compartments(d *Draft) []keyring.Compartment {
	ps := c.places(d.Stream, d.Event)
	defer c.release(ps)
	var of []keyring.Compartment
	add := func(c keyring.Compartment) {
		for _, have := range of {
			if have == c {
				return
			}
		}
		of = append(of, c)
	}
	for i := range ps.all {
		if ps.all[i].Value.State() == personal.Present {
			add(ps.all[i].of)
		}
	}
	if d.Digest != nil {
		add(keyring.Compartment{Owner: d.Stream, Group: ps.group})
	}
	return of
}

// Encode makes the stored form of a draft. keys gives the live key of each
// compartment that Compartments named. It refuses facts that are not legal
// values, personal values that are neither Present nor Absent, values whose
// owner is not the stream they would lie in, and too many parts.
func (c *Codec) Encode(d *Draft, keys func(keyring.Compartment) *keyring.Key, s Sealer) (eventstore.Event, error) {
	var none eventstore.Event
	typ := d.Event.EventType()
	e, ok := c.byName[typ.Name]
	if !ok || e.typ != typ {
		return none, fmt.Errorf("encoding %s: %w", typ.Name, ErrUnknownType)
	}
	v := reflect.ValueOf(d.Event).Elem()
	if err := e.check.verify(v); err != nil {
		return none, fmt.Errorf("encoding %s: fact %w", typ.Name, err)
	}
	if err := c.meta.verify(reflect.ValueOf(&d.Metadata).Elem()); err != nil {
		return none, fmt.Errorf("encoding %s: metadata %w", typ.Name, err)
	}
	facts, err := json.Marshal(d.Event, options)
	if err != nil {
		return none, fmt.Errorf("encoding %s: %w", typ.Name, err)
	}
	sealed, err := c.seal(d, typ, keys, s)
	if err != nil {
		return none, fmt.Errorf("encoding %s: %w", typ.Name, err)
	}
	meta := storedMetadata{Metadata: d.Metadata, Parts: len(sealed)}
	var buf [metadataSize]byte
	metadata := bytes.Clone(appendMetadata(buf[:0], &meta))
	return eventstore.Event{
		ID: eventstore.EventID(d.ID), Type: typ.Name, Version: typ.Version, Effective: d.Effective,
		Facts: facts, Sealed: sealed, Metadata: metadata,
	}, nil
}

func (c *Codec) seal(d *Draft, typ domain.Type, keys func(keyring.Compartment) *keyring.Key, s Sealer) ([][]byte, error) {
	ps := c.places(d.Stream, d.Event)
	defer c.release(ps)
	sealed := make([][]byte, 0, len(ps.all)+1)
	at := part.Context{Stream: d.Stream, EventID: d.ID, Type: typ.Name, Version: typ.Version}
	one := func(of keyring.Compartment, field string, plaintext []byte) error {
		if len(sealed) == eventstore.MaxParts {
			return ErrTooManyParts
		}
		key := keys(of)
		if key == nil {
			return fmt.Errorf("no key for %s of %s", of.Group, of.Owner)
		}
		at.Field = field
		one, err := s.Seal(nil, key, at, plaintext)
		if err != nil {
			return fmt.Errorf("sealing %s: %w", field, err)
		}
		sealed = append(sealed, one)
		return nil
	}
	for i := range ps.all {
		p := &ps.all[i]
		if p.Value.State() == personal.Absent {
			continue
		}
		text, present := p.Value.Reveal()
		if !present {
			return nil, fmt.Errorf("%s is %s and cannot be sealed", p.Field, p.Value.State())
		}
		// Else a writer to one stream could race the erasure of another's owner.
		if p.of.Owner != d.Stream && d.Stream != catalogue.Stream {
			return nil, fmt.Errorf("%s belongs to another stream", p.Field)
		}
		if err := one(p.of, p.key, []byte(text)); err != nil {
			return nil, err
		}
	}
	if d.Digest != nil {
		if err := one(keyring.Compartment{Owner: d.Stream, Group: ps.group}, DigestField, d.Digest); err != nil {
			return nil, err
		}
	}
	if len(sealed) == 0 {
		return nil, nil
	}
	return sealed, nil
}
