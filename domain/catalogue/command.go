package catalogue

import (
	"time"

	"lethe/domain"
	"lethe/domain/personal"
)

// Command is the sealed sum of what can be asked of the catalogue.
//
//sumtype:decl
type Command interface {
	// EffectiveAt is when the declaration takes effect; zero = now.
	EffectiveAt() time.Time
	isCatalogueCommand()
}

// Opened gives the plaintext of a sealed value that the ledger opened for
// deciding. A nil Opened opens nothing: then texts cannot be compared, and a
// repeated declaration is recorded again.
type Opened func(personal.Value) (string, bool)

func (o Opened) same(sealed, now personal.Value) bool {
	if sealed.IsZero() || now.IsZero() {
		return sealed.IsZero() && now.IsZero()
	}
	a, ok := sealed.Reveal()
	if !ok && o != nil {
		a, ok = o(sealed)
	}
	b, shown := now.Reveal()
	return ok && shown && a == b
}

// DeclareController declares who decides why and how.
type DeclareController struct {
	ControllerDeclared
	Opened Opened
}

// DeclareField declares a kind of personal data.
type DeclareField struct{ FieldDeclared }

// Materiality is what a declaration says about the change it makes.
type Materiality uint8

// Materialities. Computed leaves it to the rules; saying NotMaterial of a
// change that is material is refused.
const (
	Computed Materiality = iota
	Material
	NotMaterial
)

// DeclarePurpose declares a purpose or a new version of it. Version and
// Material of the embedded event are not read: they are computed. A zero
// InForce is now.
type DeclarePurpose struct {
	PurposeDeclared
	Change Materiality
}

// EndPurpose takes a purpose out of force.
type EndPurpose struct {
	ID domain.Name
	At time.Time
}

// PublishNotice publishes a text in one language; Digest is computed. A zero
// From is now.
type PublishNotice struct{ NoticePublished }

// DeclareRecipient declares somebody data may go to.
type DeclareRecipient struct {
	RecipientDeclared
	Opened Opened
}

// EffectiveAt is now: a declaration's own times say when it counts.
func (DeclareController) EffectiveAt() time.Time { return time.Time{} }

// EffectiveAt is now: a declaration's own times say when it counts.
func (DeclareField) EffectiveAt() time.Time { return time.Time{} }

// EffectiveAt is now: a declaration's own times say when it counts.
func (DeclarePurpose) EffectiveAt() time.Time { return time.Time{} }

// EffectiveAt is when the purpose ends.
func (c EndPurpose) EffectiveAt() time.Time { return c.At }

// EffectiveAt is now: a declaration's own times say when it counts.
func (PublishNotice) EffectiveAt() time.Time { return time.Time{} }

// EffectiveAt is now: a declaration's own times say when it counts.
func (DeclareRecipient) EffectiveAt() time.Time { return time.Time{} }

func (DeclareController) isCatalogueCommand() {}
func (DeclareField) isCatalogueCommand()      {}
func (DeclarePurpose) isCatalogueCommand()    {}
func (EndPurpose) isCatalogueCommand()        {}
func (PublishNotice) isCatalogueCommand()     {}
func (DeclareRecipient) isCatalogueCommand()  {}
