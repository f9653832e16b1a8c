package tlog_test

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"
	"github.com/stretchr/testify/require"
	"golang.org/x/mod/sumdb/note"

	"lethe/internal/tlog"
)

// seeds adds the vectors and the bad vectors of a parser.
func seeds(f *testing.F, parser string, vectors ...string) {
	f.Helper()
	for _, v := range vectors {
		b, err := os.ReadFile(filepath.Join("testdata", "vectors", v))
		require.NoError(f, err)
		f.Add(b)
	}
	archive, err := txtar.ParseFile(filepath.Join("testdata", "bad.txtar"))
	require.NoError(f, err)
	for _, file := range archive.Files {
		if strings.HasPrefix(file.Name, parser+"/") {
			_, input, _ := strings.Cut(string(file.Data), "\n")
			f.Add([]byte(input))
		}
	}
}

// What a strict parser accepts encodes to the same bytes.

func FuzzCheckpoint(f *testing.F) {
	seeds(f, "checkpoint", "checkpoint", "checkpoint-cosigned", "checkpoint-extended", "checkpoint-empty")
	f.Fuzz(func(t *testing.T, b []byte) {
		if c, err := tlog.ParseCheckpoint(string(b)); err == nil {
			require.Equal(t, string(b), c.Text())
		}
		c, err := tlog.CheckpointOf(b)
		if err != nil {
			return
		}
		text, sigs, err := tlog.SplitNote(b)
		require.NoError(t, err)
		require.Equal(t, c.Text(), text)
		require.Equal(t, string(b), text+"\n"+lines(sigs))
	})
}

func FuzzProof(f *testing.F) {
	seeds(f, "proof", "proof")
	f.Fuzz(func(t *testing.T, b []byte) {
		if p, err := tlog.ParseProof(b); err == nil {
			require.Equal(t, string(b), string(p.Marshal()))
		}
	})
}

func FuzzConsistency(f *testing.F) {
	seeds(f, "consistency", "consistency")
	f.Fuzz(func(t *testing.T, b []byte) {
		if from, to, path, err := tlog.ParseConsistency(b); err == nil {
			require.Equal(t, string(b), string(tlog.MarshalConsistency(from, to, path)))
			require.LessOrEqual(t, from, to)
			_ = tlog.VerifyConsistency(path, from, tlog.Hash{}, to, tlog.Hash{}) // ends
		}
	})
}

func FuzzPolicy(f *testing.F) {
	seeds(f, "policy", "policy")
	f.Fuzz(func(t *testing.T, b []byte) {
		p, err := tlog.ParsePolicy(b)
		if err != nil {
			return
		}
		again, err := tlog.ParsePolicy([]byte(format(p)))
		require.NoError(t, err)
		require.Equal(t, format(p), format(again))
	})
}

// format writes a policy without comments.
func format(p *tlog.Policy) string {
	var b strings.Builder
	for _, l := range p.Logs {
		b.WriteString("log " + l.VKey + " " + l.URL + "\n")
	}
	for _, w := range p.Witnesses {
		b.WriteString("witness " + w.Name + " " + w.VKey + " " + w.URL + "\n")
	}
	for _, g := range p.Groups {
		b.WriteString("group " + g.Name + " " + strconv.Itoa(g.Threshold) + " " + strings.Join(g.Members, " ") + "\n")
	}
	return b.String() + "quorum " + p.QuorumName + "\n"
}

func FuzzKeyList(f *testing.F) {
	seeds(f, "keylist")
	f.Add([]byte(keyListText(f)))
	f.Fuzz(func(t *testing.T, b []byte) {
		if k, err := tlog.ParseKeyList(string(b)); err == nil {
			require.Equal(t, string(b), k.Text())
		}
	})
}

func FuzzTilePath(f *testing.F) {
	for _, s := range []string{"tile/0/000", "tile/3/x001/x234/067.p/9", "tile/entries/000.p/255", "tile/63/x001/000"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		level, n, width, err := tlog.ParsePath(s)
		switch {
		case err != nil:
		case level < 0:
			require.Equal(t, s, tlog.EntriesPath(n, width))
		default:
			require.Equal(t, s, tlog.TilePath(level, n, width))
		}
	})
}

func FuzzSignatures(f *testing.F) {
	seeds(f, "signatures")
	for _, name := range []string{"checkpoint", "checkpoint-cosigned"} {
		_, sigs, err := tlog.SplitNote(vector(f, name))
		require.NoError(f, err)
		f.Add([]byte(lines(sigs)))
	}
	a := theCast(f)
	f.Fuzz(func(t *testing.T, b []byte) {
		sigs, err := tlog.ParseSignatures(string(b))
		if err != nil {
			return
		}
		require.Equal(t, string(b), lines(sigs))
		for _, sig := range sigs {
			_, _ = tlog.SignatureTime(sig)
			_ = tlog.VerifySignature(a.ed.verifier, "x\n1\n"+tlog.EmptyRoot().String()+"\n", sig)
		}
	})
}

func FuzzEntries(f *testing.F) {
	f.Add(bundle(0, 3), 3, 2)
	f.Add([]byte{0, 0, 0, 0}, 2, 1)
	f.Fuzz(func(t *testing.T, b []byte, have, width int) {
		if cut, err := tlog.CutEntries(b, have, width); err == nil {
			again, err := tlog.CutEntries(cut, width, width)
			require.NoError(t, err)
			require.Equal(t, cut, again)
		}
	})
}

func keyListText(t testing.TB) string {
	t.Helper()
	text, _, err := tlog.SplitNote(vector(t, "keylist"))
	require.NoError(t, err)
	return text
}

func lines(sigs []note.Signature) string {
	var b strings.Builder
	for _, sig := range sigs {
		b.WriteString(tlog.FormatSignature(sig))
	}
	return b.String()
}
