package httpapi

import (
	"context"
	"net/http"
	"time"

	"lethe/domain"
	"lethe/domain/catalogue"
	"lethe/internal/auth"
)

// FieldDeclaration declares one kind of personal data.
type FieldDeclaration struct {
	Group       domain.Name          `json:"group" doc:"Retention group: fields that are kept and erased by the same rules" example:"contact"`
	Type        catalogue.FieldType  `json:"type" enum:"text,email,phone,date,boolean,enumeration,integer,decimal,money"`
	Category    domain.Term          `json:"category" doc:"DPV data category" example:"pd:EmailAddress"`
	Special     bool                 `json:"special,omitzero" doc:"A special category (GDPR 9)"`
	Criminal    bool                 `json:"criminal,omitzero" doc:"About convictions or offences (GDPR 10)"`
	Many        bool                 `json:"many,omitzero" doc:"A person may have several values"`
	Enumeration []domain.Name        `json:"enumeration,omitempty" doc:"The values of an enumeration"`
	Currency    domain.Currency      `json:"currency,omitzero" doc:"Of money, when it is always the same" example:"EUR"`
	Lookup      catalogue.LookupKind `json:"lookup,omitzero" enum:"email,phone,external_id" doc:"People can be found by it"`
}

// FieldAnswer is a field as declared.
type FieldAnswer struct {
	ID domain.Name `json:"id"`
	FieldDeclaration
}

func (s *API) fieldRoutes() {
	about := "A field is one kind of personal data. Data of an undeclared field is refused. Type, group and lookup are fixed by the first declaration."
	show := func(e *catalogue.FieldDeclared) FieldAnswer {
		return FieldAnswer{ID: e.ID, FieldDeclaration: FieldDeclaration{
			Group: e.Group, Type: e.Type, Category: e.Category, Special: e.Special, Criminal: e.Criminal, Many: e.Many,
			Enumeration: e.Enumeration, Currency: e.Currency, Lookup: e.Lookup,
		}}
	}
	catalogueList(s, "fields", about, func(cat *catalogue.State) []FieldAnswer { return each(cat.Fields(), show) })
	catalogueItem(s, "fields", "field", about, func(_ context.Context, cat *catalogue.State, id domain.Name) (FieldAnswer, bool, error) {
		e, ok := cat.Field(id)
		if !ok {
			return FieldAnswer{}, false, nil
		}
		return show(e), true, nil
	})
	cataloguePut(s, "fields", "field", about, func(id domain.Name, b FieldDeclaration) catalogue.Command {
		return catalogue.DeclareField{FieldDeclared: catalogue.FieldDeclared{
			ID: id, Group: b.Group, Type: b.Type, Category: b.Category, Special: b.Special, Criminal: b.Criminal, Many: b.Many,
			Enumeration: b.Enumeration, Currency: b.Currency, Lookup: b.Lookup,
		}}
	}, justWritten)
}

// PurposeFacts is what a purpose is.
type PurposeFacts struct {
	Controllers    []domain.Name            `json:"controllers" doc:"Who decides"`
	Basis          domain.Basis             `json:"basis" enum:"consent,contract,legal_obligation,vital_interests,public_task,legitimate_interests,recognised_legitimate_interests" doc:"Lawful basis (GDPR 6(1))"`
	Article9       catalogue.Article9       `json:"article_9,omitzero" enum:"explicit_consent,employment_law,vital_interests,not_for_profit,made_public,legal_claims,public_interest,health_care,public_health,archives_research" doc:"Condition for special categories (GDPR 9(2))"`
	Article10      bool                     `json:"article_10,omitzero" doc:"Official authority or law allows criminal data"`
	Exemption      catalogue.Exemption      `json:"exemption,omitzero" doc:"What goes on although the data is restricted (GDPR 18(2))"`
	Fields         []domain.Name            `json:"fields,omitempty" doc:"Data that it needs" example:"[\"email\"]"`
	Optional       []domain.Name            `json:"optional,omitempty" doc:"Data that it uses where that is allowed"`
	Retention      domain.Duration          `json:"retention" doc:"ISO 8601 period" example:"P3Y"`
	RetentionStart catalogue.RetentionStart `json:"retention_start" enum:"collection,contract_end,last_activity,consent_end,relation_end,financial_year_end"`
	Recipients     []domain.Name            `json:"recipients,omitempty"`
	ThirdCountries []domain.Place           `json:"third_countries,omitempty"`
	Review         domain.Duration          `json:"review,omitzero" doc:"How often it is reviewed" example:"P1Y"`
	Validity       domain.Duration          `json:"validity,omitzero" doc:"How long a consent lasts unless it says otherwise" example:"P2Y"`
	Explicit       bool                     `json:"explicit,omitzero" doc:"Consent must be explicit"`
	DoubleOptIn    bool                     `json:"double_opt_in,omitzero" doc:"Consent is given by confirming a request"`
	Marketing      bool                     `json:"marketing,omitzero"`
	SoftOptIn      bool                     `json:"soft_opt_in,omitzero" doc:"Own similar products to customers (ePrivacy 13(2))"`
	Online         bool                     `json:"online,omitzero" doc:"An information-society service: children need a guardian (GDPR 8)"`
	DPV            domain.Term              `json:"dpv" doc:"Data Privacy Vocabulary" example:"dpv:DirectMarketing"`
	Fideslang      domain.Term              `json:"fideslang,omitzero" example:"marketing.communications.email"`
	Keeps          bool                     `json:"keeps,omitzero" doc:"A duty of GDPR 17(3): what it needs is kept, for it alone"`
}

