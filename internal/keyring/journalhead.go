package keyring

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// The second copy of the journal's head lies where neither the journal nor
// the key store does. It is written after the journal and before the key
// store's commit, so that it is never behind the key store: a key store that
// stands at this head has everything. Two slots are written in turn, each in
// a disk sector of its own, so that a write that is cut leaves the other one:
//
//	2 × { era 4 ‖ sequence 8 ‖ end 8 ‖ MAC 16 ‖ slot's MAC 16 ‖ zeros up to 512 }
//
// The slot's MAC is over LP("journal head") ‖ LP(store ID) ‖ LP(what is before it).
const (
	headFile = "erasures.head"
	headSlot = 512
)

func (j *journal) slotMAC(b []byte) []byte {
	full := hmacOf(j.key, lp(lp(lp(nil, "journal head"), j.storeID[:]), b))
	return full[:macSize]
}

// readHead returns the copy of the head, the zero head when there is none,
// and in which slot it is.
func (j *journal) readHead() (newest head, slot int, err error) {
	if j.headDir == "" {
		return head{}, 0, nil
	}
	f, err := os.Open(filepath.Join(j.headDir, headFile))
	if errors.Is(err, fs.ErrNotExist) {
		return head{}, 0, nil
	}
	if err != nil {
		return head{}, 0, fmt.Errorf("reading the journal's head: %w", err)
	}
	defer f.Close() //nolint:errcheck // read only
	for i := range 2 {
		b := make([]byte, headSize+macSize)
		if _, err := f.ReadAt(b, int64(i)*headSlot); err != nil && !errors.Is(err, io.EOF) {
			return head{}, 0, fmt.Errorf("reading the journal's head: %w", err)
		}
		var h head
		h.read(b[:headSize])
		if equal(j.slotMAC(b[:headSize]), b[headSize:]) && h.after(&newest) {
			newest, slot = h, i
		}
	}
	return newest, slot, nil
}

// writeHead makes the copy durable, into the slot that does not hold the last one.
func (j *journal) writeHead(h head) error {
	if j.headDir == "" {
		return nil
	}
	last, slot, err := j.readHead()
	if err != nil || last == h {
		return err
	}
	if err := makeDir(j.headDir); err != nil {
		return fmt.Errorf("writing the journal's head: %w", err)
	}
	path := filepath.Join(j.headDir, headFile)
	there, err := fileExists(path)
	if err != nil {
		return err
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE, 0o600) //nolint:gosec // the operator names it
	if err != nil {
		return fmt.Errorf("writing the journal's head: %w", err)
	}
	b := make([]byte, headSlot)
	copy(b[copy(b, h.bytes()):], j.slotMAC(h.bytes()))
	_, err = f.WriteAt(b, int64(1-slot)*headSlot)
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return fmt.Errorf("writing the journal's head: %w", err)
	}
	if there {
		return nil
	}
	return syncDir(j.headDir)
}
