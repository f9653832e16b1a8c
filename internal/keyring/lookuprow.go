package keyring

// The rows of the lookup file as they are stored, and what their MACs are
// over. The MACs are made with the key store's key for rows and cut to 64
// bits: there are many small rows, and a row that is forged by chance is
// found with a probability of 1 - 2^-64 all the same.
const shortMAC = 8

const (
	lookupColumns    = "mac, token, field, event_id, kind, at, row_mac"
	creationColumns  = "principal, command, token, body, at, row_mac"
	importColumns    = "mac, token, done, version, mapping, catalogue, fields, row_mac"
	fileColumns      = "mac, import, done, row_mac"
	forgottenColumns = "token, row_mac"
)

// lookupRow is a row of lookup.
type lookupRow struct {
	mac, eventID       []byte
	token, field, kind string
	at                 int64 // Unix microseconds
	rowMAC             []byte
}

func (r *lookupRow) message(dst []byte) []byte {
	dst = lp(lp(lp(lp(dst, "lookup row"), r.mac), r.token), r.field)
	return lp64(lp(lp(dst, r.eventID), r.kind), uint64(r.at)) //nolint:gosec // the bits
}

func (r *lookupRow) scan(scan func(...any) error) error {
	return scan(&r.mac, &r.token, &r.field, &r.eventID, &r.kind, &r.at, &r.rowMAC)
}

// creationRow is a row of creations.
type creationRow struct {
	principal, command, body []byte
	token                    string
	at                       int64 // Unix microseconds
	rowMAC                   []byte
}

func (r *creationRow) message(dst []byte) []byte {
	dst = lp(lp(lp(dst, "creation"), r.principal), r.command)
	return lp64(lp(lp(dst, r.token), r.body), uint64(r.at)) //nolint:gosec // the bits
}

func (r *creationRow) scan(scan func(...any) error) error {
	return scan(&r.principal, &r.command, &r.token, &r.body, &r.at, &r.rowMAC)
}

// importRow is a row of imports. A reserved one has neither mapping nor fields.
type importRow struct {
	key       []byte
	token     string
	done      bool
	version   uint32
	mapping   []byte
	catalogue int64
	fields    []byte // encodeFields
	rowMAC    []byte
}

func (r *importRow) message(dst []byte) []byte {
	dst = lp32(append(lp(lp(lp(dst, "import"), r.key), r.token), flag(r.done)), r.version)
	return lp(lp64(lp(dst, r.mapping), uint64(r.catalogue)), r.fields) //nolint:gosec // the bits
}

func (r *importRow) scan(scan func(...any) error) error {
	return scan(&r.key, &r.token, &r.done, &r.version, &r.mapping, &r.catalogue, &r.fields, &r.rowMAC)
}

// fileRow is a row of files.
type fileRow struct {
	mac, id []byte
	done    bool
	rowMAC  []byte
}

func (r *fileRow) message(dst []byte) []byte {
	return append(lp(lp(lp(dst, "file"), r.mac), r.id), flag(r.done))
}

func (r *fileRow) scan(scan func(...any) error) error {
	return scan(&r.mac, &r.id, &r.done, &r.rowMAC)
}

// forgottenRow is a row of forgotten.
type forgottenRow struct {
	token  string
	rowMAC []byte
}

func (r *forgottenRow) message(dst []byte) []byte { return lp(lp(dst, "forgotten"), r.token) }

func (r *forgottenRow) scan(scan func(...any) error) error { return scan(&r.token, &r.rowMAC) }

// shortMAC is the MAC of a row's message.
func (s *secrets) shortMAC(message []byte) []byte {
	full := hmacOf(&s.rows, message)
	return full[:shortMAC]
}

func flag(set bool) byte {
	if set {
		return 1
	}
	return 0
}