// PurposeDeclaration declares a purpose or a new version of it.
type PurposeDeclaration struct {
	PurposeFacts
	Material *bool     `json:"material,omitempty" nullable:"false" doc:"Whether consent must be given anew. It is computed; saying false of a material change is refused."`
	InForce  time.Time `json:"in_force,omitzero" doc:"From when; now when left out"`
}

// PurposeAnswer is one version of a purpose as declared.
type PurposeAnswer struct {
	ID       domain.Name `json:"id"`
	Version  uint32      `json:"version"`
	Material bool        `json:"material,omitzero" doc:"Consent to the version before must be given anew"`
	InForce  time.Time   `json:"in_force"`
	Current  bool        `json:"current" doc:"It is in force now"`
	PurposeFacts
}

// PurposeVersions is a purpose with all its versions, oldest first.
type PurposeVersions struct {
	ID       domain.Name     `json:"id"`
	Versions []PurposeAnswer `json:"versions"`
}

func (s *API) purposeRoutes() {
	about := "A purpose is why data is processed, on which basis, with which data, how long, and to whom it goes. Changing one makes a new version."
	show := func(cat *catalogue.State, e *catalogue.PurposeDeclared) PurposeAnswer {
		in, ok := cat.InForce(e.ID, s.Ledger.Now())
		return PurposeAnswer{
			ID: e.ID, Version: e.Version, Material: e.Material, InForce: e.InForce,
			Current: ok && in.Version == e.Version, PurposeFacts: purposeFacts(e),
		}
	}
	catalogueList(s, "purposes", about+" The list has the newest version of each.", func(cat *catalogue.State) []PurposeAnswer {
		return each(cat.Purposes(), func(e *catalogue.PurposeDeclared) PurposeAnswer { return show(cat, e) })
	})
	catalogueItem(s, "purposes", "purpose", about, func(_ context.Context, cat *catalogue.State, id domain.Name) (PurposeVersions, bool, error) {
		versions := cat.Versions(id)
		all := each(versions, func(e *catalogue.PurposeDeclared) PurposeAnswer { return show(cat, e) })
		return PurposeVersions{ID: id, Versions: all}, len(versions) > 0, nil
	})
	cataloguePut(s, "purposes", "purpose", about+" The answer says which version was made and whether consent must be given anew.",
		declarePurpose, s.declaredPurpose)
	handle(s, route{
		method: http.MethodDelete, path: "/catalogue/purposes/{id}", tag: tagCatalogue, summary: "End purpose",
		action: auth.WriteCatalogue, keyed: true, matched: true,
		about: "Takes a purpose out of force from now on. Nothing is processed for it any more; history keeps it.",
	}, func(ctx context.Context, c *call, in *named) (*written, error) {
		out, err := s.Ledger.Declare(ctx, c.request(""), catalogue.EndPurpose{ID: in.ID})
		return wrote("", out, err)
	})
}

func declarePurpose(id domain.Name, b PurposeDeclaration) catalogue.Command {
	change := catalogue.Computed
	if b.Material != nil {
		change = catalogue.NotMaterial
		if *b.Material {
			change = catalogue.Material
		}
	}
	f := b.PurposeFacts
	return catalogue.DeclarePurpose{Change: change, PurposeDeclared: catalogue.PurposeDeclared{
		ID: id, Controllers: f.Controllers, Basis: f.Basis, Article9: f.Article9, Article10: f.Article10, Exemption: f.Exemption,
		Fields: f.Fields, Optional: f.Optional, Retention: f.Retention, RetentionStart: f.RetentionStart,
		Recipients: f.Recipients, ThirdCountries: f.ThirdCountries, Review: f.Review, Validity: f.Validity,
		Explicit: f.Explicit, DoubleOptIn: f.DoubleOptIn, Marketing: f.Marketing, SoftOptIn: f.SoftOptIn, Online: f.Online,
		DPV: f.DPV, Fideslang: f.Fideslang, Keeps: f.Keeps, InForce: b.InForce,
	}}
}

