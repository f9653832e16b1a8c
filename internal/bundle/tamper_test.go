package bundle

import (
	"archive/zip"
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"lethe/internal/leaf"
	"lethe/internal/testenv"
	"lethe/internal/tlog"
)

// found checks that a report finds something, names a place that the caller
// expects, and never takes what was altered for erased.
func found(t testing.TB, r *Report, what string, names ...string) {
	if r.Outcome != Found || len(r.Findings) == 0 {
		t.Errorf("%s: %s, %d findings", what, r.Outcome, len(r.Findings))
		return
	}
	named := len(names) == 0
	for _, f := range r.Findings {
		said := f.Where + " " + f.What + " " + f.Means
		if f.Where == "" || f.What == "" || f.Means == "" {
			t.Errorf("%s: a finding says nothing: %+v", what, f)
		}
		if strings.Contains(said, "erase") {
			t.Errorf("%s: misreported as erased: %+v", what, f)
		}
		for _, n := range names {
			named = named || strings.Contains(said, n)
		}
	}
	if !named {
		t.Errorf("%s: none of %q is named: %+v", what, names, r.Findings)
	}
}

// small is a bundle of few events: three of the person, a notice, a disclosed
// value and one that is not.
func small(t *testing.T) ([]byte, *world) {
	w := story(t)
	in := w.input(70, func(l *leaf.Leaf) bool {
		return l.Stream == streamOf(subject) || l.Type == typeNotice
	}, someFields)
	return zipOf(t, in), w
}

// regionAt names the file whose contents a byte of the zip is of; "" for what
// holds the files together.
func regionAt(files []file, at int) string {
	offset := 0
	for _, f := range files {
		offset += localSize + len(f.name)
		if at >= offset && at < offset+len(f.data) {
			return f.name
		}
		offset += len(f.data)
	}
	return ""
}

// Every byte of a bundle counts: with any one bit of any one byte turned, it
// is found, and named: the file whose contents it is of, or the place in the
// zip. Thousands are turned by default, all of them with LETHE_TAMPER_ROUNDS=4.
func TestEveryByteCounts(t *testing.T) {
	testenv.Sequential(t)
	z, _ := small(t)
	trust := trusted(t)
	files, _ := decode(z)
	step := testenv.Cases(11, 4)
	if s := os.Getenv("LETHE_TAMPER_ROUNDS"); s != "" {
		times, err := strconv.Atoi(s)
		require.NoError(t, err)
		step = max(1, step/max(1, times))
	}
	random := rand.New(rand.NewPCG(1, 2)) //nolint:gosec // a test's
	bits := make([]byte, len(z))
	for i := range bits {
		bits[i] = 1 << random.IntN(8)
	}
	var next, done atomic.Int64
	var wg sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		wg.Go(func() {
			mine := bytes.Clone(z)
			for at := int(next.Add(1)-1) * step; at < len(z) && !t.Failed(); at = int(next.Add(1)-1) * step {
				mine[at] ^= bits[at]
				r, err := Verify(t.Context(), mine, trust)
				if err != nil {
					t.Errorf("byte %d: %v", at, err)
				}
				name := regionAt(files, at)
				if name == "" {
					name = "offset"
				}
				found(t, r, fmt.Sprintf("byte %d ^ %#x of %s", at, bits[at], name), name)
				mine[at] ^= bits[at]
				done.Add(1)
			}
		})
	}
	wg.Wait()
	t.Logf("%d bytes of %d turned", done.Load(), len(z))
}

// What a program that knows zips would do to hide a change, makes none: the
// files are put into a right zip again.
func TestEveryByteOfEveryFileCountsInARightZip(t *testing.T) {
	testenv.Sequential(t)
	z, _ := small(t)
	trust := trusted(t)
	files, _ := decode(z)
	random := rand.New(rand.NewPCG(3, 4)) //nolint:gosec // a test's
	for i, f := range files {
		step := max(1, len(f.data)/60)
		for at := 0; at < len(f.data); at += step {
			changed := slices.Clone(files)
			changed[i].data = bytes.Clone(f.data)
			changed[i].data[at] ^= 1 << random.IntN(8)
			again, err := encode(changed)
			require.NoError(t, err)
			found(t, check(t, again, trust), fmt.Sprintf("byte %d of %s", at, f.name), f.name)
		}
	}
}

// Whoever knows our format would also make manifest and summary anew. What is
// proven still is not.
func TestEveryByteOfWhatIsProvenCountsWithAllElseMadeAnew(t *testing.T) {
	testenv.Sequential(t)
	z, _ := small(t)
	trust := trusted(t)
	files, _ := decode(z)
	random := rand.New(rand.NewPCG(5, 6)) //nolint:gosec // a test's
	tried := 0
	for i, f := range files {
		if f.name == nameManifest || f.name == nameSummary {
			continue
		}
		step := max(1, len(f.data)/60)
		for at := 0; at < len(f.data); at += step {
			changed := slices.Clone(files)
			changed[i].data = bytes.Clone(f.data)
			changed[i].data[at] ^= 1 << random.IntN(8)
			again, ok := forge(changed)
			if !ok || bytes.Equal(again, z) {
				continue // it does not parse, or the altered byte is one that is made anew
			}
			tried++
			found(t, check(t, again, trust), fmt.Sprintf("byte %d of %s, the rest made anew", at, f.name))
		}
	}
	require.Greater(t, tried, 100)
}

