package codec

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"lethe/domain"
	"lethe/domain/catalogue"
	"lethe/domain/personal"
	"lethe/domain/subject"
	"lethe/eventstore"
	"lethe/internal/keyring"
	"lethe/internal/part"
)

func newKeyring(t testing.TB) *keyring.Keyring {
	dir := t.TempDir()
	k, err := keyring.Open(t.Context(), keyring.Options{
		Dir: dir, EpochDir: dir, LookupDir: dir, RootKeyFile: "file:" + filepath.Join(dir, "root.key"), CreateRoot: true,
	})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, k.Close()) })
	return k
}

func newCodec(t testing.TB) *Codec {
	c, err := New()
	require.NoError(t, err)
	return c
}

// encode provisions what the draft needs and encodes it.
func encode(t require.TestingT, c *Codec, k *keyring.Keyring, d *Draft) (eventstore.Event, error) {
	of := c.Compartments(d)
	keys, err := k.Provision(ctx, of)
	require.NoError(t, err)
	return c.Encode(d, func(want keyring.Compartment) *keyring.Key {
		if i := slices.Index(of, want); i >= 0 {
			return keys[i]
		}
		return nil
	}, k)
}

func recorded(d *Draft, e eventstore.Event) *eventstore.Recorded {
	return &eventstore.Recorded{Event: e, Stream: d.Stream, Revision: 3, Position: 17, Recorded: time.UnixMicro(5).UTC()}
}

func streamOf(e domain.Event) string {
	switch e.(type) {
	case catalogue.Event:
		return catalogue.Stream
	case subject.Event:
		return "subject-saaaa"
	}
	return "principal-00000000-0000-0000-0000-000000000001"
}

// texts are an event's personal values in the order of its places, after
// opening: nil is absent.
func texts(t require.TestingT, c *Codec, k *keyring.Keyring, e domain.Event) []*string {
	var all []*string
	for _, s := range e.Personal(nil) {
		v, err := c.OpenValue(ctx, k, *s.Value)
		require.NoError(t, err)
		text, present := v.Reveal()
		if present {
			all = append(all, &text)
			continue
		}
		require.Equal(t, personal.Absent, v.State())
		all = append(all, nil)
	}
	return all
}

// TestRoundTrip: every event type, any legal facts, any values present or
// absent: what was encoded comes back, values open to the same texts.
func TestRoundTrip(t *testing.T) {
	c, k := newCodec(t), newKeyring(t)
	for _, e := range events() {
		t.Run(e.typ.Name, func(t *testing.T) {
			rapid.Check(t, func(t *rapid.T) {
				event := e.new()
				fillLegal(t, reflect.ValueOf(event).Elem(), drawn{t})
				d := &Draft{Stream: streamOf(event), Event: event, Effective: time.UnixMicro(1).UTC()}
				fillLegal(t, reflect.ValueOf(&d.ID).Elem(), drawn{t})
				fillLegal(t, reflect.ValueOf(&d.Metadata).Elem(), drawn{t})
				if rapid.Bool().Draw(t, "digest") {
					d.Digest = []byte("0123456789abcdef0123456789abcdef")
				}
				want := texts(t, c, k, event)
				stored, err := encode(t, c, k, d)
				require.NoError(t, err)
				r := recorded(d, stored)
				got, err := c.Decode(r)
				require.NoError(t, err)
				require.Equal(t, want, texts(t, c, k, got.Event))
				digest := c.DigestPart(r)
				require.Equal(t, d.Digest == nil, digest.IsZero())
				if !digest.IsZero() {
					v, err := k.Open(ctx, digest.Ref())
					require.NoError(t, err)
					text, _ := v.Reveal()
					require.Equal(t, string(d.Digest), text)
				}
				requireErasedWhereDropped(t, c, r, got, rapid.Uint64().Draw(t, "dropped"))
				// What was just stored is kept without decoding, and is the same.
				again, err := c.Decode(r)
				require.NoError(t, err)
				for i, s := range again.Event.Personal(nil) {
					*s.Value = *event.Personal(nil)[i].Value
				}
				kept := *d
				kept.Event = again.Event
				fromDraft, err := c.Stored(&kept, r)
				require.NoError(t, err)
				require.Equal(t, got, fromDraft)
				// With the values put back in clear, the events are the same.
				for i, s := range got.Event.Personal(nil) {
					*s.Value = *event.Personal(nil)[i].Value
				}
				require.Equal(t, domain.Recorded{
					ID: d.ID, Stream: d.Stream, Revision: 3, Position: 17, Recorded: r.Recorded,
					Effective: d.Effective, Metadata: d.Metadata, Event: event,
				}, got)
			})
		})
	}
}

