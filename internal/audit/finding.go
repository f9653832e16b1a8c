package audit

import (
	"cmp"
	"slices"
	"strings"
	"sync"
)

// Finding is one thing that is wrong with the ledger.
type Finding struct {
	Step   string `json:"step" doc:"The check that found it"`
	Where  string `json:"where" doc:"The file or row, by its place in the data directory"`
	What   string `json:"what" doc:"What was found there"`
	Means  string `json:"means" doc:"What follows from it, and what to do"`
	Mended bool   `json:"mended,omitzero" doc:"It was made good when it was found"`

	at uint64 // orders findings of one place
}

// MaxFindings is how many findings are kept; the rest is counted.
const MaxFindings = 1000

// findings keeps the first findings by their order, whichever worker comes
// first, and counts the rest.
type findings struct {
	mu    sync.Mutex
	kept  []Finding
	count map[string]int // by step
}

func (f *findings) add(one Finding) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.count == nil {
		f.count = map[string]int{}
	}
	f.count[one.Step]++
	f.kept = append(f.kept, one)
	if len(f.kept) >= 2*MaxFindings {
		f.kept = f.sorted()
	}
}

// of counts a step's findings.
func (f *findings) of(step string) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.count[step]
}

// all gives what is kept, in order, and how many more there were.
func (f *findings) all() (kept []Finding, more int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, n := range f.count {
		more += n
	}
	f.kept = f.sorted()
	return slices.Clone(f.kept), more - len(f.kept)
}

// sorted gives the first findings in order. f.mu is held.
func (f *findings) sorted() []Finding {
	slices.SortStableFunc(f.kept, func(a, b Finding) int {
		return cmp.Or(
			cmp.Compare(slices.Index(stepNames, a.Step), slices.Index(stepNames, b.Step)),
			strings.Compare(a.Where, b.Where), cmp.Compare(a.at, b.at), strings.Compare(a.What, b.What),
		)
	})
	return f.kept[:min(len(f.kept), MaxFindings):min(len(f.kept), MaxFindings)]
}
