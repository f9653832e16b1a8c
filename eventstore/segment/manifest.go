package segment

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"hash/crc32"
	"strings"

	"github.com/cockroachdb/pebble/v2/vfs"

	"lethe/eventstore"
)

// File names in the store's directory.
const (
	lockName     = "LOCK"
	formatName   = "FORMAT"
	manifestName = "MANIFEST"
	indexName    = "index"
	tmpSuffix    = ".tmp"
	segSuffix    = ".seg"
)

const (
	maxFormatBytes   = 4 << 10
	maxManifestBytes = 256 << 20
)

// formatFile is FORMAT: the versions of what lies in the directory, as JSON.
// A program opens it only if it knows every version named.
type formatFile struct {
	Segment  int `json:"segment"`
	Manifest int `json:"manifest"`
	Index    int `json:"index"`
}

// ownFormat is what this program writes.
var ownFormat = formatFile{Segment: formatVersion, Manifest: 1, Index: 1}

func (f formatFile) encode() ([]byte, error) {
	b, err := json.Marshal(f)
	if err != nil {
		return nil, fmt.Errorf("encoding FORMAT: %w", err)
	}
	return append(b, '\n'), nil
}

// parseFormat refuses what a newer program wrote. The index is not a reason to
// refuse: one of another format is rebuilt.
func parseFormat(b []byte) (formatFile, error) {
	var f formatFile
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&f); err != nil {
		if strings.Contains(err.Error(), "unknown field") {
			return f, fmt.Errorf("FORMAT names a part that this program does not know: use the program that wrote it, or a newer one: %w", eventstore.ErrFormat)
		}
		return f, &eventstore.CorruptError{File: formatName, What: "it cannot be read"}
	}
	if f.Segment < 1 || f.Manifest < 1 {
		return f, &eventstore.CorruptError{File: formatName, What: "it names no version"}
	}
	if f.Segment > ownFormat.Segment || f.Manifest > ownFormat.Manifest {
		return f, fmt.Errorf("the data is of format segment %d, manifest %d and this program knows %d, %d: use a newer program: %w",
			f.Segment, f.Manifest, ownFormat.Segment, ownFormat.Manifest, eventstore.ErrFormat)
	}
	return f, nil
}

// manifest is MANIFEST: one line "lethe-manifest 1 <CRC-32C in hex>", then JSON.
// It is replaced whole: written, synced, renamed, directory synced.
type manifest struct {
	Log      string         `json:"log"`             // the log's own ID, 16 random bytes in hex
	Eras     []eraEntry     `json:"eras"`            // rising; the last one counts
	Segments []segmentEntry `json:"segments"`        // rising; the last one is being written
	Clean    *cleanMark     `json:"clean,omitempty"` // set by Close, taken away by Open
}

// eraEntry says from which ordinal on positions carry the era.
type eraEntry struct {
	Era   uint32 `json:"era"`
	First uint64 `json:"first"`
}

type segmentEntry struct {
	Number     uint64 `json:"number"`
	Version    uint32 `json:"version"`
	First      uint64 `json:"first"`           // ordinal of its first event
	FirstGroup uint64 `json:"first_group"`     // number of its first group
	Floor      int64  `json:"floor"`           // recorded time of the last group before it
	Count      uint64 `json:"count,omitempty"` // events; of the last segment not known
	End        int64  `json:"end,omitempty"`   // where its groups end; 0: being written
}

// cleanMark is where the log ended when the store was closed in good order.
type cleanMark struct {
	Position eventstore.Position `json:"position"`
	Group    uint64              `json:"group"` // number of the next group
	End      int64               `json:"end"`   // in the last segment
}

const manifestHead = "lethe-manifest 1 "

func (m *manifest) encode() ([]byte, error) {
	body, err := json.Marshal(m)
	if err != nil {
		return nil, fmt.Errorf("encoding MANIFEST: %w", err)
	}
	return fmt.Appendf(nil, "%s%08x\n%s", manifestHead, crc32.Checksum(body, castagnoli), body), nil
}

