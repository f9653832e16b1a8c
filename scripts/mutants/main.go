// Command mutants shows that each test of a pitfall of erasure decides: it
// takes one protection out of the code at a time, and the test that is there
// for it must fail.
//
// The table of mutants says what is taken out and how. A mutant is a copy of a
// file in a temporary folder, which `go test -overlay` compiles in its place,
// so that the working tree is never touched. Arguments are numbers of
// pitfalls; without any, all are tried. It exits with 1 when a protection can
// go without its test failing, when a mutant no more fits the code, or when
// one of the tests fails as the code is.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strconv"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx, os.Args[1:], os.Stdout)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "mutants:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, out io.Writer) error {
	list, err := chosen(args)
	if err != nil {
		return err
	}
	root, err := moduleRoot()
	if err != nil {
		return err
	}
	temp, err := os.MkdirTemp("", "mutants")
	if err != nil {
		return fmt.Errorf("making a temporary folder: %w", err)
	}
	defer os.RemoveAll(temp) //nolint:errcheck // temporary
	r := &runner{root: root, temp: temp}
	if err := asItIs(ctx, r, list, out); err != nil {
		return err
	}
	var done []tried
	for i, m := range list {
		_, _ = fmt.Fprintf(out, "%d of %d: pitfall %d without %s … ", i+1, len(list), m.pitfall, m.without)
		began := time.Now()
		t, err := r.try(ctx, m)
		if err != nil {
			_, _ = fmt.Fprintln(out)
			printTable(out, done)
			return fmt.Errorf("trying pitfall %d without %s: %w", m.pitfall, m.without, err)
		}
		_, _ = fmt.Fprintf(out, "%s (%.0f s)\n%s", t.outcome, time.Since(began).Seconds(), t.why())
		done = append(done, t)
	}
	printTable(out, done)
	return verdict(done)
}

// asItIs runs the tests on the code as it is: a test that fails anyway decides
// nothing.
func asItIs(ctx context.Context, r *runner, list []mutant, out io.Writer) error {
	for _, pkg := range packages(list) {
		var tests []string
		for _, m := range list {
			if m.pkg == pkg && !slices.Contains(tests, m.test) {
				tests = append(tests, m.test)
			}
		}
		_, _ = fmt.Fprintf(out, "as it is: %s … ", pkg)
		res, err := r.test(ctx, pkg, tests, "")
		if err != nil {
			return fmt.Errorf("testing %s as it is: %w", pkg, err)
		}
		for _, test := range tests {
			if o := res.outcome(test); o != survived {
				_, _ = fmt.Fprintln(out)
				return fmt.Errorf("%s of %s does not pass as the code is:\n%s", test, pkg, res.tail())
			}
		}
		_, _ = fmt.Fprintln(out, "passes")
	}
	return nil
}

func packages(list []mutant) (names []string) {
	for _, m := range list {
		if !slices.Contains(names, m.pkg) {
			names = append(names, m.pkg)
		}
	}
	return names
}

// chosen are the mutants of the pitfalls that were asked for, in order.
func chosen(args []string) ([]mutant, error) {
	all := mutants()
	if len(args) == 0 {
		return all, nil
	}
	var list []mutant
	for _, arg := range args {
		n, err := strconv.Atoi(arg)
		if err != nil || n < 1 || n > pitfalls {
			return nil, fmt.Errorf("%q is no pitfall: give numbers from 1 to %d", arg, pitfalls)
		}
		for _, m := range all {
			if m.pitfall == n {
				list = append(list, m)
			}
		}
	}
	return list, nil
}

func verdict(done []tried) error {
	wrong := 0
	for _, t := range done {
		if t.outcome != failed {
			wrong++
		}
	}
	if wrong > 0 {
		return fmt.Errorf("%d of %d mutants did not make their test fail", wrong, len(done))
	}
	return nil
}

func moduleRoot() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", fmt.Errorf("finding the module: %w", err)
	}
	root, ok := rootAbove(dir)
	if !ok {
		return "", errors.New("there is no go.mod here or above: run it inside the project")
	}
	return root, nil
}
