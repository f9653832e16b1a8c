package audit_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"lethe/internal/audit"
)

func TestNothingIsFoundInAnIntactLedger(t *testing.T) {
	dir := t.TempDir()
	fill(t, dir, 150)
	a := open(t, dir)
	res := verify(t, a, audit.Request{})
	for _, s := range res.Steps {
		t.Logf("%+v", s)
	}
	t.Logf("%+v", res.Checkpoint)
	requireClean(t, res)
	requireClean(t, verify(t, a, audit.Request{LogOnly: true}))
	require.NoError(t, a.Close())
}
