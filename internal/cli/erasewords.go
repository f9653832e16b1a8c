package cli

import (
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json"

	"lethe/domain"
	"lethe/domain/subject"
	"lethe/internal/httpapi"
)

// saying is an event that a table tells in words.
type saying interface {
	domain.Event
	*subject.ErasureOrdered | *subject.ErasureCancelled | *subject.ErasureStarted | *subject.ErasureStopped |
		*subject.ErasureCompleted | *subject.ErasureReapplied | *subject.LifecycleOpened | *subject.ValuesResealed
}

// inWords is what an event says in clear: of an erasure in words, else as it is
// stored.
func inWords(name string, facts []byte) string {
	for _, tell := range []func(string, []byte) string{
		told(&subject.ErasureOrdered{}, func(e *subject.ErasureOrdered) string {
			return "asked by " + string(e.By) + ": " + weighedWords(e.Groups)
		}),
		told(&subject.ErasureCancelled{}, func(e *subject.ErasureCancelled) string { return "called off by " + string(e.By) }),
		told(&subject.ErasureStarted{}, func(e *subject.ErasureStarted) string { return weighedWords(e.Groups) }),
		told(&subject.ErasureStopped{}, func(e *subject.ErasureStopped) string { return "stopped: " + weighedWords(e.Groups) }),
		told(&subject.ErasureCompleted{}, func(e *subject.ErasureCompleted) string {
			return keyWords(len(e.Keys)) + " destroyed, " + strconv.Itoa(len(e.Sinks)) + " places confirmed"
		}),
		told(&subject.ErasureReapplied{}, func(e *subject.ErasureReapplied) string {
			if len(e.Left) > 0 {
				return "what had stayed of " + words(e.Left) + " is lost; " + keyWords(len(e.Keys)) + " destroyed"
			}
			return keyWords(len(e.Keys)) + " that a backup had brought back destroyed again"
		}),
		told(&subject.LifecycleOpened{}, func(e *subject.LifecycleOpened) string {
			return "recorded anew, for the " + strconv.Itoa(int(e.Number)) + ". time: " + words(e.Groups)
		}),
		told(&subject.ValuesResealed{}, func(e *subject.ValuesResealed) string {
			return string(e.Group) + ": " + strconv.Itoa(len(e.Items)) + " values under a new key, " + strconv.Itoa(len(e.Dropped)) + " go"
		}),
	} {
		if text := tell(name, facts); text != "" {
			return text
		}
	}
	return string(facts)
}

// told tells one type of event; "" of the others.
func told[E saying](e E, in func(E) string) func(string, []byte) string {
	return func(name string, facts []byte) string {
		if e.EventType().Name != name || json.Unmarshal(facts, e) != nil {
			return ""
		}
		return in(e)
	}
}

func weighedWords(groups []subject.Weighed) string {
	var list []string
	for i := range groups {
		g := &groups[i]
		switch g.Outcome {
		case subject.Erase:
			list = append(list, string(g.Group)+" goes")
		case subject.Trim:
			list = append(list, "some of "+string(g.Group)+" goes")
		case subject.Keep, subject.Refuse:
			list = append(list, string(g.Group)+" stays: "+why(g)+untilText(g.Until))
		}
	}
	return strings.Join(list, "; ")
}

func keyWords(n int) string {
	if n == 1 {
		return "1 key"
	}
	return strconv.Itoa(n) + " keys"
}

// valueNames names values as --value takes them.
func valueNames(of []subject.ValueRef) string {
	list := make([]string, len(of))
	for i, v := range of {
		list[i] = valueName(v.Field, v.Slot)
	}
	return strings.Join(list, ", ")
}

func valueName(field domain.Name, slot uint16) string {
	if slot == 0 {
		return string(field)
	}
	return string(field) + ":" + strconv.Itoa(int(slot))
}

func sinkNames(of []subject.SinkConfirmed) string {
	var list []string
	for _, s := range of {
		list = append(list, string(s.Sink))
	}
	return strings.Join(list, ", ")
}

// happens tells what becomes of a group, in the tense of the erasure's state.
func happens(e *httpapi.Erasure, g *subject.Weighed) string {
	done := !e.Completed.IsZero()
	switch {
	case g.Outcome == subject.Erase && done:
		return "erased"
	case g.Outcome == subject.Erase:
		return "goes"
	case g.Outcome == subject.Trim && g.Group == domain.EvidenceGroup && g.Rule != "":
		return "what was recorded so far goes, but for what stands"
	case g.Outcome == subject.Trim && g.Group == domain.EvidenceGroup:
		return "what was recorded so far goes"
	case g.Outcome == subject.Trim && len(g.Values) == 0:
		return "superseded values go"
	case g.Outcome == subject.Trim:
		return count(len(g.Values)) + " values go, the others stay"
	}
	return "stays"
}

func why(g *subject.Weighed) string {
	text := string(g.Ground)
	if g.Rule != "" {
		text = string(g.Rule)
	}
	if g.Purpose != "" {
		text += " (" + string(g.Purpose) + ")"
	}
	return text
}

func untilText(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return " until " + stamp(t)
}
