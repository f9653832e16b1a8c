package bench

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"strconv"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"lethe/domain"
	"lethe/domain/personal"
	"lethe/domain/subject"
	"lethe/internal/app"
	"lethe/internal/ledger"
)

func (b *bench) request() ledger.Request { return ledger.Request{Principal: app.Local} }

// command is a write as the API makes it: repeatable, with its body's digest.
func (b *bench) command(key string) ledger.Request {
	r := b.request()
	r.Command = b.app.Keys.CommandID(app.Local, key)
	sum := sha256.Sum256([]byte(key))
	r.Body = sum
	return r
}

// appends measures a real consent command through the whole path, with one
// and with many clients, and the registering of people, who need keys.
func (b *bench) appends(ctx context.Context) error {
	if err := b.alone(ctx); err != nil {
		return err
	}
	return b.commands(ctx, ", views following")
}

// alone measures the write path by itself: nothing folds what it writes into
// views meanwhile, which on few processors takes its share.
func (b *bench) alone(ctx context.Context) (err error) {
	whole := b.app
	defer func() { b.app = whole }()
	if b.app, err = b.open(ctx, "alone"); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.app.Close()) }()
	if err := b.app.Views.Close(); err != nil {
		return err
	}
	return b.commands(ctx, "")
}

// commands measures registering and consents on the ledger at hand.
func (b *bench) commands(ctx context.Context, how string) error {
	if err := b.register(ctx, how); err != nil {
		return err
	}
	for _, clients := range []int{1, b.Clients} {
		b.tell("consent commands, %d client(s)%s", clients, how)
		aim := map[bool]float64{true: 0.8, false: 0.5}[clients == 1]
		f := Figure{
			Name: fmt.Sprintf("consent command, %d client(s)%s", clients, how), Unit: "commands/s",
			Aim:  fmt.Sprintf("%.1f× raw", aim),
			Note: "durable; decided, sealed, indexed; people have their keys",
		}
		err := b.beside(ctx, &f, clients, aim, func() (rate, error) { return b.consents(ctx, clients) })
		if err != nil {
			return err
		}
	}
	return nil
}

// beside adds a figure with the raw log's rate from right before and right
// after it: a disk that others use as well is not the same for long.
func (b *bench) beside(ctx context.Context, f *Figure, clients int, aim float64, measure func() (rate, error)) error {
	before, err := b.rawAppends(ctx, clients)
	if err != nil {
		return err
	}
	r, err := measure()
	if err != nil {
		return err
	}
	after, err := b.rawAppends(ctx, clients)
	if err != nil {
		return err
	}
	base := rate{(before.each + after.each) / 2, (before.cpu + after.cpu) / 2}
	b.add(f.of(r).against(fmt.Sprintf("raw log, %d client(s)", clients), base, aim))
	return nil
}

// rawSize is about what a consent event with its sealed evidence takes.
const (
	rawSize  = 613
	rawSpace = 256 << 20
)

func (b *bench) rawAppends(ctx context.Context, clients int) (rate, error) {
	return b.timedFor(ctx, b.Each/2, clients, func(context.Context, int, int) func() error {
		record, acked := make([]byte, rawSize), make(chan error, 1)
		return func() error { return b.raw.append(record, acked) }
	})
}

// timed runs an operation on each client for the time of a figure and returns
// how many a second there were. of makes client i's operation.
func (b *bench) timed(ctx context.Context, clients int, of func(ctx context.Context, client, clients int) func() error) (rate, error) {
	return b.timedFor(ctx, b.Each, clients, of)
}

