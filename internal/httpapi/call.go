package httpapi

import (
	"context"

	"lethe/domain"
	"lethe/internal/auth"
	"lethe/internal/ledger"
)

// call is what a request is besides its content: who, under which command,
// traced how.
type call struct {
	caller  auth.Caller
	local   bool   // injected by WithCaller, not by a token
	bearer  string // kept for long answers, which ask again whether it still counts
	id      domain.ID
	command domain.Digest // zero = no Idempotency-Key was sent
	body    domain.Digest // of method, path, query and body
	ifMatch *uint64
	none    string // If-None-Match
	accept  string
	route   string // the matched route, for logs and metrics
	failure error  // of a 500, for the log
}

// request is the call as the context of a write.
func (c *call) request(purpose domain.Name) ledger.Request {
	return ledger.Request{
		Principal: c.caller.Principal, Command: c.command, Body: c.body,
		Purpose: purpose, Correlation: c.id, IfMatch: c.ifMatch,
	}
}

// derived is the write of a further command of the same call: a name of its
// own, so that a repeat finds it again, and no If-Match, which was about the
// first.
func (c *call) derived(command domain.Digest) ledger.Request {
	r := c.request("")
	r.Command, r.IfMatch = command, nil
	return r
}

type contextKey int

const (
	callKey contextKey = iota
	callerKey
)

// WithCaller makes requests with this context act as the caller without a
// token: for commands that use the handler in their own process. Nothing that
// arrives over a connection can set it.
func WithCaller(ctx context.Context, c auth.Caller) context.Context {
	return context.WithValue(ctx, callerKey, c)
}

func callerIn(ctx context.Context) (auth.Caller, bool) {
	c, ok := ctx.Value(callerKey).(auth.Caller)
	return c, ok
}

func callIn(ctx context.Context) *call {
	c, _ := ctx.Value(callKey).(*call)
	return c
}
