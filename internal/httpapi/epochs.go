package httpapi

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"lethe/domain"
	"lethe/domain/operations"
	"lethe/internal/auth"
	"lethe/internal/keyring"
)

// EpochStatus is epoch keys of one number that share a fate.
type EpochStatus struct {
	Epoch     uint32             `json:"epoch"`
	Buckets   string             `json:"buckets" doc:"Of the 256 that people are spread over" example:"0-6,8-255"`
	State     keyring.EpochState `json:"state" enum:"live,retired,purge_scheduled,destroyed,unknown" doc:"live: it wraps keys. retired: a place that held it has not confirmed that it is deleted. purge_scheduled: deleted everywhere, and what lies below keeps it for some time. unknown: deleted everywhere, and nobody knows what lies below"`
	Made      time.Time          `json:"made"`
	Retired   time.Time          `json:"retired,omitzero"`
	Destroyed time.Time          `json:"destroyed,omitzero" doc:"When the last place that held it had deleted it"`
	Dead      time.Time          `json:"dead,omitzero" doc:"From then on no copy of the key store opens by it. May lie ahead"`
	Copies    []EpochCopy        `json:"copies,omitempty" doc:"Places that held it"`
}

// EpochCopy is a place that held retired epoch keys.
type EpochCopy struct {
	Place    domain.ID `json:"place"`
	Deleted  time.Time `json:"deleted,omitzero" doc:"Absent: it is not known to be"`
	Declared bool      `json:"declared,omitzero" doc:"An operator said that the place exists no more"`
}

// EpochPlace is a place that holds, or held, epoch keys.
type EpochPlace struct {
	ID        domain.ID `json:"id"`
	Directory string    `json:"directory" doc:"Where it was seen last"`
	Added     time.Time `json:"added"`
	Here      bool      `json:"here"`
	Forgotten time.Time `json:"forgotten,omitzero" doc:"When it was declared to exist no more"`
}

// Epochs says which copies of the key store are dead since when.
type Epochs struct {
	Guarantee keyring.Guarantee `json:"guarantee" enum:"destroyed,purge_scheduled,unknown" doc:"What destruction means on these disks"`
	Due       time.Time         `json:"next_rotation,omitzero" doc:"When the next scheduled rotation begins"`
	Epochs    []EpochStatus     `json:"epochs"`
	Places    []EpochPlace      `json:"places"`
}

// RotateBody says what to rotate.
type RotateBody struct {
	Buckets []int          `json:"buckets,omitempty" doc:"All 256 when left out" example:"[7]"`
	Tokens  []domain.Token `json:"tokens,omitempty" doc:"The buckets of these people"`
}

// RotationProgress is how far a rotation is, and in its last line what it did.
type RotationProgress struct {
	Done      uint64 `json:"rows" doc:"Of the key store, each read twice"`
	Total     uint64 `json:"total"`
	Ended     bool   `json:"done,omitzero"`
	Epoch     uint32 `json:"epoch,omitzero" doc:"The new epoch keys"`
	Rewrapped uint64 `json:"rewrapped,omitzero" doc:"Keys that were wrapped anew"`
	Resumed   bool   `json:"resumed,omitzero" doc:"A rotation that was cut was finished, and no other was needed"`
	Pending   int    `json:"pending,omitzero" doc:"Places that have not confirmed that the old keys are deleted there"`
}

func (s *API) epochRoutes() {
	handle(s, route{
		method: http.MethodGet, path: "/keys/epochs", tag: tagOperations, summary: "List epochs", action: auth.ReadStatus,
		about: "The epoch keys there are and were, and since when copies of the key store that were made before are dead.",
	}, func(context.Context, *call, *noInput) (*bare[Epochs], error) {
		return &bare[Epochs]{Body: s.epochs()}, nil
	})
	handle(s, route{
		method: http.MethodPost, path: "/keys/epochs/rotate", tag: tagOperations, summary: "Rotate epochs",
		action: auth.ManageKeys, long: true, bodyOptional: true,
		about: "Makes new epoch keys, wraps every live key under them, and deletes the old ones at every place: copies of the key store " +
			"that were made before open nothing any more that was erased since. A rotation that was cut is gone on with. " +
			"The answer is a line of JSON for each step; the last says done, or is a problem.",
	}, s.rotateEpochs)
	s.documentStream("/keys/epochs/rotate", http.MethodPost, "application/x-ndjson")
	handle(s, route{
		method: http.MethodPost, path: "/keys/places/{id}/forget", tag: tagOperations, summary: "Forget epoch place", action: auth.ManageKeys,
		about: "Declares that a place of epoch keys exists no more, such as a disk that was destroyed: what it held counts as destroyed " +
			"from now on. It is recorded who said so.",
	}, s.forgetPlace)
}

