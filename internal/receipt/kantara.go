package receipt

import (
	"encoding/json"
	"fmt"
	"strings"

	"lethe/domain"
	"lethe/domain/subject"
)

// kantaraVersion is the version that the specification's own examples give.
const kantaraVersion = "KI-CR-v1.1.0"

type kantara struct {
	Version          string              `json:"version"`
	Jurisdiction     string              `json:"jurisdiction"`
	ConsentTimestamp int64               `json:"consentTimestamp"`
	CollectionMethod string              `json:"collectionMethod"`
	ConsentReceiptID string              `json:"consentReceiptID"`
	Language         string              `json:"language,omitempty"`
	PIIPrincipalID   string              `json:"piiPrincipalId"`
	PIIControllers   []kantaraController `json:"piiControllers"`
	PolicyURL        string              `json:"policyUrl"`
	Services         []kantaraService    `json:"services"`
	Sensitive        bool                `json:"sensitive"`
	SPICat           []string            `json:"spiCat"`
	Proofs           []kantaraProof      `json:"proofs,omitempty"` // not of the specification, whose schema allows more members
}

type kantaraProof struct {
	EventID    string `json:"eventId"`
	EventState string `json:"eventState"`
	Facts      string `json:"facts"`
	TlogProof  string `json:"tlogProof"`
}

type kantaraController struct {
	PIIController    string         `json:"piiController"`
	OnBehalf         bool           `json:"onBehalf"`
	Contact          string         `json:"contact"`
	Address          kantaraAddress `json:"address"`
	Email            string         `json:"email"`
	Phone            string         `json:"phone"`
	PIIControllerURL string         `json:"piiControllerUrl,omitempty"`
}

// kantaraAddress uses the names of schema.org's PostalAddress; the catalogue
// holds the address as the lines of a letter.
type kantaraAddress struct {
	StreetAddress  string `json:"streetAddress"`
	AddressCountry string `json:"addressCountry"`
}

type kantaraService struct {
	Service  string           `json:"service"`
	Purposes []kantaraPurpose `json:"purposes"`
}

type kantaraPurpose struct {
	Purpose              string   `json:"purpose"`
	ConsentType          string   `json:"consentType"`
	PurposeCategory      []string `json:"purposeCategory"`
	PIICategory          []string `json:"piiCategory"`
	PrimaryPurpose       bool     `json:"primaryPurpose"`
	Termination          string   `json:"termination"`
	ThirdPartyDisclosure bool     `json:"thirdPartyDisclosure"`
	ThirdPartyName       string   `json:"thirdPartyName,omitempty"`
}

// Kantara writes a Consent Receipt 1.1. It refuses, by *domain.Error, a
// consent that was never given and a controller that lacks one of the texts
// that the specification requires.
func Kantara(in Input) ([]byte, error) {
	if err := in.check(); err != nil {
		return nil, err
	}
	if in.Jurisdiction == "" {
		return nil, domain.Conflict("receipt.no_jurisdiction", "jurisdiction", "the person's jurisdiction is not recorded, which this form requires")
	}
	if err := in.controllersHave(nameText(), addressText(), contactText(), emailText(), phoneText(), policyText(), withdrawalText()); err != nil {
		return nil, err
	}
	special := in.categories(true)
	r := kantara{
		Version:          kantaraVersion,
		Jurisdiction:     string(in.Jurisdiction),
		ConsentTimestamp: in.Grant.At.Unix(),
		CollectionMethod: in.Grant.collected(),
		ConsentReceiptID: in.ID.String(),
		Language:         string(in.Notice.Language),
		PIIPrincipalID:   string(in.Subject),
		PolicyURL:        in.Controllers[0].PolicyURL,
		Services:         []kantaraService{{Service: in.Controllers[0].Name, Purposes: []kantaraPurpose{in.kantaraPurpose()}}},
		Sensitive:        len(special) > 0,
		SPICat:           special,
	}
	for _, c := range in.Controllers {
		r.PIIControllers = append(r.PIIControllers, kantaraController{
			PIIController: c.Name, Contact: c.Contact, Email: c.Email, Phone: c.Phone, PIIControllerURL: c.PolicyURL,
			Address: kantaraAddress{c.Address, c.Country.Country()},
		})
	}
	for _, p := range in.proofs() {
		r.Proofs = append(r.Proofs, kantaraProof(p))
	}
	out, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("writing a consent receipt: %w", err)
	}
	return append(out, '\n'), nil
}

// kantaraPurpose: every consent here is EXPLICIT in the specification's
// sense, an act of the person. What the GDPR calls explicit is more, and the
// other form tells it.
func (in *Input) kantaraPurpose() kantaraPurpose {
	p := kantaraPurpose{
		Purpose:         fmt.Sprintf("%s (version %d)", in.Purpose.ID, in.Purpose.Version),
		ConsentType:     "EXPLICIT",
		PurposeCategory: []string{string(in.Purpose.DPV)},
		PIICategory:     in.categories(false),
		PrimaryPurpose:  true,
		Termination:     in.termination(),
	}
	var names []string
	for _, r := range in.Recipients {
		names = append(names, r.Name)
	}
	p.ThirdPartyDisclosure = len(names) > 0
	p.ThirdPartyName = strings.Join(names, ", ")
	return p
}

// termination says how the consent ends or ended. The form has no field for
// a consent that no longer stands, and a receipt must not look as if it did.
func (in *Input) termination() string {
	var s []string
	switch {
	case in.Status == subject.StatusExpired:
		s = append(s, "Expired "+stamp(in.Since)+".")
	case !in.Status.Allows():
		s = append(s, fmt.Sprintf("No longer valid since %s (%s).", stamp(in.Since), in.Status))
	case !in.Grant.Until.IsZero():
		s = append(s, "Valid until "+stamp(in.Grant.Until)+".")
	default:
		s = append(s, "Valid until withdrawn.")
	}
	s = append(s, fmt.Sprintf("Data is kept for %s from %s.", in.Purpose.Retention, in.Purpose.RetentionStart), in.Controllers[0].Withdrawal)
	return strings.Join(s, " ")
}
