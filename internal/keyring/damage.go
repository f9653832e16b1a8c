package keyring

import (
	"database/sql"
	"errors"
	"strings"

	"lethe/internal/rootkey"
)

var errDamaged = errors.New("is damaged")

// IsDamage reports whether an error says that a file of the keyring is not
// what was written, as opposed to one that is missing, not readable, or in
// use. A root key that does not fit the rest counts as damage of either.
func IsDamage(err error) bool {
	var integrity *IntegrityError
	if errors.As(err, &integrity) || isDamage(err) || rootkey.IsDamage(err) {
		return true
	}
	// A column of another type than this package writes. database/sql has no
	// type for that error.
	if err != nil && strings.Contains(err.Error(), "sql: Scan error on column") {
		return true
	}
	for _, is := range []error{errDamaged, ErrProtected, sql.ErrNoRows} {
		if errors.Is(err, is) {
			return true
		}
	}
	return false
}
