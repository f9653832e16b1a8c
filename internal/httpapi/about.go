package httpapi

import (
	"reflect"

	"github.com/danielgtaylor/huma/v2"
)

// introduction opens the description.
const introduction = `A compliance ledger: what is done with personal data, recorded as events.

Every request needs a bearer token (` + "`Authorization: Bearer …`" + `); its roles say what it may do. Errors are problem documents (RFC 9457) whose code is stable and which never repeat what was sent.

Writes take an Idempotency-Key: repeat a request whose outcome you do not know with the same key and body, and it is done once. If-Match with an ETag refuses a write to a record that changed. The answer's Lethe-Position, sent as after_position to a list, waits until the list has seen the write.

Personal data is opened for a purpose that the catalogue declares, through one door that records the access first. A value is ` + "`{\"state\":\"present\",\"text\":…}`" + `; one that was erased is ` + "`{\"state\":\"erased\"}`" + `, never an empty text.

Times are RFC 3339 in UTC. Positions are opaque, increasing, and strings.`

var tags = []*huma.Tag{
	{Name: tagCatalogue, Description: "What the controller declares: who, which data, why, told how, to whom."},
	{Name: tagSubjects, Description: "People and what is known of them."},
	{Name: tagConsents, Description: "Consent, from asking to withdrawing, with what shows it."},
	{Name: tagRights, Description: "Restriction, objection, other bases, holds, and records of one person."},
	{Name: tagReading, Description: "The door through which personal data is read, and the look back."},
	{Name: tagEvents, Description: "The log itself, for machines."},
	{Name: tagProofs, Description: "What shows that history was not altered: proofs, checkpoints, the keys that sign them. The log's own files " +
		"are at `/checkpoint`, `/log-keys` and `/tile/…`, as C2SP tlog-tiles has them."},
	{Name: tagImports, Description: "Whole files of another system."},
	{Name: tagOperations, Description: "Status, views, tokens, backups, and what a restored log has lost."},
}

func schemaOf[T any](r huma.Registry) *huma.Schema {
	return r.Schema(reflect.TypeFor[T](), true, "")
}
