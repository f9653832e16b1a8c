package operations_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"lethe/domain"
	"lethe/domain/operations"
	"lethe/domain/personal"
)

func TestLiftingAMark(t *testing.T) {
	type of = *operations.LiftMark
	lift := func(change func(of)) operations.LiftMark {
		c := operations.LiftMark{Officer: true, Stands: true, MarkLifted: operations.MarkLifted{
			By: "source", Mark: domain.Digest{1}, Reason: personal.Of("came back"),
		}}
		change(&c)
		return c
	}
	fold(t, nil, now, lift(func(of) {}), lift(func(c of) { c.By, c.Mark, c.Objection = "email", domain.Digest{}, true }))
	for name, c := range map[string]struct {
		code   string
		change func(of)
	}{
		"an operator":    {"officer.required", func(c of) { c.Officer = false }},
		"of a name":      {"mark.malformed", func(c of) { c.By = "name" }},
		"of no row":      {"mark.malformed", func(c of) { c.Mark = domain.Digest{} }},
		"a hash of mail": {"mark.malformed", func(c of) { c.By = "email" }},
		"of marketing":   {"mark.objection", func(c of) { c.Objection = true }},
		"none":           {"mark.unknown", func(c of) { c.Stands = false }},
		"no reason":      {"mark.reason", func(c of) { c.Reason = personal.Value{} }},
	} {
		t.Run(name, func(t *testing.T) { refuses(t, c.code, nil, lift(c.change)) })
	}
	require.NotNil(t, fold(t, nil, now, create(1), lift(func(of) {})))
}
