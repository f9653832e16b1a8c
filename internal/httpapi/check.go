package httpapi

import (
	"reflect"
	"strconv"
	"strings"

	"lethe/domain"
)

// checkForm walks a decoded value and refuses terms that are not legal, such
// as a channel that does not exist, naming where they are. Absent ones are
// the rules' business. Members are named as on the wire.
func checkForm(v reflect.Value, at string) error {
	if !v.CanInterface() {
		return nil
	}
	if c, ok := v.Interface().(domain.Checked); ok {
		if v.IsZero() || c.Valid() {
			return nil
		}
		return illegal(v.Type(), at)
	}
	switch v.Kind() {
	case reflect.Pointer:
		if !v.IsNil() {
			return checkForm(v.Elem(), at)
		}
	case reflect.Slice:
		for i := range v.Len() {
			if err := checkForm(v.Index(i), at+"["+strconv.Itoa(i)+"]"); err != nil {
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
		if err := checkForm(v.Field(i), inner); err != nil {
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

func illegal(t reflect.Type, at string) error {
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
	return domain.Invalid("request.value", at, "%s is not a value that it can have; /openapi.json lists them or gives their form", at)
}
