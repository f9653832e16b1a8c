package keyring

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// The erasure journal says what was destroyed, outside the backups of the key
// store and of the log: a key store that was restored from before an erasure
// is brought up to it again before it serves. It is one file that only grows,
// and is written under the key store's write lock, so that several programs
// may share it:
//
//	"lethe-erasures-1\n" ‖ store ID 16 ‖ era 4 ‖ MAC 16
//	length 4 ‖ sequence 8 ‖ entry ‖ MAC 16             length: of the entry
//
// The header's MAC is over LP("journal") ‖ LP(store ID) ‖ LP(era), an entry's
// over LP("journal entry") ‖ LP(MAC before it) ‖ LP(sequence) ‖ entry; both
// are cut to 16 bytes. Sequence counts from 1. Era grows when the file is
// written anew from the key store's fences, since all its MACs change then.
const (
	journalMagic  = "lethe-erasures-1\n"
	journalFile   = "erasures"
	journalHeader = len(journalMagic) + 16 + 4 + macSize
	entryFrame    = 4 + 8 + macSize
	maxEntry      = 64 << 20
)

// head names an entry of a journal: its era, its sequence, the offset of its
// end, and its MAC. Of an empty journal it is the header's. The zero head is
// that of no journal.
type head struct {
	era uint32
	seq uint64
	end int64
	mac [macSize]byte
}

const headSize = 4 + 8 + 8 + macSize

func (h *head) bytes() []byte {
	b := binary.BigEndian.AppendUint32(make([]byte, 0, headSize), h.era)
	b = binary.BigEndian.AppendUint64(b, h.seq)
	b = binary.BigEndian.AppendUint64(b, uint64(h.end)) //nolint:gosec // an offset
	return append(b, h.mac[:]...)
}

func (h *head) read(b []byte) {
	r := reader{b: b}
	h.era, h.seq, h.end = uint32(r.number(4)), r.number(8), int64(r.number(8)) //nolint:gosec // four bytes, an offset
	copy(h.mac[:], r.take(macSize))
}

// after reports whether h is a later head than other.
func (h *head) after(other *head) bool {
	return h.era > other.era || h.era == other.era && h.seq > other.seq
}

// journal is the file and the copy of its head.
type journal struct {
	dir, headDir string // headDir may be "": no copy
	key          *[keySize]byte
	storeID      [16]byte
}

func (j *journal) path() string { return filepath.Join(j.dir, journalFile) }

func (j *journal) headerMAC(era uint32) (m [macSize]byte) {
	full := hmacOf(j.key, lp32(lp(lp(nil, "journal"), j.storeID[:]), era))
	copy(m[:], full[:])
	return m
}

func (j *journal) entryMAC(before *head, body []byte) (m [macSize]byte) {
	full := hmacOf(j.key, append(lp64(lp(lp(nil, "journal entry"), before.mac[:]), before.seq+1), body...))
	copy(m[:], full[:])
	return m
}

// empty is the head of a journal without entries.
func (j *journal) empty(era uint32) head {
	return head{era: era, end: int64(journalHeader), mac: j.headerMAC(era)}
}

func (j *journal) header(era uint32) []byte {
	b := append([]byte(journalMagic), j.storeID[:]...)
	b = binary.BigEndian.AppendUint32(b, era)
	mac := j.headerMAC(era)
	return append(b, mac[:]...)
}

// frame is an entry as it follows at in the file, and the head that it makes.
func (j *journal) frame(at *head, e *entry) ([]byte, head) {
	body := e.bytes()
	next := head{era: at.era, seq: at.seq + 1, end: at.end + int64(entryFrame+len(body)), mac: j.entryMAC(at, body)}
	b := binary.BigEndian.AppendUint32(make([]byte, 0, entryFrame+len(body)), uint32(len(body))) //nolint:gosec // bounded
	b = binary.BigEndian.AppendUint64(b, next.seq)
	return append(append(b, body...), next.mac[:]...), next
}

// create replaces the file by one with these entries, durably.
func (j *journal) create(era uint32, entries []entry) (head, error) {
	if err := makeDir(j.dir); err != nil {
		return head{}, fmt.Errorf("creating the erasure journal: %w", err)
	}
	at, content := j.empty(era), j.header(era)
	for i := range entries {
		var b []byte
		b, at = j.frame(&at, &entries[i])
		content = append(content, b...)
	}
	return at, writeFile(j.path(), content)
}

