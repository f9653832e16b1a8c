// Package testenv tells tests what the machine offers.
//
// Foreign test data and servers are not part of the project. A test that
// needs one asks here: where it is missing the test is skipped and says why
// (`make test` lists every skip), and where LETHE_REQUIRE names it the test
// fails instead, so that a checking machine cannot pass by lacking it.
//
// Variables: LETHE_TESTDATA is the absolute path of the foreign test data
// (there is no default); LETHE_REQUIRE is a comma-separated list of what must
// be there, such as "testdata"; LETHE_FULL, when it is set, has tests that try
// many cases try all that they know, as `make test` does.
package testenv

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// What can be required.
const needTestData = "testdata"

// TestData returns the absolute path of the foreign test data, joined with
// the elements given. It skips or fails the test when the path is not there.
func TestData(t testing.TB, elem ...string) string {
	t.Helper()
	root := os.Getenv("LETHE_TESTDATA")
	switch {
	case root == "":
		Missing(t, needTestData, "LETHE_TESTDATA is not set: no foreign test data")
	case !filepath.IsAbs(root):
		t.Fatal("LETHE_TESTDATA must be an absolute path")
	}
	path := filepath.Join(append([]string{root}, elem...)...)
	if _, err := os.Stat(path); err != nil {
		Missing(t, needTestData, "LETHE_TESTDATA has no "+filepath.Join(elem...))
	}
	return path
}

// Missing ends the test for the lack of what: a failure where LETHE_REQUIRE
// names it, otherwise a skip with the reason given.
func Missing(t testing.TB, what, why string) {
	t.Helper()
	if Required(what) {
		t.Fatalf("%s (required by LETHE_REQUIRE)", why)
	}
	t.Skip(why)
}

// Required reports whether LETHE_REQUIRE names what.
func Required(what string) bool {
	list := strings.Split(os.Getenv("LETHE_REQUIRE"), ",")
	return slices.ContainsFunc(list, func(s string) bool { return strings.TrimSpace(s) == what })
}

// Cases is how many cases a test tries, or how far they lie apart: all with
// LETHE_FULL.
func Cases(usual, all int) int {
	if os.Getenv("LETHE_FULL") != "" {
		return all
	}
	return usual
}

// Sequential skips, with -short, a long test in which one thing is done after
// another, such as a table of crashes or of changed bytes: the race detector,
// for which -short is, sees nothing in it.
func Sequential(t testing.TB) {
	t.Helper()
	if testing.Short() {
		t.Skip("one thing after another: nothing for the race detector")
	}
}
