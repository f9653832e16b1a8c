package segment

import (
	"fmt"
	"sync"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// eraseFile overwrites a file with zeros and removes it. What a medium keeps
// of bytes that were overwritten is beyond a program's reach; nothing that
// can be read as a file has them any more. A file that is not there is none.
func eraseFile(fs vfs.FS, path string) error {
	info, err := fs.Stat(path)
	if isNotExist(err) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("looking at a file to erase: %w", err)
	}
	f, err := fs.OpenReadWrite(path, writeCategory)
	if err != nil {
		return fmt.Errorf("opening a file to erase it: %w", mediumError(err))
	}
	err = zeroFill(f, 0, info.Size(), nil)
	if err == nil {
		err = f.Sync()
	}
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		return fmt.Errorf("overwriting a file: %w", mediumError(err))
	}
	if err := fs.Remove(path); err != nil {
		return fmt.Errorf("removing a file: %w", mediumError(err))
	}
	return nil
}

// background runs what may be done later, until it is closed.
type background struct {
	mu     sync.Mutex
	closed bool
	wg     sync.WaitGroup
}

// start runs do, or refused, at once, when it is too late.
func (b *background) start(do, refused func()) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		refused()
		return
	}
	b.wg.Go(do)
}

// close waits for what was started.
func (b *background) close() {
	b.mu.Lock()
	b.closed = true
	b.mu.Unlock()
	b.wg.Wait()
}

// nameSet is the names of files that are known to come or go.
type nameSet struct {
	mu    sync.Mutex
	names map[string]int
}

func (n *nameSet) add(name string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.names == nil {
		n.names = map[string]int{}
	}
	n.names[name]++
}

func (n *nameSet) remove(name string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.names[name]--; n.names[name] <= 0 {
		delete(n.names, name)
	}
}

func (n *nameSet) has(name string) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.names[name] > 0
}
