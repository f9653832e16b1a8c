package codec

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"lethe/domain"
	"lethe/domain/personal"
	"lethe/domain/subject"
	"lethe/internal/keyring"
)

func consent() *Draft {
	return &Draft{
		ID: domain.ID{1}, Stream: "subject-saaaa", Effective: time.UnixMicro(1_700_000_000_000_000).UTC(),
		Metadata: domain.Metadata{Principal: domain.ID{2}, Purpose: "consent", Correlation: domain.ID{3}, Command: domain.Digest{4}, Catalogue: 12},
		Event: &subject.ConsentGiven{Grant: subject.Grant{
			Choice: subject.Choice{
				Purpose: "newsletter", Version: 2, Notice: domain.Digest{7}, Language: "de", Medium: subject.Web,
				Method: subject.Checkbox, By: subject.Self, Evidence: personal.Of("form 17, 2026-03-04 10:11"),
			},
			Class: subject.Proven, Explicit: true,
		}},
	}
}

func BenchmarkEncodeConsent(b *testing.B) {
	c, k := newCodec(b), newKeyring(b)
	d := consent()
	of := c.Compartments(d)
	keys, err := k.Provision(ctx, of)
	require.NoError(b, err)
	b.ReportAllocs()
	for b.Loop() {
		_, _ = c.Encode(d, func(keyring.Compartment) *keyring.Key { return keys[0] }, k)
	}
}

func BenchmarkDecodeConsent(b *testing.B) {
	c, k := newCodec(b), newKeyring(b)
	d := consent()
	stored, err := encode(b, c, k, d)
	require.NoError(b, err)
	r := recorded(d, stored)
	b.SetBytes(int64(stored.Size()))
	b.ReportAllocs()
	for b.Loop() {
		_, _ = c.Decode(r)
	}
}
