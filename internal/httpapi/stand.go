package httpapi

import (
	"time"

	"lethe/domain"
	"lethe/domain/subject"
	"lethe/internal/disclose"
	"lethe/projections/history"
)

// Stand is how what a person said, and what the controller relies on, stood
// at a moment.
type Stand struct {
	Consents   []Consent       `json:"consents" doc:"By purpose"`
	Bases      []PastBasis     `json:"bases" doc:"Lawful bases other than consent, by purpose; also those that stand no longer"`
	Objections []PastObjection `json:"objections" doc:"By when they took effect, with what became of each"`
}

// Consent is how one purpose's consent stood.
type Consent struct {
	Purpose      domain.Name       `json:"purpose"`
	Status       subject.Status    `json:"status" doc:"In the words of the Data Privacy Vocabulary" example:"ConsentGiven"`
	Version      uint32            `json:"version,omitzero"`
	Since        time.Time         `json:"since,omitzero"`
	Until        time.Time         `json:"until,omitzero" doc:"When it ends, exclusive"`
	Notice       domain.Digest     `json:"notice,omitzero" doc:"The text that was shown when it was given last"`
	Language     domain.Language   `json:"language,omitzero"`
	Medium       subject.Medium    `json:"medium,omitzero"`
	Method       subject.Method    `json:"method,omitzero"`
	By           subject.Party     `json:"by,omitzero"`
	Class        string            `json:"class,omitzero" doc:"proven, or asserted when the notice was recorded later or another system says so"`
	Explicit     bool              `json:"explicit,omitzero"`
	Channels     []subject.Channel `json:"channels,omitempty"`
	Granted      domain.ID         `json:"granted,omitzero" doc:"The event that gave it last"`
	GrantedProof string            `json:"granted_proof,omitzero" doc:"Address of the proof of granted"`
	Rest         domain.ID         `json:"rests_on,omitzero" doc:"The event that the status rests on; the proof is of it"`
	Values       []PastValue       `json:"values,omitempty" doc:"Of the event that it rests on: evidence and guardian"`
	Proved
}

// PastBasis is a lawful basis other than consent, and what became of it.
type PastBasis struct {
	Purpose  domain.Name        `json:"purpose"`
	Basis    domain.Basis       `json:"basis"`
	State    subject.BasisState `json:"state" enum:"asserted,ended,expired" doc:"It stands only while it is asserted"`
	Version  uint32             `json:"version,omitzero" doc:"Of the purpose"`
	Since    time.Time          `json:"since"`
	Until    time.Time          `json:"until,omitzero" doc:"When it ends, exclusive"`
	Asserted domain.ID          `json:"asserted,omitzero" doc:"The event that asserted it last"`
	Rest     domain.ID          `json:"rests_on" doc:"The event that the state rests on; the proof is of it"`
	Proved
}

// PastObjection is an objection, and what became of it.
type PastObjection struct {
	Event        domain.ID              `json:"event"`
	Purpose      domain.Name            `json:"purpose,omitzero" doc:"Every purpose in scope when absent"`
	Scope        subject.ObjectionScope `json:"scope"`
	Channel      subject.Channel        `json:"channel,omitzero" doc:"Every channel when absent"`
	ContactPoint bool                   `json:"contact_point,omitzero" doc:"It binds every record with the same address"`
	State        subject.ObjectionState `json:"state" enum:"pending,upheld,overridden,withdrawn"`
	Since        time.Time              `json:"since" doc:"When the state began"`
	Rest         domain.ID              `json:"rests_on" doc:"The event that the state rests on; the proof is of it"`
	Proved
}

// standOf folds what stood at a cut, of one purpose unless it is "": then also
// objections that name no purpose, since they may cover it. Proofs are not
// linked yet.
func standOf(state *subject.State, c history.Cut, of domain.Name, opened []disclose.Past) Stand {
	snap, values := state.At(c.Recorded, c.Effective), valuesOf(state, opened)
	s := Stand{Consents: []Consent{}, Bases: []PastBasis{}, Objections: []PastObjection{}}
	for i := range snap.Consents {
		if at := &snap.Consents[i]; of == "" || at.Purpose == of {
			s.Consents = append(s.Consents, consentOf(at, values))
		}
	}
	for _, b := range state.PastBases(c.Recorded, c.Effective) {
		if of == "" || b.Purpose == of {
			s.Bases = append(s.Bases, basisOf(&b))
		}
	}
	for _, o := range snap.Objections {
		if of == "" || o.Purpose == "" || o.Purpose == of {
			s.Objections = append(s.Objections, objectionOf(&o))
		}
	}
	return s
}

func consentOf(at *subject.Consent, values *pastValues) Consent {
	c := Consent{Purpose: at.Purpose, Status: at.Status, Version: at.Version, Since: at.Since, Until: at.Until}
	if g := at.Grant; g != nil {
		c.Notice, c.Language, c.Medium, c.Method, c.By = g.Notice, g.Language, g.Medium, g.Method, g.By
		c.Class, c.Explicit, c.Channels, c.Granted = string(g.Class), g.Explicit, g.Channels, at.Granted.ID
	}
	if at.Rest != nil {
		c.Rest, c.Values = at.Rest.ID, values.of(at.Rest)
	}
	return c
}

func basisOf(b *subject.PastBasis) PastBasis {
	p := PastBasis{
		Purpose: b.Purpose, Basis: b.Basis, State: b.State, Version: b.Version, Since: b.Since, Until: b.Until, Rest: b.Rest.ID,
	}
	if b.Asserted != nil {
		p.Asserted = b.Asserted.ID
	}
	return p
}

func objectionOf(o *subject.Objection) PastObjection {
	rest := o.Rest
	if o.By != nil {
		rest = o.By
	}
	return PastObjection{
		Event: o.ID, Purpose: o.Purpose, Scope: o.Scope, Channel: o.Channel, ContactPoint: o.ContactPoint,
		State: o.State, Since: rest.Effective, Rest: rest.ID,
	}
}

// about picks the events that bear on a purpose: consents, bases and
// objections that name it, objections to every purpose, and what settled one
// of these. All events when the purpose is "".
func about(entries []domain.Recorded, purpose domain.Name) []*domain.Recorded {
	var list []*domain.Recorded
	objections := map[domain.ID]bool{}
	for i := range entries {
		r := &entries[i]
		facts, ok := history.FactsOf(r.Event)
		_, objects := r.Event.(*subject.Objected)
		bears := ok && (facts.Purpose == purpose || objects && facts.Purpose == "" || objections[facts.Refers])
		if objects && bears {
			objections[r.ID] = true
		}
		if bears || purpose == "" {
			list = append(list, r)
		}
	}
	return list
}
