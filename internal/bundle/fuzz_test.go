package bundle

import (
	"bytes"
	"context"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"lethe/internal/tlog"
)

// Nothing but what encode makes is read without a deviation.
func FuzzDecode(f *testing.F) {
	f.Add(golden(f)[:3000])
	z, err := encode([]file{{"a", []byte("x")}, {"b", nil}})
	require.NoError(f, err)
	f.Add(z)
	f.Add([]byte(endMagic))
	f.Fuzz(func(t *testing.T, b []byte) {
		files, wrong := decode(b)
		if len(wrong) > 0 {
			for _, d := range wrong {
				require.NotEmpty(t, d.what)
				require.LessOrEqual(t, d.offset, len(b))
			}
			return
		}
		again, err := encode(files)
		require.NoError(t, err)
		require.True(t, bytes.Equal(b, again))
	})
}

// With any one file exchanged for anything, the golden bundle is found to be
// altered. Files that are derived are not made anew here, for speed.
func FuzzReader(f *testing.F) {
	files, _ := decode(golden(f))
	for i := range files {
		if i%6 == 0 || i > 56 {
			f.Add(uint8(i), files[i].data[:min(len(files[i].data), 3000)])
		}
	}
	f.Fuzz(func(t *testing.T, which uint8, data []byte) {
		i := int(which) % len(files)
		changed := slices.Clone(files)
		changed[i].data = data
		r := &Report{}
		in := collect(changed, r)
		examine(in, r)
		if len(r.Findings) > 0 || bytes.Equal(data, files[i].data) {
			return
		}
		z, err := encode(changed)
		require.NoError(t, err)
		r, err = Verify(context.Background(), z, Trust{})
		require.NoError(t, err)
		found(t, r, files[i].name, files[i].name)
	})
}

// The manifest is read strictly enough that it changes nothing unseen, and
// facts of any kind can be shown.
func FuzzManifestAndFacts(f *testing.F) {
	files, _ := decode(golden(f))
	for _, file := range files {
		if file.name == nameManifest || len(file.data) > 0 && file.data[0] == '{' {
			f.Add(file.data)
		}
	}
	f.Add([]byte(`{"a":[[1,{"b":null}],true],"c":{"d":"2026-01-01T00:00:00Z"}}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		_, _ = readManifest(b, &Report{})
		require.NotEqual(t, "x\x00", factsOf(b).String())
		c := &content{in: &Input{}, keys: &ownKeys{list: &tlog.KeyList{}}, events: []event{{Event: &Event{Facts: b, Metadata: b}}}}
		page, err := summaryOf(c)
		require.NoError(t, err)
		require.NotContains(t, string(page), "<script")
	})
}

// FuzzProof: a proof that is verified is the one of its bytes.
func FuzzProof(f *testing.F) {
	w := newWorld(f)
	for range 3 {
		w.add(streamCatalogue, "T", "{}")
	}
	path, err := tlog.Inclusion(context.Background(), w, 3, rootOf(w.entries), 1)
	require.NoError(f, err)
	proof := tlog.Proof{Extra: w.entries[1], Index: 1, Path: path, Checkpoint: w.checkpoint(3)}
	f.Add(proof.Marshal())
	trust := trusted(f)
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := VerifyProof(context.Background(), b, trust)
		require.NoError(t, err)
		if r.Outcome == Verified {
			p, err := tlog.ParseProof(b)
			require.NoError(t, err)
			require.Equal(t, w.entries[1], p.Extra)
		}
	})
}
