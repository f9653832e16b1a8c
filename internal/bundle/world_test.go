package bundle

import (
	"context"
	"crypto/sha256"
	"fmt"
	"io/fs"
	"testing"
	"testing/cryptotest"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/mod/sumdb/note"

	"lethe/eventstore"
	"lethe/internal/leaf"
	"lethe/internal/part"
	"lethe/internal/tlog"
)

// A world is a small log as the ledger would make it: events of a catalogue,
// of operations, of one person and of others, with values sealed under fixed
// keys, in a tree that is kept in memory.
const (
	origin  = "ledger.example/log"
	subject = "sunj5oc5aekzaex2fpwtq6imqxhlq"
)

type world struct {
	t        testing.TB
	entries  [][]byte
	events   []recorded
	revision map[string]uint64
	now      time.Time
}

type recorded struct {
	entry           []byte
	leaf            leaf.Leaf
	facts, metadata []byte
	parts           [][]byte
	secrets         [][32]byte
}

// sealing is one value to seal.
type sealing struct{ owner, group, field, text string }

func newWorld(t testing.TB) *world {
	return &world{t: t, revision: map[string]uint64{}, now: time.Date(2026, 1, 5, 8, 0, 0, 0, time.UTC)}
}

// add appends one event, recorded 37 seconds after the one before.
func (w *world) add(stream, typ, facts string, values ...sealing) *recorded {
	w.t.Helper()
	w.now = w.now.Add(37*time.Second + 1234*time.Microsecond)
	n := uint64(len(w.entries))
	r := recorded{facts: []byte(facts)}
	r.metadata = fmt.Appendf(nil, `{"principal":"0b6f6c2a-7d5b-8a3e-9c52-3d6f4f0d9a11","catalogue":12,"parts":%d}`, len(values))
	id := sha256.Sum256(fmt.Append(nil, "event", n))
	at := eventstore.EventID(id[:16])
	at[6], at[8] = at[6]&0x0f|0x80, at[8]&0x3f|0x80 // UUIDv8
	rec := &eventstore.Recorded{
		Event: eventstore.Event{
			ID: at, Type: typ, Version: 1, Effective: w.now.Add(-90 * time.Second).Truncate(time.Second), Facts: r.facts, Metadata: r.metadata,
		},
		Stream: stream, Revision: w.revision[stream], Recorded: w.now,
	}
	for _, v := range values {
		r.seal(w.t, rec, v)
	}
	rec.Sealed = r.parts
	leaf.Of(n, rec, &r.leaf)
	r.entry = r.leaf.Append(nil)
	w.revision[stream]++
	w.entries, w.events = append(w.entries, r.entry), append(w.events, r)
	return &w.events[n]
}

// seal seals a value as the keyring does, under a data key that follows from
// owner and group.
func (r *recorded) seal(t testing.TB, rec *eventstore.Recorded, v sealing) {
	if v.owner == "" {
		v.owner = rec.Stream
	}
	dek := sha256.Sum256([]byte("dek " + v.owner + " " + v.group))
	keyID := sha256.Sum256(dek[:])
	h := part.Header{KeyID: part.KeyID(keyID[:16]), Owner: v.owner, Group: v.group, Generation: 1, Field: v.field}
	secret := h.Secret(dek[:], rec.ID)
	at := part.Context{Stream: rec.Stream, EventID: rec.ID, Type: rec.Type, Version: rec.Version, Field: v.field}
	sealed, err := part.Seal(nil, &secret, &h, &at, []byte(v.text))
	require.NoError(t, err)
	r.parts, r.secrets = append(r.parts, sealed), append(r.secrets, secret)
}

// ReadTile implements tlog.Tiles by hashing anew.
func (w *world) ReadTile(_ context.Context, level int, n int64, width int) ([]byte, error) {
	per := int64(1) << (8 * level)
	var out []byte
	for i := n * tlog.TileWidth; i < n*tlog.TileWidth+int64(width); i++ {
		if (i+1)*per > int64(len(w.entries)) {
			return nil, fs.ErrNotExist
		}
		h := rootOf(w.entries[i*per : (i+1)*per])
		out = append(out, h[:]...)
	}
	return out, nil
}

