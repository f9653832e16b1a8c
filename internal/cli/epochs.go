package cli

import (
	"context"
	"net/http"
	"strconv"

	"lethe/domain"
	"lethe/internal/httpapi"
)

type keysEpochsCmd struct{}

// Help is shown by --help.
func (keysEpochsCmd) Help() string {
	return `Epoch keys wrap the keys of everybody, in 256 buckets. When they are rotated and the old ones deleted at every place, copies of the key store that were made before open nothing by them. DEAD FROM says when that is so; retired means that a place has not confirmed yet.

Examples:

    lethe keys epochs
    lethe keys epochs --json > epochs.json`
}

func (keysEpochsCmd) Run(ctx context.Context, s *shell) error {
	return show(ctx, s, call{method: http.MethodGet, path: []string{"keys", "epochs"}}, epochPage)
}

func epochPage(p *page, v httpapi.Epochs) error {
	p.head("epoch", "buckets", "state", "made", "retired", "dead from", "places")
	for _, e := range v.Epochs {
		deleted := 0
		for _, c := range e.Copies {
			if !c.Deleted.IsZero() {
				deleted++
			}
		}
		places := ""
		if len(e.Copies) > 0 {
			places = strconv.Itoa(deleted) + " of " + strconv.Itoa(len(e.Copies)) + " deleted it"
		}
		p.row(strconv.FormatUint(uint64(e.Epoch), 10), e.Buckets, string(e.State), stamp(e.Made), stamp(e.Retired), stamp(e.Dead), places)
	}
	p.line("")
	for _, e := range v.Epochs {
		if !e.Dead.IsZero() {
			p.line("Copies of the key store that were made before %s: what epoch %d of buckets %s wrapped is dead from %s on.",
				stamp(e.Retired), e.Epoch, e.Buckets, stamp(e.Dead))
		}
	}
	p.line("Deleted keys on these disks count as: %s", v.Guarantee)
	if !v.Due.IsZero() {
		p.line("The next scheduled rotation begins: %s", stamp(v.Due))
	}
	p.line("")
	p.head("place", "directory", "since", "here")
	for _, x := range v.Places {
		here := yes(x.Here)
		if !x.Forgotten.IsZero() {
			here = "declared gone " + stamp(x.Forgotten)
		}
		p.row(x.ID.String(), x.Directory, stamp(x.Added), here)
	}
	return nil
}

type keysRotateCmd struct {
	Buckets []int    `name:"bucket" placeholder:"N" help:"Only this bucket, 0 to 255; may be repeated."`
	Of      []string `name:"of" placeholder:"TOKEN" help:"Only the bucket of this person; may be repeated."`
}

// Help is shown by --help.
func (keysRotateCmd) Help() string {
	return `Makes new epoch keys, wraps every live key under them, and deletes the old ones at every place, so that no copy of the key store that was made before revives what was erased. Goes on with a rotation that was cut. Backups of the keys from before are dead then: make one right after it (lethe backup create --keys-to DIR). A server rotates by itself (--rotate-every); buckets keep an urgent one cheap.

Examples:

    lethe keys rotate
    lethe keys rotate --of s7k2m…
    lethe keys rotate --bucket 17`
}

func (c *keysRotateCmd) Run(ctx context.Context, s *shell) (err error) {
	body := httpapi.RotateBody{Buckets: c.Buckets}
	for _, text := range c.Of {
		token, err := domain.ParseToken(text)
		if err != nil {
			return &usageError{err: err}
		}
		body.Tokens = append(body.Tokens, token)
	}
	res, err := s.stream(ctx, call{method: http.MethodPost, path: []string{"keys", "epochs", "rotate"}, body: body})
	if err != nil {
		return err
	}
	defer res.Close() //nolint:errcheck // read to its end
	bars := newProgress(s.process.Stderr)
	defer func() { bars.end(err == nil) }()
	var last httpapi.RotationProgress
	ended, err := eachLine(res, func(at httpapi.RotationProgress) bool {
		if last = at; !at.Ended {
			bars.set("rotating", int64(at.Done), int64(at.Total))
		}
		return at.Ended
	})
	switch {
	case err != nil:
		return err
	case !ended:
		return &domain.Error{
			Kind: domain.KindUnavailable, Code: "rotation.interrupted",
			Message: "the server stopped before the rotation was done: ask again, and it goes on",
		}
	case s.root.JSON:
		return s.json(last)
	}
	p := &page{}
	p.row("epoch", strconv.FormatUint(uint64(last.Epoch), 10))
	p.row("keys wrapped anew", count(last.Rewrapped))
	p.row("finished one that was cut", yes(last.Resumed))
	if last.Pending > 0 {
		p.row("PLACES THAT HAVE NOT CONFIRMED", strconv.Itoa(last.Pending)+" (lethe keys epochs)")
	}
	p.line("")
	p.line("Backups of the keys that were made before do not open any more, for these buckets. Make one now: lethe backup create --keys-to DIR")
	return p.writeTo(s.process.Stdout)
}

type keysPlaceCmd struct {
	Forget keysPlaceForgetCmd `cmd:"" help:"Declare that a place of epoch keys exists no more."`
}

type keysPlaceForgetCmd struct {
	Place string `arg:"" help:"The place's ID, as lethe keys epochs shows it."`
}

// Help is shown by --help.
func (keysPlaceForgetCmd) Help() string {
	return `For a disk that was destroyed. While a place is missing, what it holds does not count as destroyed, since it may come back. It is recorded that you said so.

Example:

    lethe keys place forget 3f0c1a52-9d1f-4a6e-8c43-0ba3a40a6ff1`
}

func (c *keysPlaceForgetCmd) Run(ctx context.Context, s *shell) error {
	return show(ctx, s, call{method: http.MethodPost, path: []string{"keys", "places", c.Place, "forget"}}, epochPage)
}
