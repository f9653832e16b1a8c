package ledger

import (
	"errors"

	"lethe/domain"
	"lethe/eventstore"
	"lethe/internal/room"
)

func unavailable(err error) error {
	if _, ok := domain.AsError(err); ok {
		return err
	}
	if room.None(err) {
		return &domain.Error{
			Kind: domain.KindUnavailable, Code: "ledger.no_room",
			Message: "a disk that the ledger writes to is full: make room there, then repeat the request with the same key", Err: err,
		}
	}
	return &domain.Error{
		Kind: domain.KindUnavailable, Code: "ledger.unavailable",
		Message: "the ledger cannot answer now: repeat the request with the same key", Err: err,
	}
}

// refused translates a failed append.
func refused(err error) error {
	switch {
	case errors.Is(err, eventstore.ErrTooLarge):
		return &domain.Error{
			Kind: domain.KindInvalid, Code: "request.too_large",
			Message: "the request makes more than 1,000,000 bytes of events: split it", Err: err,
		}
	case errors.Is(err, eventstore.ErrNoSpace), errors.Is(err, eventstore.ErrReadOnly):
		return &domain.Error{
			Kind: domain.KindUnavailable, Code: "ledger.not_writable",
			Message: "the ledger cannot write: its disk is full or read-only; nothing was changed", Err: err,
		}
	default:
		return unavailable(err)
	}
}

func stale(next uint64) error {
	if next == 0 {
		return domain.NotFound("stream.unknown", "If-Match", "there is no such record")
	}
	return &domain.Error{
		Kind: domain.KindPrecondition, Code: "precondition.revision", Field: "If-Match",
		Message: "the record changed since you read it: read it again and repeat the change",
	}
}
