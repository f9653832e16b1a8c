package httpapi

import (
	"bytes"
	"context"
	"slices"

	"lethe/domain"
	"lethe/domain/catalogue"
	"lethe/domain/personal"
	"lethe/domain/subject"
	"lethe/eventstore"
	"lethe/internal/receipt"
	"lethe/internal/tlog"
)

type receiptAnswer struct {
	ContentType string `header:"Content-Type"`
	ETag        string `header:"ETag"`
	Body        []byte `contentType:"application/json"`
}

func (s *API) receipt(ctx context.Context, c *call, in *struct {
	Token   domain.Token `path:"token" doc:"The person's pseudonym"`
	Purpose domain.Name  `path:"purpose"`
	Format  string       `query:"format" enum:"iso27560,kantara" default:"iso27560"`
	Proof   bool         `query:"proof" doc:"Also the proofs that the events it rests on are in the log: member proofs"`
},
) (*receiptAnswer, error) {
	state, err := s.known(ctx, in.Token)
	if err != nil {
		return nil, err
	}
	cat, err := s.Ledger.Catalogue(ctx)
	if err != nil {
		return nil, err
	}
	now := s.Ledger.Now()
	snapshot := state.At(now, now)
	consent := snapshot.Consent(in.Purpose)
	input, err := s.receiptInput(ctx, cat, in.Token, snapshot.Registration.Jurisdiction, &consent)
	if err != nil {
		return nil, err
	}
	tag := etag(state.Revision(), cat.Revision())
	if in.Proof {
		var size int64
		if input.Proofs, size, err = s.receiptProofs(ctx, in.Token, &consent); err != nil {
			return nil, err
		}
		tag = etag(state.Revision(), cat.Revision(), uint64(size)) // a later checkpoint gives another proof
	}
	write := receipt.Record
	if in.Format == "kantara" {
		write = receipt.Kantara
	}
	text, err := write(input)
	if err != nil { // nothing to read: a purpose that nobody declared is not kept in the log either
		return nil, err
	}
	if err := s.Door.Receipt(ctx, c.caller, in.Token, in.Purpose); err != nil {
		return nil, err
	}
	if fresh(c.none, tag) { // which is an access too
		return nil, unchanged(tag)
	}
	return &receiptAnswer{ContentType: "application/json", ETag: tag, Body: text}, nil
}

// receiptInput is a consent with what the catalogue said of the version that
// it was given to.
func (s *API) receiptInput(
	ctx context.Context, cat *catalogue.State, token domain.Token, place domain.Place, consent *subject.Consent,
) (receipt.Input, error) {
	in := receipt.Input{Subject: token, Jurisdiction: place, Status: consent.Status, Since: consent.Since}
	g := consent.Grant
	if g == nil {
		return in, nil // refused by the receipt itself
	}
	p, ok := cat.Purpose(consent.Purpose, g.Version)
	if !ok {
		return in, domain.Internal("writing a receipt: the consent's purpose is not declared", nil)
	}
	in.ID, in.By = consent.Granted.ID, byOf(consent.Rest)
	_, renewed := consent.Granted.Event.(*subject.ConsentRenewed)
	in.Grant = receipt.Grant{
		At: consent.Granted.Effective, Until: consent.Until, Medium: g.Medium, Method: g.Method, By: g.By,
		Explicit: g.Explicit, Renewed: renewed,
	}
	if n, ok := cat.Notice(g.Notice); ok {
		in.Notice = receipt.Notice{ID: n.ID, Version: n.Version, Language: n.Language, Digest: n.Digest}
	}
	in.Purpose = receipt.Purpose{
		ID: p.ID, Version: p.Version, DPV: p.DPV, Retention: p.Retention, RetentionStart: domain.Name(p.RetentionStart),
		Special: p.Article9 == catalogue.ExplicitConsent, ThirdCountries: p.ThirdCountries,
	}
	in.Fields = receiptFields(cat, p)
	return in, s.addParties(ctx, cat, p, &in)
}

// receiptProofs prove the event that gave the consent, and the one that its
// status rests on when that is another, under a checkpoint of a size.
func (s *API) receiptProofs(ctx context.Context, token domain.Token, consent *subject.Consent) (proofs []receipt.Proof, size int64, err error) {
	if s.Seal == nil {
		return nil, 0, domain.NotFound("receipt.no_proof", "proof", "this ledger does not seal its history: there is nothing to prove by")
	}
	if consent.Granted == nil {
		return nil, 0, nil // refused by the receipt itself
	}
	given := subject.StatusGiven
	if _, renewed := consent.Granted.Event.(*subject.ConsentRenewed); renewed {
		given = subject.StatusRenewed
	}
	of := []receipt.Proof{{Event: consent.Granted.ID, State: given}}
	revisions := []uint64{consent.Granted.Revision}
	if rest := consent.Rest; rest != nil && rest.ID != consent.Granted.ID {
		of = append(of, receipt.Proof{Event: rest.ID, State: consent.Status})
		revisions = append(revisions, rest.Revision)
	}
	for i := range of {
		checkpoint, err := s.proveReceipt(ctx, &of[i], token.Stream(), revisions[i])
		if err != nil {
			return nil, 0, err
		}
		size = checkpoint.Size
	}
	return of, size, nil
}

