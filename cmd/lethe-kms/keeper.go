package main

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"gocloud.dev/secrets"

	"lethe/internal/rootkey"
)

// patience bounds one request with all its attempts, so that a start never
// hangs on a service that takes connections and does not answer.
const patience = 30 * time.Second

// attempts is how often a client asks when what failed may pass by itself, at
// most pause apart.
const (
	attempts = 3
	pause    = 500 * time.Millisecond
)

// keeper is a key of a service, by gocloud's driver over the service's client.
type keeper struct {
	*secrets.Keeper
	name     string
	patience time.Duration
	// sort tells what kind of rootkey's errors one of the client is, and says it
	// on one line. It asks for the service's own codes: gocloud's are fewer, and
	// call access denied unknown.
	sort func(error) (says string, kind error)
	hang func() error // hangs up
}

// opener makes an Opener of what opens a well-formed name.
func opener(open func(ctx context.Context, name *url.URL) (*keeper, error)) rootkey.Opener {
	return func(ctx context.Context, name string, _ rootkey.Options) (rootkey.Provider, error) {
		u, err := url.Parse(name)
		if err != nil || u.User != nil || u.Fragment != "" { // err repeats the name, which may hold a secret by mistake
			return nil, errors.New("the name of the key is malformed")
		}
		k, err := open(ctx, u) // not bounded: a client may keep the context for its credentials
		if err != nil {
			return nil, errors.Join(err, ctx.Err())
		}
		k.name = u.Scheme + "://" + u.Host + u.Path
		if k.patience == 0 {
			k.patience = patience
		}
		return k, nil
	}
}

// Name implements rootkey.Provider.
func (k *keeper) Name() string { return k.name }

// Wrap implements rootkey.Provider.
func (k *keeper) Wrap(ctx context.Context, plain []byte) ([]byte, error) {
	if len(plain) == 0 || len(plain) > rootkey.MaxPlain {
		return nil, fmt.Errorf("wrapping: 1 to %d bytes", rootkey.MaxPlain)
	}
	return k.ask(ctx, k.Encrypt, plain, func(kind error) error {
		if errors.Is(kind, rootkey.ErrWrong) { // a key that cannot encrypt: nothing was to be opened
			return rootkey.ErrDenied
		}
		return kind
	})
}

// Unwrap implements rootkey.Provider.
func (k *keeper) Unwrap(ctx context.Context, wrapped []byte) ([]byte, error) {
	if len(wrapped) == 0 {
		return nil, rootkey.ErrWrong
	}
	return k.ask(ctx, k.Decrypt, wrapped, func(kind error) error { return kind })
}

func (k *keeper) ask(ctx context.Context, what func(context.Context, []byte) ([]byte, error), b []byte, meant func(error) error) ([]byte, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	bounded, cancel := context.WithTimeout(ctx, k.patience)
	defer cancel()
	answer, err := what(bounded, b)
	switch {
	case err == nil && len(answer) == 0:
		return nil, fmt.Errorf("%w (its answer is empty)", rootkey.ErrUnreachable)
	case err == nil:
		return answer, nil
	case ctx.Err() != nil:
		return nil, fmt.Errorf("asking the key service: %w", ctx.Err())
	}
	says, kind := k.sort(err)
	if bounded.Err() != nil {
		kind, says = rootkey.ErrUnreachable, fmt.Sprintf("no answer within %s: %s", k.patience, says)
	}
	return nil, fmt.Errorf("%w (%s)", meant(kind), strings.Join(strings.Fields(says), " "))
}

// Close implements rootkey.Provider.
func (k *keeper) Close() error {
	err := k.Keeper.Close()
	if k.hang != nil {
		err = errors.Join(err, k.hang())
	}
	return err
}

var _ rootkey.Provider = (*keeper)(nil)