// dropping is the event as a store gives it that dropped the parts whose bits
// are set.
func dropping(t require.TestingT, r *eventstore.Recorded, which uint64) *eventstore.Recorded {
	less := r.Clone()
	less.Sealed = nil
	for i, p := range r.Sealed {
		if which>>(i%64)&1 == 0 {
			less.Sealed = append(less.Sealed, p)
			continue
		}
		n, ok := part.HeadSize(p)
		require.True(t, ok)
		less.Dropped = append(less.Dropped, eventstore.Dropped{Index: i, Head: p[:n], Hash: sha256.Sum256(p), Size: uint32(len(p))})
	}
	return less
}

// requireErasedWhereDropped: a value whose part is gone is Erased, knows where
// it was, and nothing else of the event is another.
func requireErasedWhereDropped(t require.TestingT, c *Codec, r *eventstore.Recorded, want domain.Recorded, which uint64) {
	less := dropping(t, r, which)
	got, err := c.Decode(less)
	require.NoError(t, err)
	values := want.Event.Personal(nil)
	for i, s := range got.Event.Personal(nil) {
		was := *values[i].Value
		if s.Value.State() == personal.Erased {
			require.Equal(t, personal.Sealed, was.State())
			ref := *was.Ref()
			ref.Part = nil
			require.Equal(t, &ref, s.Value.Ref())
			*s.Value = was
		}
	}
	require.Equal(t, want, got)
	erased := 0
	for _, d := range less.Dropped {
		if field, _ := part.Field(d.Head); string(field) != DigestField {
			erased++
			continue
		}
		require.Equal(t, personal.Erased, c.DigestPart(less).State())
	}
	again, err := c.Decode(less)
	require.NoError(t, err)
	for _, s := range again.Event.Personal(nil) {
		if s.Value.State() == personal.Erased {
			erased--
		}
	}
	require.Zero(t, erased)
}

const golden = "testdata/events.golden"

