package keyring

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/require"

	"lethe/internal/part"
)

func TestWrappedKeyIsBoundToItsContext(t *testing.T) {
	aead, err := part.NewAEAD(bytes.Repeat([]byte{1}, keySize))
	require.NoError(t, err)
	key := bytes.Repeat([]byte{2}, keySize)
	blob := wrap(nil, aead, []byte("here"), key)
	require.Len(t, blob, wrappedSize)
	got, err := unwrap(aead, []byte("here"), blob)
	require.NoError(t, err)
	require.Equal(t, key, got[:])
	_, err = unwrap(aead, []byte("there"), blob)
	require.ErrorIs(t, err, errUnwrap)
	blob[20] ^= 1
	_, err = unwrap(aead, []byte("here"), blob)
	require.ErrorIs(t, err, errUnwrap)
	_, err = unwrap(aead, []byte("here"), blob[1:])
	require.ErrorIs(t, err, errUnwrap)
}
