package catalogue

import (
	"lethe/domain"
	"lethe/domain/personal"
)

// Group is the retention group of the catalogue's sealed texts.
const Group domain.Name = "catalogue"

// NoticeOwner owns every notice's text.
const NoticeOwner = "controller-notices"

func (*ControllerDeclared) isCatalogueEvent() {}
func (*FieldDeclared) isCatalogueEvent()      {}
func (*PurposeDeclared) isCatalogueEvent()    {}
func (*PurposeEnded) isCatalogueEvent()       {}
func (*NoticePublished) isCatalogueEvent()    {}
func (*RecipientDeclared) isCatalogueEvent()  {}

// EventType is the stored name and version.
func (*ControllerDeclared) EventType() domain.Type {
	return domain.Type{Name: "ControllerDeclared", Version: 1}
}

// EventType is the stored name and version.
func (*FieldDeclared) EventType() domain.Type { return domain.Type{Name: "FieldDeclared", Version: 1} }

// EventType is the stored name and version.
func (*PurposeDeclared) EventType() domain.Type {
	return domain.Type{Name: "PurposeDeclared", Version: 1}
}

// EventType is the stored name and version.
func (*PurposeEnded) EventType() domain.Type { return domain.Type{Name: "PurposeEnded", Version: 1} }

// EventType is the stored name and version.
func (*NoticePublished) EventType() domain.Type {
	return domain.Type{Name: "NoticePublished", Version: 1}
}

// EventType is the stored name and version.
func (*RecipientDeclared) EventType() domain.Type {
	return domain.Type{Name: "RecipientDeclared", Version: 1}
}

func slot(owner, field string, v *personal.Value) personal.Slot {
	return personal.Slot{Owner: owner, Field: field, Group: string(Group), Value: v}
}

// Personal lists the sealed values.
func (e *ControllerDeclared) Personal(dst []personal.Slot) []personal.Slot {
	owner := "controller-" + string(e.ID)
	return append(dst,
		slot(owner, "controller.name", &e.Name), slot(owner, "controller.address", &e.Address),
		slot(owner, "controller.contact", &e.Contact), slot(owner, "controller.email", &e.Email),
		slot(owner, "controller.phone", &e.Phone), slot(owner, "controller.officer", &e.Officer),
		slot(owner, "controller.policy_url", &e.PolicyURL), slot(owner, "controller.withdrawal", &e.Withdrawal))
}

// Personal lists the sealed values.
func (e *NoticePublished) Personal(dst []personal.Slot) []personal.Slot {
	return append(dst, slot(NoticeOwner, "notice.text", &e.Text))
}

// Personal lists the sealed values.
func (e *RecipientDeclared) Personal(dst []personal.Slot) []personal.Slot {
	owner := "recipient-" + string(e.ID)
	return append(dst, slot(owner, "recipient.name", &e.Name), slot(owner, "recipient.contact", &e.Contact))
}

// Personal lists nothing: the event is facts only.
func (*FieldDeclared) Personal(dst []personal.Slot) []personal.Slot { return dst }

// Personal lists nothing: the event is facts only.
func (*PurposeDeclared) Personal(dst []personal.Slot) []personal.Slot { return dst }

// Personal lists nothing: the event is facts only.
func (*PurposeEnded) Personal(dst []personal.Slot) []personal.Slot { return dst }
