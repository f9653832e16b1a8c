package bundle

import (
	"archive/zip"
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"io"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/transparency-dev/merkle/proof"
	"github.com/transparency-dev/merkle/rfc6962"
	"golang.org/x/mod/sumdb/note"
)

// What the summary says of other programs: the proofs of a bundle hold by
// other people's zip, note and tree, and the contents by nothing but SHA-256.
func TestOtherPrograms(t *testing.T) {
	z := golden(t)
	r, err := zip.NewReader(bytes.NewReader(z), int64(len(z)))
	require.NoError(t, err)
	files := map[string][]byte{}
	for _, f := range r.File {
		open, err := f.Open()
		require.NoError(t, err)
		files[f.Name], err = io.ReadAll(open)
		require.NoError(t, err)
	}
	_, vkey := logKey(t, 1)
	known, err := note.NewVerifier(vkey)
	require.NoError(t, err)
	proofs := 0
	for name, text := range files {
		dir, ok := strings.CutSuffix(name, "leaf.tlog-proof")
		if !ok {
			continue
		}
		proofs++
		entry := files[dir+"leaf"]
		head, signed, ok := strings.Cut(string(text), "\n\n")
		require.True(t, ok)
		n, err := note.Open([]byte(signed), note.VerifierList(known))
		require.NoError(t, err)
		cp := strings.Split(n.Text, "\n")
		size, err := strconv.ParseUint(cp[1], 10, 64)
		require.NoError(t, err)
		root, err := base64.StdEncoding.DecodeString(cp[2])
		require.NoError(t, err)
		lines := strings.Split(head, "\n")
		require.Equal(t, "c2sp.org/tlog-proof@v1", lines[0])
		index, err := strconv.ParseUint(strings.TrimPrefix(lines[1], "index "), 10, 64)
		require.NoError(t, err)
		var path [][]byte
		for _, line := range lines[2:] {
			h, err := base64.StdEncoding.DecodeString(line)
			require.NoError(t, err)
			path = append(path, h)
		}
		leafHash := rfc6962.DefaultHasher.HashLeaf(entry)
		require.NoError(t, proof.VerifyInclusion(rfc6962.DefaultHasher, index, size, leafHash, path, root), name)

		facts, metadata := sha256.Sum256(files[dir+"facts.json"]), sha256.Sum256(files[dir+"metadata.json"])
		require.Equal(t, facts[:], entry[51:83])
		require.Equal(t, metadata[:], entry[83:115])
	}
	require.Equal(t, 11, proofs)
}
