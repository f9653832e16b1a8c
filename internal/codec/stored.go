package codec

import (
	"fmt"

	"lethe/domain"
	"lethe/eventstore"
)

// Stored is what Decode gives for a draft that was encoded and appended as r,
// without decoding it: the draft's own event, whose values in clear are
// replaced by the sealed ones. The draft must not be used afterwards.
func (c *Codec) Stored(d *Draft, r *eventstore.Recorded) (domain.Recorded, error) {
	if err := c.fill(r, d.Event, true); err != nil {
		return domain.Recorded{}, fmt.Errorf("keeping %s: %w", r.Type, err)
	}
	return domain.Recorded{
		ID: domain.ID(r.ID), Stream: r.Stream, Revision: r.Revision, Position: uint64(r.Position),
		Recorded: r.Recorded, Effective: r.Effective, Metadata: d.Metadata, Event: d.Event,
	}, nil
}
