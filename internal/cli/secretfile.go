package cli

import (
	"fmt"
	"os"
)

// secretFile is a new file for a secret that exists only once. It is made
// before the secret is, so that the secret is never without a place.
type secretFile struct {
	file *os.File
	kept bool
}

func newSecretFile(name string) (*secretFile, error) {
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600) //nolint:gosec // the caller names it
	if err != nil {
		return nil, fmt.Errorf("making the file for the token: %w", err)
	}
	return &secretFile{file: f}, nil
}

func (s *secretFile) write(secret string) error {
	if _, err := s.file.WriteString(secret + "\n"); err != nil {
		return fmt.Errorf("writing the token: %w", err)
	}
	if err := s.file.Sync(); err != nil {
		return fmt.Errorf("syncing the token: %w", err)
	}
	s.kept = true
	return nil
}

// discard closes the file, and removes it when no secret got into it.
func (s *secretFile) discard() {
	_ = s.file.Close() // synced if it holds anything
	if !s.kept {
		_ = os.Remove(s.file.Name())
	}
}
