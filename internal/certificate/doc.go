// Package certificate is the certificate of an erasure and the letter to the
// person: what they say, how they are written, and how they are made anew from
// the events that prove them. All of it is pure: no keys, no store, no clock.
//
// A certificate is a JSON text in one form, two spaces to the level, members
// in the order of type Certificate, a newline at the end:
//
//	format, erasure, statement, guarantee
//	records      of each record of the person what the events say of it, and
//	             the events themselves, each with its facts as stored and a C2SP
//	             tlog-proof whose extra data is the leaf
//	origin, size, root, checkpoint
//	log_keys     the log's signed statement about its keys
//	signature    a C2SP signed note by every key of the log that counts at size:
//
//	    lethe erasure certificate v1
//	    <origin>
//	    <SHA-256 of the text with an empty signature, hexadecimal>
//
// No origin has a space in it, so the note can never be taken for a checkpoint.
//
// What a record says besides dead_from, disclosures and openings is derived: a
// function of its events, which are in the tree. A verifier makes it anew and
// compares bytes. The three are what the signing ledger says: the access events
// behind disclosures name other people too, and stay where they are; from when
// on no backup can revive it is often known only after ErasureCompleted.
//
// A certificate is made for nothing less than ErasureCompleted. It is of all records of the person that went along.
//
// The format is versioned as a whole: texts, rules and the page of a version
// stay the same for ever, since a verifier writes them again.
//
// The letter is for the person. It holds no value of theirs, and on purpose
// neither the record's token nor the erasure's ID: a copy in the sender's
// outbox, which names the person, would tie what stays of the record to them.
package certificate

// Format is the version that is written and read.
const Format = "lethe-erasure-certificate/1"

// MaxSize bounds a certificate.
const MaxSize = 64 << 20

// noteHeader begins the note that signs a certificate.
const noteHeader = "lethe erasure certificate v1"

// What a certificate claims, in the words of this version.
const (
	statedDestroyed = "The keys named here were destroyed in every copy that the operator of this ledger controls. "
	statedPurge     = "The keys named here were deleted. At least one place keeps what it deleted until its own schedule purges it: until then they are not destroyed. "
	statedFenced    = "Keys named here without a fingerprint were not there to be destroyed. They are fenced: nothing opens with them here, and they are destroyed as soon as a copy of the key store that has them is opened. The others were deleted. "
	statedUnknown   = "The keys named here were deleted. At least one place promises nothing about what it deleted: whether they are destroyed is not known. "
	statedAlways    = "That is attested, not proven. What was sealed with them cannot be read without them, wherever copies of its sealed bytes are; " +
		"each sink below says with which guarantee and up to which position of the log it confirmed. " +
		"Outside of this are copies of the machine that others made, values that were opened or handed over before, and the operator's own " +
		"statement that no backup holds the epoch keys. Tokens are pseudonyms: what stays of a record is not anonymous."
)

func stated(guarantee string) string {
	switch guarantee {
	case "destroyed":
		return statedDestroyed + statedAlways
	case "purge_scheduled":
		return statedPurge + statedAlways
	case "fenced":
		return statedFenced + statedAlways
	}
	return statedUnknown + statedAlways
}
