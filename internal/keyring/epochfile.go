package keyring

import (
	"bytes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"lethe/internal/part"
)

// Each place holds all epoch keys in one file, written whole and replaced
// atomically. The file is meant to be in no backup: a copy of the key store is
// dead once the epoch keys that wrap it are.
//
//	lethe-epochs-1 <SHA-256 of what follows, in hex>\n
//	{"store":"<16 bytes, hex>","sequence":N,"previous":N,
//	 "root":{"provider":"file","wrapped":"<base64>"},"place":"<UUID>",
//	 "places":[{"id":"<UUID>","dir":"/mnt/b/epochs","added":T,"forgotten":T}],
//	 "keys":[{"bucket":N,"epoch":N,"made":T,"wrapped":"<92 bytes, base64>"}],
//	 "gone":[{"epoch":N,"buckets":"0-255","made":T,"retired":T,"removed":N,
//	          "copies":[{"place":"<UUID>","at":T}]}]}\n
//
// Sequence is the state, previous the one that it was made from, place the one
// that this file is at; the rest is the same at every place. Times are RFC
// 3339, UTC. The root's form is in root.go. The context of a wrapped key is LP("epoch") ‖ LP(store ID) ‖
// LP(bucket) ‖ LP(epoch).
const (
	epochMagic   = "lethe-epochs-1 "
	epochFile    = "epochs"
	epochPending = "epochs.new" // not yet confirmed by a key store
	maxEpochFile = 16 << 20
)

// epochForm is the file's JSON.
type epochForm struct {
	Store    hexID         `json:"store"`
	Sequence epochSequence `json:"sequence"`
	Previous epochSequence `json:"previous"`
	Root     rootForm      `json:"root"`
	Place    PlaceID       `json:"place"`
	Places   []placeForm   `json:"places"`
	Keys     []keyForm     `json:"keys"`
	Gone     []goneForm    `json:"gone"`
}

type rootForm struct {
	Provider string `json:"provider"`
	Wrapped  []byte `json:"wrapped"`
}

func (f rootForm) wrap() rootWrap { return rootWrap{provider: f.Provider, wrapped: f.Wrapped} }

type placeForm struct {
	ID        PlaceID   `json:"id"`
	Dir       string    `json:"dir"`
	Added     time.Time `json:"added"`
	Forgotten time.Time `json:"forgotten,omitzero"`
}

type keyForm struct {
	Bucket  uint8     `json:"bucket"`
	Epoch   uint32    `json:"epoch"`
	Made    time.Time `json:"made"`
	Wrapped []byte    `json:"wrapped"`
}

type goneForm struct {
	Epoch   uint32        `json:"epoch"`
	Buckets bucketSet     `json:"buckets"`
	Made    time.Time     `json:"made"`
	Retired time.Time     `json:"retired"`
	Removed epochSequence `json:"removed"`
	Copies  []copyForm    `json:"copies"`
}

type copyForm struct {
	Place PlaceID   `json:"place"`
	At    time.Time `json:"at,omitzero"`
}

// hexID is 16 bytes in lower-case hex.
type hexID [16]byte

// MarshalText is encoding.TextMarshaler's.
func (h hexID) MarshalText() ([]byte, error) { return []byte(hex.EncodeToString(h[:])), nil }

// UnmarshalText is encoding.TextUnmarshaler's.
func (h *hexID) UnmarshalText(text []byte) error {
	b, err := hex.DecodeString(string(text))
	if err != nil || len(b) != len(h) {
		return errors.New("an ID has 32 hexadecimal digits")
	}
	copy(h[:], b)
	return nil
}

