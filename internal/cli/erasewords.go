package cli

import (
	"strconv"
	"strings"

	"github.com/go-json-experiment/json"

	"lethe/domain"
	"lethe/domain/subject"
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
			return counted(len(e.Keys), "key") + " destroyed, " + counted(len(e.Sinks), "place") + " confirmed"
		}),
		told(&subject.ErasureReapplied{}, func(e *subject.ErasureReapplied) string {
			return counted(len(e.Keys), "key") + " that a backup had brought back destroyed again"
		}),
		told(&subject.LifecycleOpened{}, func(e *subject.LifecycleOpened) string {
			return "recorded anew, for the " + strconv.Itoa(int(e.Number)) + ". time: " + words(e.Groups)
		}),
		told(&subject.ValuesResealed{}, func(e *subject.ValuesResealed) string {
			return string(e.Group) + ": " + counted(len(e.Items), "value") + " under a new key, everything else of it goes"
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
