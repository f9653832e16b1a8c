package app

import (
	"context"
	"crypto/sha256"
	"os/user"

	"lethe/domain"
	"lethe/domain/personal"
	"lethe/domain/principal"
	"lethe/internal/auth"
	"lethe/internal/ledger"
)

// Two principals are there from the start. Local is whoever runs commands on
// the data directory itself: the file system's rights are what let them in.
// System is the ledger's own followers.
var (
	Local  = wellKnown("local")
	System = wellKnown("system")
)

func wellKnown(name string) domain.ID {
	sum := sha256.Sum256([]byte("lethe/v1/principal/" + name))
	id := domain.ID(sum[:16])
	id[6] = id[6]&0x0f | 0x80
	id[8] = id[8]&0x3f | 0x80
	return id
}

// LocalCaller has every role.
func LocalCaller() auth.Caller {
	return auth.Caller{Principal: Local, Roles: []principal.Role{
		principal.Admin, principal.Officer, principal.Operator, principal.Auditor, principal.Service,
	}}
}

// introduce registers the two principals of a new ledger.
func (a *App) introduce(ctx context.Context) error {
	for id, register := range map[domain.ID]principal.Register{
		Local:  {ID: Local, Kind: principal.User, Name: personal.Of(osUser())},
		System: {ID: System, Kind: principal.Program, Name: personal.Of("lethe")},
	} {
		state, err := a.Ledger.Principal(ctx, id)
		if err != nil {
			return err
		}
		if state != nil {
			continue
		}
		if _, err := a.Ledger.Staff(ctx, ledger.Request{Principal: System}, id, register); err != nil {
			return err
		}
	}
	return nil
}

func osUser() string {
	u, err := user.Current()
	if err != nil || u.Username == "" {
		return "local operator"
	}
	return u.Username
}