// ReadEntries implements tlog.Entries.
func (w *world) ReadEntries(_ context.Context, n int64, width int) (out []byte, err error) {
	if n*tlog.TileWidth+int64(width) > int64(len(w.entries)) {
		return nil, fs.ErrNotExist
	}
	for _, e := range w.entries[n*tlog.TileWidth:][:width] {
		out = leaf.AppendEntry(out, e)
	}
	return out, nil
}

// rootOf is RFC 6962's MTH, as it is defined.
func rootOf(entries [][]byte) tlog.Hash {
	switch len(entries) {
	case 0:
		return tlog.EmptyRoot()
	case 1:
		return leaf.Hash(entries[0])
	}
	k := 1
	for 2*k < len(entries) {
		k *= 2
	}
	return node(rootOf(entries[:k]), rootOf(entries[k:]))
}

// signer is the log's n-th key.
func logKey(t testing.TB, n byte) (note.Signer, string) {
	seed := sha256.Sum256([]byte{'k', n})
	s, vkey, err := tlog.NewSigner(origin, seed[:])
	require.NoError(t, err)
	return s, vkey
}

func witnessKey(t testing.TB, n byte) (note.Signer, string) {
	seed := sha256.Sum256([]byte{'w', n})
	at := func() time.Time { return time.Date(2026, 1, 6, 0, 0, int(n), 0, time.UTC) }
	s, vkey, err := tlog.NewCosigner(fmt.Sprintf("witness%d.example", n), tlog.CosignEd25519, seed[:], at)
	require.NoError(t, err)
	return s, vkey
}

func sign(t testing.TB, text string, signers ...note.Signer) []byte {
	signed, err := note.Sign(&note.Note{Text: text}, signers...)
	require.NoError(t, err)
	return signed
}

// checkpoint is the signed note of the first size entries.
func (w *world) checkpoint(size int, signers ...note.Signer) []byte {
	if signers == nil {
		s, _ := logKey(w.t, 1)
		signers = append(signers, s)
	}
	cp := tlog.Checkpoint{Origin: origin, Size: int64(size), Root: rootOf(w.entries[:size])}
	return sign(w.t, cp.Text(), signers...)
}

// keyList is the note in which the log says that its first key signs.
func (w *world) keyList() []byte {
	s, vkey := logKey(w.t, 1)
	list := &tlog.KeyList{Origin: origin, Keys: []tlog.LogKey{{VKey: vkey, Until: tlog.Unbounded, Distrusted: tlog.Unbounded}}}
	return sign(w.t, list.Text(), s)
}

// input makes the input of a bundle from the events that keep chooses of the
// first size entries. Parts that open chooses are disclosed.
func (w *world) input(size int, keep func(*leaf.Leaf) bool, open func(l *leaf.Leaf, field string) bool) Input {
	in := Input{Checkpoint: w.checkpoint(size), LogKeys: w.keyList(), Subject: subject}
	old := &world{t: w.t, entries: w.entries[:size]}
	for i := range w.events[:size] {
		r := &w.events[i]
		if !keep(&r.leaf) {
			continue
		}
		path, err := tlog.Inclusion(context.Background(), old, int64(size), rootOf(old.entries), int64(i))
		require.NoError(w.t, err)
		e := Event{Leaf: r.entry, Path: path, Facts: r.facts, Metadata: r.metadata}
		for n, p := range r.parts {
			if field, _ := part.Field(p); open(&r.leaf, string(field)) {
				e.Disclosed = append(e.Disclosed, Disclosed{n, p, r.secrets[n]})
			}
		}
		in.Events = append(in.Events, e)
	}
	return in
}

func ofBundle(l *leaf.Leaf) bool {
	return l.Stream == streamOf(subject) || l.Stream == streamCatalogue || l.Type == "LogKeyRotated"
}

func someFields(l *leaf.Leaf, field string) bool {
	return l.Stream == streamCatalogue || field == "email" || field == "consent.evidence"
}

const noticeText = "We write to you once a month about new titles and events in our shop.\n\nYou can take your consent back at any time: by the link at the end of every letter, or at shop@example.com. That does not change what was right before."

