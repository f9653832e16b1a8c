package app

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

func TestDaily(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		begun := time.Now()
		var at []time.Duration
		go daily(ctx, func() { at = append(at, time.Since(begun)) })
		time.Sleep(50 * time.Hour)
		cancel()
		synctest.Wait()
		require.Equal(t, []time.Duration{firstDrop, firstDrop + dropEvery, firstDrop + 2*dropEvery}, at)
	})
}
