package keyring

import (
	"encoding/binary"
	"errors"

	"lethe/domain"
)

// entry is the record of one destruction in the erasure journal:
//
//	erasure ID 16 ‖ at 8 ‖ marks 4 ‖ LP(cause)
//	LP(token) ‖ everything 1 ‖ marks to leave 1 ‖ until 8
//	count 2 × LP(field)
//	count 4 × { LP(field) ‖ slot 2 }
//	count 4 × { key ID 16 ‖ LP(fingerprint) ‖ LP(owner) ‖ LP(group) ‖ generation 4 ‖ live 4 }
//
// Numbers are big-endian, at counts microseconds since 1970 and until days, LP
// is a length of 2 and the bytes. It holds no value, and of marks only which
// to leave and how many they were: they are in a file of their own. An entry
// without keys, the first of a journal, is a Declaration.
type entry struct {
	erasure domain.ID
	at      int64
	cause   domain.Name
	marks   uint32
	person  person
	keys    []ending
}

// person says whose rows of the lookup file go with the keys.
type person struct {
	token      domain.Token // "" when the keys are not a person's
	everything bool
	fields     []domain.Name
	values     []ValueRef // that go, of groups of which something stays
	marks      Marks      // to be left
	until      int64      // their end, in days since 1970; 0: none
}

// ending is the destruction of one key.
type ending struct {
	key         KeyInfo
	fingerprint []byte // empty when there was no key to take it of
	live        uint32 // the newest generation of the compartment, which stayed; 0 when none did
}

func (e *entry) bytes() []byte {
	b := append([]byte(nil), e.erasure[:]...)
	b = binary.BigEndian.AppendUint64(b, uint64(e.at)) //nolint:gosec // the bits
	b = binary.BigEndian.AppendUint32(b, e.marks)
	b = append(lp(lp(b, e.cause), e.person.token), flag(e.person.everything), byte(e.person.marks))
	b = binary.BigEndian.AppendUint64(b, uint64(e.person.until))       //nolint:gosec // the bits
	b = binary.BigEndian.AppendUint16(b, uint16(len(e.person.fields))) //nolint:gosec // bounded by Destroy
	for _, f := range e.person.fields {
		b = lp(b, f)
	}
	b = binary.BigEndian.AppendUint32(b, uint32(len(e.person.values))) //nolint:gosec // bounded by Destroy
	for _, v := range e.person.values {
		b = binary.BigEndian.AppendUint16(lp(b, v.Field), v.Slot)
	}
	b = binary.BigEndian.AppendUint32(b, uint32(len(e.keys))) //nolint:gosec // bounded by Destroy
	for i := range e.keys {
		k := &e.keys[i]
		b = lp(append(b, k.key.ID[:]...), k.fingerprint)
		b = lp(lp(b, k.key.Compartment.Owner), k.key.Compartment.Group)
		b = binary.BigEndian.AppendUint32(b, k.key.Generation)
		b = binary.BigEndian.AppendUint32(b, k.live)
	}
	return b
}

var errEntry = errors.New("an entry of the erasure journal is not of its form")

// parseEntry is the reverse of bytes.
func parseEntry(b []byte) (e entry, err error) {
	r := reader{b: b}
	copy(e.erasure[:], r.take(len(e.erasure)))
	e.at, e.marks = int64(r.number(8)), uint32(r.number(4)) //nolint:gosec // the bits, four bytes
	e.cause, e.person.token = domain.Name(r.text()), domain.Token(r.text())
	e.person.everything, e.person.marks = r.number(1) == 1, Marks(r.number(1)) //nolint:gosec // one byte
	e.person.until = int64(r.number(8))                                        //nolint:gosec // the bits
	for n := r.number(2); n > 0 && r.ok(); n-- {
		e.person.fields = append(e.person.fields, domain.Name(r.text()))
	}
	for n := r.number(4); n > 0 && r.ok(); n-- {
		e.person.values = append(e.person.values, ValueRef{Field: domain.Name(r.text()), Slot: uint16(r.number(2))}) //nolint:gosec // two bytes
	}
	for n := r.number(4); n > 0 && r.ok(); n-- {
		var k ending
		copy(k.key.ID[:], r.take(len(k.key.ID)))
		k.fingerprint = []byte(r.text())
		k.key.Compartment = Compartment{Owner: r.text(), Group: domain.Name(r.text())}
		k.key.Generation, k.live = uint32(r.number(4)), uint32(r.number(4)) //nolint:gosec // four bytes
		k.key.Fenced = true
		e.keys = append(e.keys, k)
	}
	if !r.ok() || len(r.b) > 0 {
		return entry{}, errEntry
	}
	return e, nil
}

// reader takes values off bytes; what is too short gives zeros and is not ok.
type reader struct {
	b     []byte
	short bool
}

func (r *reader) ok() bool { return !r.short }

func (r *reader) take(n int) []byte {
	if len(r.b) < n {
		r.b, r.short = nil, true
		return nil
	}
	taken := r.b[:n]
	r.b = r.b[n:]
	return taken
}

func (r *reader) number(size int) (v uint64) {
	for _, b := range r.take(size) {
		v = v<<8 | uint64(b)
	}
	return v
}

func (r *reader) text() string { return string(r.take(int(r.number(2)))) } //nolint:gosec // two bytes
