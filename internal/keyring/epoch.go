package keyring

import (
	"bytes"
	"crypto/cipher"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"path/filepath"

	"lethe/internal/part"
)

// Epoch keys lie in one file, written whole and replaced atomically. It is
// meant to be in no backup: a copy of the key store is dead once the epoch
// keys that wrap it are.
//
//	"lethe-epochs-1\n" ‖ sequence 8 ‖ store ID 16 ‖ count 4
//	count × { bucket 1 ‖ epoch 4 ‖ wrapped key 92 }
//	SHA-256 of all before
//
// The wrapped key's context is LP("epoch") ‖ LP(store ID) ‖ LP(bucket) ‖
// LP(epoch). Sequence grows with every rotation and is compared with the key
// store's in each transaction.
const (
	epochMagic   = "lethe-epochs-1\n"
	epochFile    = "epochs"
	epochPending = "epochs.new" // not yet confirmed by a key store
	buckets      = 256
	epochEntry   = 1 + 4 + wrappedSize
)

type epoch struct {
	bucket  uint8
	number  uint32
	wrapped [wrappedSize]byte
	aead    cipher.AEAD
}

// epochs are the opened epoch keys. Immutable once made.
type epochs struct {
	sequence uint64
	storeID  [16]byte
	live     [buckets]*epoch // the newest of each bucket
	all      []*epoch
}

// bucketOf spreads owners over the epoch keys, so that one of them can be
// rotated urgently without touching the others.
func bucketOf(owner string) uint8 { return uint8(crc32.ChecksumIEEE([]byte(owner))) } //nolint:gosec // truncation wanted

func (e *epochs) find(bucket uint8, number uint32) (*epoch, bool) {
	if live := e.live[bucket]; live.number == number {
		return live, true
	}
	for _, x := range e.all {
		if x.bucket == bucket && x.number == number {
			return x, true
		}
	}
	return nil, false
}

func epochContext(storeID [16]byte, bucket uint8, number uint32) []byte {
	dst := lp(lp(nil, "epoch"), storeID[:])
	return lp32(lp(dst, []byte{bucket}), number)
}

func newEpochs(root cipher.AEAD, storeID [16]byte, rand io.Reader) (*epochs, error) {
	e := &epochs{sequence: 1, storeID: storeID}
	var key [keySize]byte
	defer clear(key[:])
	for b := range buckets {
		if _, err := io.ReadFull(rand, key[:]); err != nil {
			return nil, fmt.Errorf("drawing an epoch key: %w", err)
		}
		x := &epoch{bucket: uint8(b), number: 1} //nolint:gosec // below 256
		copy(x.wrapped[:], wrap(nil, root, epochContext(storeID, x.bucket, 1), key[:]))
		aead, err := part.NewAEAD(key[:])
		if err != nil {
			return nil, err
		}
		x.aead, e.live[b] = aead, x
		e.all = append(e.all, x)
	}
	return e, nil
}

func (e *epochs) encode() []byte {
	b := append([]byte(nil), epochMagic...)
	b = binary.BigEndian.AppendUint64(b, e.sequence)
	b = append(b, e.storeID[:]...)
	b = binary.BigEndian.AppendUint32(b, uint32(len(e.all))) //nolint:gosec // a few per bucket
	for _, x := range e.all {
		b = binary.BigEndian.AppendUint32(append(b, x.bucket), x.number)
		b = append(b, x.wrapped[:]...)
	}
	sum := sha256.Sum256(b)
	return append(b, sum[:]...)
}

// loadEpochs reads and unwraps a file of epoch keys. Errors: os.ErrNotExist,
// ErrRootWrong, ErrNewer, or that the file is damaged.
func loadEpochs(path string, root cipher.AEAD) (*epochs, error) {
	b, err := os.ReadFile(path) //nolint:gosec // a file of ours
	if err != nil {
		return nil, fmt.Errorf("reading epoch keys: %w", err)
	}
	head := len(epochMagic) + 8 + 16 + 4
	if len(b) > 6 && bytes.HasPrefix(b, []byte("lethe-epochs-")) && !bytes.HasPrefix(b, []byte(epochMagic)) {
		return nil, fmt.Errorf("%s: %w", path, ErrNewer)
	}
	if len(b) < head+sha256.Size {
		return nil, fmt.Errorf("%s %w: it is too short", path, errDamaged)
	}
	body, sum := b[:len(b)-sha256.Size], b[len(b)-sha256.Size:]
	if want := sha256.Sum256(body); !bytes.Equal(want[:], sum) {
		return nil, fmt.Errorf("%s %w: its checksum is wrong", path, errDamaged)
	}
	e := &epochs{sequence: binary.BigEndian.Uint64(b[len(epochMagic):])}
	copy(e.storeID[:], b[len(epochMagic)+8:])
	entries := body[head:]
	if n := binary.BigEndian.Uint32(b[head-4:]); uint64(n)*epochEntry != uint64(len(entries)) {
		return nil, fmt.Errorf("%s %w: its length is wrong", path, errDamaged)
	}
	for ; len(entries) > 0; entries = entries[epochEntry:] {
		if err := e.add(root, entries[:epochEntry]); err != nil {
			return nil, err
		}
	}
	for b := range e.live {
		if e.live[b] == nil {
			return nil, fmt.Errorf("%s: bucket %d has no epoch key: %w", path, b, ErrEpochsMissing)
		}
	}
	return e, nil
}

func (e *epochs) add(root cipher.AEAD, entry []byte) error {
	x := &epoch{bucket: entry[0], number: binary.BigEndian.Uint32(entry[1:])}
	copy(x.wrapped[:], entry[5:])
	key, err := unwrap(root, epochContext(e.storeID, x.bucket, x.number), x.wrapped[:])
	if err != nil {
		return ErrRootWrong
	}
	defer clear(key[:])
	if x.aead, err = part.NewAEAD(key[:]); err != nil {
		return err
	}
	e.all = append(e.all, x)
	if live := e.live[x.bucket]; live == nil || live.number < x.number {
		e.live[x.bucket] = x
	}
	return nil
}

// writeFile replaces a file atomically and durably: a crash leaves the old
// one or the new one.
func writeFile(path string, content []byte) error {
	tmp := path + ".tmp"
	f, err := os.OpenFile(tmp, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600) //nolint:gosec // a file of ours
	if err != nil {
		return fmt.Errorf("writing %s: %w", path, err)
	}
	_, err = f.Write(content)
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return fmt.Errorf("writing %s: %w", path, err)
	}
	return renameFile(tmp, path)
}

func renameFile(from, to string) error {
	if err := os.Rename(from, to); err != nil {
		return fmt.Errorf("writing %s: %w", to, err)
	}
	return syncDir(filepath.Dir(to))
}