func parseManifest(b []byte) (*manifest, error) {
	bad := func(what string) (*manifest, error) {
		return nil, &eventstore.CorruptError{File: manifestName, What: what}
	}
	head, body, ok := bytes.Cut(b, []byte("\n"))
	if !ok || len(head) != len(manifestHead)+8 || string(head[:len(manifestHead)]) != manifestHead {
		return bad("its first line cannot be read")
	}
	if string(head[len(manifestHead):]) != fmt.Sprintf("%08x", crc32.Checksum(body, castagnoli)) {
		return bad("its checksum is wrong")
	}
	m := new(manifest)
	if err := json.Unmarshal(body, m); err != nil {
		return bad("it cannot be decoded")
	}
	if what := m.fault(); what != "" {
		return bad(what)
	}
	return m, nil
}

// fault says what in the manifest contradicts itself.
func (m *manifest) fault() string {
	if id, err := hex.DecodeString(m.Log); err != nil || len(id) != 16 {
		return "the log's ID is not 16 bytes"
	}
	if len(m.Segments) == 0 || len(m.Eras) == 0 {
		return "it names no segment or no era"
	}
	for i, e := range m.Eras {
		if e.Era > maxEra || i > 0 && (e.Era <= m.Eras[i-1].Era || e.First < m.Eras[i-1].First) {
			return "the eras do not rise"
		}
	}
	for i, s := range m.Segments {
		last := i == len(m.Segments)-1
		if s.First == 0 || s.Number == 0 || (s.End == 0) != last {
			return "a segment is not described in full"
		}
		if !last && (s.First+s.Count != m.Segments[i+1].First || s.Number >= m.Segments[i+1].Number) {
			return "the segments do not join"
		}
	}
	return ""
}

func (m *manifest) last() *segmentEntry { return &m.Segments[len(m.Segments)-1] }

func (m *manifest) era() uint32 { return m.Eras[len(m.Eras)-1].Era }

// raiseEra begins an era with the event that has the ordinal first. One that
// has no event yet is replaced.
func (m *manifest) raiseEra(era uint32, first uint64) {
	if last := &m.Eras[len(m.Eras)-1]; last.First == first {
		last.Era = era
		return
	}
	m.Eras = append(m.Eras, eraEntry{Era: era, First: first})
}

// positionIn gives the position that the eras give to an ordinal; 0 for none.
func positionIn(eras []eraEntry, ordinal uint64) eventstore.Position {
	for i := len(eras) - 1; i >= 0; i-- {
		if ordinal > 0 && eras[i].First <= ordinal {
			return makePosition(eras[i].Era, ordinal)
		}
	}
	return 0
}

// store replaces MANIFEST durably.
func (m *manifest) store(fs vfs.FS, dir string) error {
	b, err := m.encode()
	if err != nil {
		return err
	}
	if err := writeFile(fs, dir, manifestName, b); err != nil {
		return err
	}
	if err := syncDir(fs, dir); err != nil {
		// The new MANIFEST may or may not be the one that a crash leaves.
		return fmt.Errorf("%w: %v", eventstore.ErrFatal, err)
	}
	return nil
}

// clone copies what a change might touch.
func (m *manifest) clone() *manifest {
	c := *m
	c.Eras = append([]eraEntry(nil), m.Eras...)
	c.Segments = append(make([]segmentEntry, 0, len(m.Segments)+1), m.Segments...)
	return &c
}

func segmentName(number uint64, version uint32) string {
	return fmt.Sprintf("%08d.%03d%s", number, version, segSuffix)
}

func parseSegmentName(name string) (number uint64, version uint32, ok bool) {
	n, _ := fmt.Sscanf(name, "%d.%d"+segSuffix, &number, &version)
	return number, version, n == 2
}
