package operations_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"lethe/domain"
	"lethe/domain/operations"
)

func TestWhatBecomesOfEpochsIsRecordedOnce(t *testing.T) {
	first := operations.EpochRetired{
		Epoch: 1, Buckets: []operations.BucketRange{{First: 0, Last: 255}}, Made: now, Retired: now.Add(time.Hour), Places: 2, Pending: 1,
	}
	s := fold(t, nil, now, operations.RetireEpochs{Epochs: []operations.EpochRetired{first}})
	require.Equal(t, []operations.EpochRetired{first}, s.Epochs())
	require.Empty(t, s.NewEpochs([]operations.EpochRetired{first}))

	old, gone := s, first
	gone.Pending, gone.Destroyed, gone.Dead = 0, now.Add(2*time.Hour), now.Add(3*time.Hour)
	second := first
	second.Epoch = 2
	both := operations.RetireEpochs{Epochs: []operations.EpochRetired{gone, second}}
	s = fold(t, s, now, both, both, operations.ForgetEpochPlace{EpochPlaceForgotten: operations.EpochPlaceForgotten{Place: domain.ID{1}}})
	require.Equal(t, []operations.EpochRetired{gone, second}, s.Epochs())
	require.Equal(t, []operations.EpochRetired{first}, old.Epochs(), "who holds the old state sees the old state")
	s = fold(t, s, now, create(1))
	require.Len(t, s.Epochs(), 2)

	refuses(t, "epoch.malformed", s, operations.RetireEpochs{Epochs: []operations.EpochRetired{{Epoch: 9}}})
	refuses(t, "epoch_place.malformed", s, operations.ForgetEpochPlace{})
	refuses(t, "root_key.kind", s, operations.ChangeRootKey{RootKeyChanged: operations.RootKeyChanged{Kind: "base64key"}})
	s = fold(t, s, now, operations.ChangeRootKey{RootKeyChanged: operations.RootKeyChanged{Kind: operations.RootVault}})
	require.Len(t, s.Epochs(), 2)
	var none *operations.State
	require.Empty(t, none.Epochs())
}
