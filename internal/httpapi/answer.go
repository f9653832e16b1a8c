package httpapi

import (
	"time"

	"lethe/domain"
	"lethe/domain/personal"
	"lethe/eventstore"
	"lethe/internal/ledger"
)

// Outcome is the answer to a write.
type Outcome struct {
	Token    domain.Token        `json:"token,omitzero" doc:"The person's pseudonym" example:"saeisekbtdbnvhqnyg4vdqn2ktd4q"`
	Revision uint64              `json:"revision" doc:"Of the record, after the write"`
	Position eventstore.Position `json:"position" doc:"In the log, for after_position" example:"1099511627791"`
	Recorded time.Time           `json:"recorded,omitzero" doc:"When it was recorded"`
	Events   int                 `json:"events" doc:"How many events it made; 0 when everything was so already"`
	Event    domain.ID           `json:"event,omitzero" doc:"The first of them"`
	Repeated bool                `json:"repeated,omitzero" doc:"The key was used before: this is the first outcome"`
	// Of registering only.
	Suppressed []domain.Name `json:"suppressed,omitzero" enum:"email,phone" doc:"Somebody with this address or number was erased: an officer is to look. Marketing is off when that person had objected to it"`
	// Of opening a lifecycle only.
	LinkedClosed []domain.Token `json:"linked_closed,omitzero" doc:"Linked records of the same person that were erased too: what is closed there cannot be used here either, until they are reopened as well"`
}

type written struct {
	ETag     string `header:"ETag" doc:"The record's revision"`
	Position string `header:"Lethe-Position" doc:"Send it as after_position to read what was written"`
	Location string `header:"Location"`
	Body     Outcome
}

func outcome(token domain.Token, out ledger.Outcome) Outcome {
	return Outcome{
		Token: token, Revision: out.Last, Position: out.Position, Recorded: out.Recorded,
		Events: out.Events, Event: out.FirstID, Repeated: out.Repeated, Suppressed: out.Suppressed,
	}
}

func wrote(token domain.Token, out ledger.Outcome, err error) (*written, error) {
	if err != nil {
		return nil, err
	}
	return &written{ETag: etag(out.Last), Position: out.Position.String(), Body: outcome(token, out)}, nil
}

// Value is a personal value in an answer. Text is there when State is
// present and at no other time, so that nothing erased looks like data.
type Value struct {
	State string  `json:"state" enum:"present,sealed,erased,key_missing,tampered,lost" doc:"Only present has a text. Erased: its key was destroyed on purpose. Lost: it was to stay, and is lost with the events that a restored ledger lost. key_missing and tampered are faults that the operator was told of."`
	Text  *string `json:"text,omitempty" nullable:"false"`
}

func shown(v personal.Value) Value {
	if text, ok := v.Reveal(); ok {
		return Value{State: v.State().String(), Text: &text}
	}
	return Value{State: v.State().String()}
}

// sealed is the absent value when there is no text.
func sealed(text string) personal.Value {
	if text == "" {
		return personal.Value{}
	}
	return personal.Of(text)
}
