package audit_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"testing"

	"github.com/stretchr/testify/require"

	"lethe/internal/audit"
	"lethe/internal/seal"
)

// The index of leaves has runs only in logs of some size.
func TestIndexOfLeaves(t *testing.T) {
	l := newSealedLog(t, 2*seal.RunLeaves+300, 8<<20)
	a := l.auditor(2)
	verifyLog := func() audit.Result {
		res, err := a.Run(t.Context(), audit.Request{LogOnly: true}, nil)
		require.NoError(t, err)
		return res
	}
	requireClean(t, verifyLog())
	rng := rand.New(rand.NewPCG(1, 2))
	for range rounds(t, 30, 5) {
		name := fmt.Sprintf("seal/index-0/%08d", rng.IntN(2))
		file := filepath.Join(l.dir, name)
		was, err := os.ReadFile(file)
		require.NoError(t, err)
		flip(t, file, rng.Int64N(int64(len(was))))
		one(t, verifyLog(), audit.StepLog, name, "")
		require.NoError(t, os.WriteFile(file, was, 0o600))
	}
	require.NoError(t, os.Remove(filepath.Join(l.dir, "seal/index-0/00000001")))
	one(t, verifyLog(), audit.StepLog, "seal/index-0/00000001", "")
}

// A log of which every tile is gone is told within bounds.
func TestFindingsAreBounded(t *testing.T) {
	l := newSealedLog(t, (audit.MaxFindings+10)/2*256, 8<<20)
	require.NoError(t, os.RemoveAll(filepath.Join(l.dir, "seal/log-0/tile/0")))
	require.NoError(t, os.RemoveAll(filepath.Join(l.dir, "seal/log-0/tile/entries")))
	a := l.auditor(2)
	var first []audit.Finding
	for range 2 {
		res, err := a.Run(t.Context(), audit.Request{LogOnly: true}, nil)
		require.NoError(t, err)
		require.Len(t, res.Findings, audit.MaxFindings)
		require.Positive(t, res.More)
		require.Equal(t, audit.StepLog, res.Findings[0].Step)
		if first != nil {
			require.Equal(t, first, res.Findings, "the same ones, in the same order")
		}
		first = res.Findings
	}
}

// Memory does not follow the size of the log.
func TestMemoryIsBounded(t *testing.T) {
	events := uint64(300_000)
	if testing.Short() {
		events = 60_000
	}
	l := newSealedLog(t, events, 8<<20)
	defer debug.SetGCPercent(debug.SetGCPercent(20))
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	before, peak := m.HeapInuse, uint64(0)
	res, err := l.auditor(2).Run(t.Context(), audit.Request{LogOnly: true}, func(audit.Line) {
		runtime.ReadMemStats(&m)
		peak = max(peak, m.HeapInuse)
	})
	require.NoError(t, err)
	requireClean(t, res)
	t.Logf("%d events, %.1f MiB beside what was there", events, float64(int64(peak)-int64(before))/(1<<20))
	require.Less(t, peak, before+32<<20)
}