func purposeFacts(e *catalogue.PurposeDeclared) PurposeFacts {
	return PurposeFacts{
		Controllers: e.Controllers, Basis: e.Basis, Article9: e.Article9, Article10: e.Article10, Exemption: e.Exemption,
		Fields: e.Fields, Optional: e.Optional, Retention: e.Retention, RetentionStart: e.RetentionStart,
		Recipients: e.Recipients, ThirdCountries: e.ThirdCountries, Review: e.Review, Validity: e.Validity,
		Explicit: e.Explicit, DoubleOptIn: e.DoubleOptIn, Marketing: e.Marketing, SoftOptIn: e.SoftOptIn, Online: e.Online,
		DPV: e.DPV, Fideslang: e.Fideslang, Keeps: e.Keeps,
	}
}

// NoticeDeclaration publishes a text as it is shown, in one language.
type NoticeDeclaration struct {
	Version  uint32          `json:"version" minimum:"1" example:"1"`
	Language domain.Language `json:"language" doc:"BCP 47" example:"en"`
	Purposes []PurposeRef    `json:"purposes" doc:"What it tells of"`
	From     time.Time       `json:"from,omitzero" doc:"In effect since; now when left out"`
	Text     string          `json:"text" doc:"Exactly as it is shown" example:"We send you our newsletter once a month …"`
}

// PurposeRef names one version of a purpose.
type PurposeRef struct {
	Purpose domain.Name `json:"purpose" example:"marketing.sms"`
	Version uint32      `json:"version" example:"1"`
}

// NoticeAnswer is a text as published.
type NoticeAnswer struct {
	ID       domain.Name     `json:"id"`
	Version  uint32          `json:"version"`
	Language domain.Language `json:"language"`
	Digest   domain.Digest   `json:"digest" doc:"SHA-256 of the text in UTF-8; consents name it"`
	Purposes []PurposeRef    `json:"purposes"`
	From     time.Time       `json:"from"`
	Recorded time.Time       `json:"recorded"`
	Text     *Value          `json:"text,omitempty" nullable:"false"`
}

// NoticePublications is a notice with its versions and languages.
type NoticePublications struct {
	ID           domain.Name    `json:"id"`
	Publications []NoticeAnswer `json:"publications"`
}

func (s *API) noticeRoutes() {
	about := "A notice is the text that people are shown, by version and language. A consent names the very text by its digest, and one without a notice published before it is refused."
	catalogueList(s, "notices", about+" The list leaves the texts out.", func(cat *catalogue.State) []NoticeAnswer {
		return each(cat.Notices(), noticeAnswer)
	})
	catalogueItem(s, "notices", "notice", about, func(ctx context.Context, cat *catalogue.State, id domain.Name) (NoticePublications, bool, error) {
		p := NoticePublications{ID: id}
		for _, e := range cat.Notices() {
			if e.ID != id {
				continue
			}
			texts, err := s.Door.Texts(ctx, e.NoticePublished)
			if err != nil {
				return p, false, err
			}
			a := noticeAnswer(e)
			a.Text = ptr(shown(texts["notice.text"]))
			p.Publications = append(p.Publications, a)
		}
		return p, len(p.Publications) > 0, nil
	})
	cataloguePut(s, "notices", "notice", about, func(id domain.Name, b NoticeDeclaration) catalogue.Command {
		return catalogue.PublishNotice{NoticePublished: catalogue.NoticePublished{
			ID: id, Version: b.Version, Language: b.Language, From: b.From, Text: sealed(b.Text),
			Purposes: each(b.Purposes, func(r PurposeRef) catalogue.PurposeRef { return catalogue.PurposeRef(r) }),
		}}
	}, justWritten)
}

func noticeAnswer(e catalogue.Publication) NoticeAnswer {
	return NoticeAnswer{
		ID: e.ID, Version: e.Version, Language: e.Language, Digest: e.Digest, From: e.From, Recorded: e.Recorded,
		Purposes: each(e.Purposes, func(r catalogue.PurposeRef) PurposeRef { return PurposeRef(r) }),
	}
}
