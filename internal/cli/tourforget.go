package cli

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"lethe/domain"
	"lethe/domain/subject"
	"lethe/internal/httpapi"
	"lethe/projections/customers"
)

// some are the first imported people.
func (t *tour) some(ctx context.Context) ([]domain.Token, error) {
	views := t.running.app.Views
	if err := views.WaitFor(ctx, customers.Name, t.running.app.Store.Stats().Head); err != nil {
		return nil, err
	}
	list, err := customers.Queries{Source: views}.List(ctx, "", 100, customers.Filter{})
	var tokens []domain.Token
	for i := range list {
		if string(list[i].Token) != t.ada {
			tokens = append(tokens, list[i].Token)
		}
	}
	return tokens, err
}

// tourPatience bounds how long the tour waits for its erasure.
const tourPatience = 2 * time.Minute

// forget erases one of the imported people and asks for their data again.
func (t *tour) forget(ctx context.Context) error {
	found, err := t.some(ctx)
	if err != nil || len(found) == 0 {
		return err
	}
	person := string(found[0])
	a, err := t.ask(ctx, call{
		method: http.MethodPost, path: []string{"subjects", person, "erasure"}, body: &httpapi.ErasureBody{Everything: true},
	})
	if err != nil {
		return err
	}
	var e httpapi.Erasure
	if err := a.into(&e); err != nil {
		return err
	}
	if e, err = awaitErasure(ctx, t.shell, e, tourPatience); err != nil {
		return err
	}
	stays := 0
	for _, g := range e.Groups {
		if g.Outcome != subject.Erase {
			stays++
		}
	}
	t.page.line("10. An imported person is forgotten: %d keys are destroyed, %d places confirmed that they hold nothing of it any more,",
		len(e.Keys), len(e.Sinks))
	t.page.line("    %d of %d groups of their data stay for a reason that the person is told. Asked for their data again:", stays, len(e.Groups))
	_, err = t.ask(ctx, call{
		method: http.MethodGet, path: []string{"subjects", person}, query: queryOf("purpose", "customer.service"),
	})
	p := asProblem(err)
	if err == nil || p.Status != http.StatusForbidden {
		return fmt.Errorf("reading after the erasure was not denied: %w", err)
	}
	t.page.line("    403 %s: %s", p.Code, p.Detail)
	return nil
}
