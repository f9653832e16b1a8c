package cli

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

// outFile is a file that a command writes for its caller alone (0600). It
// appears under its name when it is complete, and not before: until then an
// empty file holds the name and the content is in a hidden one beside it.
type outFile struct {
	name    string
	temp    *os.File
	holding bool // the name is held by our own empty file
	done    bool
}

var _ io.Writer = (*outFile)(nil)

// newOutFile refuses a name that is taken, unless force says to replace it.
func newOutFile(name string, force bool) (*outFile, error) {
	o := &outFile{name: name}
	if info, err := os.Lstat(name); err == nil && !info.Mode().IsRegular() {
		return nil, usage("%s is no regular file: name another", name)
	}
	if name == "-" {
		return nil, usage("name a file to write to")
	}
	held, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600) //nolint:gosec // the caller names it
	switch {
	case err == nil:
		o.holding = true
		_ = held.Close() // empty
	case !errors.Is(err, os.ErrExist):
		return nil, fmt.Errorf("making the output file: %w", err)
	case !force:
		return nil, usage("%s is there already: name another file, or replace it with --force", name)
	}
	if o.temp, err = os.CreateTemp(filepath.Dir(name), "."+filepath.Base(name)+"-*"); err != nil { // with mode 0600
		o.discard()
		return nil, fmt.Errorf("making the output file: %w", err)
	}
	return o, nil
}

func (o *outFile) Write(p []byte) (int, error) { return o.temp.Write(p) }

// keep makes what was written the file, whole.
func (o *outFile) keep() error {
	if err := o.temp.Sync(); err != nil {
		return fmt.Errorf("syncing the output file: %w", err)
	}
	if err := o.temp.Close(); err != nil {
		return fmt.Errorf("closing the output file: %w", err)
	}
	if err := os.Rename(o.temp.Name(), o.name); err != nil {
		return fmt.Errorf("naming the output file: %w", err)
	}
	o.done = true
	return nil
}

// discard leaves nothing of a file that was not kept.
func (o *outFile) discard() {
	if o == nil || o.done {
		return
	}
	if o.temp != nil {
		_ = o.temp.Close()
		_ = os.Remove(o.temp.Name())
	}
	if o.holding {
		_ = os.Remove(o.name)
	}
}
