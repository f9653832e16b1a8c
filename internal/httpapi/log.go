package httpapi

import (
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"net/http"
	"slices"
	"strconv"

	"lethe/domain"
	"lethe/domain/operations"
	"lethe/internal/auth"
	"lethe/internal/seal"
)

// KnownCheckpoint is a checkpoint of the log that was kept.
type KnownCheckpoint struct {
	Origin string `json:"origin"`
	Size   int64  `json:"size"`
	Note   string `json:"note" doc:"The signed checkpoint, C2SP tlog-checkpoint"`
}

// LogStatus is where sealing stands.
type LogStatus seal.Status

// LogKey is a key that signs, or signed, the log's checkpoints.
type LogKey seal.Key

// KeyPath names a key in an address.
type KeyPath struct {
	Key string `path:"key" pattern:"^[0-9a-f]{8}$" doc:"The key's ID, 8 hexadecimal digits"`
}

func (s *API) logRoutes() {
	if s.Seal == nil {
		return
	}
	handle(s, route{
		method: http.MethodGet, path: "/log", tag: tagProofs, summary: "Get log status", action: auth.ReadStatus,
		about: "How far history is sealed, and how the witnesses answer.",
	}, func(context.Context, *call, *noInput) (*bare[LogStatus], error) {
		return &bare[LogStatus]{Body: LogStatus(s.Seal.Status())}, nil
	})
	handle(s, route{
		method: http.MethodGet, path: "/log/keys", tag: tagProofs, summary: "List log keys", action: auth.ReadStatus,
		about: "The keys that sign, or signed, the log's checkpoints. The log's own signed statement of them is at `/log-keys`.",
	}, func(context.Context, *call, *noInput) (*bare[list[LogKey]], error) {
		return &bare[list[LogKey]]{Body: list[LogKey]{Items: each(s.Seal.Keys(), func(k seal.Key) LogKey { return LogKey(k) })}}, nil
	})
	handle(s, route{
		method: http.MethodPost, path: "/log/keys", tag: tagProofs, summary: "Rotate log key", action: auth.ManageLogKeys,
		about: "Adds a signing key, which signs beside the present ones from the next checkpoint on. When the newest key has not " +
			"signed yet it is given again: a repeat makes no second one. Retire the old one when verifiers know the new one.",
	}, func(ctx context.Context, c *call, _ *noInput) (*bare[LogKey], error) {
		k, _, err := s.Seal.RotateKey()
		if err != nil {
			return nil, keyProblem(err)
		}
		return s.keyChanged(ctx, c, k, operations.KeyAdded, k.From)
	})
	handle(s, route{
		method: http.MethodPost, path: "/log/keys/{key}/retire", tag: tagProofs, summary: "Retire log key", action: auth.ManageLogKeys,
		about: "The key signs no more. What it signed goes on counting.",
	}, func(ctx context.Context, c *call, in *KeyPath) (*bare[LogKey], error) {
		k, err := s.Seal.RetireKey(in.Key)
		if err != nil {
			return nil, keyProblem(err)
		}
		return s.keyChanged(ctx, c, k, operations.KeyRetired, k.Until)
	})
	handle(s, route{
		method: http.MethodPost, path: "/log/keys/{key}/distrust", tag: tagProofs, summary: "Distrust log key", action: auth.ManageLogKeys,
		about: "The key was, or may have been, in other hands: its signatures count for no checkpoint of the given size or larger. " +
			"The log's list of keys says so to verifiers.",
	}, s.distrustKey)
	s.checkpointRoutes()
}

// DistrustBody says from when on a key does not count.
type DistrustBody struct {
	From int64 `json:"from" minimum:"0" doc:"The first size of the log at which its signatures do not count"`
}

func (s *API) distrustKey(ctx context.Context, c *call, in *struct {
	KeyPath
	Body body[DistrustBody]
},
) (*bare[LogKey], error) {
	from := in.Body.Value.From
	if from < 0 {
		return nil, domain.Invalid("log_key.from", "from", "a size is not negative")
	}
	if next := int64(s.Seal.Published().Size) + 1; from > next { //nolint:gosec // of a log
		return nil, domain.Invalid("log_key.from", "from", "the next checkpoint is of size %d: name that one or a smaller one", next)
	}
	k, err := s.Seal.DistrustKey(in.Key, from)
	if err != nil {
		return nil, keyProblem(err)
	}
	return s.keyChanged(ctx, c, k, operations.KeyDistrusted, k.Distrusted)
}