// forge makes the derived files anew from whatever is there.
func forge(files []file) ([]byte, bool) {
	r := &Report{}
	in := collect(files, r)
	c := examine(in, r)
	if c.keys == nil || len(c.events) != len(in.Events) {
		return nil, false
	}
	out, err := lay(c)
	if err != nil {
		return nil, false
	}
	again, err := encode(out)
	return again, err == nil
}

func TestTruncatedAndExtended(t *testing.T) {
	z, _ := small(t)
	trust := trusted(t)
	for n := 0; n < len(z); n += 97 {
		found(t, check(t, z[:n], trust), fmt.Sprintf("cut to %d bytes", n), "offset")
	}
	found(t, check(t, z[:len(z)-1], trust), "one byte cut off", "ends early")
	found(t, check(t, append(bytes.Clone(z), 0), trust), "one byte more", "behind the end")
	found(t, check(t, append(bytes.Clone(z), z...), trust), "twice", "behind the end")
	found(t, check(t, append([]byte{0}, z...), trust), "a byte in front", "no bundle")
	found(t, check(t, nil, trust), "nothing")
	comment := bytes.Clone(z)
	binary.LittleEndian.PutUint16(comment[len(comment)-2:], 2)
	found(t, check(t, append(comment, "hi"...), trust), "a comment", "offset")
}

// Files that are renamed, exchanged, doubled, added, left out or put in
// another order, in a zip that is otherwise right.
func TestFilesMovedAbout(t *testing.T) {
	z, w := small(t)
	trust := trusted(t)
	files, _ := decode(z)
	again := func(change []file) []byte {
		out, err := encode(change)
		require.NoError(t, err)
		return out
	}
	for i, f := range files {
		found(t, check(t, again(slices.Delete(slices.Clone(files), i, i+1)), trust), "left out: "+f.name, f.name)
		found(t, check(t, again(slices.Insert(slices.Clone(files), i, f)), trust), "twice: "+f.name, f.name)
		renamed := slices.Clone(files)
		renamed[i].name += "x"
		sortFiles(renamed)
		found(t, check(t, again(renamed), trust), "renamed: "+f.name, f.name)
		for j := range files[:i] {
			swapped := slices.Clone(files)
			swapped[i].data, swapped[j].data = files[j].data, files[i].data
			if bytes.Equal(files[i].data, files[j].data) {
				continue
			}
			found(t, check(t, again(swapped), trust), "exchanged: "+f.name+" and "+files[j].name, f.name, files[j].name)
			moved := slices.Clone(files)
			moved[i], moved[j] = files[j], files[i]
			found(t, check(t, again(moved), trust), "in another order: "+f.name+" and "+files[j].name, f.name, files[j].name)
		}
	}
	for _, name := range []string{"events/000000000003/more", "events/000000000003/part-001", "events/000000000003/secret-1", "events/3/leaf", "a", "zz", "events/000000000003/part-0000"} {
		more := append(slices.Clone(files), file{name, []byte("x")})
		sortFiles(more)
		found(t, check(t, again(more), trust), "added: "+name, name)
	}
	other := w.input(storySize, ofBundle, someFields)
	others, _ := decode(zipOf(t, other))
	for i, f := range files {
		for _, g := range others {
			if f.name == g.name && !bytes.Equal(f.data, g.data) {
				mixed := slices.Clone(files)
				mixed[i] = g
				found(t, check(t, again(mixed), trust), "of another bundle: "+f.name, f.name)
			}
		}
	}
}

func TestWrittenAgainByAnotherProgram(t *testing.T) {
	z, _ := small(t)
	for _, method := range []uint16{zip.Deflate, zip.Store} {
		var out bytes.Buffer
		w := zip.NewWriter(&out)
		r, err := zip.NewReader(bytes.NewReader(z), int64(len(z)))
		require.NoError(t, err)
		for _, f := range r.File {
			to, err := w.CreateHeader(&zip.FileHeader{Name: f.Name, Method: method})
			require.NoError(t, err)
			from, err := f.Open()
			require.NoError(t, err)
			_, err = io.Copy(to, from) //nolint:gosec // our own
			require.NoError(t, err)
		}
		require.NoError(t, w.Close())
		found(t, check(t, out.Bytes(), trusted(t)), "written again", "another program")
	}
}

