package disclose

import (
	"context"

	"lethe/domain"
	"lethe/domain/access"
	"lethe/domain/subject"
	"lethe/internal/auth"
)

// RightsPurpose is what the certificate of an erasure and the letter about it
// are read for: to answer the person, or whoever supervises (GDPR 12(3), 5(2)).
const RightsPurpose domain.Name = "rights.erasure"

// Erasure records that somebody reads the certificate of a person's erasure or
// the letter about it. They hold facts and the controller's own texts, no value
// of the person, but they say what was held of them and who had it.
func (d *Door) Erasure(ctx context.Context, caller auth.Caller, may auth.Action, tokens []domain.Token, correlation domain.ID) (domain.ID, error) {
	if err := auth.Allow(caller, may); err != nil {
		return domain.ID{}, err
	}
	people := make([]Opened, len(tokens))
	for i, token := range tokens {
		people[i] = Opened{Token: token, Answer: subject.Answer{Allowed: true}}
	}
	ask := Ask{Caller: caller, Purpose: RightsPurpose, Operation: access.Use, Door: access.Erasure, Correlation: correlation}
	_, id, err := d.record(ctx, ask, people)
	return id, err
}