// TestGolden pins name, version, shape and places of every event. A shape that
// changed needs a new version and an upcaster; LETHE_UPDATE=1 adds new lines
// only, and never changes one.
func TestGolden(t *testing.T) {
	var lines []string
	for _, e := range events() {
		event := e.new()
		fillLegal(t, reflect.ValueOf(event).Elem(), sample{})
		facts, err := json.Marshal(event, options)
		require.NoError(t, err)
		line := fmt.Sprintf("%s %d %s", e.typ.Name, e.typ.Version, facts)
		for _, s := range event.Personal(nil) {
			line += fmt.Sprintf(" [%s %s %s]", s.Owner, s.Group, s.Field)
		}
		lines = append(lines, line)
	}
	meta := storedMetadata{Parts: 1}
	fillLegal(t, reflect.ValueOf(&meta.Metadata).Elem(), sample{})
	b, err := json.Marshal(&meta, options)
	require.NoError(t, err)
	lines = append(lines, "(metadata) 1 "+string(b))

	b, err = os.ReadFile(golden)
	if err != nil {
		require.ErrorIs(t, err, os.ErrNotExist)
	}
	pinned := map[string]string{}
	for line := range strings.Lines(string(b)) {
		line = strings.TrimSuffix(line, "\n")
		pinned[head(line)] = line
	}
	for _, line := range lines {
		if old, ok := pinned[head(line)]; ok {
			require.Equal(t, old, line, "a stored shape changed: give it a new version and an upcaster")
			continue
		}
		require.NotEmpty(t, os.Getenv("LETHE_UPDATE"), "not pinned yet: %s", head(line))
		pinned[head(line)] = line
		f, err := os.OpenFile(golden, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
		require.NoError(t, err)
		_, err = f.WriteString(line + "\n")
		require.NoError(t, err)
		require.NoError(t, f.Close())
	}
	for key := range pinned {
		name, _, _ := strings.Cut(key, " ")
		require.True(t, slices.ContainsFunc(lines, func(l string) bool { return strings.HasPrefix(l, name+" ") }),
			"%s is pinned and no longer registered: it is in people's logs", key)
	}
}

// head is name and version.
func head(line string) string {
	name, rest, _ := strings.Cut(line, " ")
	version, _, _ := strings.Cut(rest, " ")
	return name + " " + version
}

// TestSchemaIsClosed: no facts hold a plain string, bytes, a map or an
// interface, and every personal value is out of the JSON and listed by
// Personal, once, in the order of no map.
func TestSchemaIsClosed(t *testing.T) {
	for _, e := range events() {
		typ := reflect.TypeOf(e.new()).Elem()
		requireClosed(t, typ, e.typ.Name)
		event := e.new()
		v := reflect.ValueOf(event).Elem()
		fillLegal(t, v, sample{})
		reachable := values(v)
		listed := map[*personal.Value]bool{}
		for _, s := range event.Personal(nil) {
			require.False(t, listed[s.Value], "%s lists %s twice", e.typ.Name, s.Field)
			listed[s.Value] = true
			require.True(t, s.Group == "" || domain.Name(s.Group).Valid())
			require.True(t, domain.Name(s.Field).Valid(), s.Field)
		}
		require.Len(t, listed, len(reachable), e.typ.Name)
		for _, p := range reachable {
			require.True(t, listed[p], "%s does not list a personal value", e.typ.Name)
		}
	}
	requireClosed(t, reflect.TypeFor[domain.Metadata](), "metadata")
}

func requireClosed(t *testing.T, typ reflect.Type, path string) {
	if slices.Contains([]reflect.Type{reflect.TypeFor[time.Time](), reflect.TypeFor[domain.ID](), reflect.TypeFor[domain.Digest]()}, typ) {
		return
	}
	switch typ.Kind() {
	case reflect.Struct:
		for i := range typ.NumField() {
			f := typ.Field(i)
			if f.Type == reflect.TypeFor[personal.Value]() {
				require.Equal(t, "-", f.Tag.Get("json"), "%s.%s", path, f.Name)
				continue
			}
			require.True(t, f.IsExported(), "%s.%s", path, f.Name)
			require.True(t, f.Anonymous || f.Tag.Get("json") != "", "%s.%s has no pinned name", path, f.Name)
			requireClosed(t, f.Type, path+"."+f.Name)
		}
	case reflect.Slice:
		requireClosed(t, typ.Elem(), path+"[]")
	case reflect.String:
		require.True(t, typ.Implements(reflect.TypeFor[domain.Checked]()), "%s is a free string", path)
	case reflect.Bool, reflect.Int, reflect.Int16, reflect.Int32, reflect.Int64,
		reflect.Uint, reflect.Uint16, reflect.Uint32, reflect.Uint64:
	default:
		require.Fail(t, "not of the closed schema", "%s is a %s", path, typ)
	}
}

// values are the personal values that an event holds, wherever.
func values(v reflect.Value) (all []*personal.Value) {
	if v.Type() == reflect.TypeFor[personal.Value]() {
		return []*personal.Value{v.Addr().Interface().(*personal.Value)}
	}
	switch v.Kind() {
	case reflect.Struct:
		if v.Type() == reflect.TypeFor[time.Time]() {
			return nil
		}
		for i := range v.NumField() {
			all = append(all, values(v.Field(i))...)
		}
	case reflect.Slice:
		for i := range v.Len() {
			all = append(all, values(v.Index(i))...)
		}
	}
	return all
}

func profile(items ...string) *Draft {
	e := &subject.FieldsRecorded{Purpose: "crm", Version: 1}
	for i, text := range items {
		e.Items = append(e.Items, subject.Item{Field: "email", Group: "contact", Slot: uint16(i), Class: subject.Provided, Value: personal.Of(text)})
	}
	return &Draft{ID: domain.ID{1}, Stream: "subject-saaaa", Event: e, Metadata: domain.Metadata{Principal: domain.ID{2}}}
}

func TestEncodeRefuses(t *testing.T) {
	c, k := newCodec(t), newKeyring(t)
	for name, change := range map[string]func(d *Draft, e *subject.FieldsRecorded){
		"illegal name":     func(_ *Draft, e *subject.FieldsRecorded) { e.Purpose = "Jane Doe <jane@example.org>" },
		"missing name":     func(_ *Draft, e *subject.FieldsRecorded) { e.Purpose = "" },
		"illegal in slice": func(_ *Draft, e *subject.FieldsRecorded) { e.Items[0].Field = "E-Mail" },
		"illegal nested":   func(_ *Draft, e *subject.FieldsRecorded) { e.Source.System = "Jane Doe" },
		"unknown term":     func(_ *Draft, e *subject.FieldsRecorded) { e.Items[0].Class = "guessed" },
		"illegal metadata": func(d *Draft, _ *subject.FieldsRecorded) { d.Metadata.Purpose = "Jane Doe" },
		"erased value":     func(_ *Draft, e *subject.FieldsRecorded) { e.Items[0].Value = personal.Unreadable(personal.Erased) },
		"sealed value":     func(_ *Draft, e *subject.FieldsRecorded) { e.Items[0].Value = personal.SealedAs(&personal.Ref{}) },
	} {
		t.Run(name, func(t *testing.T) {
			d := profile("a@example.org")
			change(d, d.Event.(*subject.FieldsRecorded))
			_, err := c.Encode(d, func(keyring.Compartment) *keyring.Key { return nil }, k)
			require.Error(t, err)
			require.NotContains(t, err.Error(), "Jane")
			if !strings.Contains(name, "value") {
				require.ErrorIs(t, err, errIllegal)
			}
		})
	}
	d := profile(make([]string, eventstore.MaxParts)...)
	_, err := encode(t, c, k, d)
	require.NoError(t, err)
	d.Digest = []byte("x")
	_, err = encode(t, c, k, d)
	require.ErrorIs(t, err, ErrTooManyParts)
	// A controller's contact lies in the catalogue and nowhere else.
	contact := &Draft{Stream: "subject-saaaa", Event: &catalogue.ControllerDeclared{ID: "acme", Country: "DE", Name: personal.Of("Acme")}}
	_, err = encode(t, c, k, contact)
	require.ErrorContains(t, err, "another stream")
	contact.Stream = catalogue.Stream
	_, err = encode(t, c, k, contact)
	require.NoError(t, err)
}

func TestRepeatedFieldsKeepTheirPlaces(t *testing.T) {
	c, k := newCodec(t), newKeyring(t)
	d := profile("first", "second", "third", "fourth")
	d.Event.(*subject.FieldsRecorded).Items[1].Value = personal.Value{}
	stored, err := encode(t, c, k, d)
	require.NoError(t, err)
	fields := []string{}
	for _, p := range stored.Sealed {
		h, err := part.Parse(p)
		require.NoError(t, err)
		fields = append(fields, h.Field)
	}
	require.Equal(t, []string{"email", "email#2", "email#3"}, fields)
	require.Equal(t, fields, []string{PartName("email", 0), PartName("email", 2), PartName("email", 3)})
	opened := func() []string {
		got, err := c.Decode(recorded(d, stored))
		require.NoError(t, err)
		all := []string{}
		for _, s := range texts(t, c, k, got.Event) {
			if s == nil {
				all = append(all, "-")
			} else {
				all = append(all, *s)
			}
		}
		return all
	}
	require.Equal(t, []string{"first", "-", "third", "fourth", "-"}, opened())
	stored.Sealed[0], stored.Sealed[2] = stored.Sealed[2], stored.Sealed[0] // order does not matter
	require.Equal(t, []string{"first", "-", "third", "fourth", "-"}, opened())
}

// TestTheSecretOfAValueOpensItsPart, which is found by its name.
func TestTheSecretOfAValueOpensItsPart(t *testing.T) {
	c, k := newCodec(t), newKeyring(t)
	d := profile("first", "second", "third")
	d.Event.(*subject.FieldsRecorded).Items[1].Value = personal.Value{}
	stored, err := encode(t, c, k, d)
	require.NoError(t, err)
	got, err := c.Decode(recorded(d, stored))
	require.NoError(t, err)
	var opened []string
	for i, s := range got.Event.Personal(nil) {
		secret, state, err := c.SecretOf(t.Context(), k, *s.Value)
		require.NoError(t, err)
		if s.Value.IsZero() {
			require.Equal(t, personal.Absent, state)
			require.Zero(t, [32]byte(secret))
			continue
		}
		require.Equal(t, personal.Present, state)
		field := PartName(s.Field, i)
		text, err := part.Open(secret[:], stored.Sealed[findPart(stored.Sealed, field, 0)], part.Context{
			Stream: d.Stream, EventID: d.ID, Type: stored.Type, Version: stored.Version, Field: field,
		})
		require.NoError(t, err)
		opened = append(opened, text)
	}
	require.Equal(t, []string{"first", "third"}, opened)
}

func TestDecodeNoticesWhatIsNotAsStored(t *testing.T) {
	c, k := newCodec(t), newKeyring(t)
	d := profile("a", "b")
	stored, err := encode(t, c, k, d)
	require.NoError(t, err)
	for name, test := range map[string]struct {
		change func(r *eventstore.Recorded)
		err    error
	}{
		"part taken away":  {func(r *eventstore.Recorded) { r.Sealed = r.Sealed[:1] }, ErrParts},
		"all taken away":   {func(r *eventstore.Recorded) { r.Sealed = nil }, ErrParts},
		"part without use": {func(r *eventstore.Recorded) { r.Sealed = [][]byte{r.Sealed[0], r.Sealed[0]} }, ErrParts},
		"no part at all":   {func(r *eventstore.Recorded) { r.Sealed = [][]byte{r.Sealed[0], []byte("junk")} }, ErrParts},
		"newer version":    {func(r *eventstore.Recorded) { r.Version = 2 }, ErrNewer},
		"unknown type":     {func(r *eventstore.Recorded) { r.Type = "Nothing" }, ErrUnknownType},
		"unknown fact":     {func(r *eventstore.Recorded) { r.Facts = []byte(`{"surprise":1}`) }, nil},
		"no JSON":          {func(r *eventstore.Recorded) { r.Facts = []byte(`{`) }, nil},
		"bad metadata":     {func(r *eventstore.Recorded) { r.Metadata = []byte(`[]`) }, nil},
		"dropped without a head": {func(r *eventstore.Recorded) {
			r.Sealed, r.Dropped = r.Sealed[:1], []eventstore.Dropped{{Index: 1}}
		}, ErrParts},
		"dropped and there": {func(r *eventstore.Recorded) {
			r.Sealed, r.Dropped = r.Sealed[:1], []eventstore.Dropped{{Index: 1, Head: r.Sealed[0][:60]}}
		}, ErrParts},
		"dropped twice": {func(r *eventstore.Recorded) {
			r.Dropped = []eventstore.Dropped{{Index: 0, Head: r.Sealed[0]}, {Index: 1, Head: r.Sealed[0]}}
			r.Sealed = nil
		}, ErrParts},
		"dropped beside all": {func(r *eventstore.Recorded) { r.Dropped = []eventstore.Dropped{{Index: 2, Head: r.Sealed[0]}} }, ErrParts},
	} {
		t.Run(name, func(t *testing.T) {
			r := recorded(d, stored)
			test.change(r)
			_, err := c.Decode(r)
			require.Error(t, err)
			if test.err != nil {
				require.ErrorIs(t, err, test.err)
			}
		})
	}
}

func TestDecodedValuesOwnTheirBytes(t *testing.T) {
	c, k := newCodec(t), newKeyring(t)
	d := profile("kept")
	stored, err := encode(t, c, k, d)
	require.NoError(t, err)
	r := recorded(d, stored)
	got, err := c.Decode(r)
	require.NoError(t, err)
	for _, b := range append(slices.Clone(r.Sealed), r.Facts, r.Metadata) {
		copy(b, bytes.Repeat([]byte{0xee}, len(b))) // the store reuses its memory
	}
	require.Equal(t, "kept", *texts(t, c, k, got.Event)[0])
	require.Equal(t, domain.Name("crm"), got.Event.(*subject.FieldsRecorded).Purpose)
}

func TestStoredEventHoldsNoValueInClear(t *testing.T) {
	c, k := newCodec(t), newKeyring(t)
	d := profile("canary@example.org")
	d.Digest = []byte("canary digest")
	stored, err := encode(t, c, k, d)
	require.NoError(t, err)
	for _, b := range append(slices.Clone(stored.Sealed), stored.Facts, stored.Metadata) {
		require.NotContains(t, string(b), "canary")
	}
	b, err := json.Marshal(d.Event)
	require.NoError(t, err)
	require.NotContains(t, string(b), "canary")
	require.NotContains(t, fmt.Sprintf("%v %+v %#v", d.Event, d.Event, d.Event), "canary@")
}
