package domain

// EvidenceGroup is the retention group of what shows that a decision was
// lawful (consent evidence, reasons). It must outlive what it was given for:
// GDPR 7(1) and 17(3)(e).
const EvidenceGroup Name = "evidence"

// RecordGroup is the retention group of what tells which row of a source a
// record came from. It goes with an erasure of everything.
const RecordGroup Name = "record"
