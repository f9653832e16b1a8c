package erasure

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"lethe/domain/subject"
	"lethe/internal/keyring"
)

// What the key store promises is what the event says, word for word: else a
// store that purges later would be recorded as one that promises nothing.
func TestGuaranteesAreTheKeyStores(t *testing.T) {
	for of, want := range map[keyring.Guarantee]subject.Guarantee{
		keyring.GuaranteeDestroyed: subject.Destroyed, keyring.GuaranteePurgeScheduled: subject.PurgePending, keyring.GuaranteeUnknown: subject.GuaranteeNone,
	} {
		require.Equal(t, want, subject.Guarantee(of))
	}
}

// A key store whose disk keeps for a while what was deleted, or that nobody
// knows: the completion does not call its keys destroyed.
func TestPitfall17TheCompletionTellsTheGuarantee(t *testing.T) {
	for purge, want := range map[time.Duration]subject.Guarantee{
		0: subject.Destroyed, time.Hour: subject.PurgePending, -1: subject.GuaranteeNone,
	} {
		w := newWorld(t)
		w.purge = purge
		w.again()
		it := w.order(w.register("ada@example.org"), subject.OrderErasure{Scope: all})
		w.settleAll()
		for _, s := range w.erasure(it).Completed.Sinks {
			if s.Sink == "keys" {
				require.Equal(t, want, s.Guarantee)
				want = ""
			}
		}
		require.Empty(t, want, "the keys are among the places")
	}
}
