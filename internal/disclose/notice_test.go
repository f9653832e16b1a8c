package disclose_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"lethe/domain"
	"lethe/domain/catalogue"
	"lethe/domain/personal"
	"lethe/eventstore"
	"lethe/internal/part"
)

// A notice's secret opens its text and records no access.
func TestNoticeSecret(t *testing.T) {
	h := open(t)
	_, err := h.l.Declare(h.ctx, h.request(), h.purpose("club.notices", []domain.Name{"email"}, false), catalogue.PublishNotice{
		NoticePublished: catalogue.NoticePublished{
			ID: "club.text", Version: 1, Language: "en", Purposes: []catalogue.PurposeRef{{Purpose: "club.notices", Version: 1}},
			From: h.l.Now(), Text: personal.Of("Join."),
		},
	})
	require.NoError(t, err)
	cat, err := h.l.Catalogue(h.ctx)
	require.NoError(t, err)
	all := cat.Notices()
	n := all[len(all)-1].NoticePublished
	secret, state, err := h.door.NoticeSecret(h.ctx, n)
	require.NoError(t, err)
	require.Equal(t, personal.Present, state)
	var last *eventstore.Recorded
	for rec, err := range h.store.ReadStream(h.ctx, catalogue.Stream, eventstore.StreamRange{}) {
		require.NoError(t, err)
		if rec.Type == n.EventType().Name {
			last = rec.Clone()
		}
	}
	at := part.Context{Stream: last.Stream, EventID: last.ID, Type: last.Type, Version: last.Version, Field: "notice.text"}
	text, err := part.Open(secret[:], last.Sealed[0], at)
	require.NoError(t, err)
	require.Equal(t, "Join.", text)
	granted, _ := h.accesses()
	require.Empty(t, granted)
	_, state, err = h.door.NoticeSecret(h.ctx, &catalogue.NoticePublished{})
	require.NoError(t, err)
	require.Equal(t, personal.Absent, state)
}