// encode is the file of one place.
func (e *epochs) encode(at PlaceID) ([]byte, error) {
	f := epochForm{Store: e.storeID, Sequence: e.sequence, Previous: e.previous, Place: at}
	f.Root = rootForm{Provider: e.root.provider, Wrapped: e.root.wrapped}
	for _, p := range e.places {
		f.Places = append(f.Places, placeForm{ID: p.id, Dir: p.dir, Added: p.added, Forgotten: p.forgotten})
	}
	for _, x := range e.all {
		f.Keys = append(f.Keys, keyForm{Bucket: x.bucket, Epoch: x.number, Made: x.made, Wrapped: x.wrapped})
	}
	for _, g := range e.gone {
		form := goneForm{Epoch: g.number, Buckets: g.buckets, Made: g.made, Retired: g.retired, Removed: g.removed}
		for _, c := range g.copies {
			form.Copies = append(form.Copies, copyForm{Place: c.place, At: c.at})
		}
		f.Gone = append(f.Gone, form)
	}
	body, err := json.Marshal(f)
	if err != nil {
		return nil, fmt.Errorf("encoding epoch keys: %w", err)
	}
	body = append(body, '\n')
	sum := sha256.Sum256(body)
	return append([]byte(epochMagic+hex.EncodeToString(sum[:])+"\n"), body...), nil
}

// parseEpochs reads a file without opening its keys. Errors: ErrNewer, or
// errDamaged.
func parseEpochs(b []byte) (*epochForm, error) {
	if !bytes.HasPrefix(b, []byte(epochMagic)) && bytes.HasPrefix(b, []byte("lethe-epochs-")) && !bytes.HasPrefix(b, []byte("lethe-epochs-1")) {
		return nil, ErrNewer
	}
	head, body, found := bytes.Cut(b, []byte("\n"))
	digits, ok := bytes.CutPrefix(head, []byte(epochMagic))
	if !found || !ok {
		return nil, fmt.Errorf("%w: it does not begin as it should", errDamaged)
	}
	sum := sha256.Sum256(body)
	if !hmac.Equal(digits, []byte(hex.EncodeToString(sum[:]))) {
		return nil, fmt.Errorf("%w: its checksum is wrong", errDamaged)
	}
	var f epochForm
	if err := json.Unmarshal(body, &f); err != nil {
		return nil, fmt.Errorf("%w: %w", errDamaged, err)
	}
	return &f, nil
}

// open unwraps the keys of a parsed file. Errors: ErrRootWrong,
// ErrEpochsMissing.
func (f *epochForm) open(root cipher.AEAD) (*epochs, error) {
	e := &epochs{sequence: f.Sequence, previous: f.Previous, storeID: f.Store, root: f.Root.wrap()}
	for _, p := range f.Places {
		e.places = append(e.places, epochPlace{id: p.ID, dir: p.Dir, added: p.Added, forgotten: p.Forgotten})
	}
	for _, x := range f.Keys {
		key, err := unwrap(root, epochContext(e.storeID, x.Bucket, x.Epoch), x.Wrapped)
		if err != nil {
			return nil, ErrRootWrong
		}
		aead, err := part.NewAEAD(key[:])
		clear(key[:])
		if err != nil {
			return nil, err
		}
		e.all = append(e.all, &epoch{bucket: x.Bucket, number: x.Epoch, made: x.Made, wrapped: x.Wrapped, aead: aead})
	}
	for _, g := range f.Gone {
		gone := goneEpoch{number: g.Epoch, buckets: g.Buckets, made: g.Made, retired: g.Retired, removed: g.Removed}
		for _, c := range g.Copies {
			gone.copies = append(gone.copies, epochCopy{place: c.Place, at: c.At})
		}
		e.gone = append(e.gone, gone)
	}
	return e, e.index()
}

// writeFile replaces a file atomically and durably: a crash leaves the old
// one or the new one. The bytes of the old one are then overwritten where they
// were, as far as the file system does that in place.
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
	old, err := os.OpenFile(path, os.O_WRONLY, 0) //nolint:gosec // a file of ours
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("writing %s: %w", path, err)
	}
	if err := renameFile(tmp, path); err != nil || old == nil {
		return err
	}
	if err := overwrite(old); err != nil {
		return fmt.Errorf("overwriting what %s held: %w", path, err)
	}
	return nil
}

// overwrite fills a file with zeros and closes it.
func overwrite(f *os.File) error {
	info, err := f.Stat()
	if err != nil {
		return errors.Join(err, f.Close())
	}
	_, err = f.WriteAt(make([]byte, info.Size()), 0)
	return errors.Join(err, f.Sync(), f.Close())
}

func renameFile(from, to string) error {
	if err := os.Rename(from, to); err != nil {
		return fmt.Errorf("writing %s: %w", to, err)
	}
	return syncDir(filepath.Dir(to))
}
