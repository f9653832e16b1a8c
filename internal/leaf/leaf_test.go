package leaf

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/mod/sumdb/tlog"
	"pgregory.net/rapid"

	"lethe/eventstore"
)

var update = flag.Bool("update", false, "write the vectors anew")

func records() []*eventstore.Recorded {
	at := time.Date(2026, 1, 31, 9, 0, 0, 123000, time.UTC)
	part := bytes.Repeat([]byte{7}, 90)
	part[0] = 1
	full := &eventstore.Recorded{
		Event: eventstore.Event{
			ID: eventstore.EventID{1, 2, 3}, Type: "ConsentGiven", Version: 1, Effective: at.Add(-time.Hour),
			Facts: []byte(`{"purpose":"marketing.sms"}`), Metadata: []byte(`{"principal":"x"}`), Sealed: [][]byte{part, {1, 2}},
		},
		Stream: "subject-sunj5oc5aekzaex2fpwtq6imqxhlq", Revision: 3, Recorded: at,
	}
	old := &eventstore.Recorded{
		Event:  eventstore.Event{Type: "T", Version: 65535, Effective: time.UnixMicro(-1).UTC()},
		Stream: strings.Repeat("s", eventstore.MaxStreamBytes), Revision: 1<<64 - 1, Recorded: time.UnixMicro(0).UTC(),
	}
	return []*eventstore.Recorded{full, old}
}

// The bytes are pinned: a changed leaf would make every signed tree wrong.
func TestVectors(t *testing.T) {
	var got strings.Builder
	for i, rec := range records() {
		var l Leaf
		Of(uint64(i)*256, rec, &l)
		entry := l.Append(nil)
		hash := Hash(entry)
		got.WriteString(hex.EncodeToString(entry) + " " + hex.EncodeToString(hash[:]) + "\n")
	}
	path := filepath.Join("testdata", "leaves.txt")
	if *update {
		require.NoError(t, os.WriteFile(path, []byte(got.String()), 0o600))
	}
	want, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, string(want), got.String())
}

func TestHashIsThatOfTheTree(t *testing.T) {
	for _, n := range []int{0, 1, 55, 1022, 1023, 1024, MaxSize} {
		entry := bytes.Repeat([]byte{3}, n)
		require.Equal(t, [32]byte(tlog.RecordHash(entry)), Hash(entry), n)
	}
}

func draw(t *rapid.T) Leaf {
	fill := rapid.SliceOfN(rapid.Byte(), 32, 32)
	micros := rapid.Int64Range(-1<<50, 1<<52)
	l := Leaf{
		Index: rapid.Uint64().Draw(t, "index"), Revision: rapid.Uint64().Draw(t, "revision"), Version: rapid.Uint16().Draw(t, "version"),
		Stream:   rapid.StringN(1, 60, eventstore.MaxStreamBytes).Draw(t, "stream"),
		Type:     rapid.StringN(1, 15, eventstore.MaxTypeBytes).Draw(t, "type"),
		Recorded: time.UnixMicro(micros.Draw(t, "recorded")).UTC(), Effective: time.UnixMicro(micros.Draw(t, "effective")).UTC(),
		EventID: eventstore.EventID(fill.Draw(t, "id")[:16]), Facts: [32]byte(fill.Draw(t, "facts")), Metadata: [32]byte(fill.Draw(t, "metadata")),
	}
	for range rapid.IntRange(0, eventstore.MaxParts).Draw(t, "parts") {
		l.Parts = append(l.Parts, Part{KeyID: [16]byte(fill.Draw(t, "key")), Hash: [32]byte(fill.Draw(t, "part"))})
	}
	return l
}

func TestParseIsTheInverse(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		l := draw(t)
		entry := l.Append(nil)
		if len(entry) > MaxSize {
			t.Fatalf("%d bytes", len(entry))
		}
		back, err := Parse(entry)
		require.NoError(t, err)
		require.Equal(t, l, back)
		stream, revision, ok := StreamOf(entry)
		require.True(t, ok)
		require.Equal(t, l.Stream, string(stream))
		require.Equal(t, l.Revision, revision)
		id, ok := IDOf(entry)
		require.True(t, ok)
		require.Equal(t, l.EventID, id)
		_, err = Parse(entry[:rapid.IntRange(0, len(entry)-1).Draw(t, "cut")])
		require.ErrorIs(t, err, ErrMalformed)
		_, err = Parse(append(entry, 0))
		require.ErrorIs(t, err, ErrMalformed)
	})
}

func TestBundles(t *testing.T) {
	var bundle []byte
	want := [][]byte{{1}, {}, bytes.Repeat([]byte{2}, MaxSize)}
	for _, e := range want {
		bundle = AppendEntry(bundle, e)
	}
	var got [][]byte
	for e, err := range Entries(bundle) {
		require.NoError(t, err)
		got = append(got, e)
	}
	require.Equal(t, len(want), len(got))
	for i := range want {
		require.True(t, bytes.Equal(want[i], got[i]))
	}
	for _, err := range Entries(bundle[:len(bundle)-1]) {
		if err != nil {
			require.ErrorIs(t, err, ErrMalformed)
			return
		}
	}
	t.Fatal("a bundle that was cut read well")
}

// Whichever parts a store has dropped, the leaf is the same.
func TestDroppedPartsChangeNoLeaf(t *testing.T) {
	rec := records()[0]
	rec.Sealed = nil
	for i := range 4 {
		rec.Sealed = append(rec.Sealed, bytes.Repeat([]byte{byte(i + 1)}, 17+i))
	}
	rec.Sealed = append(rec.Sealed, []byte{1, 2})
	var want, got Leaf
	Of(5, rec, &want)
	for which := range 1 << len(rec.Sealed) {
		less := *rec
		less.Sealed = nil
		for i, p := range rec.Sealed {
			if which>>i&1 == 0 {
				less.Sealed = append(less.Sealed, p)
				continue
			}
			head := p[:min(len(p), eventstore.MinHead)]
			less.Dropped = append(less.Dropped, eventstore.Dropped{Index: i, Head: head, Hash: sha256.Sum256(p)})
		}
		Of(5, &less, &got)
		require.Equal(t, want, got, "%b", which)
		for i := range less.Sealed {
			require.Equal(t, want.Parts[less.PartIndex(i)].Hash, sha256.Sum256(less.Sealed[i]))
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, rec := range records() {
		var l Leaf
		Of(1, rec, &l)
		f.Add(l.Append(nil))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		l, err := Parse(b)
		if err == nil && !bytes.Equal(l.Append(nil), b) {
			t.Fatalf("%x is not canonical", b)
		}
	})
}

func FuzzEntries(f *testing.F) {
	f.Add(AppendEntry(AppendEntry(nil, []byte("a")), []byte("bc")))
	f.Fuzz(func(t *testing.T, b []byte) {
		var again []byte
		for e, err := range Entries(b) {
			if err != nil {
				return
			}
			again = AppendEntry(again, e)
		}
		if !bytes.Equal(again, b) {
			t.Fatalf("%x", b)
		}
	})
}

func BenchmarkLeaf(b *testing.B) {
	rec := records()[0]
	var l Leaf
	var buf []byte
	b.ReportAllocs()
	for b.Loop() {
		Of(1, rec, &l)
		buf = l.Append(buf[:0])
		_ = Hash(buf)
	}
}
