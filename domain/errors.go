package domain

import (
	"errors"
	"fmt"
)

// Kind says what a caller can do about an Error.
type Kind uint8

// Kinds, each with the HTTP status it becomes at the edge.
const (
	KindInvalid      Kind = iota + 1 // 422: the request breaks a rule
	KindNotFound                     // 404
	KindConflict                     // 409: it contradicts the present state
	KindPrecondition                 // 412: If-Match names another revision
	KindForbidden                    // 403
	KindGone                         // 410: erased
	KindUnauthorized                 // 401
	KindUnavailable                  // 503: repeat with the same key
	KindInternal                     // 500: its text never reaches a user
)

// Error is the one error a rule answers with.
type Error struct {
	Kind    Kind
	Code    string // machine-readable, stable: "consent.notice_unpublished"
	Field   string // what it is about; a name, never a value
	Message string // for the user: what was wrong and what to do; never holds a personal value
	Source  string // the rule's source: "GDPR 7(1)"
	Err     error  // cause, for the log only
}

func (e *Error) Error() string {
	s := e.Code + ": " + e.Message
	if e.Source != "" {
		s += " (" + e.Source + ")"
	}
	if e.Err != nil {
		s += ": " + e.Err.Error()
	}
	return s
}

func (e *Error) Unwrap() error { return e.Err }

// Citing returns a copy of e that names the rule's source.
func (e *Error) Citing(source string) *Error {
	c := *e
	c.Source = source
	return &c
}

// Invalid, NotFound, Conflict and Forbidden make the usual refusals.
func Invalid(code, field, format string, args ...any) *Error {
	return &Error{Kind: KindInvalid, Code: code, Field: field, Message: fmt.Sprintf(format, args...)}
}

// NotFound says that the thing named does not exist.
func NotFound(code, field, format string, args ...any) *Error {
	return &Error{Kind: KindNotFound, Code: code, Field: field, Message: fmt.Sprintf(format, args...)}
}

// Conflict says that the present state does not allow it.
func Conflict(code, field, format string, args ...any) *Error {
	return &Error{Kind: KindConflict, Code: code, Field: field, Message: fmt.Sprintf(format, args...)}
}

// Forbidden says that the caller may not.
func Forbidden(code, field, format string, args ...any) *Error {
	return &Error{Kind: KindForbidden, Code: code, Field: field, Message: fmt.Sprintf(format, args...)}
}

// Internal wraps a failure whose text is for the log only.
func Internal(doing string, err error) *Error {
	return &Error{Kind: KindInternal, Code: "internal", Message: doing, Err: err}
}

// AsError finds the Error in err's chain.
func AsError(err error) (*Error, bool) {
	var e *Error
	ok := errors.As(err, &e)
	return e, ok
}
