package httpapi

import (
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
	"golang.org/x/time/rate"

	"lethe/domain"
)

// remembered bounds how many tokens and addresses are counted at once. One
// that was forgotten starts with a full allowance.
const remembered = 4096

// limiter allows each token so many requests, and each address so many that
// carry no valid token.
type limiter struct {
	now       func() time.Time
	limits    Limits
	tokens    *lru.Cache[domain.ID, *rate.Limiter]
	addresses *lru.Cache[string, *rate.Limiter]
}

func newLimiter(l Limits, now func() time.Time) *limiter {
	tokens, _ := lru.New[domain.ID, *rate.Limiter](remembered) // fails only for a size that is not positive
	addresses, _ := lru.New[string, *rate.Limiter](remembered)
	return &limiter{now: now, limits: l, tokens: tokens, addresses: addresses}
}

func (l *limiter) caller(token domain.ID) error {
	if l.limits.Rate <= 0 {
		return nil
	}
	return l.take(get(l.tokens, token, l.limits.Rate, l.limits.Burst))
}

func (l *limiter) address(host string) error {
	if l.limits.AnonymousRate <= 0 {
		return nil
	}
	return l.take(get(l.addresses, host, l.limits.AnonymousRate, int(10*l.limits.AnonymousRate)+1))
}

func get[K comparable](in *lru.Cache[K, *rate.Limiter], k K, perSecond float64, burst int) *rate.Limiter {
	if found, ok := in.Get(k); ok {
		return found
	}
	fresh := rate.NewLimiter(rate.Limit(perSecond), burst)
	if found, ok, _ := in.PeekOrAdd(k, fresh); ok {
		return found
	}
	return fresh
}

func (l *limiter) take(of *rate.Limiter) error {
	if of.AllowN(l.now(), 1) {
		return nil
	}
	return errTooFast
}

var errTooFast = domain.Invalid("request.rate", "", "too many requests: wait, then go on more slowly")
