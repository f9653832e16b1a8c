package main

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func root(t *testing.T) string {
	t.Helper()
	dir, err := os.Getwd()
	require.NoError(t, err)
	dir, ok := rootAbove(dir)
	require.True(t, ok)
	return dir
}

// The table fits the code: what is to be replaced stands there once, in code
// that is no test, and the result is another.
func TestEveryMutantFitsTheCode(t *testing.T) {
	r := &runner{root: root(t), temp: t.TempDir()}
	for _, m := range mutants() {
		name := fmt.Sprintf("pitfall %d without %s", m.pitfall, m.without)
		require.NotEmpty(t, m.edits, name)
		for _, e := range m.edits {
			require.NotEqual(t, e.old, e.new, name)
			require.False(t, strings.HasSuffix(e.file, "_test.go"), name)
		}
		_, err := r.overlay(m.edits)
		require.NoError(t, err, name)
	}
}

// Every pitfall has a test of its name, and a mutant that this test decides.
func TestEveryPitfallHasAMutant(t *testing.T) {
	decided := map[int]bool{}
	for _, m := range mutants() {
		require.True(t, m.pitfall >= 1 && m.pitfall <= pitfalls)
		top, _, _ := strings.Cut(m.test, "/")
		require.Contains(t, testsOf(t, m.pkg), top, "the test of pitfall %d without %s", m.pitfall, m.without)
		if strings.HasPrefix(m.test, fmt.Sprintf("TestPitfall%02d", m.pitfall)) {
			decided[m.pitfall] = true
		}
	}
	for n := 1; n <= pitfalls; n++ {
		require.True(t, decided[n], "no mutant makes a test of pitfall %d fail", n)
	}
}

// docs/pitfalls.md lists them all.
func TestEveryPitfallIsExplained(t *testing.T) {
	page, err := os.ReadFile(filepath.Join(root(t), "docs", "pitfalls.md"))
	require.NoError(t, err)
	rows := regexp.MustCompile(`(?m)^\| (\d+) \|`).FindAllStringSubmatch(string(page), -1)
	require.Len(t, rows, pitfalls)
	for i, row := range rows {
		require.Equal(t, strconv.Itoa(i+1), row[1])
	}
}

// testsOf are the names of a package's tests.
func testsOf(t *testing.T, pkg string) (names []string) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(root(t), pkg, "*_test.go"))
	require.NoError(t, err)
	for _, file := range files {
		content, err := os.ReadFile(file)
		require.NoError(t, err)
		for _, found := range regexp.MustCompile(`(?m)^func (Test\w+)\(`).FindAllStringSubmatch(string(content), -1) {
			names = append(names, found[1])
		}
	}
	return names
}

func TestOutcomes(t *testing.T) {
	for name, c := range map[string]struct {
		stdout string
		want   outcome
	}{
		"a failure":     {`{"Action":"fail","Test":"TestA"}` + "\n" + `{"Action":"fail","Package":"p"}`, failed},
		"a pass":        {`{"Action":"pass","Test":"TestA"}` + "\n" + `{"Action":"pass","Package":"p"}`, survived},
		"another fails": {`{"Action":"fail","Test":"TestB"}` + "\n" + `{"Action":"pass","Test":"TestA"}`, survived},
		"a skip":        {`{"Action":"skip","Test":"TestA"}`, notRun},
		"no such test":  {`{"Action":"pass","Package":"p"}`, notRun},
		"no build":      {`{"Action":"build-fail","ImportPath":"p"}` + "\n" + `{"Action":"fail","Package":"p","FailedBuild":"p"}`, noBuild},
		"a panic":       {`{"Action":"output","Test":"TestA","Output":"panic: x\n"}` + "\n" + `{"Action":"fail","Test":"TestA"}`, crashed},
	} {
		t.Run(name, func(t *testing.T) {
			res := read([]byte(c.stdout), "")
			require.Equal(t, c.want, res.outcome("TestA"))
		})
	}
}

func TestWhatATestSaidIsCutShort(t *testing.T) {
	lines := []string{"    x_test.go:7: \n", "Error Trace:\t/tmp/x_test.go:7\n", "Error:      \tNot equal:\n", "Test:       \tTestA\n", "Messages:   \tit is held\n"}
	res := result{output: lines}
	require.Equal(t, "x_test.go:7: Not equal: (it is held)", res.firstComplaint())
	require.Equal(t, "it says nothing of why", (&result{}).firstComplaint())
	require.Equal(t, "ab…", shortened("abc", 2))
}

func TestOfTheTestsThatAreRun(t *testing.T) {
	require.Equal(t, "^TestA$/^b$", pattern([]string{"TestA/b"}))
	require.Equal(t, "^(TestA|TestB)$", pattern([]string{"TestA/b", "TestB"}))
}

func TestPitfallsAreChosenByNumber(t *testing.T) {
	all, err := chosen(nil)
	require.NoError(t, err)
	require.Equal(t, mutants(), all)
	some, err := chosen([]string{"17", "2"})
	require.NoError(t, err)
	require.Equal(t, 17, some[0].pitfall)
	require.Equal(t, 2, some[len(some)-1].pitfall)
	for _, wrong := range []string{"0", "25", "x"} {
		_, err := chosen([]string{wrong})
		require.Error(t, err)
	}
}
