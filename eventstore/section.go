package eventstore

import (
	"context"
	"iter"
)

// Section is a stretch of the global order that a store keeps in one piece and
// that can be read apart from the others, by several readers at once.
type Section struct {
	Name  string `json:"name"`  // of the piece, unique in the store; another content has another name
	First uint64 `json:"first"` // ordinal of its first event: the first event of all has 1
	Count uint64 `json:"count"` // events, up to what was durable at the call
	Bytes int64  `json:"bytes"` // that hold them
	Full  bool   `json:"full"`  // nothing will be added to it
}

// Sectioned is implemented by stores whose log can be read in parallel: by an
// audit, which has to see every event and does not care in which order the
// pieces come.
//
// Sections gives the pieces in global order; together they hold every event
// that was durable at the call, each once. The last one may be empty.
//
// ReadSection yields the events of one section in order, with everything
// verified that the store can verify of them without knowing their meaning.
// It gives ErrNoSection when the store does not have the section any more, and
// a *CorruptError when the events are not those that it promises. A Recorded
// is the receiver's until the next step, as in ReadAll.
type Sectioned interface {
	Sections() []Section
	ReadSection(ctx context.Context, s Section) iter.Seq2[*Recorded, error]
}