// story is the log of the golden bundle: a person who asked for a newsletter,
// confirmed, moved and took it back, among a shop's other customers.
func story(t *testing.T) *world {
	cryptotest.SetGlobalRandom(t, 1)
	w := newWorld(t)
	me := streamOf(subject)
	notice := sha256.Sum256([]byte(noticeText))
	w.add("catalogue", "ControllerDeclared", `{"id":"shop","country":"DE"}`,
		sealing{"controller-shop", "catalogue", "controller.name", "Buchhandlung Lindenblatt GmbH"},
		sealing{"controller-shop", "catalogue", "controller.email", "privacy@example.com"})
	w.add("catalogue", "FieldDeclared", `{"id":"email","group":"contact","type":"email","category":"dpv:EmailAddress","lookup":"email"}`)
	w.add("catalogue", "PurposeDeclared", `{"id":"newsletter","version":1,"controllers":["shop"],"basis":"consent","fields":["email"],"retention":"P3Y","retention_start":"collection","double_opt_in":true,"marketing":true,"dpv":"dpv:DirectMarketing","in_force":"2026-01-01T00:00:00Z"}`)
	w.add("catalogue", "NoticePublished", fmt.Sprintf(`{"id":"newsletter.form","version":1,"language":"en","digest":"%x","purposes":[{"purpose":"newsletter","version":1}],"from":"2026-01-01T00:00:00Z"}`, notice),
		sealing{"controller-shop", "notices", "notice.text", noticeText})
	w.add("operations", "TokenCreated", `{"token":"9d1f6a1e-0c43-8f0b-a3a4-0a6ff1f5c2d1"}`)
	fill := func(n int) {
		for range n {
			other := fmt.Sprintf("subject-sother%d", len(w.entries)%7)
			w.add(other, "FieldsRecorded", `{"purpose":"newsletter","version":1}`, sealing{"", "contact", "email", "x@example.com"})
		}
	}
	fill(60)
	w.add(me, "SubjectRegistered", `{"source":{"system":"webshop"},"acquired":"from_person","jurisdiction":"DE"}`)
	w.add(me, "FieldsRecorded", `{"purpose":"newsletter","version":1,"source":{"system":"webshop"},"items":[{"field":"email","group":"contact","class":"provided"}]}`,
		sealing{"", "contact", "email", "ada@example.org"}, sealing{"", "contact", "command.digest", "0123456789abcdef0123456789abcdef"})
	choice := fmt.Sprintf(`"purpose":"newsletter","version":1,"notice":"%x","language":"en","medium":"web"`, notice)
	asked := w.add(me, "ConsentRequested", `{`+choice+`,"method":"checkbox","by":"subject","double_opt_in":true,"contact":"email","expires":"2026-01-12T08:00:00Z"}`)
	fill(40)
	w.add(me, "ConsentConfirmed", `{`+choice+`,"method":"link_click","by":"subject","class":"proven","until":"2029-01-05T08:00:00Z","request":"`+asked.leaf.EventID.String()+`"}`,
		sealing{"", "evidence", "consent.evidence", "POST /confirm from 192.0.2.7, <Mozilla/5.0> & 'others' + \"more\""})
	fill(100)
	w.add(me, "FieldsRectified", `{"items":[{"field":"email","group":"contact","class":"provided"}]}`,
		sealing{"", "contact", "email", "ada.new@example.org"}, sealing{"", "evidence", "rectification.reason", "asked on the phone"})
	w.add(me, "Objected", `{"scope":"marketing","purpose":"newsletter","channel":"email","contact_point":true,"by":"subject"}`)
	w.add(me, "ConsentWithdrawn", `{`+choice+`,"method":"unsubscribe","by":"subject"}`)
	fill(270 - len(w.entries))
	w.add(me, "BasisAsserted", `{"purpose":"invoices","version":1,"basis":"contract"}`, sealing{"", "evidence", "basis.reference", "order 4711"})
	fill(300 - len(w.entries))
	return w
}

const storySize = 270 // of the tree when the golden bundle was made; the person's revision 7 comes later

func zipOf(t testing.TB, in Input) []byte {
	zip, err := makeBundle(&in)
	require.NoError(t, err)
	return zip
}
