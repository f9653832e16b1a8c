package disclose_test

import (
	"context"
	"crypto/rand"
	"log/slog"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"lethe/domain"
	"lethe/domain/access"
	"lethe/domain/catalogue"
	"lethe/domain/personal"
	"lethe/domain/principal"
	"lethe/domain/subject"
	"lethe/eventstore"
	"lethe/eventstore/faultstore"
	"lethe/eventstore/segment"
	"lethe/internal/auth"
	"lethe/internal/codec"
	"lethe/internal/disclose"
	"lethe/internal/keyring"
	"lethe/internal/ledger"
)

type house struct {
	t     *testing.T
	dir   string
	ctx   context.Context
	store *faultstore.Store
	keys  *keyring.Keyring
	codec *codec.Codec
	l     *ledger.Ledger
	door  *disclose.Door
	n     byte
}

func open(t *testing.T) *house {
	t.Helper()
	dir, ctx := t.TempDir(), context.Background()
	inner, err := segment.Open(filepath.Join(dir, "log"), segment.Options{SegmentBytes: 64 << 10})
	require.NoError(t, err)
	store := faultstore.Wrap(inner, nil)
	keys, err := keyring.Open(ctx, keyring.Options{
		Dir: filepath.Join(dir, "keys"), EpochDir: filepath.Join(dir, "epochs"),
		LookupDir: filepath.Join(dir, "lookup"), RootKeyFile: filepath.Join(dir, "root.key"), CreateRoot: true,
	})
	require.NoError(t, err)
	c, err := codec.New()
	require.NoError(t, err)
	log := slog.New(slog.DiscardHandler)
	l, err := ledger.New(ledger.Options{Store: store, Keys: keys, Codec: c, Now: time.Now, Rand: rand.Reader, Logger: log})
	require.NoError(t, err)
	h := &house{t: t, dir: dir, ctx: ctx, store: store, keys: keys, codec: c, l: l, door: disclose.New(l, c, keys, log)}
	t.Cleanup(func() {
		require.NoError(t, store.Close())
		require.NoError(t, keys.Close())
	})
	h.declare()
	return h
}

func (h *house) declare() {
	h.t.Helper()
	fields := []domain.Name{"name.full", "email"}
	commands := []catalogue.Command{
		catalogue.DeclareController{ControllerDeclared: catalogue.ControllerDeclared{
			ID: "acme", Country: "DE", Name: personal.Of("Acme GmbH"), Address: personal.Of("Weg 1"), Contact: personal.Of("DP"),
			Email: personal.Of("privacy@acme.example"), Phone: personal.Of("+4930123456"), Officer: personal.Of("dpo@acme.example"),
			PolicyURL: personal.Of("https://acme.example/p"), Withdrawal: personal.Of("https://acme.example/w"),
		}},
		catalogue.DeclareField{FieldDeclared: catalogue.FieldDeclared{ID: "name.full", Group: "identity", Type: catalogue.Text, Category: "Name"}},
		catalogue.DeclareField{FieldDeclared: catalogue.FieldDeclared{
			ID: "email", Group: "contact", Type: catalogue.Email, Category: "EmailAddress", Lookup: catalogue.LookupEmail,
		}},
		catalogue.DeclareField{FieldDeclared: catalogue.FieldDeclared{ID: "note", Group: "notes", Type: catalogue.Text, Category: "Note"}},
		h.purpose("customer.service", fields, false), h.purpose("support", []domain.Name{"note"}, false),
		h.purpose("marketing.post", fields, true),
	}
	_, err := h.l.Declare(h.ctx, ledger.Request{Principal: domain.ID{9}}, commands...)
	require.NoError(h.t, err)
}

func (h *house) purpose(id domain.Name, fields []domain.Name, marketing bool) catalogue.DeclarePurpose {
	return catalogue.DeclarePurpose{PurposeDeclared: catalogue.PurposeDeclared{
		ID: id, Controllers: []domain.Name{"acme"}, Basis: domain.LegitimateInterests, Fields: fields,
		Retention: "P3Y", RetentionStart: catalogue.FromLastActivity, DPV: "dpv:Purpose", Marketing: marketing,
	}}
}

func (h *house) request() ledger.Request {
	h.n++
	return ledger.Request{Principal: domain.ID{9}, Command: domain.Digest{h.n, 1}}
}