// Changes by somebody who can make everything anew but what was signed.
func TestForgeries(t *testing.T) {
	w := story(t)
	trust := trusted(t)
	stranger := newWorld(t)
	stranger.add(streamOf(subject), "SubjectRegistered", `{"acquired":"from_person","jurisdiction":"FR"}`)
	for name, forged := range map[string]struct {
		change func(in *Input)
		names  string
	}{
		"a proof of another size": {func(in *Input) {
			p, err := tlog.Inclusion(t.Context(), w, 300, rootOf(w.entries), 66)
			require.NoError(t, err)
			in.Events[5].Path = p
		}, "events/000000000066/leaf"},
		"a revision left out":     {func(in *Input) { in.Events = slices.Delete(in.Events, 6, 7) }, "revisions 2 to 2 were left out"},
		"the first one left out":  {func(in *Input) { in.Events = slices.Delete(in.Events, 4, 5) }, "revisions 0 to 0 were left out"},
		"an event of another log": {func(in *Input) { in.Events[4].Leaf = stranger.entries[0] }, "events/000000000000/leaf"},
		"an event of somebody else": {func(in *Input) {
			*in = w.input(storySize, func(l *leaf.Leaf) bool { return ofBundle(l) || l.Index == 10 }, someFields)
		}, "events/000000000010/leaf"},
		"a time recorded": {func(in *Input) {
			l := w.events[66].leaf
			l.Recorded = l.Recorded.Add(1000)
			in.Events[5].Leaf = l.Append(nil)
		}, "events/000000000066/leaf"},
		"a revision repeated": {func(in *Input) {
			l := w.events[67].leaf
			l.Revision = 1
			in.Events[6].Leaf = l.Append(nil)
		}, "revision 1 follows where 2 is due"},
		"an event said to be another's": {func(in *Input) {
			l := w.events[66].leaf
			l.EventID = w.events[65].leaf.EventID
			in.Events[5].Leaf = l.Append(nil)
		}, "event ID"},
		"a value that was never sealed": {func(in *Input) { in.Events[5].Disclosed[0].Part = w.events[209].parts[0] }, "events/000000000066/part-000"},
		"secrets exchanged": {func(in *Input) {
			a, b := &in.Events[0].Disclosed[0], &in.Events[0].Disclosed[1]
			a.Secret, b.Secret = b.Secret, a.Secret
		}, "secret-000"},
		"a larger tree without a signature": {func(in *Input) {
			cp := tlog.Checkpoint{Origin: origin, Size: 271, Root: rootOf(w.entries[:271])}
			_, sigs, err := tlog.SplitNote(in.Checkpoint)
			require.NoError(t, err)
			in.Checkpoint = []byte(cp.Text() + "\n" + tlog.FormatSignature(sigs[0]))
		}, "checkpoint"},
		"another key list": {func(in *Input) {
			s, _ := logKey(t, 2)
			_, vkey := logKey(t, 1)
			list := &tlog.KeyList{Origin: origin, Keys: []tlog.LogKey{{VKey: vkey, Until: 100, Distrusted: -1}}}
			in.LogKeys = sign(t, list.Text(), s)
		}, "log-keys"},
		"a time after as_of": {func(in *Input) { in.AsOf = w.events[100].leaf.Recorded }, "after the"},
	} {
		t.Run(name, func(t *testing.T) {
			in := w.input(storySize, ofBundle, someFields)
			forged.change(&in)
			r := &Report{}
			c := examine(&in, r)
			if c.keys == nil { // what is derived needs one: that of the input
				c.keys = examine(ptr(w.input(storySize, ofBundle, someFields)), &Report{}).keys
			}
			files, err := lay(c)
			require.NoError(t, err)
			z, err := encode(files)
			require.NoError(t, err)
			found(t, check(t, z, trust), name, forged.names)
		})
	}
}

func ptr[T any](v T) *T { return &v }

// A tree that somebody made up altogether, with a key of the same name.
func TestAnotherLogOfTheSameName(t *testing.T) {
	w := story(t)
	in := w.input(storySize, ofBundle, someFields)
	s, vkey := logKey(t, 2)
	in.Checkpoint = w.checkpoint(storySize, s)
	list := &tlog.KeyList{Origin: origin, Keys: []tlog.LogKey{{VKey: vkey, Until: -1, Distrusted: -1}}}
	in.LogKeys = sign(t, list.Text(), s)
	z := zipOf(t, in)
	require.Equal(t, Unanchored, check(t, z, Trust{}).Outcome)
	found(t, check(t, z, trusted(t)), "another key", "no key of the log that counts signed")
}

// A notice whose text is not the one that its digest names.
func TestANoticeUnderAWrongName(t *testing.T) {
	w := newWorld(t)
	digest := sha256.Sum256([]byte("one text"))
	w.add("catalogue", typeNotice, fmt.Sprintf(`{"id":"n","version":1,"language":"en","digest":"%x"}`, digest), sealing{"controller-shop", "notices", "notice.text", "another text"})
	w.add(streamOf(subject), "SubjectRegistered", `{}`)
	in := w.input(2, ofBundle, someFields)
	_, err := makeBundle(&in)
	require.ErrorContains(t, err, "digest")
}
