package codec

import (
	"bytes"
	"context"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/stretchr/testify/require"

	"lethe/domain"
	"lethe/domain/personal"
	"lethe/eventstore"
	"lethe/internal/keyring"
)

var ctx = context.Background()

// moved is an event of the tests that is at its third version. Version 1 had
// a country in "land", version 2 renamed it, version 3 counts. Version 1
// wrote the address with a ";" for every line.
type moved struct {
	Country domain.Place   `json:"country"`
	Count   uint32         `json:"count"`
	Address personal.Value `json:"-"`
}

func (*moved) EventType() domain.Type { return domain.Type{Name: "TestMoved", Version: 3} }
func (m *moved) Personal(dst []personal.Slot) []personal.Slot {
	return append(dst, personal.Slot{Field: "address", Group: "contact", Value: &m.Address})
}

// movedV1 is what the program was when it wrote version 1.
type movedV1 struct {
	Land    domain.Place   `json:"land"`
	Address personal.Value `json:"-"`
}

func (*movedV1) EventType() domain.Type { return domain.Type{Name: "TestMoved", Version: 1} }
func (m *movedV1) Personal(dst []personal.Slot) []personal.Slot {
	return append(dst, personal.Slot{Field: "address", Group: "contact", Value: &m.Address})
}

func steps() []Upcast {
	return []Upcast{
		{
			Type: "TestMoved", From: 1,
			Facts: func(_ Envelope, raw []byte) ([]byte, error) {
				return bytes.Replace(raw, []byte(`"land"`), []byte(`"country"`), 1), nil
			},
			Value: func(field, text string) (string, error) {
				if field == "address" {
					text = strings.ReplaceAll(text, ";", "\n")
				}
				return text, nil
			},
		},
		{
			Type: "TestMoved", From: 2,
			Facts: func(of Envelope, raw []byte) ([]byte, error) {
				count := []byte(`,"count":1}`)
				if of.Effective.Year() < 2020 {
					count = []byte(`,"count":0}`)
				}
				return append(bytes.TrimSuffix(raw, []byte("}")), count...), nil
			},
		},
	}
}

// old are the bytes of a version 1 event, as they were stored.
type old struct {
	Version         uint16
	Facts, Metadata string
}

// TestUpcasters reads the stored bytes of each older version.
func TestUpcasters(t *testing.T) {
	c, err := build([]entry{of[moved]()}, steps())
	require.NoError(t, err)
	b, err := os.ReadFile("testdata/moved.json")
	require.NoError(t, err)
	var fixtures []old
	require.NoError(t, json.Unmarshal(b, &fixtures, json.MatchCaseInsensitiveNames(true)))
	require.Len(t, fixtures, 2)
	for _, f := range fixtures {
		r := &eventstore.Recorded{Stream: "subject-saaaa", Event: eventstore.Event{
			Type: "TestMoved", Version: f.Version, Effective: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC),
			Facts: []byte(f.Facts), Metadata: []byte(f.Metadata),
		}}
		got, err := c.Decode(r)
		require.NoError(t, err)
		require.Equal(t, &moved{Country: "DE", Count: 1}, got.Event)
		require.Equal(t, f.Facts, string(r.Facts), "what was stored is not touched")
		r.Effective = time.Date(2019, 1, 1, 0, 0, 0, 0, time.UTC)
		got, err = c.Decode(r)
		require.NoError(t, err)
		require.Equal(t, &moved{Country: "DE"}, got.Event)
	}
}

// TestValuesOfOlderVersions: the part is authenticated as what was stored and
// its text brought to today's form; what was erased stays erased.
func TestValuesOfOlderVersions(t *testing.T) {
	k := newKeyring(t)
	before, err := build([]entry{of[movedV1]()}, nil)
	require.NoError(t, err)
	now, err := build([]entry{of[moved]()}, steps())
	require.NoError(t, err)
	d := &Draft{ID: domain.ID{1}, Stream: "subject-saaaa", Event: &movedV1{Land: "DE", Address: personal.Of("Weg 1;Bonn")}}
	stored, err := encode(t, before, k, d)
	require.NoError(t, err)
	got, err := now.Decode(recorded(d, stored))
	require.NoError(t, err)
	sealed := got.Event.(*moved).Address
	require.Equal(t, uint16(1), sealed.Ref().Version)
	v, err := now.OpenValue(ctx, k, sealed)
	require.NoError(t, err)
	text, _ := v.Reveal()
	require.Equal(t, "Weg 1\nBonn", text)

	infos, err := k.Keys(ctx, "subject-saaaa")
	require.NoError(t, err)
	_, err = k.Destroy(ctx, "erasure", keyring.Destruction{Keys: infos})
	require.NoError(t, err)
	v, err = now.OpenValue(ctx, k, sealed)
	require.NoError(t, err)
	require.Equal(t, personal.Erased, v.State())
	v, err = now.OpenValue(ctx, k, v)
	require.NoError(t, err)
	require.Equal(t, personal.Erased, v.State())
}

func TestEveryOlderVersionNeedsItsStep(t *testing.T) {
	_, err := build([]entry{of[moved]()}, steps()[:1])
	require.ErrorContains(t, err, "from version 2")
	_, err = build([]entry{of[moved](), of[moved]()}, steps())
	require.ErrorContains(t, err, "twice")
}

// free is an event that must not be stored.
type free struct {
	Note string `json:"note"`
}

func (*free) EventType() domain.Type                       { return domain.Type{Name: "TestFree", Version: 1} }
func (*free) Personal(dst []personal.Slot) []personal.Slot { return dst }

type loud struct {
	Name personal.Value `json:"name"`
}

func (*loud) EventType() domain.Type                       { return domain.Type{Name: "TestLoud", Version: 1} }
func (*loud) Personal(dst []personal.Slot) []personal.Slot { return dst }

type loose struct {
	Tags map[domain.Name]bool `json:"tags"`
}

func (*loose) EventType() domain.Type                       { return domain.Type{Name: "TestLoose", Version: 1} }
func (*loose) Personal(dst []personal.Slot) []personal.Slot { return dst }

func TestOpenSchemasAreNotRegistered(t *testing.T) {
	for _, e := range []entry{of[free](), of[loud](), of[loose]()} {
		_, err := build([]entry{e}, nil)
		require.ErrorContains(t, err, "closed schema", e.typ.Name)
	}
}

func TestMovedPartIsNotTakenForAnother(t *testing.T) {
	c, k := newCodec(t), newKeyring(t)
	d := profile("mine")
	stored, err := encode(t, c, k, d)
	require.NoError(t, err)
	r := recorded(d, stored)
	r.Stream = "subject-sbbbb"
	got, err := c.Decode(r)
	require.NoError(t, err)
	v, err := c.OpenValue(ctx, k, *got.Event.Personal(nil)[0].Value)
	require.NoError(t, err)
	require.Equal(t, personal.Tampered, v.State())
}
