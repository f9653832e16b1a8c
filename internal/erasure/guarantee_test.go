package erasure

import (
	"testing"

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
