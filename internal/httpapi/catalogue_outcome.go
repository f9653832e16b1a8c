package httpapi

import (
	"context"

	"lethe/domain"
	"lethe/internal/ledger"
)

// PurposeMade is a version of a purpose that a write made.
type PurposeMade struct {
	ID       domain.Name `json:"id" example:"customer.service"`
	Version  uint32      `json:"version" example:"2"`
	Material bool        `json:"material" doc:"Consent to the version before must be given anew"`
}

// PurposeOutcome is the answer to declaring a purpose.
type PurposeOutcome struct {
	Outcome
	Version  uint32 `json:"version" doc:"That it made; the newest when it was declared like this already" example:"2"`
	Material bool   `json:"material" doc:"It made a version for which consent must be given anew"`
}

// CatalogueOutcome is the answer to loading a catalogue file.
type CatalogueOutcome struct {
	Outcome
	Purposes []PurposeMade `json:"purposes" doc:"The versions of purposes that it made"`
}

type wroteAs[T any] struct {
	ETag     string `header:"ETag" doc:"The record's revision"`
	Position string `header:"Lethe-Position" doc:"Send it as after_position to read what was written"`
	Body     T
}

func answerWith[T any](out ledger.Outcome, body T) *wroteAs[T] {
	return &wroteAs[T]{ETag: etag(out.Last), Position: out.Position.String(), Body: body}
}

// made lists the versions of purposes that the events of a write declared. It
// looks at the catalogue before and after them, so that a repeated command is
// answered as the first one was, whatever was declared since.
func (s *API) made(ctx context.Context, out ledger.Outcome) ([]PurposeMade, error) {
	versions := []PurposeMade{}
	if out.Events == 0 {
		return versions, nil
	}
	cat, err := s.Ledger.Catalogue(ctx)
	if err != nil {
		return nil, err
	}
	before, after := cat.Before(out.First), cat.Before(out.Last+1)
	for _, newest := range after.Purposes() {
		for _, p := range after.Versions(newest.ID)[len(before.Versions(newest.ID)):] {
			versions = append(versions, PurposeMade{ID: p.ID, Version: p.Version, Material: p.Material})
		}
	}
	return versions, nil
}

func (s *API) declaredPurpose(ctx context.Context, id domain.Name, out ledger.Outcome) (*wroteAs[PurposeOutcome], error) {
	body := PurposeOutcome{Outcome: outcome("", out)}
	made, err := s.made(ctx, out)
	if err != nil {
		return nil, err
	}
	if len(made) > 0 {
		body.Version, body.Material = made[0].Version, made[0].Material
		return answerWith(out, body), nil
	}
	cat, err := s.Ledger.Catalogue(ctx)
	if err != nil {
		return nil, err
	}
	if p, ok := cat.Purpose(id, 0); ok {
		body.Version = p.Version
	}
	return answerWith(out, body), nil
}

// justWritten answers a declaration of anything but a purpose.
func justWritten(_ context.Context, _ domain.Name, out ledger.Outcome) (*written, error) {
	return wrote("", out, nil)
}