// keyChanged records what was done, once. The change stands already: when
// recording fails, a repeat records it, whoever repeats it.
func (s *API) keyChanged(ctx context.Context, c *call, k seal.Key, change operations.KeyChange, size int64) (*bare[LogKey], error) {
	command := operations.ChangeLogKey{LogKeyChanged: operations.LogKeyChanged{
		Key: sha256.Sum256([]byte(k.VKey)), Change: change, Size: uint64(size),
	}}
	req := c.request("")
	req.Command = s.Keys.CommandID(s.System, "log-key/"+k.VKey+"/"+string(change)+"/"+strconv.FormatInt(size, 10))
	req.Body = domain.Digest{}
	_, err := s.Ledger.Operate(ctx, req, command)
	return &bare[LogKey]{Body: LogKey(k)}, err
}

func keyProblem(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, seal.ErrNoSuchKey):
		return domain.NotFound("log_key.unknown", "key", "the log has no such signing key: list them to find its ID")
	case errors.Is(err, seal.ErrLastKey):
		return domain.Conflict("log_key.last", "key", "it is the only key that signs: rotate first, so that another one does")
	}
	return domain.Internal("changing a signing key", err)
}

func (s *API) checkpointRoutes() {
	handle(s, route{
		method: http.MethodGet, path: "/log/checkpoints", tag: tagProofs, summary: "List known checkpoints", action: auth.ReadProofs,
		about: "Checkpoints that were kept outside the ledger, one a minute, with those that people brought and the newest one; by size. " +
			"A page can be longer than its limit, since it ends with all of one size.",
	}, func(_ context.Context, _ *call, in *struct {
		After int64 `query:"after" minimum:"0" doc:"Larger than this size only"`
		Limit int   `query:"limit" minimum:"1" maximum:"1000" default:"100"`
	},
	) (*bare[list[KnownCheckpoint]], error) {
		pins, err := s.Seal.Pins()
		if err != nil {
			return nil, domain.Internal("reading the known checkpoints", err)
		}
		out := list[KnownCheckpoint]{Items: knownAfter(pins, in.After, in.Limit)}
		return &bare[list[KnownCheckpoint]]{Body: out}, nil
	})
	handle(s, route{
		method: http.MethodPost, path: "/log/checkpoints", tag: tagProofs, summary: "Pin checkpoint", action: auth.ReadProofs,
		media: "text/plain", status: http.StatusCreated,
		about: "Brings a checkpoint that was seen elsewhere. The log checks that it signed it and that it extends it, and keeps it. " +
			"One that it contradicts is a sign that two histories were shown: it is refused, and raises an alarm.",
	}, s.pinCheckpoint)
}

// knownAfter is a page of pins, by size.
func knownAfter(pins []seal.Pin, after int64, limit int) []KnownCheckpoint {
	slices.SortStableFunc(pins, func(a, b seal.Pin) int { return cmp.Compare(a.Size, b.Size) })
	page := []KnownCheckpoint{}
	for _, p := range pins {
		n := len(page)
		switch k := (KnownCheckpoint{Origin: p.Origin, Size: p.Size, Note: string(p.Note)}); {
		case k.Size <= after || slices.Contains(page, k): // brought twice, or the newest is the minute's too
		case n >= limit && k.Size != page[n-1].Size:
			return page
		default:
			page = append(page, k)
		}
	}
	return page
}

var errFormerName = domain.Conflict("checkpoint.lost", "checkpoint",
	"this log signed that checkpoint under a former name, and it covers events that were lost when the log came back shorter: "+
		"the event LogRestarted says which. It is kept")

func (s *API) pinCheckpoint(ctx context.Context, _ *call, in *struct {
	RawBody []byte `contentType:"text/plain" required:"true"`
},
) (*bare[KnownCheckpoint], error) {
	c, err := s.Seal.Pin(ctx, in.RawBody)
	switch {
	case errors.Is(err, seal.ErrInconsistent):
		s.contradicted(ctx, c.Size)
		return nil, errContradicted
	case errors.Is(err, seal.ErrFormerName):
		return nil, errFormerName
	case errors.Is(err, seal.ErrNotOurs):
		return nil, errForeign
	case err != nil:
		return nil, domain.Internal("pinning a checkpoint", err)
	}
	return &bare[KnownCheckpoint]{Body: KnownCheckpoint{Origin: c.Origin, Size: c.Size, Note: string(in.RawBody)}}, nil
}
