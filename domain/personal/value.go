// Package personal holds the one type a personal value may have in Go.
//
// A Value is in one of six states. Present holds the plaintext in its
// canonical text form; Sealed holds ciphertext and what opening it needs;
// Erased, KeyMissing, Tampered and Lost are the four different ways in which a
// sealed value cannot be read, and are never confused with each other, with
// "" or with zero.
//
// A Value cannot be printed, logged or marshalled by accident: every such
// path yields "[personal]". The plaintext leaves through Reveal only.
package personal

import (
	"fmt"
	"log/slog"
)

// State of a Value.
type State uint8

// States. The zero Value is Absent: there is no value at all.
const (
	Absent State = iota
	Present
	Sealed
	Erased     // its key was destroyed on purpose
	KeyMissing // no key and no fence: an alarm, never "erased"
	Tampered   // the stored bytes do not authenticate
	Lost       // its key was destroyed, and the copy under a newer one that was to stay is lost: never "erased"
)

var stateNames = [...]string{"absent", "present", "sealed", "erased", "key_missing", "tampered", "lost"}

func (s State) String() string {
	if int(s) < len(stateNames) {
		return stateNames[s]
	}
	return "unknown"
}

// Ref is everything that opening a sealed value needs besides the key.
type Ref struct {
	Stream  string
	EventID [16]byte
	Type    string // as stored, before any upcaster
	Version uint16 // as stored
	Part    []byte // header and ciphertext, as stored
}

// Value is one personal value.
type Value struct {
	state State
	text  string
	ref   *Ref
}

// Of makes a Present value of its canonical text.
func Of(text string) Value { return Value{state: Present, text: text} }

// SealedAs makes a Sealed value.
func SealedAs(ref *Ref) Value { return Value{state: Sealed, ref: ref} }

// Unreadable makes a value that cannot be read; why is Erased, KeyMissing, Tampered or Lost.
func Unreadable(why State) Value {
	if why != Erased && why != KeyMissing && why != Lost {
		why = Tampered
	}
	return Value{state: why}
}

// DroppedAs makes an Erased value whose part the store has dropped. ref says
// where it was; its Part is nil.
func DroppedAs(ref *Ref) Value { return Value{state: Erased, ref: ref} }

// State tells how the value is.
func (v Value) State() State { return v.state }

// IsZero reports whether there is no value at all.
func (v Value) IsZero() bool { return v.state == Absent }

// Reveal returns the plaintext and true when the value is Present.
func (v Value) Reveal() (string, bool) { return v.text, v.state == Present }

// Ref returns what opening needs of a Sealed value, and where a dropped one
// was; nil otherwise.
func (v Value) Ref() *Ref { return v.ref }

const redacted = "[personal]"

func (v Value) String() string               { return redacted }
func (v Value) GoString() string             { return redacted }
func (v Value) Format(f fmt.State, _ rune)   { _, _ = f.Write([]byte(redacted)) }
func (v Value) LogValue() slog.Value         { return slog.StringValue(redacted) }
func (v Value) MarshalText() ([]byte, error) { return []byte(redacted), nil }
func (v Value) MarshalJSON() ([]byte, error) { return []byte(`"` + redacted + `"`), nil }

// Slot is one place for a personal value in an event.
type Slot struct {
	Owner string // compartment's owner; "" is the event's own stream
	Field string // catalogue field, or a built-in name such as "consent.evidence"
	Group string // retention group; "" takes the group of the event's first slot, or else the evidence group
	Value *Value
}
