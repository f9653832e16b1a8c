package importer

import (
	"encoding/binary"
	"strconv"
	"strings"

	"lethe/domain"
	"lethe/internal/keyring"
)

// A claim keeps what its row said, as pairs of a name and a MAC:
//
//	FIELD@SLOT  a value, and where it is in the record
//	!denial     a no
//	!consent    a yes
//	!import     not a MAC: which import did it, and what it did (see did)
//
// "!" begins no catalogue name. A field's name of more than 56 bytes has no
// room for a slot and is not imported.
const (
	markDenial  domain.Name = "!denial"
	markConsent domain.Name = "!consent"
	markImport  domain.Name = "!import"
	maxMarked               = 56
)

// mark is one value that a claim remembers.
type mark struct {
	field domain.Name
	slot  uint16
	mac   keyring.ValueMAC
}

func (m mark) stored() keyring.FieldMAC {
	return keyring.FieldMAC{Field: m.field + "@" + domain.Name(strconv.Itoa(int(m.slot))), MAC: m.mac}
}

// memory is a claim, read.
type memory struct {
	values   []mark
	denials  []keyring.ValueMAC
	consents []keyring.ValueMAC
	by       did
}

// none reports whether no import is remembered: the row is new to its claim, or
// the claim was made anew from the log, which has no MACs.
func (m *memory) none() bool { return m.by.by == [8]byte{} }

func remembered(c *keyring.ImportClaim) (m memory) {
	if c == nil || !c.Done {
		return memory{}
	}
	for _, f := range c.Fields {
		switch f.Field {
		case markDenial:
			m.denials = append(m.denials, f.MAC)
		case markConsent:
			m.consents = append(m.consents, f.MAC)
		case markImport:
			m.by = readDid(f.MAC)
		default:
			name, slot, _ := strings.Cut(string(f.Field), "@")
			n, err := strconv.ParseUint(slot, 10, 16)
			if err == nil {
				m.values = append(m.values, mark{domain.Name(name), uint16(n), f.MAC})
			}
		}
	}
	return m
}

// outcome is what became of a row.
type outcome uint8

const (
	refused outcome = iota
	created
	updated
	unchanged
	leftOut
	suppressed
)

// did is what an import did for a row, so that the same import, run again
// after it was cut off, counts the row as it did the first time.
type did struct {
	by       [8]byte // of the import's ID
	kind     outcome
	values   uint16
	denials  uint8
	consents uint8
}

func (d did) stored() keyring.FieldMAC {
	f := keyring.FieldMAC{Field: markImport}
	copy(f.MAC[:8], d.by[:])
	f.MAC[8] = byte(d.kind)
	binary.BigEndian.PutUint16(f.MAC[9:], d.values)
	f.MAC[11], f.MAC[12] = d.denials, d.consents
	return f
}

func readDid(b keyring.ValueMAC) (d did) {
	copy(d.by[:], b[:8])
	d.kind, d.values = outcome(b[8]), binary.BigEndian.Uint16(b[9:])
	d.denials, d.consents = b[11], b[12]
	return d
}

func (d did) of(id domain.ID) bool { return d.by == [8]byte(id[:8]) }
