package main

import (
	"context"
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"lethe/internal/rootkey"
)

// A service that takes connections and never answers counts as one that
// cannot be reached, in bounded time; who gives up sooner is told so.
func TestAServiceThatNeverAnswers(t *testing.T) {
	silent, err := net.Listen("tcp", "127.0.0.1:0") // nobody accepts; the system does
	require.NoError(t, err)
	defer silent.Close() //nolint:errcheck // a test
	address := silent.Addr().String()
	amazonEnvironment(t)
	for name, open := range map[string]rootkey.Opener{
		"awskms://alias/lethe?region=eu-central-1&endpoint=http://" + address: opener(openAmazon),
		"gcpkms://" + googleKeys + "lethe":                                    opener(google{googleAt(address)}.open),
		"azurekeyvault://lethe.vault.azure.net/keys/lethe/v1":                 opener(microsoft{bearer{}, newMicrosoftStandIn(t).clientAt(address)}.open),
	} {
		p, err := (&standIn{opener: open}).open(name)(t)
		require.NoError(t, err)
		require.Equal(t, patience, p.(*keeper).patience)
		p.(*keeper).patience = 50 * time.Millisecond
		_, err = p.Unwrap(t.Context(), []byte("x"))
		require.ErrorIs(t, err, rootkey.ErrUnreachable)
		require.ErrorContains(t, err, "no answer within 50ms")
		require.NotErrorIs(t, err, context.DeadlineExceeded, "that is of who asked")
		p.(*keeper).patience = patience
		brief, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		_, err = p.Wrap(brief, []byte("x"))
		cancel()
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.NoError(t, p.Close())
	}
}