func (b *bench) timedFor(
	ctx context.Context, each time.Duration, clients int, of func(ctx context.Context, client, clients int) func() error,
) (rate, error) {
	var done atomic.Int64
	group, ctx := errgroup.WithContext(ctx)
	start := begin()
	end := start.start.Add(each)
	for i := range clients {
		operation := of(ctx, i, clients)
		group.Go(func() error {
			for time.Now().Before(end) {
				if err := ctx.Err(); err != nil {
					return err
				}
				if err := operation(); err != nil {
					return err
				}
				done.Add(1)
			}
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return rate{}, err
	}
	return start.rate(int(done.Load())), nil
}

// register makes the people that consents are recorded for, and measures it:
// each needs new keys, which are durable before the event is.
func (b *bench) register(ctx context.Context, how string) error {
	b.tell("registering %d people, %d clients%s", b.People, b.Clients, how)
	f := Figure{
		Name: fmt.Sprintf("new person with keys, %d clients%s", b.Clients, how), Unit: "people/s",
		Note: "two durable steps: keys, claim and lookup first, then the events",
	}
	err := b.beside(ctx, &f, b.Clients, 0, func() (rate, error) {
		start := begin()
		err := b.everybody(ctx)
		return start.rate(b.People), err
	})
	if err != nil {
		return err
	}
	b.tell("one consent each, so that the keys of evidence exist")
	return b.warm(ctx)
}

func (b *bench) everybody(ctx context.Context) error {
	b.people = make([]domain.Token, b.People)
	var next atomic.Int64
	group, ctx := errgroup.WithContext(ctx)
	for range b.Clients {
		group.Go(func() error {
			for {
				i := int(next.Add(1)) - 1
				if i >= b.People || ctx.Err() != nil {
					return ctx.Err()
				}
				token, err := b.person(ctx, i)
				if err != nil {
					return err
				}
				b.people[i] = token
			}
		})
	}
	return group.Wait()
}

func (b *bench) person(ctx context.Context, i int) (domain.Token, error) {
	n := strconv.Itoa(i)
	token, _, err := b.app.Ledger.Register(ctx, b.command("register-"+n), subject.Env{},
		subject.Register{Acquired: subject.FromPerson, Jurisdiction: "DE"},
		subject.RecordFields{Purpose: "customer.service", Items: []subject.Entry{
			{Field: "name.given", Text: personal.Of("Given" + n)},
			{Field: "name.family", Text: personal.Of("Family" + n)},
			{Field: "email", Text: personal.Of("person." + n + "@example.com")},
			{Field: "phone.mobile", Text: personal.Of("+4915550" + fmt.Sprintf("%06d", i%1_000_000))},
			{Field: "address.city", Text: personal.Of("Berlin")},
		}},
		subject.AssertBasis{
			Purpose: "customer.service", Basis: domain.LegitimateInterests, Reference: personal.Of("balancing test 7"),
		})
	return token, err
}

// warm gives every person a first consent.
func (b *bench) warm(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	for c := range b.Clients {
		group.Go(func() error {
			for i := c; i < len(b.people); i += b.Clients {
				if err := b.choose(ctx, b.people[i], "warm-"+strconv.Itoa(i), true); err != nil {
					return err
				}
			}
			return nil
		})
	}
	return group.Wait()
}

// consents measures giving and withdrawing in turn. Each client has people of
// its own, as callers do.
func (b *bench) consents(ctx context.Context, clients int) (rate, error) {
	return b.timed(ctx, clients, func(ctx context.Context, client, clients int) func() error {
		i, round := client, 0
		prefix := fmt.Sprintf("c%d-%d-", clients, client)
		return func() error {
			if i >= len(b.people) {
				i, round = client, round+1
			}
			token := b.people[i]
			i += clients
			return b.choose(ctx, token, prefix+strconv.Itoa(round)+"-"+strconv.Itoa(i), round%2 == 1)
		}
	})
}

func (b *bench) choose(ctx context.Context, token domain.Token, key string, give bool) error {
	said := subject.Said{
		Purpose: purpose, Notice: b.notice, Medium: subject.Web, Method: subject.Checkbox,
		Evidence: personal.Of("form 17, session 4f1c"),
	}
	var c subject.Command = subject.WithdrawConsent{Said: said}
	if give {
		c = subject.GiveConsent{Granting: subject.Granting{Said: said}}
	}
	_, err := b.app.Ledger.On(ctx, b.command(key), token, subject.Env{}, c)
	return err
}
