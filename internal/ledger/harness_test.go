package ledger

import (
	"context"
	"crypto/rand"
	"log/slog"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"lethe/domain"
	"lethe/domain/catalogue"
	"lethe/domain/personal"
	"lethe/domain/subject"
	"lethe/eventstore"
	"lethe/eventstore/segment"
	"lethe/internal/codec"
	"lethe/internal/keyring"
)

// place is a data directory that survives what is opened on it.
type place struct {
	t       *testing.T
	dir     string
	segment int64 // bytes of a segment; small ones, so that tests pass their ends
}

type opened struct {
	*Ledger
	store eventstore.Store
	keys  *keyring.Keyring
}

func newPlace(t *testing.T) *place { return &place{t: t, dir: t.TempDir(), segment: 64 << 10} }

func (p *place) openFor(t testing.TB) *opened { return p.openWith(t, nil, nil) }

func (p *place) open(crash func(string) error, wrap func(eventstore.Store) eventstore.Store) *opened {
	return p.openWith(p.t, crash, wrap)
}

func (p *place) openWith(t testing.TB, crash func(string) error, wrap func(eventstore.Store) eventstore.Store) *opened {
	t.Helper()
	store, err := segment.Open(filepath.Join(p.dir, "log"), segment.Options{SegmentBytes: p.segment})
	require.NoError(t, err)
	keys, err := keyring.Open(context.Background(), keyring.Options{
		Dir: filepath.Join(p.dir, "keys"), EpochDir: filepath.Join(p.dir, "epochs"),
		LookupDir: filepath.Join(p.dir, "lookup"), RootKeyFile: filepath.Join(p.dir, "root.key"), CreateRoot: true,
	})
	require.NoError(t, err)
	c, err := codec.New()
	require.NoError(t, err)
	var s eventstore.Store = store
	if wrap != nil {
		s = wrap(store)
	}
	l, err := New(Options{
		Store: s, Keys: keys, Codec: c, Now: time.Now, Rand: rand.Reader,
		Logger: slog.New(slog.DiscardHandler), crash: crash,
	})
	require.NoError(t, err)
	return &opened{Ledger: l, store: store, keys: keys}
}

func (o *opened) close(t *testing.T) {
	t.Helper()
	require.NoError(t, o.store.Close())
	require.NoError(t, o.keys.Close())
}

var me = domain.ID{1}

// declare makes a small catalogue.
func (o *opened) declare(t testing.TB) {
	t.Helper()
	_, err := o.Declare(context.Background(), Request{Principal: me},
		catalogue.DeclareController{ControllerDeclared: catalogue.ControllerDeclared{
			ID: "acme", Country: "DE", Name: personal.Of("Acme GmbH"), Address: personal.Of("Weg 1, Berlin"),
			Contact: personal.Of("Data protection"), Email: personal.Of("privacy@acme.example"), Phone: personal.Of("+4930123456"),
			Officer: personal.Of("officer@acme.example"), PolicyURL: personal.Of("https://acme.example/privacy"),
			Withdrawal: personal.Of("https://acme.example/withdraw"),
		}},
		catalogue.DeclareField{FieldDeclared: catalogue.FieldDeclared{
			ID: "name.full", Group: "identity", Type: catalogue.Text, Category: "Name",
		}},
		catalogue.DeclareField{FieldDeclared: catalogue.FieldDeclared{
			ID: "email", Group: "contact", Type: catalogue.Email, Category: "EmailAddress", Lookup: catalogue.LookupEmail,
		}},
		catalogue.DeclarePurpose{PurposeDeclared: catalogue.PurposeDeclared{
			ID: "customer.service", Controllers: []domain.Name{"acme"}, Basis: domain.LegitimateInterests,
			Fields: []domain.Name{"name.full", "email"}, Retention: "P3Y", RetentionStart: catalogue.FromLastActivity,
			DPV: "dpv:CustomerCare",
		}},
	)
	require.NoError(t, err)
}

func request(key byte, body byte) Request {
	return Request{Principal: me, Command: domain.Digest{key}, Body: domain.Digest{body}}
}

func person(email string) []subject.Command {
	return []subject.Command{
		subject.Register{Acquired: subject.FromPerson, Jurisdiction: "DE"},
		subject.RecordFields{Purpose: "customer.service", Items: []subject.Entry{
			{Field: "name.full", Text: personal.Of("Ada Lovelace")},
			{Field: "email", Text: personal.Of(email)},
		}},
	}
}
