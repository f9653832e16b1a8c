package testenv

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestRequiredReadsTheWholeList(t *testing.T) {
	t.Setenv("LETHE_REQUIRE", "kafka, testdata")
	require.True(t, Required("testdata"))
	require.True(t, Required("kafka"))
	require.False(t, Required("postgres"))
	t.Setenv("LETHE_REQUIRE", "")
	require.False(t, Required("testdata"))
}

func TestTestDataJoinsTheElements(t *testing.T) {
	root := t.TempDir()
	require.NoError(t, os.Mkdir(filepath.Join(root, "dpv"), 0o700))
	t.Setenv("LETHE_TESTDATA", root)
	require.Equal(t, filepath.Join(root, "dpv"), TestData(t, "dpv"))
}

// The skip is the point: without the data a test neither passes nor fails.
func TestAbsentDataSkips(t *testing.T) {
	t.Setenv("LETHE_REQUIRE", "")
	t.Setenv("LETHE_TESTDATA", "")
	r := &recorder{TB: t}
	func() {
		defer func() { _ = recover() }()
		TestData(r, "dpv")
	}()
	require.Equal(t, "skip", r.outcome)

	t.Setenv("LETHE_REQUIRE", needTestData)
	func() {
		defer func() { _ = recover() }()
		TestData(r, "dpv")
	}()
	require.Equal(t, "fatal", r.outcome)
}

// recorder notes how a test would have ended.
type recorder struct {
	testing.TB
	outcome string
}

func (r *recorder) Helper()               {}
func (r *recorder) Skip(...any)           { r.outcome = "skip"; panic("ended") }
func (r *recorder) Fatalf(string, ...any) { r.outcome = "fatal"; panic("ended") }
