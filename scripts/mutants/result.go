package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"regexp"
	"strings"
	"text/tabwriter"
)

// result is what a run of `go test -json` said.
type result struct {
	ended  map[string]string // by test: pass, fail or skip
	output []string          // lines
	built  bool
}

// read reads lines of `go test -json` (see `go doc test2json`).
func read(stdout []byte, stderr string) result {
	res := result{ended: map[string]string{}, built: true}
	for line := range bytes.Lines(stdout) {
		var e struct{ Action, Test, Output, FailedBuild string }
		if err := json.Unmarshal(line, &e); err != nil {
			res.output = append(res.output, string(line)) // not JSON: a tool speaking past it
			continue
		}
		switch e.Action {
		case "output", "build-output":
			res.output = append(res.output, e.Output)
		case "pass", "fail", "skip":
			if e.Test != "" {
				res.ended[e.Test] = e.Action
			}
		}
		if e.Action == "build-fail" || e.FailedBuild != "" {
			res.built = false
		}
	}
	for line := range strings.Lines(stderr) {
		res.output = append(res.output, line)
	}
	return res
}

// outcome tells a test that failed by what it requires from one that the
// mutant did not let run: a program that does not build, or ends in a panic or
// at its time limit, shows nothing.
func (r *result) outcome(test string) outcome {
	switch {
	case !r.built:
		return noBuild
	case r.panicked():
		return crashed
	case r.ended[test] == "fail":
		return failed
	case r.ended[test] == "pass":
		return survived
	}
	return notRun
}

func (r *result) panicked() bool {
	for _, line := range r.output {
		if strings.HasPrefix(line, "panic: ") || strings.HasPrefix(line, "fatal error: ") {
			return true
		}
	}
	return false
}

// place is where testify says that a requirement was not met.
var place = regexp.MustCompile(`[^\s/]+_test\.go:\d+`)

// firstComplaint is where the test failed first, and what it said.
func (r *result) firstComplaint() string {
	at, said := "", ""
	for _, line := range r.output {
		if at == "" && strings.Contains(line, "Error Trace:") {
			at = place.FindString(line)
		}
		if _, text, ok := strings.Cut(line, "Error:"); ok && at != "" && said == "" {
			said = strings.TrimSpace(text)
		}
		if _, text, ok := strings.Cut(line, "Messages:"); ok && at != "" {
			said += " (" + strings.TrimSpace(text) + ")"
			break
		}
	}
	if at == "" {
		return "it says nothing of why"
	}
	return at + ": " + shortened(said, 160)
}

func shortened(text string, most int) string {
	if runes := []rune(text); len(runes) > most {
		return string(runes[:most]) + "…"
	}
	return text
}

// tail is the end of the output.
func (r *result) tail() string {
	const lines = 25
	return "    " + strings.Join(r.output[max(0, len(r.output)-lines):], "    ")
}

// printTable prints what was tried: one line a mutant.
func printTable(out io.Writer, done []tried) {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(w, "\nPITFALL\tWITHOUT\tTEST\tOUTCOME")
	for _, t := range done {
		_, _ = fmt.Fprintf(w, "%d\t%s\t%s %s\t%s\n", t.pitfall, t.without, t.pkg, t.test, t.outcome)
	}
	_ = w.Flush()
}
