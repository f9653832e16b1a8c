package httpapi

import (
	"reflect"
	"strconv"
	"strings"

	"lethe/domain"
)

// checkForm walks a decoded value and refuses terms that are not legal, such
// as a channel that does not exist, naming where they are. Absent ones are
// the rules' business. Members are named as on the wire. terms are those that
// the description lists for the value, joined by commas; "": it lists none.
func checkForm(v reflect.Value, at, terms string) error {
	if !v.CanInterface() {
		return nil
	}
	if c, ok := v.Interface().(domain.Checked); ok {
		if v.IsZero() || c.Valid() {
			return nil
		}
		return illegal(v.Type(), at, terms)
	}
	switch v.Kind() {
	case reflect.Pointer:
		if !v.IsNil() {
			return checkForm(v.Elem(), at, terms)
		}
	case reflect.Slice:
		for i := range v.Len() {
			if err := checkForm(v.Index(i), at+"["+strconv.Itoa(i)+"]", terms); err != nil {
				return err
			}
		}
	case reflect.Struct:
		return checkMembers(v, at)
	}
	return nil
}

func checkMembers(v reflect.Value, at string) error {
	t := v.Type()
	for i := range t.NumField() {
		f := t.Field(i)
		if !f.IsExported() {
			continue
		}
		inner := at
		if name := wireName(f); name != "" {
			if at != "" {
				inner += "."
			}
			inner += name
		} else if !f.Anonymous {
			continue
		}
		if err := checkForm(v.Field(i), inner, f.Tag.Get("enum")); err != nil {
			return err
		}
	}
	return nil
}

// wireName is the member's, parameter's or header's name.
func wireName(f reflect.StructField) string {
	for _, tag := range []string{"json", "path", "query", "header"} {
		name, _, _ := strings.Cut(f.Tag.Get(tag), ",")
		if name != "" && name != "-" {
			return name
		}
	}
	return ""
}

// forms are how values of a type are written.
var forms = map[reflect.Type]string{
	reflect.TypeFor[domain.Duration](): "a period of whole years, months, weeks and days in ISO 8601 form, such as P7D or P1Y6M",
	reflect.TypeFor[domain.Name]():     "a name as the catalogue has them, such as customer.service: lower-case letters and digits joined by . _ or -",
	reflect.TypeFor[domain.Language](): "a language tag (BCP 47), such as de or en-GB",
	reflect.TypeFor[domain.Place]():    "a country or a part of one (ISO 3166), such as DE",
	reflect.TypeFor[domain.Currency](): "a currency (ISO 4217), such as EUR",
	reflect.TypeFor[domain.Term]():     "a term of a vocabulary, such as dpv-pd:EmailAddress",
}

func illegal(t reflect.Type, at, terms string) error {
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if t == reflect.TypeFor[domain.Token]() {
		_, err := domain.ParseToken("")
		e, ok := domain.AsError(err)
		if ok {
			e.Field = at
		}
		return err
	}
	switch t {
	case reflect.TypeFor[PastTime]():
		return domain.Invalid("request.parameter", at,
			"%s is a time, such as 2026-01-31T09:00:00Z, or a date, such as 2026-01-31, which is that day's end (UTC)", at)
	case reflect.TypeFor[NoticeRef]():
		return domain.Invalid("request.value", at,
			"%s is a notice's ID (with language) or the SHA-256 of its text in 64 hexadecimal digits: %s", at, whereNotices)
	}
	if form, ok := forms[t]; ok {
		return domain.Invalid("request.value", at, "%s is %s", at, form)
	}
	if terms != "" {
		return domain.Invalid("request.value", at, "%s is one of: %s", at, strings.ReplaceAll(terms, ",", ", "))
	}
	return domain.Invalid("request.value", at, "%s is not a value that it can have; /openapi.json lists them or gives their form", at)
}
