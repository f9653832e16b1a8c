package bundle

import (
	"archive/zip"
	"bytes"
	"context"
	"flag"
	"io"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"lethe/internal/leaf"
	"lethe/internal/tlog"
)

var update = flag.Bool("update", false, "write the golden files anew")

func trusted(t testing.TB) Trust {
	_, vkey := logKey(t, 1)
	return Trust{Keys: []string{vkey}}
}

func check(t testing.TB, zip []byte, trust Trust) *Report {
	t.Helper()
	r, err := Verify(context.Background(), zip, trust)
	require.NoError(t, err)
	return r
}

func golden(t testing.TB) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", "golden.zip"))
	require.NoError(t, err)
	return b
}

// The golden files are a bundle, and the log that it is of, which went on
// since: plain files as a server has them.
func TestGolden(t *testing.T) {
	if *update {
		writeGolden(t)
	}
	z := golden(t)
	r := check(t, z, trusted(t))
	require.Empty(t, r.Findings)
	require.Equal(t, Verified, r.Outcome)
	require.Equal(t, "complete to revision 6 at checkpoint 270: revisions 0 to 6 are here without a gap; whether the stream has other entries in the tree was not checked", r.Statement)
	require.Equal(t, subject, r.Subject)
	require.Equal(t, 11, r.Events)
	require.Equal(t, 6, r.Disclosed)
	require.Equal(t, 2, r.Sealed)

	// Written again from what is in it, it is the same to the byte.
	files, wrong := decode(z)
	require.Empty(t, wrong)
	in := collect(files, &Report{})
	slices.Reverse(in.Events)
	var again bytes.Buffer
	require.NoError(t, Write(&again, *in))
	require.True(t, bytes.Equal(z, again.Bytes()))
}

func writeGolden(t *testing.T) {
	w := story(t)
	put := func(name string, data []byte) {
		name = filepath.Join("testdata", filepath.FromSlash(name))
		require.NoError(t, os.MkdirAll(filepath.Dir(name), 0o750))
		require.NoError(t, os.WriteFile(name, data, 0o600))
	}
	z := zipOf(t, w.input(storySize, ofBundle, someFields))
	put("golden.zip", z)
	files, _ := decode(z)
	for _, f := range files {
		if f.name == nameSummary || f.name == nameManifest {
			put("golden/"+f.name, f.data)
		}
	}
	_, vkey := logKey(t, 1)
	put("log.vkey", []byte(vkey+"\n"))
	put("log/checkpoint", w.checkpoint(300))
	ctx := context.Background()
	for _, tile := range []struct {
		n     int64
		width int
	}{{0, 256}, {1, 14}, {1, 44}} {
		hashes, err := w.ReadTile(ctx, 0, tile.n, tile.width)
		require.NoError(t, err)
		put("log/"+tlog.TilePath(0, tile.n, tile.width), hashes)
		entries, err := w.ReadEntries(ctx, tile.n, tile.width)
		require.NoError(t, err)
		put("log/"+tlog.EntriesPath(tile.n, tile.width), entries)
	}
	hashes, err := w.ReadTile(ctx, 1, 0, 1)
	require.NoError(t, err)
	put("log/"+tlog.TilePath(1, 0, 1), hashes)
	path, err := tlog.Consistency(ctx, w, 300, rootOf(w.entries), storySize)
	require.NoError(t, err)
	put("consistency", tlog.MarshalConsistency(storySize, 300, path))
	inclusion, err := tlog.Inclusion(ctx, w, 300, rootOf(w.entries), 66)
	require.NoError(t, err)
	proof := tlog.Proof{Extra: w.entries[66], Index: 66, Path: inclusion, Checkpoint: w.checkpoint(300)}
	put("event.tlog-proof", proof.Marshal())
	withheld := func(l *leaf.Leaf) bool {
		return ofBundle(l) && (l.Stream == streamCatalogue || l.Revision < 6)
	}
	put("withheld.zip", zipOf(t, w.input(storySize, withheld, someFields)))
	early := w.input(storySize, func(l *leaf.Leaf) bool { return ofBundle(l) && l.Index < 170 }, someFields)
	early.AsOf = w.events[170].leaf.Recorded
	put("as-of.zip", zipOf(t, early))
}

func TestTheSameInputGivesTheSameBytes(t *testing.T) {
	w := story(t)
	in := w.input(storySize, ofBundle, someFields)
	first := zipOf(t, in)
	slices.Reverse(in.Events)
	require.True(t, bytes.Equal(first, zipOf(t, in)))
	in.AsOf = w.events[storySize-1].leaf.Recorded
	require.False(t, bytes.Equal(first, zipOf(t, in)), "as_of is part of what the bundle says")
}

// Any zip program reads it.
func TestTheZipIsOrdinary(t *testing.T) {
	z := golden(t)
	r, err := zip.NewReader(bytes.NewReader(z), int64(len(z)))
	require.NoError(t, err)
	files, _ := decode(z)
	require.Len(t, r.File, len(files))
	for i, f := range r.File {
		require.Equal(t, files[i].name, f.Name)
		require.Equal(t, zip.Store, f.Method)
		require.Equal(t, time.Date(1980, 1, 1, 0, 0, 0, 0, time.UTC), f.Modified)
		open, err := f.Open()
		require.NoError(t, err)
		data, err := io.ReadAll(open)
		require.NoError(t, err)
		require.True(t, bytes.Equal(files[i].data, data), f.Name)
	}
}

