package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// pitfalls is how many there are.
const pitfalls = 24

// mutant is a protection that is taken out, and the test that must fail then.
type mutant struct {
	pitfall int
	without string // what is taken out, to be read after "without"
	edits   []edit
	pkg     string // of the test, below the module's root
	test    string // its name, or a subtest's: TestA/b
}

// edit replaces a text that stands once in a file, given below the module's
// root.
type edit struct{ file, old, new string }

// outcome is what became of a test.
type outcome string

const (
	failed    outcome = "fails as it should"
	survived  outcome = "SURVIVED"
	noBuild   outcome = "DOES NOT BUILD"
	notRun    outcome = "DID NOT RUN"
	crashed   outcome = "CRASHED"
	testLimit         = 5 * time.Minute // of a test binary
)

type tried struct {
	mutant
	outcome outcome
	result  result
}

// why is what the test said, or what is wrong with the mutant.
func (t *tried) why() string {
	switch t.outcome {
	case failed:
		return "    " + t.result.firstComplaint() + "\n"
	case survived, notRun:
		return ""
	case noBuild, crashed:
	}
	return t.result.tail()
}

type runner struct{ root, temp string }

// try makes one mutant and runs its test.
func (r *runner) try(ctx context.Context, m mutant) (tried, error) {
	overlay, err := r.overlay(m.edits)
	if err != nil {
		return tried{}, err
	}
	res, err := r.test(ctx, m.pkg, []string{m.test}, overlay)
	if err != nil {
		return tried{}, err
	}
	return tried{m, res.outcome(m.test), res}, nil
}

// overlay writes the changed copies, and the file that `go test -overlay`
// reads: {"Replace": {path: path of the copy}}.
func (r *runner) overlay(edits []edit) (string, error) {
	changed := map[string]string{}
	for _, e := range edits {
		text, ok := changed[e.file]
		if !ok {
			content, err := os.ReadFile(filepath.Join(r.root, e.file))
			if err != nil {
				return "", fmt.Errorf("making a mutant: %w", err)
			}
			text = string(content)
		}
		if n := strings.Count(text, e.old); n != 1 {
			return "", fmt.Errorf("making a mutant: the text to replace stands %d times in %s: %s", n, e.file, e.old)
		}
		changed[e.file] = strings.Replace(text, e.old, e.new, 1)
	}
	replace := map[string]string{}
	for file, text := range changed {
		copied := filepath.Join(r.temp, strings.ReplaceAll(file, "/", "_"))
		if err := os.WriteFile(copied, []byte(text), 0o600); err != nil {
			return "", fmt.Errorf("making a mutant: %w", err)
		}
		replace[filepath.Join(r.root, file)] = copied
	}
	list, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		return "", fmt.Errorf("making a mutant: %w", err)
	}
	path := filepath.Join(r.temp, "overlay.json")
	if err := os.WriteFile(path, list, 0o600); err != nil {
		return "", fmt.Errorf("making a mutant: %w", err)
	}
	return path, nil
}

// test runs tests of a package. The error says that go could not be run; what
// the tests did is in the result.
func (r *runner) test(ctx context.Context, pkg string, tests []string, overlay string) (result, error) {
	args := []string{"test", "-json", "-short", "-count=1", "-vet=off", "-timeout", testLimit.String(), "-run", pattern(tests)}
	if overlay != "" {
		args = append(args, "-overlay", overlay)
	}
	cmd := exec.CommandContext(ctx, "go", append(args, "./"+pkg)...)
	cmd.Dir = r.root
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = 10 * time.Second
	var out, complaints bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &complaints
	err := cmd.Run()
	if ctx.Err() != nil {
		return result{}, errors.New("interrupted")
	}
	if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) {
		return result{}, fmt.Errorf("running go test: %w", err)
	}
	return read(out.Bytes(), complaints.String()), nil
}

// pattern is a -run that matches these tests, and of a subtest no other one.
func pattern(tests []string) string {
	if len(tests) == 1 {
		return "^" + strings.ReplaceAll(tests[0], "/", "$/^") + "$"
	}
	var tops []string
	for _, t := range tests {
		top, _, _ := strings.Cut(t, "/")
		tops = append(tops, top)
	}
	return "^(" + strings.Join(tops, "|") + ")$"
}

// rootAbove is the folder with go.mod, dir or one above it.
func rootAbove(dir string) (string, bool) {
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir, true
		}
		above := filepath.Dir(dir)
		if above == dir {
			return "", false
		}
		dir = above
	}
}
