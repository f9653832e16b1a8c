package segment

import (
	"bytes"
	"fmt"
	"strings"

	"lethe/eventstore"
)

// files checks what lies in the directory besides the segments and the index.
func (a *audit) files() error {
	check := func(m *manifest) {
		a.format()
		a.manifest(m)
		a.strangers(m)
	}
	if a.st.comm == nil {
		check(a.st.manifest)
		return nil
	}
	// Between two groups, so that no MANIFEST is on its way.
	err := a.st.between(func(c *committer) { check(c.st.manifest) })
	if err == nil {
		err = a.st.failed()
	}
	return err
}

func (a *audit) format() {
	const means = "the next opening may refuse the log; no event is concerned"
	b, err := readFile(a.st.fs, a.st.fs.PathJoin(a.st.dir, formatName), maxFormatBytes)
	var f formatFile
	if err == nil {
		f, err = parseFormat(b)
	}
	if err != nil {
		a.fault(faultOf(err, formatName, 0, means))
		return
	}
	if again, err := f.encode(); err != nil || !bytes.Equal(again, b) || f.Index != ownFormat.Index {
		a.fault(eventstore.Fault{File: formatName, What: "it is not what this program writes", Means: means})
	}
}

// manifest compares the file with what the store goes by.
func (a *audit) manifest(m *manifest) {
	const means = "the next opening refuses the log or takes it for another state of it; put this file back from a backup taken together with the segments"
	b, err := readFile(a.st.fs, a.st.fs.PathJoin(a.st.dir, manifestName), maxManifestBytes)
	if err == nil {
		_, err = parseManifest(b)
	}
	if err != nil {
		a.fault(faultOf(err, manifestName, 0, means))
		return
	}
	if again, err := m.encode(); err != nil || !bytes.Equal(again, b) {
		a.fault(eventstore.Fault{File: manifestName, What: "it is not the one that the store was opened with or wrote since", Means: means})
	}
}

// strangers lists what MANIFEST does not name. A store that writes prepares its
// next segment ahead.
func (a *audit) strangers(m *manifest) {
	known := map[string]bool{lockName: true, formatName: true, manifestName: true, indexName: true}
	for _, e := range m.Segments {
		known[segmentName(e.Number, e.Version)] = true
	}
	if a.st.comm != nil {
		known[segmentName(m.last().Number+1, 0)] = true
	}
	names, err := a.st.fs.List(a.st.dir)
	if err != nil {
		a.fault(faultOf(err, ".", 0, "what else lies in the directory is not known"))
		return
	}
	for _, name := range names {
		if !known[name] && !a.st.passing.has(name) {
			a.fault(eventstore.Fault{File: name, What: "MANIFEST does not name this file", Means: a.meansStranger(name)})
		}
	}
}

func (a *audit) meansStranger(name string) string {
	switch {
	case strings.HasSuffix(name, tmpSuffix):
		return "a leftover of a process that was stopped; the next opening removes it"
	case !strings.HasSuffix(name, segSuffix):
		return "it is not the log's: nobody reads it"
	}
	if has, err := a.st.holdsGroups(name); err != nil || !has {
		return "a segment that was prepared and never used; the next opening removes it"
	}
	return "it holds events that do not count: an older version of a segment, or one that MANIFEST lost; the next opening removes it, or refuses the log if it follows the last segment"
}

// holdsGroups says whether anything was written behind a segment's header.
func (s *Store) holdsGroups(name string) (bool, error) {
	f, err := s.fs.Open(s.fs.PathJoin(s.dir, name))
	if err != nil {
		return false, fmt.Errorf("opening a leftover segment: %w", err)
	}
	defer func() { _ = f.Close() }() // was only read
	b := make([]byte, 1)
	for off := int64(segmentHeaderSize); off < segmentHeaderSize+groupHeaderSize; off++ {
		if n, _ := f.ReadAt(b, off); n == 1 && b[0] != 0 {
			return true, nil
		}
	}
	return false, nil
}
