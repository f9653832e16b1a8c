package codec

import (
	"fmt"
	"strings"
	"time"

	"lethe/domain"
	"lethe/domain/personal"
	"lethe/eventstore"
	"lethe/internal/part"
)

// Envelope is what an upcaster may know of an event besides its facts.
type Envelope struct {
	Stream    string
	Type      domain.Type // of the facts that it is given
	Effective time.Time
	Recorded  time.Time
}

// Upcast is one step from a version of a shape to the next one. It works on
// bytes and texts, never on the structs of today, so that it stays right when
// they change. Nil functions change nothing. Effective time and retention
// group are not an upcaster's to change.
type Upcast struct {
	Type  string
	From  uint16
	Facts func(of Envelope, raw []byte) ([]byte, error)
	Value func(field, plaintext string) (string, error)
}

// upcasts are the steps between the versions of the domain's events. There is
// one version of each so far.
func upcasts() []Upcast { return nil }

func (c *Codec) upcastFacts(e *entry, r *eventstore.Recorded) ([]byte, error) {
	raw := r.Facts
	if r.Version == e.typ.Version {
		return raw, nil
	}
	if r.Version > e.typ.Version || r.Version == 0 {
		return nil, fmt.Errorf("decoding %s: version %d, known up to %d: %w", r.Type, r.Version, e.typ.Version, ErrNewer)
	}
	for v := r.Version; v < e.typ.Version; v++ {
		step := c.steps[domain.Type{Name: r.Type, Version: v}]
		if step.Facts == nil {
			continue
		}
		var err error
		raw, err = step.Facts(Envelope{
			Stream: r.Stream, Type: domain.Type{Name: r.Type, Version: v}, Effective: r.Effective, Recorded: r.Recorded,
		}, raw)
		if err != nil {
			return nil, fmt.Errorf("upcasting %s from version %d: %w", r.Type, v, err)
		}
	}
	return raw, nil
}

// upcastValue brings an opened value to its type's present version. What
// cannot be read stays what it is: Erased is Erased in every version.
func (c *Codec) upcastValue(ref *personal.Ref, v personal.Value) (personal.Value, error) {
	e, ok := c.byName[ref.Type]
	text, present := v.Reveal()
	if !ok || !present || ref.Version >= e.typ.Version {
		return v, nil
	}
	key, ok := part.Field(ref.Part)
	if !ok {
		return v, nil
	}
	field, _, _ := strings.Cut(string(key), "#")
	for version := ref.Version; version < e.typ.Version; version++ {
		step := c.steps[domain.Type{Name: ref.Type, Version: version}]
		if step.Value == nil {
			continue
		}
		var err error
		if text, err = step.Value(field, text); err != nil {
			return personal.Value{}, fmt.Errorf("upcasting %s of %s from version %d: %w", field, ref.Type, version, err)
		}
	}
	return personal.Of(text), nil
}
