package backup

import (
	"encoding/hex"
	"errors"
	"fmt"
	"path"
	"strings"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"lethe/eventstore"
	"lethe/internal/durable"
)

// Kind is what a backup is of.
type Kind string

// Kinds.
const (
	Ledger Kind = "ledger"
	Keys   Kind = "keys"
)

// Valid reports whether k is known.
func (k Kind) Valid() bool { return k == Ledger || k == Keys }

// Manifest is MANIFEST: one line "lethe-backup 1 <CRC-32C>", then JSON. A
// directory without one is no backup.
type Manifest struct {
	Kind    Kind      `json:"kind" enum:"ledger,keys"`
	Name    string    `json:"name" doc:"Of its directory: the time it was taken"`
	Time    time.Time `json:"time" doc:"When it was begun"`
	Program string    `json:"program" doc:"Version of the program that made it"`
	Log     LogState  `json:"log"`
	Seal    SealState `json:"seal"`
	Keys    KeyState  `json:"keys"`
	Files   []File    `json:"files"`
}

// File is a file of a backup.
type File struct {
	Path   string `json:"path" doc:"Below the backup's directory, with slashes"`
	Bytes  int64  `json:"bytes"`
	SHA256 string `json:"sha256" doc:"In hexadecimal"`
}

// LogState is where the log stood. A ledger's copy ends there; a copy of keys
// has every key that events up to there need.
type LogState struct {
	ID       string              `json:"id" doc:"Of the log, in hexadecimal"`
	Position eventstore.Position `json:"position" doc:"Of the last event"`
	Events   uint64              `json:"events"`
}

// SealState is how far history was sealed, at most as far as the log.
type SealState struct {
	Origin     string              `json:"origin" doc:"The log's name"`
	Restarts   uint64              `json:"restarts" doc:"How often it came back shorter than a checkpoint of it"`
	Size       uint64              `json:"size" doc:"Events sealed"`
	Position   eventstore.Position `json:"position" doc:"Of the last of them"`
	Root       []byte              `json:"root" doc:"Of the tree of this size"`
	Checkpoint string              `json:"checkpoint,omitzero" doc:"The newest published one, a signed note (C2SP tlog-checkpoint)"`
	KeyList    string              `json:"key_list,omitzero" doc:"The log's signed statement of its keys"`
}

// KeyState is where the key store stood.
type KeyState struct {
	Store    string     `json:"store" doc:"The key store's ID, in hexadecimal"`
	EpochSeq uint64     `json:"epoch_seq" doc:"Changes of the epoch keys that it knows of"`
	Epochs   []KeyEpoch `json:"epochs,omitempty" doc:"The newest epochs that wrapped it; none when that is not known"`
	FenceSeq uint64     `json:"fence_seq" doc:"Destructions up to here are in it"`
	Keys     uint64     `json:"keys"`
	Fences   uint64     `json:"fences"`
	Journal  uint64     `json:"journal" doc:"Entries of the erasure journal that were applied to it"`
}

// KeyEpoch is an epoch, with the buckets whose newest it was.
type KeyEpoch struct {
	Epoch   uint32 `json:"epoch"`
	Buckets string `json:"buckets" example:"0-255"`
}

// describes reports whether k can be the state of the store that o was read
// from. What the epochs are no copy of it says.
func (k KeyState) describes(o KeyState) bool {
	return k.Store == o.Store && k.EpochSeq == o.EpochSeq && k.FenceSeq == o.FenceSeq &&
		k.Keys == o.Keys && k.Fences == o.Fences && k.Journal == o.Journal
}

// Bytes is the size of all files.
func (m *Manifest) Bytes() (sum int64) {
	for _, f := range m.Files {
		sum += f.Bytes
	}
	return sum
}

func (m *Manifest) file(name string) (File, bool) {
	for _, f := range m.Files {
		if f.Path == name {
			return f, true
		}
	}
	return File{}, false
}

const (
	manifestName = "MANIFEST"
	manifestHead = "lethe-backup 1"
	manifestMax  = 256 << 20
	maxFiles     = 1 << 20

	nameLayout = "20060102T150405.000000Z"
)

// ErrNoBackup: a directory holds no complete backup.
var ErrNoBackup = errors.New("there is no complete backup")

// ReadManifest reads the MANIFEST of a backup's directory. Errors:
// ErrNoBackup, durable.ErrDamaged.
func ReadManifest(fs vfs.FS, dir string) (*Manifest, error) {
	b, err := durable.ReadFile(fs, fs.PathJoin(dir, manifestName), manifestMax)
	if durable.IsNotExist(err) {
		return nil, fmt.Errorf("%s: %w", dir, ErrNoBackup)
	}
	if err != nil {
		return nil, fmt.Errorf("reading the backup in %s: %w", dir, err)
	}
	m, err := parseManifest(b)
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", fs.PathJoin(dir, manifestName), err)
	}
	return m, nil
}

func parseManifest(b []byte) (*Manifest, error) {
	m := new(Manifest)
	if err := durable.DecodeJSON(manifestHead, b, m); err != nil {
		return nil, err
	}
	if what := m.fault(); what != "" {
		return nil, fmt.Errorf("%w: %s", durable.ErrDamaged, what)
	}
	return m, nil
}

// fault says what in the manifest cannot be, before any of its names is used.
func (m *Manifest) fault() string {
	at, err := time.Parse(nameLayout, m.Name)
	switch {
	case !m.Kind.Valid():
		return "it is neither of a ledger nor of keys"
	case err != nil || !at.Equal(m.Time):
		return "its name is not its time"
	case len(m.Files) == 0 || len(m.Files) > maxFiles:
		return "it names no files, or too many"
	}
	seen := make(map[string]bool, len(m.Files))
	for _, f := range m.Files {
		sum, err := hex.DecodeString(f.SHA256)
		if err != nil || len(sum) != 32 || f.Bytes < 0 || !legalPath(m.Kind, f.Path) || seen[f.Path] {
			return "one of its files cannot be one"
		}
		seen[f.Path] = true
	}
	return ""
}

// legalPath reports whether a file of this name can be in a backup: nothing
// is ever read or written outside of its directories.
func legalPath(k Kind, name string) bool {
	if path.Clean(name) != name || strings.ContainsAny(name, "\\\x00:") || strings.HasSuffix(name, durable.TmpSuffix) {
		return false
	}
	dir, base := path.Split(name)
	switch {
	case base == "" || base == "." || base == "..":
		return false
	case k == Keys:
		return name == keysFile || name == logKeysFile
	case dir == sealDir+"/":
		return base == policyFile
	}
	return dir == logDir+"/" && base != "LOCK"
}

// Names below a backup's directory.
const (
	logDir      = "log"
	sealDir     = "seal"
	policyFile  = "policy"
	keysFile    = "keys.db"
	logKeysFile = "log-keys"
)
