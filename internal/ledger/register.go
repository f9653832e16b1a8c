package ledger

import (
	"context"

	"lethe/domain"
	"lethe/domain/subject"
)

// Register creates a person: the token is drawn and claimed for the command
// before anything is appended, so that a repeated request finds the same
// person, whatever crashed in between. req.Command must be set. Somebody who
// was erased is not registered again by the key in the source that the erasure
// left a mark of.
func (l *Ledger) Register(ctx context.Context, req Request, env subject.Env, commands ...subject.Command) (domain.Token, Outcome, error) {
	if req.Command.IsZero() {
		return "", Outcome{}, &domain.Error{
			Kind: domain.KindInvalid, Code: "idempotency.missing", Field: "Idempotency-Key",
			Message: "creating a person needs an Idempotency-Key, so that a repeat does not create a second one",
		}
	}
	commands, marked, err := l.suppressed(ctx, req, commands)
	if err != nil {
		return "", Outcome{}, err
	}
	token, err := domain.NewToken(l.rand)
	if err != nil {
		return "", Outcome{}, err
	}
	claim, _, err := l.keys.ClaimCreation(ctx, req.Principal, req.Command, req.Body, token)
	if err != nil {
		return "", Outcome{}, unavailable(err)
	}
	if !claim.Erased() && !claim.SameBody() { // of an erased person the log says whether it was done
		return "", Outcome{}, otherBody()
	}
	if err := l.crash("claimed"); err != nil {
		return "", Outcome{}, err
	}
	out, err := l.On(ctx, req, claim.Token, env, commands...)
	out.Suppressed = marked
	return claim.Token, out, err
}
