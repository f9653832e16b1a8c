// Command testreport reads `go test -json` and prints what `go test` would
// have: the line of each package, and the output of what failed. At the end
// it lists every skipped test with its reason, since a skip that nobody sees
// looks like a pass. It exits with 1 when anything failed.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
)

// event is one line of `go test -json` (see `go doc test2json`).
type event struct {
	Action, Package, Test, Output, ImportPath string
}

type key struct{ pkg, test string }

type report struct {
	out     io.Writer
	pending map[key][]string // output of tests that have not ended
	skipped []string
	failed  bool
}

func main() {
	failed, err := run(os.Stdin, os.Stdout)
	if err != nil {
		fmt.Fprintln(os.Stderr, "testreport:", err)
	}
	if failed || err != nil {
		os.Exit(1)
	}
}

// run reports whether anything failed.
func run(in io.Reader, out io.Writer) (bool, error) {
	r := &report{out: out, pending: map[key][]string{}}
	lines := bufio.NewReader(in)
	for {
		line, err := lines.ReadString('\n')
		if line != "" {
			r.line(line)
		}
		if err == io.EOF {
			break
		}
		if err != nil {
			return true, err
		}
	}
	r.close()
	return r.failed, nil
}

func (r *report) line(line string) {
	var e event
	if err := json.Unmarshal([]byte(line), &e); err != nil {
		_, _ = io.WriteString(r.out, line) // not JSON: a tool speaking past it
		return
	}
	k := key{e.Package, e.Test}
	switch e.Action {
	case "output":
		if e.Test == "" && isResult(e.Output) {
			_, _ = io.WriteString(r.out, e.Output)
			return
		}
		r.pending[k] = append(r.pending[k], e.Output)
	case "build-output":
		_, _ = io.WriteString(r.out, e.Output)
	case "pass":
		delete(r.pending, k)
	case "skip":
		if e.Test != "" {
			r.skipped = append(r.skipped, e.Package+" "+e.Test+": "+reason(r.pending[k]))
		}
		delete(r.pending, k)
	case "fail", "build-fail":
		r.failed = true
		_, _ = io.WriteString(r.out, strings.Join(r.pending[k], ""))
		delete(r.pending, k)
	}
}

// close prints what never ended (a crashed test binary) and the skips.
func (r *report) close() {
	for k, lines := range r.pending {
		if k.test != "" {
			r.failed = true
			_, _ = io.WriteString(r.out, strings.Join(lines, ""))
		}
	}
	if len(r.skipped) == 0 {
		return
	}
	fmt.Fprintf(r.out, "\n#### SKIPPED: %d tests did not run ####\n", len(r.skipped))
	for _, s := range r.skipped {
		fmt.Fprintln(r.out, "  "+s)
	}
}

// isResult tells a package's closing line.
func isResult(line string) bool {
	for _, p := range []string{"ok  \t", "FAIL\t", "?   \t", "\t"} {
		if strings.HasPrefix(line, p) {
			return true
		}
	}
	return false
}

// reason is what the test said before it was skipped.
func reason(lines []string) string {
	for _, l := range lines {
		l = strings.TrimSpace(l)
		if l == "" || strings.HasPrefix(l, "===") || strings.HasPrefix(l, "---") {
			continue
		}
		if _, after, ok := strings.Cut(l, ".go:"); ok {
			if _, text, ok := strings.Cut(after, ": "); ok {
				return text
			}
		}
		return l
	}
	return "no reason given"
}
