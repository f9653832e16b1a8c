package httpapi

import (
	"context"
	"time"

	"lethe/domain"
	"lethe/domain/catalogue"
)

// ControllerFacts is what a controller's declaration says in clear.
type ControllerFacts struct {
	Country          domain.Place  `json:"country" doc:"ISO 3166-1" example:"DE"`
	JointControllers []domain.Name `json:"joint_controllers,omitempty" doc:"GDPR 26"`
	Processors       []domain.Name `json:"processors,omitempty" doc:"Recipients of the kind processor (GDPR 28)"`
}

// ControllerDeclaration declares who decides why and how.
type ControllerDeclaration struct {
	ControllerFacts
	Name       string `json:"name" example:"Example GmbH"`
	Address    string `json:"address,omitzero"`
	Contact    string `json:"contact,omitzero"`
	Email      string `json:"email,omitzero" example:"privacy@example.com"`
	Phone      string `json:"phone,omitzero"`
	Officer    string `json:"officer,omitzero" doc:"How to reach the data-protection officer"`
	PolicyURL  string `json:"policy_url,omitzero"`
	Withdrawal string `json:"withdrawal,omitzero" doc:"How to withdraw a consent"`
}

// Controller is a controller as declared.
type Controller struct {
	ID domain.Name `json:"id"`
	ControllerFacts
	Texts map[string]Value `json:"texts,omitempty" doc:"Name, address, contacts and addresses of policy and withdrawal, by name"`
}

func (s *API) controllerRoutes() {
	about := "A controller decides why and how data is processed (GDPR 4(7)). Its contacts are shown to people in notices and receipts."
	catalogueList(s, "controllers", about, func(cat *catalogue.State) []Controller {
		return each(cat.Controllers(), func(e *catalogue.ControllerDeclared) Controller {
			return Controller{ID: e.ID, ControllerFacts: controllerFacts(e)}
		})
	})
	catalogueItem(s, "controllers", "controller", about+" With its texts.",
		func(ctx context.Context, cat *catalogue.State, id domain.Name) (Controller, bool, error) {
			e, ok := cat.Controller(id)
			if !ok {
				return Controller{}, false, nil
			}
			texts, err := s.texts(ctx, e, "controller.")
			return Controller{ID: e.ID, ControllerFacts: controllerFacts(e), Texts: texts}, true, err
		})
	cataloguePut(s, "controllers", "controller", about, func(id domain.Name, b ControllerDeclaration) catalogue.Command {
		return catalogue.DeclareController{ControllerDeclared: catalogue.ControllerDeclared{
			ID: id, Country: b.Country, JointControllers: b.JointControllers, Processors: b.Processors,
			Name: sealed(b.Name), Address: sealed(b.Address), Contact: sealed(b.Contact), Email: sealed(b.Email),
			Phone: sealed(b.Phone), Officer: sealed(b.Officer), PolicyURL: sealed(b.PolicyURL), Withdrawal: sealed(b.Withdrawal),
		}}
	}, justWritten)
}

func controllerFacts(e *catalogue.ControllerDeclared) ControllerFacts {
	return ControllerFacts{Country: e.Country, JointControllers: e.JointControllers, Processors: e.Processors}
}

// RecipientFacts is what a recipient's declaration says in clear.
type RecipientFacts struct {
	Kind           catalogue.RecipientKind `json:"kind" enum:"processor,controller,authority"`
	Country        domain.Place            `json:"country" doc:"ISO 3166-1" example:"US"`
	Safeguard      catalogue.Safeguard     `json:"safeguard,omitzero" enum:"adequacy,standard_clauses,binding_rules,derogation" doc:"Of a transfer to a third country (GDPR 45 to 49)"`
	ContractReview time.Time               `json:"contract_review,omitzero" doc:"When the Article 28 contract is reviewed next"`
}

// RecipientDeclaration declares somebody data may go to.
type RecipientDeclaration struct {
	RecipientFacts
	Name    string `json:"name" example:"Mailer Inc."`
	Contact string `json:"contact,omitzero"`
}

// Recipient is a recipient as declared.
type Recipient struct {
	ID domain.Name `json:"id"`
	RecipientFacts
	Texts map[string]Value `json:"texts,omitempty" doc:"Name and contact, by name"`
}

func (s *API) recipientRoutes() {
	about := "A recipient is somebody data may go to: a processor, another controller or an authority (GDPR 4(9), 28, 44)."
	catalogueList(s, "recipients", about, func(cat *catalogue.State) []Recipient {
		return each(cat.Recipients(), func(e *catalogue.RecipientDeclared) Recipient {
			return Recipient{ID: e.ID, RecipientFacts: recipientFacts(e)}
		})
	})
	catalogueItem(s, "recipients", "recipient", about+" With its name.",
		func(ctx context.Context, cat *catalogue.State, id domain.Name) (Recipient, bool, error) {
			e, ok := cat.Recipient(id)
			if !ok {
				return Recipient{}, false, nil
			}
			texts, err := s.texts(ctx, e, "recipient.")
			return Recipient{ID: e.ID, RecipientFacts: recipientFacts(e), Texts: texts}, true, err
		})
	cataloguePut(s, "recipients", "recipient", about, func(id domain.Name, b RecipientDeclaration) catalogue.Command {
		return catalogue.DeclareRecipient{RecipientDeclared: catalogue.RecipientDeclared{
			ID: id, Kind: b.Kind, Country: b.Country, Safeguard: b.Safeguard, ContractReview: b.ContractReview,
			Name: sealed(b.Name), Contact: sealed(b.Contact),
		}}
	}, justWritten)
}

func recipientFacts(e *catalogue.RecipientDeclared) RecipientFacts {
	return RecipientFacts{Kind: e.Kind, Country: e.Country, Safeguard: e.Safeguard, ContractReview: e.ContractReview}
}

// texts opens a declaration's texts by their names without the prefix.
func (s *API) texts(ctx context.Context, e domain.Event, prefix string) (map[string]Value, error) {
	opened, err := s.Door.Texts(ctx, e)
	if err != nil {
		return nil, err
	}
	texts := make(map[string]Value, len(opened))
	for field, v := range opened {
		texts[field[len(prefix):]] = shown(v)
	}
	return texts, nil
}

func each[A, B any](in []A, f func(A) B) []B {
	out := make([]B, len(in))
	for i, a := range in {
		out[i] = f(a)
	}
	return out
}
