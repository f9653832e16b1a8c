package app

import (
	"crypto/rand"

	"lethe/internal/retention"
)

// openRetention makes the job that goes over everybody when an officer asks.
func (a *App) openRetention() {
	a.Retention = &retention.Job{
		Ledger: a.Ledger, People: a.Views.Customers.Tokens, Linked: a.Door.Linked,
		Count: a.Views.Customers.Count, Rand: rand.Reader, Wake: a.Erasures.Wake,
	}
}
