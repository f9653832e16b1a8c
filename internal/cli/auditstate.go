package cli

import (
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"time"

	"lethe/internal/audit"
	"lethe/internal/durable"
)

// auditState is what audits found clean, in a file of its caller's. It is one
// line "lethe-audit-state 1 <CRC-32C>", then JSON. It names sections, views
// and digests, and nothing of a person.
type auditState struct {
	audit.State
	file  string
	saved time.Time
}

const (
	auditStateHead = "lethe-audit-state 1"
	auditStateMax  = 64 << 20
	auditSaveEvery = 5 * time.Second
)

// loadAuditState reads a file, or begins one that is not there. No name, no
// state.
func loadAuditState(name string) (*auditState, error) {
	if name == "" {
		return nil, nil
	}
	s := &auditState{file: name, saved: time.Now(), State: audit.State{Units: []audit.Unit{}}}
	f, err := os.Open(name) //nolint:gosec // the caller names it
	if errors.Is(err, os.ErrNotExist) {
		return s, nil
	}
	if err != nil {
		return nil, fmt.Errorf("opening the audit's state: %w", err)
	}
	defer f.Close() //nolint:errcheck // was only read
	b, err := io.ReadAll(io.LimitReader(f, auditStateMax+1))
	if err != nil {
		return nil, fmt.Errorf("reading the audit's state: %w", err)
	}
	if len(b) > auditStateMax || durable.DecodeJSON(auditStateHead, b, &s.State) != nil {
		return nil, usage("--state %s: %w", name, errStateDamaged)
	}
	return s, nil
}

// begin notes whose state it is.
func (s *auditState) begin(b audit.Begun) {
	if s != nil {
		s.Origin, s.Version = b.Origin, b.Version
	}
}

// add notes a clean unit in the place of what was known of it, and saves now
// and then.
func (s *auditState) add(u audit.Unit) error {
	if s == nil {
		return nil
	}
	if i := slices.IndexFunc(s.Units, u.Same); i >= 0 {
		s.Units[i] = u
	} else {
		s.Units = append(s.Units, u)
	}
	if time.Since(s.saved) < auditSaveEvery {
		return nil
	}
	return s.save()
}

// save replaces the file, once it is known whose state it is.
func (s *auditState) save() error {
	if s == nil || s.Origin == "" {
		return nil
	}
	s.saved = time.Now()
	b, err := durable.EncodeJSON(auditStateHead, s.State)
	if err != nil {
		return err
	}
	out, err := newOutFile(s.file, true)
	if err != nil {
		return err
	}
	defer out.discard()
	if _, err := out.Write(b); err != nil {
		return fmt.Errorf("writing the audit's state: %w", err)
	}
	return out.keep()
}
