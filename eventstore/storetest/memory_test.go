package storetest_test

import (
	"testing"

	"lethe/eventstore"
	"lethe/eventstore/storetest"
)

func TestMemory(t *testing.T) {
	for name, opts := range map[string]storetest.MemoryOptions{
		"dense":                  {},
		"gaps":                   {Gap: 7},
		"gaps and system events": {Gap: 3, SystemEvents: true},
	} {
		t.Run(name, func(t *testing.T) {
			storetest.Run(t, func(*testing.T) eventstore.Store { return storetest.NewMemory(opts) })
		})
	}
}
