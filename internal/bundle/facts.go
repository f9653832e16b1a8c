package bundle

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"time"
	"unicode"
)

// pair is one fact to read: source.system, "webshop".
type pair struct{ Name, Value string }

// Title is the fact's name to read.
func (p pair) Title() string { return words(p.Name) }

// Code reports whether the value is a digest or an ID.
func (p pair) Code() bool {
	return (len(p.Value) == 64 || len(p.Value) == 36) && strings.Trim(p.Value, "0123456789abcdef-") == ""
}

// facts are an event's facts in their order, flat.
type facts []pair

// get is the value of a fact, "" when there is none.
func (f facts) get(name string) string {
	for _, p := range f {
		if p.Name == name {
			return p.Value
		}
	}
	return ""
}

// maxDepth bounds how deep facts are nested; the ledger's have three levels.
const maxDepth = 16

var errFacts = errors.New("not one JSON object")

// factsOf reads facts of any event, also of types that this program does not
// know. What is not JSON is shown as it is.
func factsOf(raw []byte) facts {
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	out, err := object(d)
	if err == nil {
		if _, end := d.Token(); !errors.Is(end, io.EOF) {
			err = errFacts
		}
	}
	if err != nil {
		return facts{{"facts", strings.ToValidUTF8(string(raw), "\uFFFD")}}
	}
	return out
}

func object(d *json.Decoder) (facts, error) {
	t, err := d.Token()
	if err != nil {
		return nil, err
	}
	if t != json.Delim('{') {
		return nil, errFacts
	}
	return members(d, "", 1)
}

// members reads an object behind its brace; nested ones are named a.b.
func members(d *json.Decoder, prefix string, depth int) (out facts, err error) {
	if depth > maxDepth {
		return nil, errFacts
	}
	for {
		t, err := d.Token()
		if err != nil {
			return nil, err
		}
		name, isName := t.(string)
		if !isName {
			return out, nil // the closing brace
		}
		of, err := member(d, prefix+name, depth)
		if err != nil {
			return nil, err
		}
		out = append(out, of...)
	}
}

func member(d *json.Decoder, name string, depth int) (facts, error) {
	t, err := d.Token()
	if err != nil {
		return nil, err
	}
	switch t {
	case json.Delim('{'):
		return members(d, name+".", depth+1)
	case json.Delim('['):
		text, err := list(d, depth+1)
		return facts{{name, text}}, err
	}
	return facts{{name, scalar(t)}}, nil
}

// list reads an array behind its bracket: values behind commas, objects behind
// semicolons.
func list(d *json.Decoder, depth int) (string, error) {
	if depth > maxDepth {
		return "", errFacts
	}
	var texts []string
	separator := ", "
	for {
		t, err := d.Token()
		if err != nil {
			return "", err
		}
		switch t {
		case json.Delim(']'):
			return strings.Join(texts, separator), nil
		case json.Delim('['):
			text, err := list(d, depth+1)
			if err != nil {
				return "", err
			}
			texts, separator = append(texts, "("+text+")"), "; "
		case json.Delim('{'):
			of, err := members(d, "", depth+1)
			if err != nil {
				return "", err
			}
			texts, separator = append(texts, of.String()), "; "
		default:
			texts = append(texts, scalar(t))
		}
	}
}

// String is "field email, group contact".
func (f facts) String() string {
	var texts []string
	for _, p := range f {
		texts = append(texts, words(p.Name)+" "+p.Value)
	}
	return strings.Join(texts, ", ")
}

func scalar(t json.Token) string {
	switch t := t.(type) {
	case string:
		if at, err := time.Parse(time.RFC3339Nano, t); err == nil {
			return readable(at)
		}
		return t
	case bool:
		if t {
			return "yes"
		}
		return "no"
	case json.Number:
		return t.String()
	}
	return "none"
}

// readable is a time to read, in UTC, with a fraction only where there is one.
func readable(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05.999999 UTC") }

// words makes a name readable: policy_url, ConsentGiven.
func words(name string) string {
	var b strings.Builder
	for i, c := range strings.ReplaceAll(name, "_", " ") {
		if unicode.IsUpper(c) && i > 0 {
			b.WriteByte(' ')
			c = unicode.ToLower(c)
		}
		b.WriteRune(c)
	}
	return b.String()
}
