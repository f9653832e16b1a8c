package receipt

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"lethe/domain"
	"lethe/domain/subject"
)

// SchemaVersion names the form that Record writes. A changed form is another
// version.
const SchemaVersion = "lethe/consent-record/1"

//go:embed record.schema.json
var schema []byte

// Schema is the JSON Schema (2020-12) of what Record writes.
func Schema() []byte { return slices.Clone(schema) }

type record struct {
	SchemaVersion  string       `json:"schema_version"`
	RecordID       string       `json:"record_id"`
	PIIPrincipalID string       `json:"pii_principal_id"`
	Processing     []processing `json:"pii_processing"`
	Parties        []party      `json:"party_identification"`
	Events         []event      `json:"event"`
	Proofs         []proof      `json:"proofs,omitempty"`
}

type processing struct {
	PrivacyNotice          notice        `json:"privacy_notice"`
	Language               string        `json:"language"`
	Purpose                purposeRef    `json:"purpose"`
	PIIType                []string      `json:"pii_type"`
	PIIInformation         []information `json:"pii_information"`
	PIIControllers         []string      `json:"pii_controllers"`
	CollectionMethod       string        `json:"collection_method"`
	ProcessingMethod       []string      `json:"processing_method"`
	StorageLocations       []string      `json:"storage_locations"`
	ProcessingLocations    []string      `json:"processing_locations"`
	GeographicRestrictions []string      `json:"geographic_restrictions"`
	RetentionPeriod        retention     `json:"retention_period"`
	Jurisdiction           string        `json:"jurisdiction"`
	RecipientThirdParties  []string      `json:"recipient_third_parties"`
	WithdrawalMethod       string        `json:"withdrawal_method"`
	PrivacyRights          []string      `json:"privacy_rights"`
	LawfulBasis            []string      `json:"lawful_basis"`
	AuthorityParty         string        `json:"authority_party,omitempty"`
}

type notice struct {
	ID      string `json:"id"`
	Version uint32 `json:"version"`
	SHA256  string `json:"sha256"`
}

type purposeRef struct {
	ID      string `json:"id"`
	Version uint32 `json:"version"`
	Term    string `json:"term"`
}

type information struct {
	PIIAttribute       string `json:"pii_attribute"`
	PIIType            string `json:"pii_type"`
	PIIOptional        bool   `json:"pii_optional"`
	SpecialPIICategory bool   `json:"special_pii_category"`
}

type retention struct {
	Period string `json:"period"`
	From   string `json:"from"`
}

type party struct {
	PartyID      string `json:"party_id"`
	PartyName    string `json:"party_name"`
	PartyAddress string `json:"party_address,omitempty"`
	PartyContact string `json:"party_contact,omitempty"`
	PartyRole    string `json:"party_role"`
	PartyType    string `json:"party_type"`
}

type event struct {
	EventTime        string `json:"event_time"`
	ValidityDuration string `json:"validity_duration,omitempty"`
	EntityID         string `json:"entity_id"`
	EventType        string `json:"event_type"`
	EventState       string `json:"event_state"`
}

// proof is a Proof; the standard has no field for it.
type proof struct {
	EventID    string `json:"event_id"`
	EventState string `json:"event_state"`
	Facts      string `json:"facts"`
	TlogProof  string `json:"tlog_proof"`
}

// Record writes the consent with the fields of ISO/IEC TS 27560:2023. It
// refuses, by *domain.Error, a consent that was never given or names no notice,
// and a controller without name, address, contact or a way to withdraw.
func Record(in Input) ([]byte, error) {
	if err := in.check(); err != nil {
		return nil, err
	}
	if in.Notice.Version == 0 || in.Notice.Digest.IsZero() {
		return nil, domain.Conflict("receipt.no_notice", "notice", "the notice that was shown is not recorded, which this form requires").Citing("GDPR 7(1)")
	}
	if err := in.controllersHave(nameText(), addressText(), contactText(), withdrawalText()); err != nil {
		return nil, err
	}
	out, err := json.MarshalIndent(record{
		SchemaVersion:  SchemaVersion,
		RecordID:       in.ID.String(),
		PIIPrincipalID: string(in.Subject),
		Processing:     []processing{in.processing()},
		Parties:        in.parties(),
		Events:         in.events(),
		Proofs:         in.proofs(),
	}, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("writing a consent record: %w", err)
	}
	return append(out, '\n'), nil
}

