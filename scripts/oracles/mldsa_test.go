package oracles

import (
	"encoding/base64"
	"encoding/binary"
	"strings"
	"testing"

	"filippo.io/mldsa"
	"github.com/stretchr/testify/require"
	"golang.org/x/mod/sumdb/note"

	"lethe/internal/tlog"
)

// testMLDSA verifies a post-quantum cosignature by another implementation of
// FIPS 204, over a message that is put together here, by the specification
// (c2sp.org/tlog-cosignature):
//
//	"subtree/v1\n\0", cosigner's name with its length in a byte before it,
//	uint64 time, the log's origin likewise, uint64 0, uint64 size, root
func testMLDSA(t *testing.T, l cosigned) {
	name, rest, _ := strings.Cut(l.one.vkeys[1], "+")
	_, encoded, _ := strings.Cut(rest, "+")
	key, err := base64.StdEncoding.DecodeString(encoded)
	require.NoError(t, err)
	require.EqualValues(t, 6, key[0])
	public, err := mldsa.NewPublicKey(mldsa.MLDSA44(), key[1:])
	require.NoError(t, err)

	c, signed := l.checkpoint()
	v, err := tlog.NewVerifier(l.one.vkeys[1])
	require.NoError(t, err)
	n, err := note.Open(signed, note.VerifierList(v))
	require.NoError(t, err)
	require.Len(t, n.Sigs, 1)
	sig, err := base64.StdEncoding.DecodeString(n.Sigs[0].Base64)
	require.NoError(t, err)
	stamp, sig := sig[4:12], sig[12:]

	message := append([]byte("subtree/v1\n\x00"), byte(len(name)))
	message = append(append(message, name...), stamp...)
	message = append(append(message, byte(len(origin))), origin...)
	message = binary.BigEndian.AppendUint64(message, 0)
	message = binary.BigEndian.AppendUint64(message, uint64(c.Size))
	message = append(message, c.Root[:]...)
	require.NoError(t, mldsa.Verify(public, message, sig, nil))
	message[len(message)-1] ^= 1
	require.Error(t, mldsa.Verify(public, message, sig, nil))
}
