package keyring

// Marks says which marks of suppression a destruction leaves.
type Marks uint8

// Kinds of marks.
const (
	MarkSource  Marks = 1 << iota // of the keys in the sources: a later import creates nothing
	MarkContact                   // of e-mail addresses and phone numbers: a later record gets no marketing, and a review
)
