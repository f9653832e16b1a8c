package codec

import (
	"fmt"
	"reflect"
	"strings"
	"time"

	"lethe/domain"
	"lethe/domain/personal"
)

// check is what to ask of the facts of one type, compiled once: which fields
// know their own legal values, and where the types that hold such fields are.
// refused is why the type may not be stored at all: the schema is closed, and
// a caller's free text has no place in facts.
type check struct {
	refused string
	asked   bool // the value itself is a domain.Checked
	elem    *check
	fields  []fieldCheck
}

type fieldCheck struct {
	index    int
	name     string
	optional bool // omitzero: the zero value means that there is no such fact
	check    *check
}

var (
	checkedType = reflect.TypeFor[domain.Checked]()
	valueType   = reflect.TypeFor[personal.Value]()
	closed      = []reflect.Type{ // fixed forms that cannot hold a text
		reflect.TypeFor[time.Time](), reflect.TypeFor[domain.ID](), reflect.TypeFor[domain.Digest](), valueType,
	}
)

// checkOf compiles the check of a type; nil when there is nothing to ask.
func checkOf(t reflect.Type) *check {
	for _, fixed := range closed {
		if t == fixed {
			return nil
		}
	}
	if t.Implements(checkedType) {
		return &check{asked: true}
	}
	switch t.Kind() {
	case reflect.Bool, reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64,
		reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return nil
	case reflect.Slice:
		if t.Elem().Kind() == reflect.Uint8 {
			return &check{refused: "bytes"}
		}
		if elem := checkOf(t.Elem()); elem != nil {
			return &check{elem: elem, refused: elem.refused}
		}
		return nil
	case reflect.Struct:
		return checkStruct(t)
	default:
		return &check{refused: t.String()}
	}
}

func checkStruct(t reflect.Type) *check {
	c := &check{}
	for i := range t.NumField() {
		f := t.Field(i)
		if f.Type == valueType {
			if f.Tag.Get("json") != "-" {
				c.refused = f.Name + " is personal and in the facts"
			}
			continue
		}
		if !f.IsExported() {
			c.refused = f.Name + " is not exported"
			continue
		}
		sub := checkOf(f.Type)
		if sub == nil {
			continue
		}
		if sub.refused != "" {
			c.refused = f.Name + ": " + sub.refused
		}
		name, tail, _ := strings.Cut(f.Tag.Get("json"), ",")
		c.fields = append(c.fields, fieldCheck{index: i, name: name, optional: strings.Contains(tail, "omitzero"), check: sub})
	}
	if c.fields == nil && c.refused == "" {
		return nil
	}
	return c
}

// verify asks v, which must be addressable. The error names the fact, never
// its value.
func (c *check) verify(v reflect.Value) error {
	if c == nil {
		return nil
	}
	switch {
	case c.refused != "":
		return fmt.Errorf("not of the closed schema: %s", c.refused)
	case c.asked:
		// Through the address: putting the value itself into an interface
		// would allocate.
		if !v.Addr().Interface().(domain.Checked).Valid() { //nolint:forcetypeassert // checked when compiled
			return errIllegal
		}
	case c.elem != nil:
		for i := range v.Len() {
			if err := c.elem.verify(v.Index(i)); err != nil {
				return err
			}
		}
	}
	for i := range c.fields {
		f := &c.fields[i]
		field := v.Field(f.index)
		if f.optional && field.IsZero() {
			continue
		}
		if err := f.check.verify(field); err != nil {
			return fmt.Errorf("%s: %w", f.name, err)
		}
	}
	return nil
}