func (in *Input) processing() processing {
	p := processing{
		PrivacyNotice:          notice{string(in.Notice.ID), in.Notice.Version, in.Notice.Digest.String()},
		Language:               string(in.Notice.Language),
		Purpose:                purposeRef{string(in.Purpose.ID), in.Purpose.Version, string(in.Purpose.DPV)},
		PIIType:                in.categories(false),
		CollectionMethod:       in.Grant.collected(),
		ProcessingMethod:       []string{"dpv:Store", "dpv:Use"},
		StorageLocations:       in.countries(Controller, Processor),
		ProcessingLocations:    in.countries(Controller, Processor),
		GeographicRestrictions: in.countries(Controller, Processor, ThirdParty),
		RetentionPeriod:        retention{string(in.Purpose.Retention), string(in.Purpose.RetentionStart)},
		Jurisdiction:           string(in.Jurisdiction),
		RecipientThirdParties:  []string{},
		PrivacyRights:          rights(in.Jurisdiction),
		LawfulBasis:            in.basis(),
	}
	for _, c := range in.Controllers {
		p.PIIControllers = append(p.PIIControllers, string(c.ID))
	}
	for _, r := range in.Recipients {
		p.RecipientThirdParties = append(p.RecipientThirdParties, string(r.ID))
	}
	if len(in.Recipients) > 0 {
		p.ProcessingMethod = append(p.ProcessingMethod, "dpv:Disclose")
	}
	for _, f := range in.Fields {
		p.PIIInformation = append(p.PIIInformation, information{string(f.ID), string(f.Category), f.Optional, f.Special})
	}
	if in.Authority != nil {
		p.AuthorityParty = string(in.Authority.ID)
	}
	var ways []string
	for _, c := range in.Controllers {
		ways = append(ways, c.Withdrawal)
	}
	p.WithdrawalMethod = strings.Join(slices.Compact(ways), "\n")
	return p
}

// categories lists the data categories once each, in the fields' order.
func (in *Input) categories(special bool) []string {
	out := []string{}
	for _, f := range in.Fields {
		if (!special || f.Special) && !slices.Contains(out, string(f.Category)) {
			out = append(out, string(f.Category))
		}
	}
	return out
}

// countries lists where parties of the roles are, sorted; with third parties
// the third countries that the purpose names as well.
func (in *Input) countries(roles ...Role) []string {
	var out []string
	for _, p := range slices.Concat(in.Controllers, in.Recipients) {
		if slices.Contains(roles, p.Role) {
			out = append(out, p.Country.Country())
		}
	}
	if slices.Contains(roles, ThirdParty) {
		for _, c := range in.Purpose.ThirdCountries {
			out = append(out, c.Country())
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// basis is GDPR 6(1)(a), and 9(2)(a) for special categories. Explicit consent
// has a term of its own.
func (in *Input) basis() []string {
	out := []string{"eu-gdpr:A6-1-a-non-explicit-consent"}
	if in.Grant.Explicit {
		out[0] = "eu-gdpr:A6-1-a-explicit-consent"
	}
	if in.Purpose.Special {
		out = append(out, "eu-gdpr:A9-2-a")
	}
	return out
}

// rights that the person has: by name where the GDPR or its UK form applies,
// elsewhere as a class, since each law has its own.
func rights(p domain.Place) []string {
	if !p.UnderGDPR() {
		return []string{"dpv:DataSubjectRight"}
	}
	return []string{
		"eu-gdpr:A7-3", "eu-gdpr:A15", "eu-gdpr:A16", "eu-gdpr:A17", "eu-gdpr:A18", "eu-gdpr:A20", "eu-gdpr:A77",
	}
}

func (in *Input) parties() []party {
	var out []party
	add := func(p Party) {
		contact := p.Contact
		if p.Email != "" {
			contact = strings.TrimPrefix(contact+", "+p.Email, ", ")
		}
		out = append(out, party{string(p.ID), p.Name, p.Address, contact, string(p.Role), "dpv:LegalEntity"})
	}
	for _, p := range slices.Concat(in.Controllers, in.Recipients) {
		add(p)
	}
	if in.Authority != nil {
		add(*in.Authority)
	}
	return out
}

// events are the giving and, where it no longer stands, what ended it.
func (in *Input) events() []event {
	kind := "regular"
	if in.Grant.Explicit {
		kind = "explicit"
	}
	given := event{stamp(in.Grant.At), "", in.entity(in.Grant.By), kind, string(subject.StatusGiven)}
	if in.Grant.Renewed {
		given.EventState = string(subject.StatusRenewed)
	}
	if !in.Grant.Until.IsZero() {
		given.ValidityDuration = stamp(in.Grant.At) + "/" + stamp(in.Grant.Until)
	}
	out := []event{given}
	if !in.Status.Allows() {
		out = append(out, event{stamp(in.Since), "", in.entity(in.By), kind, string(in.Status)})
	}
	return out
}

func (in *Input) proofs() (out []proof) {
	for _, p := range in.Proofs {
		out = append(out, proof{p.Event.String(), string(p.State), string(p.Facts), string(p.Text)})
	}
	return out
}

// entity is who acted. A guardian or authority is told by kind: who it was is
// not the receipt's to spread.
func (in *Input) entity(by subject.Party) string {
	switch by {
	case subject.Self:
		return string(in.Subject)
	case subject.Controller:
		return string(in.Controllers[0].ID)
	case subject.Guardian, subject.Processor, subject.Authority:
		return string(by)
	}
	return "time"
}