func (s *API) epochs() Epochs {
	out := Epochs{Guarantee: s.Keys.Guarantee()}
	out.Due, _ = s.Keys.RotationDue()
	now := s.Ledger.Now()
	for _, e := range s.Keys.Epochs() {
		status := EpochStatus{
			Epoch: e.Number, Buckets: keyring.FormatBuckets(e.Buckets), State: e.State(now),
			Made: e.Made, Retired: e.Retired, Destroyed: e.Destroyed, Dead: e.Dead,
		}
		for _, c := range e.Copies {
			status.Copies = append(status.Copies, EpochCopy{Place: c.Place, Deleted: c.At, Declared: c.Declared})
		}
		out.Epochs = append(out.Epochs, status)
	}
	for _, p := range s.Keys.Places() {
		out.Places = append(out.Places, EpochPlace{ID: p.ID, Directory: p.Dir, Added: p.Added, Here: p.Here, Forgotten: p.Forgotten})
	}
	return out
}

func (b *RotateBody) buckets() ([]uint8, error) {
	var of []uint8
	for _, n := range b.Buckets {
		if n < 0 || n > 255 {
			return nil, domain.Invalid("epoch.bucket", "buckets", "a bucket is a number from 0 to 255")
		}
		of = append(of, uint8(n))
	}
	for _, t := range b.Tokens {
		of = append(of, keyring.BucketOf(t.Stream()))
	}
	return of, nil
}

func (s *API) rotateEpochs(_ context.Context, c *call, in *struct{ Body body[RotateBody] }) (*streamed, error) {
	of, err := in.Body.Value.buckets()
	if err != nil {
		return nil, err
	}
	return &streamed{Body: func(hctx huma.Context) {
		_, w := humago.Unwrap(hctx)
		out := s.startStream(w, false)
		ctx := hctx.Context()
		r, err := s.Keys.Rotate(ctx, keyring.RotateOptions{Buckets: of, Progress: func(done, total uint64) {
			_ = out.line(RotationProgress{Done: done, Total: total}) // it goes on without its caller's interest
		}})
		if err == nil {
			req := c.request("")
			req.Command, req.Body = domain.Digest{}, domain.Digest{}
			err = s.Ledger.RecordEpochs(ctx, req)
		}
		if err != nil {
			out.problem(problem(c, epochProblem(err)))
			return
		}
		_ = out.line(RotationProgress{
			Ended: true, Epoch: r.Epoch, Rewrapped: r.Rewrapped, Resumed: r.Resumed, Pending: len(r.Pending),
		})
	}}, nil
}

func (s *API) forgetPlace(ctx context.Context, c *call, in *struct {
	ID domain.ID `path:"id" doc:"As the list of epochs has it"`
},
) (*bare[Epochs], error) {
	if err := s.Keys.ForgetPlace(ctx, in.ID); err != nil {
		return nil, epochProblem(err)
	}
	req := c.request("")
	req.Command = s.Keys.CommandID(s.System, "epoch-place/"+in.ID.String())
	req.Body = domain.Digest{}
	place := operations.EpochPlaceForgotten{Place: in.ID}
	if _, err := s.Ledger.Operate(ctx, req, operations.ForgetEpochPlace{EpochPlaceForgotten: place}); err != nil {
		return nil, err
	}
	req.Command = domain.Digest{}
	return &bare[Epochs]{Body: s.epochs()}, s.Ledger.RecordEpochs(ctx, req)
}

func epochProblem(err error) error {
	switch {
	case errors.Is(err, keyring.ErrNoPlace):
		return domain.NotFound("epoch_place.unknown", "id", "there is no such place of epoch keys: list the epochs to find its ID")
	case errors.Is(err, keyring.ErrPlaceHere):
		return domain.Conflict("epoch_place.here", "id", "this place of epoch keys is there: take it out of the settings and start again first")
	case errors.Is(err, keyring.ErrPlaceUnreachable):
		return &domain.Error{
			Kind: domain.KindUnavailable, Code: "epoch.place_unreachable",
			Message: "a place of epoch keys cannot be reached, so that no new ones are made: bring it back, or start without it in the settings",
		}
	}
	return err
}
