package main

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestSkipsAreListedWithTheirReason(t *testing.T) {
	var out strings.Builder
	failed, err := run(strings.NewReader(`{"Action":"output","Package":"p","Test":"TestA","Output":"=== RUN   TestA\n"}
{"Action":"output","Package":"p","Test":"TestA","Output":"    a_test.go:3: there is no data\n"}
{"Action":"skip","Package":"p","Test":"TestA"}
{"Action":"output","Package":"p","Output":"PASS\n"}
{"Action":"output","Package":"p","Output":"ok  \tp\t0.1s\n"}
{"Action":"pass","Package":"p"}
`), &out)
	require.NoError(t, err)
	require.False(t, failed)
	require.Equal(t, "ok  \tp\t0.1s\n\n#### SKIPPED: 1 tests did not run ####\n  p TestA: there is no data\n", out.String())
}

func TestFailuresAreShownAndCount(t *testing.T) {
	var out strings.Builder
	failed, err := run(strings.NewReader(`{"Action":"output","Package":"p","Test":"TestA","Output":"    a_test.go:3: wrong\n"}
{"Action":"fail","Package":"p","Test":"TestA"}
{"Action":"output","Package":"p","Output":"FAIL\tp\t0.1s\n"}
{"Action":"fail","Package":"p"}
`), &out)
	require.NoError(t, err)
	require.True(t, failed)
	require.Contains(t, out.String(), "wrong")
	require.Contains(t, out.String(), "FAIL\tp\t0.1s")
}

func TestACrashedBinaryIsAFailure(t *testing.T) {
	failed, err := run(strings.NewReader(`{"Action":"output","Package":"p","Test":"TestA","Output":"panic: x\n"}
`), &strings.Builder{})
	require.NoError(t, err)
	require.True(t, failed)
}