// proveReceipt fills in what is stored of an event and its proof.
func (s *API) proveReceipt(ctx context.Context, p *receipt.Proof, stream string, revision uint64) (tlog.Checkpoint, error) {
	for rec, err := range s.Store.ReadStream(ctx, stream, eventstore.StreamRange{From: revision, Limit: 1}) {
		if err != nil {
			return tlog.Checkpoint{}, domain.Internal("reading the event of a receipt", err)
		}
		p.Facts = bytes.Clone(rec.Facts)
		proof, err := s.sealedProof(ctx, rec.ID, rec.Position)
		if err != nil {
			return tlog.Checkpoint{}, err
		}
		p.Text = proof.Marshal()
		return tlog.CheckpointOf(proof.Checkpoint)
	}
	return tlog.Checkpoint{}, errNoSuchEvent
}

// byOf is who brought a status about.
func byOf(r *domain.Recorded) subject.Party {
	if r == nil {
		return ""
	}
	switch e := r.Event.(type) {
	case *subject.ConsentGiven:
		return e.By
	case *subject.ConsentConfirmed:
		return e.By
	case *subject.ConsentRenewed:
		return e.By
	case *subject.ConsentRefused:
		return e.By
	case *subject.ConsentWithdrawn:
		return e.By
	case *subject.ConsentRevoked:
		return e.By
	case *subject.ConsentInvalidated:
		return e.By
	case *subject.ConsentRequested:
		return e.By
	case *subject.ConsentDeferred:
		return e.By
	}
	return ""
}

func receiptFields(cat *catalogue.State, p *catalogue.PurposeDeclared) []receipt.Field {
	var fields []receipt.Field
	for _, id := range slices.Concat(p.Fields, p.Optional) {
		if f, ok := cat.Field(id); ok {
			fields = append(fields, receipt.Field{
				ID: id, Category: f.Category, Special: f.Special, Optional: slices.Contains(p.Optional, id),
			})
		}
	}
	return fields
}

func (s *API) addParties(ctx context.Context, cat *catalogue.State, p *catalogue.PurposeDeclared, in *receipt.Input) error {
	recipients := slices.Clone(p.Recipients)
	for _, id := range p.Controllers {
		e, ok := cat.Controller(id)
		if !ok {
			continue
		}
		t, err := s.partyTexts(ctx, id, e)
		if err != nil {
			return err
		}
		in.Controllers = append(in.Controllers, receipt.Party{
			ID: id, Role: receipt.Controller, Country: e.Country, Name: text(t, "controller.name"),
			Address: text(t, "controller.address"), Contact: text(t, "controller.contact"), Email: text(t, "controller.email"),
			Phone: text(t, "controller.phone"), PolicyURL: text(t, "controller.policy_url"), Withdrawal: text(t, "controller.withdrawal"),
		})
		recipients = append(recipients, e.Processors...)
	}
	slices.Sort(recipients)
	for _, id := range slices.Compact(recipients) {
		e, ok := cat.Recipient(id)
		if !ok {
			continue
		}
		t, err := s.partyTexts(ctx, id, e)
		if err != nil {
			return err
		}
		role := receipt.ThirdParty
		if e.Kind == catalogue.IsProcessor {
			role = receipt.Processor
		}
		in.Recipients = append(in.Recipients, receipt.Party{ID: id, Role: role, Country: e.Country, Name: text(t, "recipient.name")})
	}
	return nil
}

// partyTexts opens the texts of a declared party. One that cannot be read is
// refused: as an empty text it would look as if none had been declared.
func (s *API) partyTexts(ctx context.Context, id domain.Name, e domain.Event) (map[string]personal.Value, error) {
	t, err := s.Door.Texts(ctx, e)
	if err != nil {
		return nil, err
	}
	for _, slot := range e.Personal(nil) {
		if v, declared := t[slot.Field]; declared && v.State() != personal.Present {
			return nil, domain.Conflict("receipt.party_unreadable", "",
				"the %s of %s cannot be read (%s), and a receipt would have a gap: a new version of the purpose can name another party",
				slot.Field, id, v.State())
		}
	}
	return t, nil
}

// text is a text of a party; empty when none was declared.
func text(texts map[string]personal.Value, name string) string {
	t, _ := texts[name].Reveal()
	return t
}