func (h *house) person(name, email string) domain.Token {
	h.t.Helper()
	commands := []subject.Command{
		subject.Register{Acquired: subject.FromPerson, Jurisdiction: "DE"},
		subject.RecordFields{Purpose: "customer.service", Items: []subject.Entry{
			{Field: "name.full", Text: personal.Of(name)}, {Field: "email", Text: personal.Of(email)},
		}},
		subject.RecordFields{Purpose: "support", Items: []subject.Entry{{Field: "note", Text: personal.Of("a note")}}},
	}
	for _, p := range []domain.Name{"customer.service", "support", "marketing.post"} {
		commands = append(commands, subject.AssertBasis{
			Purpose: p, Basis: domain.LegitimateInterests, Reference: personal.Of("balancing test 7"),
		})
	}
	token, _, err := h.l.Register(h.ctx, h.request(), subject.Env{}, commands...)
	require.NoError(h.t, err)
	return token
}

func (h *house) do(token domain.Token, c subject.Command) {
	h.t.Helper()
	_, err := h.l.On(h.ctx, h.request(), token, subject.Env{Officer: true}, c)
	require.NoError(h.t, err)
}

func ask(purpose domain.Name, tokens ...domain.Token) disclose.Ask {
	return disclose.Ask{
		Caller: auth.Caller{Principal: domain.ID{7}, Roles: []principal.Role{principal.Operator}},
		Door:   access.Read, Purpose: purpose, Operation: access.Use, Tokens: tokens,
	}
}

// accesses are the access events there are, in order.
func (h *house) accesses() (granted []*access.Granted, denied []*access.Denied) {
	h.t.Helper()
	for rec, err := range h.store.ReadAll(h.ctx, 0) {
		require.NoError(h.t, err)
		d, err := h.codec.Decode(rec)
		require.NoError(h.t, err)
		switch e := d.Event.(type) {
		case *access.Granted:
			granted = append(granted, e)
		case *access.Denied:
			denied = append(denied, e)
		}
	}
	return granted, denied
}

func code(err error) string {
	if e, ok := domain.AsError(err); ok {
		return e.Code
	}
	return ""
}

func TestOpensExactlyWhatThePurposeNeedsAndRecordsIt(t *testing.T) {
	h := open(t)
	token := h.person("Ada", "ada@example.org")
	answer, err := h.door.Open(h.ctx, ask("customer.service", token))
	require.NoError(t, err)
	values := map[domain.Name]string{}
	for _, f := range answer.Subjects[0].Fields {
		values[f.Field.Field], _ = f.Opened.Reveal()
	}
	require.Equal(t, map[domain.Name]string{"name.full": "Ada", "email": "ada@example.org"}, values)
	granted, _ := h.accesses()
	require.Len(t, granted, 1)
	require.Equal(t, token, granted[0].Subjects[0].Token)
	require.ElementsMatch(t, []domain.Name{"name.full", "email"}, granted[0].Subjects[0].Fields)
}

func TestNothingIsOpenedWhenTheAccessCannotBeRecorded(t *testing.T) {
	h := open(t)
	token := h.person("Ada", "ada@example.org")
	h.store.Reset(faultstore.Plan{{Op: faultstore.Append, Call: 1, Kind: faultstore.NoSpace}})
	answer, err := h.door.Open(h.ctx, ask("customer.service", token))
	require.Equal(t, "ledger.not_writable", code(err))
	require.Empty(t, answer.Subjects)
}

func TestRefusalsAreRecordedAndSayNothingOfTheCallersWords(t *testing.T) {
	h := open(t)
	token := h.person("Ada", "ada@example.org")

	_, err := h.door.Open(h.ctx, ask("canary.purpose", token))
	require.Equal(t, "access.purpose_unknown", code(err))
	auditor := ask("customer.service", token)
	auditor.Caller.Roles = []principal.Role{principal.Auditor}
	_, err = h.door.Open(h.ctx, auditor)
	require.Equal(t, "auth.role", code(err))
	limited := ask("customer.service", token)
	limited.Caller.Purposes = []domain.Name{"support"}
	_, err = h.door.Open(h.ctx, limited)
	require.Equal(t, "access.purpose", code(err))
	nobody, err2 := domain.NewToken(rand.Reader)
	require.NoError(t, err2)
	_, err = h.door.Open(h.ctx, ask("customer.service", nobody))
	require.Equal(t, "subject.unknown", code(err))

	_, denied := h.accesses()
	require.Len(t, denied, 4)
	require.Equal(t, []access.Reason{access.NoSuchPurpose, access.RoleMissing, access.PurposeForbidden, access.UnknownSubject},
		[]access.Reason{denied[0].Reason, denied[1].Reason, denied[2].Reason, denied[3].Reason})
	require.Empty(t, denied[0].Purpose)
}