func TestWriteRefusesWhatItDoesNotProve(t *testing.T) {
	w := story(t)
	for name, spoil := range map[string]func(*Input){
		"no checkpoint":      func(in *Input) { in.Checkpoint = nil },
		"no keys":            func(in *Input) { in.LogKeys = nil },
		"another person":     func(in *Input) { in.Subject = "sother1" },
		"no token":           func(in *Input) { in.Subject = "<b>" },
		"a gap":              func(in *Input) { in.Events = slices.Delete(in.Events, 5, 6) },
		"the first left out": func(in *Input) { in.Events = slices.Delete(in.Events, 4, 5) },
		"twice":              func(in *Input) { in.Events = append(in.Events, in.Events[6]) },
		"other facts":        func(in *Input) { in.Events[6].Facts = []byte("{}") },
		"another proof":      func(in *Input) { in.Events[6].Path = in.Events[7].Path },
		"another secret":     func(in *Input) { in.Events[5].Disclosed[0].Secret[3]++ },
		"a time cut off":     func(in *Input) { in.AsOf = w.events[66].leaf.Recorded },
		"nanoseconds":        func(in *Input) { in.AsOf = w.now.Add(1) },
		"no events":          func(in *Input) { in.Events = nil },
		"a part too many":    func(in *Input) { in.Events[4].Disclosed = in.Events[5].Disclosed },
		"parts out of order": func(in *Input) { slices.Reverse(in.Events[0].Disclosed) },
	} {
		t.Run(name, func(t *testing.T) {
			in := w.input(storySize, ofBundle, someFields)
			spoil(&in)
			var out bytes.Buffer
			require.Error(t, Write(&out, in))
			require.Zero(t, out.Len())
		})
	}
}

// The page works offline, runs nothing and shows values as text.
func TestTheSummaryReachesNowhere(t *testing.T) {
	page, err := os.ReadFile(filepath.Join("testdata", "golden", nameSummary))
	require.NoError(t, err)
	for _, bad := range []string{"<script", "src=", "http:", "https:", "url(", "@import", "<link", "<iframe", "<img", "<Mozilla"} {
		require.NotContains(t, string(page), bad)
	}
	require.Contains(t, string(page), "&lt;Mozilla/5.0&gt; &amp; &#39;others&#39; &#43; &#34;more&#34;")
	require.Contains(t, string(page), "Buchhandlung Lindenblatt GmbH")
	for _, shown := range []string{"Consent withdrawn", "newsletter.form, version 1, en", "unsubscribe", "ada@example.org", "complete to revision 6 at checkpoint 270", "1 sealed value is not disclosed"} {
		require.Contains(t, string(page), shown)
	}
}

// A check that had nothing to check was not done.
func TestWhatCannotBeReadWasNotChecked(t *testing.T) {
	for _, z := range [][]byte{nil, []byte("PK\x03\x04 and more"), golden(t)[1:]} {
		r := check(t, z, trusted(t))
		require.Equal(t, Found, r.Outcome)
		for _, c := range r.Checks {
			require.NotEqual(t, Passed, c.State, "%v", c)
		}
	}
	files, _ := decode(golden(t))
	files = slices.DeleteFunc(files, func(f file) bool { return f.name == nameCheckpoint })
	z, err := encode(files)
	require.NoError(t, err)
	r := check(t, z, trusted(t))
	at := slices.IndexFunc(r.Checks, func(c Check) bool { return c.Name == CheckInclusion })
	require.Equal(t, NotDone, r.Checks[at].State, "in no tree")
	at = slices.IndexFunc(r.Checks, func(c Check) bool { return c.Name == CheckContents })
	require.Equal(t, Passed, r.Checks[at].State, "%v", r.Checks[at])
}

func TestOneOfEach(t *testing.T) {
	w := story(t)
	none := func(*leaf.Leaf, string) bool { return false }
	r := check(t, zipOf(t, w.input(storySize, ofBundle, none)), trusted(t))
	require.Contains(t, detail(r, CheckContents), "; 0 disclosed values open as they were sealed")
	r = check(t, zipOf(t, w.input(storySize, ofBundle, func(l *leaf.Leaf, _ string) bool { return l.Type == typeNotice })), trusted(t))
	require.Contains(t, detail(r, CheckContents), "; 1 disclosed value opens as it was sealed")

	w = newWorld(t)
	w.add(streamOf(subject), "SubjectRegistered", `{}`)
	w.add(streamOf(subject), "FieldsRecorded", `{}`)
	in := w.input(2, func(l *leaf.Leaf) bool { return l.Revision == 0 }, none)
	in.AsOf = w.events[0].leaf.Recorded
	trust := trusted(t)
	trust.Entries = w
	r = check(t, zipOf(t, in), trust)
	require.Equal(t, Verified, r.Outcome, "%v", r.Findings)
	require.Contains(t, detail(r, CheckInclusion), "1 entry is in the tree where it says")
	require.Contains(t, r.Statement, "the stream's 1 other entry in the tree was recorded later")
}
