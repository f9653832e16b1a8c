package eventstore

import "fmt"

// CheckAppend applies the contract's bounds to an append. Every store calls it
// first, so that all of them refuse the same things: ErrInvalid or ErrTooLarge.
func CheckAppend(stream string, events []Event) error {
	if stream == "" || len(events) == 0 {
		return fmt.Errorf("%w: it names no stream or no event", ErrInvalid)
	}
	if len(stream) > MaxStreamBytes {
		return fmt.Errorf("%w: a stream name of %d bytes, at most %d", ErrTooLarge, len(stream), MaxStreamBytes)
	}
	size := 0
	for i := range events {
		if err := checkEvent(&events[i]); err != nil {
			return fmt.Errorf("event %d: %w", i, err)
		}
		size += events[i].Size()
	}
	if size > MaxAppendBytes {
		return fmt.Errorf("%w: %d bytes, at most %d", ErrTooLarge, size, MaxAppendBytes)
	}
	return nil
}

func checkEvent(e *Event) error {
	switch {
	case e.Type == "":
		return fmt.Errorf("%w: it has no type", ErrInvalid)
	case e.ID == EventID{}:
		return fmt.Errorf("%w: it has no ID", ErrInvalid)
	case len(e.Type) > MaxTypeBytes:
		return fmt.Errorf("%w: a type name of %d bytes, at most %d", ErrTooLarge, len(e.Type), MaxTypeBytes)
	case len(e.Sealed) > MaxParts:
		return fmt.Errorf("%w: %d sealed parts, at most %d", ErrTooLarge, len(e.Sealed), MaxParts)
	default:
		return nil
	}
}
