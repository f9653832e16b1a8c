package httpapi

import (
	"lethe/domain"
	"lethe/eventstore"
)

// Leaves tells where events lie in the log's Merkle tree.
type Leaves interface {
	// LeafIndex is false for an event that is not sealed yet.
	LeafIndex(id eventstore.EventID) (leaf uint64, sealed bool)
}

// Proved links what is said to the proof of the event that it rests on.
type Proved struct {
	Leaf  *uint64 `json:"leaf,omitempty" nullable:"false" doc:"The event's index in the log's Merkle tree; absent until it is sealed"`
	Proof string  `json:"proof,omitzero" doc:"Where the event's proof of inclusion is" example:"/v1/events/018f2c3e-0000-8000-8000-000000000001/proof"`
}

func (s *API) proved(id domain.ID) Proved {
	p := Proved{Proof: proofOf(id)}
	if s.Leaves == nil {
		return p
	}
	if leaf, sealed := s.Leaves.LeafIndex(eventstore.EventID(id)); sealed {
		p.Leaf = &leaf
	}
	return p
}

func proofOf(id domain.ID) string { return prefix + "/events/" + id.String() + "/proof" }

// prove links everything that stood to its proofs.
func (s *API) prove(st *Stand) {
	for i := range st.Consents {
		st.Consents[i].prove(s)
	}
	for i := range st.Bases {
		st.Bases[i].prove(s)
	}
	for i := range st.Objections {
		st.Objections[i].prove(s)
	}
}

func (c *Consent) prove(s *API) {
	if !c.Rest.IsZero() {
		c.Proved = s.proved(c.Rest)
	}
	if !c.Granted.IsZero() {
		c.GrantedProof = proofOf(c.Granted)
	}
}

func (b *PastBasis) prove(s *API)     { b.Proved = s.proved(b.Rest) }
func (o *PastObjection) prove(s *API) { o.Proved = s.proved(o.Rest) }
