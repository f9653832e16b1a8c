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
	runs := 2
	if testing.Short() {
		runs = 1
	}
	l := newSealedLog(t, uint64(runs*seal.RunLeaves)+300, 8<<20)
	a := l.auditor(2)
	verifyLog := func() audit.Result {
		res, err := a.Run(t.Context(), audit.Request{LogOnly: true}, nil)
		require.NoError(t, err)
		return res
	}
	requireClean(t, verifyLog())
	rng := rand.New(rand.NewPCG(1, 2))
	for range rounds(t, 5, 30, 30) {
		name := fmt.Sprintf("seal/index-0/%08d", rng.IntN(runs))
		file := filepath.Join(l.dir, name)
		was, err := os.ReadFile(file)
		require.NoError(t, err)
		flip(t, file, rng.Int64N(int64(len(was))))
		one(t, verifyLog(), audit.StepLog, name, "")
		require.NoError(t, os.WriteFile(file, was, 0o600))
	}
	require.NoError(t, os.Remove(filepath.Join(l.dir, "seal/index-0/00000000")))
	one(t, verifyLog(), audit.StepLog, "seal/index-0/00000000", "")
}

// A log of which every tile is gone is told the same way every time.
func TestATreeInRuins(t *testing.T) {
	l := newSealedLog(t, 20*256+7, 256<<10)
	require.NoError(t, os.RemoveAll(filepath.Join(l.dir, "seal/log-0/tile")))
	require.NoError(t, os.MkdirAll(filepath.Join(l.dir, "seal/log-0/tile"), 0o700))
	a := l.auditor(2)
	var first []audit.Finding
	for range 3 {
		res, err := a.Run(t.Context(), audit.Request{LogOnly: true}, nil)
		require.NoError(t, err)
		require.Len(t, res.Findings, 2*21+1, "hashes and entries, and the tile above")
		require.NotNil(t, res.Checkpoint, "the events are those that were sealed")
		if first != nil {
			require.Equal(t, first, res.Findings)
		}
		first = res.Findings
	}
}

// Memory does not follow the size of the log.
func TestMemoryIsBounded(t *testing.T) {
	events := uint64(300_000)
	if testing.Short() {
		events = 20_000
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
