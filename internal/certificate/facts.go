package certificate

import (
	"encoding/json"
	"fmt"
	"strconv"
	"time"
)

// What the events of an erasure say, as they are stored. The ledger's own types
// are not used: a verifier links nothing of the ledger.

// Types of the events.
const (
	typeOrdered   = "ErasureOrdered"
	typeStarted   = "ErasureStarted"
	typeStopped   = "ErasureStopped"
	typeCompleted = "ErasureCompleted"
	typeReapplied = "ErasureReapplied"
)

type weighed struct {
	Group   string     `json:"group"`
	Outcome string     `json:"outcome"`
	Ground  string     `json:"ground"`
	Rule    string     `json:"rule"`
	Purpose string     `json:"purpose"`
	Until   time.Time  `json:"until"`
	Hold    string     `json:"hold"`
	Values  []valueRef `json:"values"`
}

// Outcomes of weighing a group.
const (
	outcomeErase  = "erase"
	outcomeTrim   = "trim"
	outcomeKeep   = "keep"
	outcomeRefuse = "refuse"
)

// evidenceGroup is the retention group of what shows that decisions were
// lawful. It goes on when it is trimmed: what goes was recorded so far.
const evidenceGroup = "evidence"

type valueRef struct {
	Field string `json:"field"`
	Slot  uint16 `json:"slot"`
}

// String is "phone", and "phone#1" for the second of several.
func (v valueRef) String() string {
	if v.Slot == 0 {
		return v.Field
	}
	return v.Field + "#" + strconv.Itoa(int(v.Slot))
}

type ordered struct {
	Erasure    string   `json:"erasure"`
	Cause      string   `json:"cause"`
	Everything bool     `json:"everything"`
	Linked     []string `json:"linked"`
	Of         string   `json:"of"`
	By         string   `json:"by"`
}

// begun is ErasureStarted, and ErasureStopped, which has groups only.
type begun struct {
	Erasure string    `json:"erasure"`
	Groups  []weighed `json:"groups"`
	Linked  []string  `json:"linked"`
}

type keyRef struct {
	Group      string `json:"group"`
	Generation uint32 `json:"generation"`
	Key        string `json:"key"`
}

type completed struct {
	Erasure string `json:"erasure"`
	Keys    []struct {
		keyRef
		Fingerprint string    `json:"fingerprint"`
		At          time.Time `json:"at"`
	} `json:"keys"`
	Sinks []struct {
		Sink      string    `json:"sink"`
		Guarantee string    `json:"guarantee"`
		Position  uint64    `json:"position"`
		At        time.Time `json:"at"`
	} `json:"sinks"`
	Marks uint32 `json:"marks"`
}

type reapplied struct {
	Erasure string   `json:"erasure"`
	Keys    []keyRef `json:"keys"`
}

// read takes the facts of an event.
func read[T any](e *Event) (*T, error) {
	facts := new(T)
	if err := json.Unmarshal([]byte(e.Facts), facts); err != nil {
		return nil, fmt.Errorf("reading the facts of event %s: %w", e.ID, err)
	}
	return facts, nil
}
