package httpapi

import (
	"errors"
	"io"
	"reflect"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"lethe/domain"
)

// body is a JSON body of T, decoded strictly: unknown and repeated members
// and text that is not UTF-8 are refused. A failure is kept beside the value
// until the operation begins, since the framework would repeat the input.
type body[T any] struct {
	Value T
	err   *domain.Error
}

// Schema is T's.
func (b *body[T]) Schema(r huma.Registry) *huma.Schema {
	return r.Schema(reflect.TypeFor[T](), true, "Body")
}

func (b *body[T]) decode(data []byte) {
	b.err = decodeStrictly(data, &b.Value)
}

func (b *body[T]) check() error {
	if b.err != nil {
		return b.err
	}
	return checkForm(reflect.ValueOf(&b.Value).Elem(), "", "")
}

var errNotABody = errors.New("a body must be declared as body[T]")

// format is the framework's view of JSON.
func format() huma.Format {
	return huma.Format{
		Marshal: func(w io.Writer, v any) error {
			b, err := json.Marshal(v)
			if err == nil {
				_, _ = w.Write(b) // the caller is gone: nobody is left to tell
			}
			return err
		},
		Unmarshal: func(data []byte, v any) error {
			b, ok := v.(interface{ decode([]byte) })
			if !ok {
				return errNotABody
			}
			b.decode(data)
			return nil
		},
	}
}

// decodeStrictly reads one JSON value. Its error names the place by members
// that the type has, never by what was sent.
func decodeStrictly(data []byte, into any) *domain.Error {
	err := json.Unmarshal(data, into, json.RejectUnknownMembers(true), json.WithUnmarshalers(json.JoinUnmarshalers(times, slots)))
	if err == nil {
		return nil
	}
	var semantic *json.SemanticError
	located := errors.As(err, &semantic)
	if e, ok := domain.AsError(err); ok { // of a type's own parser: names its form, not the input
		if located {
			there := *e
			there.Field = place(semantic.JSONPointer)
			e = &there
		}
		return e
	}
	if located {
		at := semantic.JSONPointer
		if errors.Is(err, json.ErrUnknownName) {
			return malformed(place(at.Parent()), "it has a member that is not known here"+NoneOf(semantic.GoType))
		}
		return malformed(place(at), "it is not of the type that /openapi.json gives for it")
	}
	var syntactic *jsontext.SyntacticError
	if errors.As(err, &syntactic) && errors.Is(err, jsontext.ErrDuplicateName) {
		return malformed("body", "a member is there twice")
	}
	return malformed("body", "this is not JSON in UTF-8")
}

// maxMembers bounds the members that a message names.
const maxMembers = 40

// NoneOf names the members that a type has, instead of what was sent: ": it is
// none of a, b"; "" when it has none, or very many.
func NoneOf(t reflect.Type) string {
	names := members(t, nil)
	if len(names) == 0 || len(names) > maxMembers {
		return ""
	}
	return ": it is none of " + strings.Join(names, ", ")
}

func members(t reflect.Type, names []string) []string {
	if t == nil || t.Kind() != reflect.Struct {
		return names
	}
	for i := range t.NumField() {
		f := t.Field(i)
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		switch {
		case f.Anonymous && name == "":
			names = members(f.Type, names)
		case f.IsExported() && name != "" && name != "-":
			names = append(names, name)
		}
	}
	return names
}

// times refuses the zero time: left out it means now, and said out loud it is
// another program's missing value rather than the year 1.
var times = json.UnmarshalFunc(func(text []byte, t *time.Time) error {
	if err := json.Unmarshal(text, t); err != nil {
		return domain.Invalid("request.malformed", "", "a time is written 2026-01-31T09:00:00Z")
	}
	if t.Year() <= 1 && string(text) != "null" {
		return domain.Invalid("request.time", "", "this is the year 1: leave the member out when the time is not known")
	}
	return nil
})

// slots refuses null for a number that chooses one of several values: it is
// another program's missing value rather than the first.
var slots = json.UnmarshalFromFunc(func(in *jsontext.Decoder, _ *uint16) error {
	if in.PeekKind() == 'n' {
		return domain.Invalid("request.malformed", "", "null is no number: give it, or leave the member out for the first or only one")
	}
	return errors.ErrUnsupported
})

// place writes a pointer as a name: "/values/0/field" is "values[0].field".
// Only structs and lists are decoded, so every segment is a declared member
// or a number.
func place(p jsontext.Pointer) string {
	var b strings.Builder
	for segment := range p.Tokens() {
		if segment != "" && segment[0] >= '0' && segment[0] <= '9' {
			b.WriteString("[" + segment + "]")
			continue
		}
		if b.Len() > 0 {
			b.WriteByte('.')
		}
		b.WriteString(segment)
	}
	if b.Len() == 0 {
		return "body"
	}
	return b.String()
}
