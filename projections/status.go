package projections

import (
	"context"
	"errors"
	"fmt"

	"lethe/domain"
	"lethe/eventstore"
)

// State of a view.
type State string

// States. A view that is rebuilt beside its live file is Rebuilding while the
// live one serves and follows on; Serving tells.
const (
	Live       State = "live"
	Rebuilding State = "rebuilding"
	Failed     State = "failed"
)

// Progress of a rebuild, in events. Total is as of its beginning, 0 when the
// store does not count.
type Progress struct {
	View  string `json:"view"`
	Done  uint64 `json:"done"`
	Total uint64 `json:"total"`
}

// Status of a view.
type Status struct {
	Name     string              `json:"name"`
	Schema   int                 `json:"schema_version"`
	State    State               `json:"state"`
	Serving  bool                `json:"serving"`
	Position eventstore.Position `json:"position"`
	Lag      *uint64             `json:"lag,omitempty"` // events behind; nil when the store does not count
	Rebuild  *Progress           `json:"rebuild,omitempty"`
	Error    string              `json:"error,omitempty"` // why it failed, or why it is being rebuilt
}

// errClosed: the runner was closed.
var errClosed = errors.New("the projection runner is closed")

// unavailable is what a reader gets of a view that has no file to read.
func unavailable(name string, cause error) error {
	return &domain.Error{
		Kind: domain.KindUnavailable, Code: "view.unavailable", Field: name,
		Message: "the view is being rebuilt or has failed: try again later, or see the projections' status", Err: cause,
	}
}

// Status reports every view, in the order they were declared.
func (r *Runner) Status() []Status {
	all := make([]Status, len(r.views))
	for i, v := range r.views {
		all[i] = v.status()
		if s, ok := r.opts.Store.(eventstore.Statser); ok {
			lag := s.CountAfter(all[i].Position)
			all[i].Lag = &lag
		}
	}
	return all
}

func (v *view) status() Status {
	v.mu.Lock()
	defer v.mu.Unlock()
	s := Status{
		Name: v.projection.Name(), Schema: v.projection.Schema().Version, State: Live,
		Serving: v.reader != nil, Position: v.position,
	}
	if v.err != nil {
		s.State, s.Error = Failed, v.err.Error()
	}
	if v.rebuild != nil {
		p := *v.rebuild
		s.State, s.Rebuild = Rebuilding, &p
	}
	return s
}

// WaitFor returns once the view has folded everything up to the position, so
// that a caller reads its own writes. It fails when ctx ends, the view fails,
// or the runner closes.
func (r *Runner) WaitFor(ctx context.Context, name string, position eventstore.Position) error {
	v, err := r.view(name)
	if err != nil {
		return err
	}
	r.waiting.Add(1)
	defer r.waiting.Add(-1)
	for {
		done, changed, err := v.reached(position)
		if done || err != nil {
			return err
		}
		select {
		case r.hurry <- struct{}{}:
		default:
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return fmt.Errorf("waiting for view %s: %w", name, ctx.Err())
		case <-r.ctx.Done():
			return fmt.Errorf("waiting for view %s: %w", name, errClosed)
		}
	}
}

// reached tells whether the position is folded, and what to wait for if not.
func (v *view) reached(position eventstore.Position) (bool, <-chan struct{}, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.err == nil && v.reader != nil && v.position >= position {
		return true, nil, nil
	}
	if v.err != nil && v.rebuild == nil {
		return false, nil, unavailable(v.projection.Name(), v.err)
	}
	return false, v.changed, nil
}

// announce wakes everybody who waits on the view. v.mu is held.
func (v *view) announce() {
	close(v.changed)
	v.changed = make(chan struct{})
}
