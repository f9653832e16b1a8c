package audit

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// However many there are, and in whatever order they come, the same ones are
// kept, in the same order.
func TestFindingsAreBoundedAndInOrder(t *testing.T) {
	const many = 5*MaxFindings + 17
	var first []Finding
	for seed := range uint64(3) {
		var f findings
		order := rand.New(rand.NewPCG(seed, 1)).Perm(many)
		var wg sync.WaitGroup
		for half := range 2 {
			wg.Go(func() {
				for _, i := range order[half*many/2 : (half+1)*many/2] {
					f.add(Finding{Step: stepNames[i%len(stepNames)], Where: fmt.Sprint(i % 97), at: uint64(i)})
				}
			})
		}
		wg.Wait()
		kept, more := f.all()
		require.Len(t, kept, MaxFindings)
		require.Equal(t, many-MaxFindings, more)
		require.Equal(t, many/len(stepNames)+1, f.of(StepOpening))
		require.Equal(t, StepOpening, kept[0].Step)
		require.Equal(t, StepLog, kept[MaxFindings-1].Step)
		if first != nil {
			require.Equal(t, first, kept)
		}
		first = kept
	}
}
