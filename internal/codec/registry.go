package codec

import (
	"fmt"
	"reflect"

	"github.com/go-json-experiment/json"

	"lethe/domain"
	"lethe/domain/access"
	"lethe/domain/catalogue"
	"lethe/domain/importing"
	"lethe/domain/operations"
	"lethe/domain/principal"
	"lethe/domain/subject"
)

// entry is one event type at its present version.
type entry struct {
	typ   domain.Type
	new   func() domain.Event
	check *check
}

// of makes the entry of an event's struct.
func of[T any, P interface {
	*T
	domain.Event
}]() entry {
	return entry{
		typ:   P(new(T)).EventType(),
		new:   func() domain.Event { return P(new(T)) },
		check: checkOf(reflect.TypeFor[T]()),
	}
}

// events is every event that is stored. Names come from EventType, never from
// Go names; the golden file in testdata pins them and their shapes.
func events() []entry {
	return []entry{
		of[catalogue.ControllerDeclared](),
		of[catalogue.FieldDeclared](),
		of[catalogue.PurposeDeclared](),
		of[catalogue.PurposeEnded](),
		of[catalogue.NoticePublished](),
		of[catalogue.RecipientDeclared](),

		of[subject.Registered](),
		of[subject.FieldsRecorded](),
		of[subject.FieldsRectified](),
		of[subject.FieldRemoved](),
		of[subject.ConsentRequested](),
		of[subject.ConsentDeferred](),
		of[subject.ConsentConfirmed](),
		of[subject.ConsentGiven](),
		of[subject.ConsentRenewed](),
		of[subject.ConsentRefused](),
		of[subject.ConsentWithdrawn](),
		of[subject.ConsentRevoked](),
		of[subject.ConsentInvalidated](),
		of[subject.ConsentExpired](),
		of[subject.BasisAsserted](),
		of[subject.BasisEnded](),
		of[subject.Objected](),
		of[subject.ObjectionOverridden](),
		of[subject.ObjectionUpheld](),
		of[subject.ObjectionWithdrawn](),
		of[subject.RestrictionPlaced](),
		of[subject.RestrictionLifted](),
		of[subject.HoldPlaced](),
		of[subject.HoldReleased](),
		of[subject.Disclosed](),
		of[subject.LinkProposed](),
		of[subject.LinkAccepted](),
		of[subject.LinkUndone](),
		of[subject.AgeAssessed](),
		of[subject.ErasureOrdered](),
		of[subject.ErasureCancelled](),
		of[subject.ErasureStarted](),
		of[subject.ErasureStopped](),
		of[subject.ErasureCompleted](),
		of[subject.ErasureReapplied](),
		of[subject.LifecycleOpened](),
		of[subject.ValuesResealed](),

		of[access.Granted](),
		of[access.Denied](),

		of[principal.Registered](),
		of[principal.Renamed](),
		of[principal.Disabled](),

		of[operations.TokenCreated](),
		of[operations.TokenRevoked](),
		of[operations.TokenExpired](),
		of[operations.LogKeyChanged](),
		of[operations.LogRestarted](),
		of[operations.LostRangeAccepted](),
		of[operations.PayloadsDropped](),
		of[operations.GroupHoldPlaced](),
		of[operations.GroupHoldReleased](),
		of[operations.MarkLifted](),
		of[operations.BackupMade](),
		of[operations.EpochRetired](),
		of[operations.EpochPlaceForgotten](),
		of[operations.RootKeyChanged](),
		of[operations.ErasureJournalLost](),

		of[importing.Started](),
		of[importing.RowsRefused](),
		of[importing.LinksProposed](),
		of[importing.Completed](),
	}
}

// options of the facts' JSON: the same facts always give the same bytes, and
// a member that the shape does not have is an error, not a fact lost.
var options = json.JoinOptions(json.Deterministic(true), json.RejectUnknownMembers(true))

func (e *entry) decode(raw []byte) (domain.Event, error) {
	event := e.new()
	if err := json.Unmarshal(raw, event, options); err != nil {
		return nil, fmt.Errorf("decoding the facts of %s: %w", e.typ.Name, err)
	}
	return event, nil
}
