package httpapi

import (
	"context"
	"net/http"
	"time"

	"lethe/domain"
	"lethe/domain/operations"
	"lethe/internal/auth"
)

// Restart is a restart of the log: it had come back with fewer events than it
// had, as from a backup.
type Restart struct {
	Number   uint64        `json:"number"`
	Size     uint64        `json:"size" doc:"Events that the newest known checkpoint covered"`
	Root     domain.Digest `json:"root,omitzero" doc:"Of that checkpoint"`
	Common   uint64        `json:"common" doc:"Events that were left of them; the others are the lost range"`
	Recorded time.Time     `json:"recorded"`
	Accepted time.Time     `json:"accepted,omitzero" doc:"When an officer accepted the lost range; purposes based on consent are off until then"`
}

// NumberPath names a restart in an address.
type NumberPath struct {
	Number uint64 `path:"number" minimum:"1" doc:"The restart's number"`
}

func (s *API) restartRoutes() {
	handle(s, route{
		method: http.MethodGet, path: "/log/restarts", tag: tagOperations, summary: "List restarts", action: auth.ReadStatus,
		about: "How often the log came back shorter than it was, what is lost of it, and whether an officer has accepted that.",
	}, func(ctx context.Context, _ *call, _ *noInput) (*bare[list[Restart]], error) {
		state, err := s.Ledger.Operations(ctx)
		if err != nil {
			return nil, err
		}
		return &bare[list[Restart]]{Body: list[Restart]{Items: each(state.Restarts(), restartOf)}}, nil
	})
	handle(s, route{
		method: http.MethodPost, path: "/log/restarts/{number}/accept", tag: tagOperations, summary: "Accept lost range", action: auth.AcceptLoss, keyed: true,
		about: "Takes the log as it came back. Withdrawals may be in what is lost: until this is done no consent counts, and the purposes " +
			"that rest on one are off. Before it, bring in again what people are known to have withdrawn or objected to since.",
	}, func(ctx context.Context, c *call, in *NumberPath) (*written, error) {
		out, err := s.Ledger.Operate(ctx, c.request(""), operations.AcceptLostRange{Number: in.Number})
		return wrote("", out, err)
	})
}

func restartOf(r operations.Restart) Restart {
	return Restart{Number: r.Number, Size: r.Size, Root: r.Root, Common: r.Common, Recorded: r.Recorded, Accepted: r.Accepted}
}
