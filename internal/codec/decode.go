package codec

import (
	"context"
	"errors"
	"fmt"

	"github.com/go-json-experiment/json"

	"lethe/domain"
	"lethe/domain/personal"
	"lethe/eventstore"
	"lethe/internal/part"
)

// ErrParts: an event does not have the parts that it was stored with.
var ErrParts = errors.New("the event's sealed parts are not those that were stored")

// Decode reads a stored event at its present shape. Personal values are
// Sealed: what opening them needs is copied out of r. Where the store has
// dropped a part, since its key was destroyed long ago, the value is Erased.
//
// Errors: ErrUnknownType, ErrNewer, ErrParts, or that facts or metadata do
// not have their shape.
func (c *Codec) Decode(r *eventstore.Recorded) (domain.Recorded, error) {
	var none domain.Recorded
	e, ok := c.byName[r.Type]
	if !ok {
		return none, fmt.Errorf("decoding %s: %w", r.Type, ErrUnknownType)
	}
	facts, err := c.upcastFacts(e, r)
	if err != nil {
		return none, err
	}
	event, err := e.decode(facts)
	if err != nil {
		return none, err
	}
	var meta storedMetadata
	if !readMetadata(r.Metadata, &meta) {
		if meta, err = unmarshalMetadata(r.Metadata); err != nil {
			return none, fmt.Errorf("decoding the metadata of %s: %w", r.Type, err)
		}
	}
	if meta.Parts != len(r.Sealed)+len(r.Dropped) {
		return none, fmt.Errorf("decoding %s: %w", r.Type, ErrParts)
	}
	if err := c.fill(r, event, r.Version == e.typ.Version); err != nil {
		return none, fmt.Errorf("decoding %s: %w", r.Type, err)
	}
	return domain.Recorded{
		ID: domain.ID(r.ID), Stream: r.Stream, Revision: r.Revision, Position: uint64(r.Position),
		Recorded: r.Recorded, Effective: r.Effective, Metadata: meta.Metadata, Event: event,
	}, nil
}

func unmarshalMetadata(b []byte) (m storedMetadata, err error) {
	err = json.Unmarshal(b, &m, options)
	return m, err
}

// fill puts the parts into the event's places. exact: the event has the shape
// it was stored in, so that every part has a place.
func (c *Codec) fill(r *eventstore.Recorded, event domain.Event, exact bool) error {
	if len(r.Sealed)+len(r.Dropped) == 0 {
		return nil
	}
	ps := c.places(r.Stream, event)
	defer c.release(ps)
	all := ps.all
	refs := cloneRefs(r)
	placed := 0
	for i, next := 0, 0; i < len(all); i++ {
		at := findPart(r.Sealed, all[i].key, next)
		switch {
		case at >= 0:
			*all[i].Value = personal.SealedAs(&refs[at])
			next = at + 1
			placed++
		case wasDropped(r, all[i].key):
			*all[i].Value = personal.DroppedAs(placeOf(r))
			placed++
		}
	}
	if findPart(r.Sealed, DigestField, len(r.Sealed)-1) >= 0 || wasDropped(r, DigestField) {
		placed++
	}
	if exact && placed != len(r.Sealed)+len(r.Dropped) {
		return ErrParts
	}
	return nil
}

// wasDropped reports whether the part of a field is gone from the store.
func wasDropped(r *eventstore.Recorded, key string) bool {
	for i := range r.Dropped {
		if isPart(r.Dropped[i].Head, key) {
			return true
		}
	}
	return false
}

func placeOf(r *eventstore.Recorded) *personal.Ref {
	return &personal.Ref{Stream: r.Stream, EventID: r.ID, Type: r.Type, Version: r.Version}
}

// findPart finds the part of a field, first where it is expected, since parts
// are stored in the order of the places.
func findPart(parts [][]byte, key string, expected int) int {
	if expected >= 0 && expected < len(parts) && isPart(parts[expected], key) {
		return expected
	}
	for i := range parts {
		if isPart(parts[i], key) {
			return i
		}
	}
	return -1
}

func isPart(stored []byte, key string) bool {
	field, ok := part.Field(stored)
	return ok && string(field) == key
}

// cloneRefs copies all parts of an event into one piece of memory.
func cloneRefs(r *eventstore.Recorded) []personal.Ref {
	size := 0
	for _, p := range r.Sealed {
		size += len(p)
	}
	buf := make([]byte, 0, size)
	refs := make([]personal.Ref, len(r.Sealed))
	for i, p := range r.Sealed {
		start := len(buf)
		buf = append(buf, p...)
		refs[i] = *placeOf(r)
		refs[i].Part = buf[start:len(buf):len(buf)]
	}
	return refs
}

// DigestPart is the digest of the command that made the event: Sealed, Erased
// when it was dropped, Absent when there is none.
func (c *Codec) DigestPart(r *eventstore.Recorded) personal.Value {
	at := findPart(r.Sealed, DigestField, len(r.Sealed)-1)
	switch {
	case at >= 0:
		ref := placeOf(r)
		ref.Part = append([]byte(nil), r.Sealed[at]...)
		return personal.SealedAs(ref)
	case wasDropped(r, DigestField):
		return personal.DroppedAs(placeOf(r))
	}
	return personal.Value{}
}

// Opener opens one sealed value; the keyring is one.
type Opener interface {
	Open(ctx context.Context, ref *personal.Ref) (personal.Value, error)
}

// OpenValue opens a value and brings it to its type's present version. Values
// in any other state than Sealed stay as they are. Who calls it answers for
// why the value is opened.
func (c *Codec) OpenValue(ctx context.Context, o Opener, v personal.Value) (personal.Value, error) {
	if v.State() != personal.Sealed {
		return v, nil
	}
	opened, err := o.Open(ctx, v.Ref())
	if err != nil {
		return personal.Value{}, err
	}
	return c.upcastValue(v.Ref(), opened)
}

// Discloser gives the secret of one sealed value; the keyring is one.
type Discloser interface {
	Secret(ctx context.Context, ref *personal.Ref) (part.Secret, personal.State, error)
}

// SecretOf gives what opens a sealed value and no other, once it was seen to
// open it. The state is Present when there is a secret, else why there is
// none: Erased, KeyMissing or Tampered. Values in any other state than Sealed
// have no secret and keep their state. What was given cannot be taken back:
// who calls it has recorded for whom.
func (c *Codec) SecretOf(ctx context.Context, k Discloser, v personal.Value) (part.Secret, personal.State, error) {
	if v.State() != personal.Sealed {
		return part.Secret{}, v.State(), nil
	}
	return k.Secret(ctx, v.Ref())
}