// append adds entries behind at, durably. What may lie there from a write
// that was cut is overwritten.
func (j *journal) append(at head, entries []entry) (head, error) {
	var content []byte
	from := at.end
	for i := range entries {
		var b []byte
		b, at = j.frame(&at, &entries[i])
		content = append(content, b...)
	}
	f, err := os.OpenFile(j.path(), os.O_WRONLY, 0) //nolint:gosec // the operator names it
	if errors.Is(err, fs.ErrNotExist) {
		return head{}, ErrJournalMissing
	}
	if err != nil {
		return head{}, fmt.Errorf("writing the erasure journal: %w", err)
	}
	err = f.Truncate(from)
	if err == nil {
		_, err = f.WriteAt(content, from)
	}
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return head{}, fmt.Errorf("writing the erasure journal: %w", err)
	}
	return at, nil
}

// found is what reading a journal gives.
type found struct {
	entries []entry // behind the head that was given, or all
	last    head
	torn    int64 // bytes behind last that are no entry
}

var (
	// errNoJournal: there is no journal that holds the head.
	errNoJournal = errors.New("the erasure journal is missing, or ends before the head")
	errTorn      = errors.New("an entry of the erasure journal was not written to its end")
)

// read returns what follows a head: of the same era, the entries behind it;
// of a later one, which was written from a key store that knew more, all.
// The error is errNoJournal, or that the file cannot be read.
func (j *journal) read(known head) (found, error) {
	f, err := os.Open(j.path())
	if errors.Is(err, fs.ErrNotExist) {
		return found{}, errNoJournal
	}
	if err != nil {
		return found{}, fmt.Errorf("reading the erasure journal: %w", err)
	}
	defer f.Close() //nolint:errcheck // read only
	at, err := j.readHeader(f)
	if err != nil {
		return found{}, err
	}
	switch {
	case at.era < known.era:
		return found{}, errNoJournal
	case at.era == known.era:
		var mac [macSize]byte
		if _, err := f.ReadAt(mac[:], known.end-macSize); errors.Is(err, io.EOF) || err == nil && mac != known.mac {
			return found{}, errNoJournal
		} else if err != nil {
			return found{}, fmt.Errorf("reading the erasure journal: %w", err)
		}
		at = known
	}
	var entries []entry
	got, err := j.walk(f, at, func(e *entry, _ *head) { entries = append(entries, *e) })
	got.entries = entries
	return got, err
}

// readHeader returns the head of the file as if it had no entries.
func (j *journal) readHeader(f io.ReaderAt) (head, error) {
	b := make([]byte, journalHeader)
	if _, err := f.ReadAt(b, 0); errors.Is(err, io.EOF) {
		return head{}, errNoJournal
	} else if err != nil {
		return head{}, fmt.Errorf("reading the erasure journal: %w", err)
	}
	era := binary.BigEndian.Uint32(b[len(journalMagic)+16:])
	switch {
	case bytes.Equal(b, j.header(era)):
		return j.empty(era), nil
	case bytes.HasPrefix(b, []byte("lethe-erasures-")) && !bytes.HasPrefix(b, []byte(journalMagic)):
		return head{}, fmt.Errorf("%s: %w", j.path(), ErrNewer)
	}
	return head{}, fmt.Errorf("%s: it belongs to another key store or %w: %w", j.path(), errDamaged, errNoJournal)
}

// walk visits the entries behind a head.
func (j *journal) walk(f *os.File, at head, visit func(*entry, *head)) (found, error) {
	info, err := f.Stat()
	if err != nil {
		return found{}, fmt.Errorf("reading the erasure journal: %w", err)
	}
	rest := bufio.NewReaderSize(io.NewSectionReader(f, at.end, info.Size()-at.end), 1<<16)
	got := found{last: at}
	for {
		e, next, err := j.next(rest, &got.last)
		if errors.Is(err, errTorn) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			got.torn = info.Size() - got.last.end
			return got, nil
		}
		if err != nil {
			return found{}, fmt.Errorf("reading the erasure journal: %w", err)
		}
		got.last = next
		visit(&e, &next)
	}
}

// next reads the entry behind a head.
func (j *journal) next(r io.Reader, at *head) (entry, head, error) {
	var frame [4 + 8]byte
	if _, err := io.ReadFull(r, frame[:]); err != nil {
		return entry{}, head{}, err
	}
	size := binary.BigEndian.Uint32(frame[:])
	if size > maxEntry || binary.BigEndian.Uint64(frame[4:]) != at.seq+1 {
		return entry{}, head{}, errTorn
	}
	body := make([]byte, int(size)+macSize)
	if _, err := io.ReadFull(r, body); err != nil {
		return entry{}, head{}, err
	}
	body, mac := body[:size], body[size:]
	next := head{era: at.era, seq: at.seq + 1, end: at.end + int64(entryFrame+len(body)), mac: j.entryMAC(at, body)}
	if !equal(next.mac[:], mac) {
		return entry{}, head{}, errTorn
	}
	e, err := parseEntry(body)
	return e, next, err
}
