package keyring

import (
	"time"

	"lethe/domain"
)

// markRow is a row of marks, and of the marks' file. What it is of is known by
// a keyed hash of a keyed hash: of the MAC that the lookup file had of a
// contact, or that an import claim had as its key. It holds no token, and no
// time that tells which erasure it comes from.
type markRow struct {
	mac        []byte // HMAC(mark key, LP("mark") ‖ LP(by) ‖ LP(MAC)), cut to macSize
	by         string
	kinds      int64 // markErased, markObjected; 0: lifted
	cause      string
	day, until int64 // days since 1970; until 0: no end
	version    int64 // counts changes from 1; the highest counts
	rowMAC     []byte
}

const (
	markErased = 1 << iota
	markObjected
)

const markColumns = "mac, by_what, kinds, cause, day, until, version, row_mac"

func (r *markRow) message() []byte {
	b := lp(lp(lp(nil, "mark row"), r.mac), r.by)
	b = lp(lp64(b, uint64(r.kinds)), r.cause)                                     //nolint:gosec // the bits
	return lp64(lp64(lp64(b, uint64(r.day)), uint64(r.until)), uint64(r.version)) //nolint:gosec // the bits
}

func (r *markRow) scan(scan func(...any) error) error {
	return scan(&r.mac, &r.by, &r.kinds, &r.cause, &r.day, &r.until, &r.version, &r.rowMAC)
}

func (r *markRow) mark() Mark {
	m := Mark{
		By: domain.Name(r.by), Erased: r.kinds&markErased != 0, Objection: r.kinds&markObjected != 0,
		Cause: domain.Name(r.cause), Day: timeOf(r.day),
	}
	if r.until != 0 {
		m.Until = timeOf(r.until)
	}
	return m
}

const secondsOfDay = 24 * 60 * 60

func dayOf(t time.Time) int64 { return t.Unix() / secondsOfDay }

// endDay is the day at whose beginning a time has come for sure; 0 for none.
func endDay(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return dayOf(t.Add(secondsOfDay*time.Second - 1))
}

func timeOf(day int64) time.Time { return time.Unix(day*secondsOfDay, 0).UTC() }

func (k *Keyring) markMAC(by domain.Name, mac []byte) []byte {
	full := hmacOf(&k.secrets.marks, lp(lp(lp(nil, "mark"), by), mac))
	return full[:macSize]
}

// identifierMAC is the MAC of the mark of an identifier; of one that is
// compared with nothing it is one that no mark has.
func (k *Keyring) identifierMAC(id *Identifier) []byte {
	if id.Kind == "" {
		return k.markMAC(MarkedSource, id.Source[:])
	}
	mac, ok := k.lookupMAC(id.Kind, id.Text)
	if !ok {
		return nil
	}
	return k.markMAC(domain.Name(id.Kind), mac)
}