func TestAFloodOfRefusalsIsCounted(t *testing.T) {
	h := open(t)
	nobody, err := domain.NewToken(rand.Reader)
	require.NoError(t, err)
	const tries = 200
	for range tries {
		_, err := h.door.Open(h.ctx, ask("customer.service", nobody))
		require.Equal(t, "subject.unknown", code(err))
	}
	require.NoError(t, h.door.Close(h.ctx))
	_, denied := h.accesses()
	require.Less(t, len(denied), 30)
	total := 0
	for _, d := range denied {
		total += int(d.Count)
	}
	require.Equal(t, tries, total, "every refusal is in the count")
}

func TestAnOptOutOfAnAddressBindsEveryRecordThatHasIt(t *testing.T) {
	h := open(t)
	one, two := h.person("Ada", "shared@example.org"), h.person("Ada L.", "Shared@Example.org")
	post := ask("marketing.post", two)
	post.Channel = subject.Email
	h.do(one, subject.Object{Scope: subject.ToMarketing, Channel: subject.Email, ContactPoint: true})
	_, err := h.door.Open(h.ctx, post)
	require.Equal(t, "access."+string(access.RuleObjected), code(err))
	post.Channel = subject.NoChannel
	_, err = h.door.Open(h.ctx, post)
	require.Equal(t, "access.channel_missing", code(err), "leaving the channel out is no way around an opt-out of it")

	h.do(one, subject.RectifyFields{Items: []subject.Entry{{Field: "email", Text: personal.Of("other@example.org")}}})
	people, err := h.door.People(h.ctx, two)
	require.NoError(t, err)
	for _, p := range people[1:] {
		require.Empty(t, p.SharesContact, "the address is shared no more")
	}
}

func TestADenialOfALinkedRecordBinds(t *testing.T) {
	h := open(t)
	one, two := h.person("Ada", "a@example.org"), h.person("Ada L.", "b@example.org")
	h.do(two, subject.ProposeLink{Other: one, Ground: subject.ByOfficer})
	h.do(two, subject.AcceptLink{Other: one})
	h.do(one, subject.PlaceRestriction{Ground: subject.AccuracyContested})
	_, err := h.door.Open(h.ctx, ask("customer.service", two))
	require.Equal(t, "access."+string(access.RuleRestricted), code(err))
}

func TestLookupIsOneAccessAndFindsOnlyWhatIsCurrent(t *testing.T) {
	h := open(t)
	token := h.person("Ada", "old@example.org")
	h.do(token, subject.RectifyFields{Items: []subject.Entry{{Field: "email", Text: personal.Of("new@example.org")}}})
	find := func(email string) []disclose.Opened {
		answer, err := h.door.Lookup(h.ctx, ask("customer.service"), catalogue.LookupEmail, personal.Of(email))
		require.NoError(t, err)
		return answer.Subjects
	}
	require.Empty(t, find("old@example.org"))
	require.Len(t, find(" NEW@example.org"), 1)
	granted, _ := h.accesses()
	require.Len(t, granted, 2, "one access each, also when nobody was found")
}

// Whoever looks up does not learn of people that may not be opened.
func TestLookupTellsNothingOfWhomItMayNotOpen(t *testing.T) {
	h := open(t)
	token := h.person("Ada", "ada@example.org")
	h.do(token, subject.PlaceRestriction{Ground: subject.AccuracyContested})
	for _, email := range []string{"ada@example.org", "nobody@example.org"} {
		answer, err := h.door.Lookup(h.ctx, ask("customer.service"), catalogue.LookupEmail, personal.Of(email))
		require.NoError(t, err)
		for _, o := range answer.Subjects {
			require.True(t, o.Answer.Allowed)
		}
		require.Empty(t, answer.Subjects)
	}
	_, denied := h.accesses()
	require.Len(t, denied, 1)
}

func TestAnOfficersHistoryOpensEvidenceOfThePurposeAndSaysSo(t *testing.T) {
	h := open(t)
	token := h.person("Ada", "ada@example.org")
	request := ask("customer.service")
	request.Caller.Roles = []principal.Role{principal.Officer}
	past, _, err := h.door.History(h.ctx, request, token)
	require.NoError(t, err)
	references, fields := 0, map[domain.Name]bool{}
	for _, p := range past {
		fields[p.Field] = true
		if p.Field == "basis.reference" {
			references++
		}
	}
	require.Equal(t, 1, references, "the references of other purposes stay closed")
	granted, _ := h.accesses()
	for f := range fields {
		require.Contains(t, granted[0].Subjects[0].Fields, f)
	}
	request.Caller.Roles = []principal.Role{principal.Operator}
	past, _, err = h.door.History(h.ctx, request, token)
	require.NoError(t, err)
	for _, p := range past {
		require.Contains(t, []domain.Name{"name.full", "email"}, p.Field)
	}
}

var _ eventstore.Store = (*faultstore.Store)(nil)
