package keyring

import (
	"errors"

	"lethe/domain"
)

// strict scans only what is stored as it was written. A text that became a
// blob of the same bytes reads the same, but is not found when it is asked
// for.
func strict(scan func(...any) error) func(...any) error {
	return func(dest ...any) error {
		exact := make([]any, len(dest))
		for i, d := range dest {
			exact[i] = &strictly{d}
		}
		return scan(exact...)
	}
}

// strictly is the destination of one column.
type strictly struct{ dest any }

var errStorage = errors.New("stored as another type than it was written")

// Scan is sql.Scanner's.
func (s *strictly) Scan(src any) error {
	switch d := s.dest.(type) {
	case *[]byte:
		b, ok := src.([]byte)
		*d = append((*d)[:0], b...)
		return ifStored(ok)
	case *bool:
		n, ok := src.(int64)
		*d = n == 1
		return ifStored(ok && (n == 0 || n == 1))
	case *int64:
		n, ok := src.(int64)
		*d = n
		return ifStored(ok)
	case *uint32:
		n, ok := src.(int64)
		*d = uint32(n) //nolint:gosec // compared
		return ifStored(ok && int64(*d) == n)
	case *string:
		text, ok := src.(string)
		*d = text
		return ifStored(ok)
	case *rowOwner:
		return d.Scan(src)
	case *domain.Name:
		text, ok := src.(string)
		*d = domain.Name(text)
		return ifStored(ok)
	}
	return errStorage
}

func ifStored(ok bool) error {
	if ok {
		return nil
	}
	return errStorage
}
