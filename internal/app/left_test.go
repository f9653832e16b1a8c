package app_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"lethe/domain"
	"lethe/domain/catalogue"
	"lethe/domain/operations"
	"lethe/domain/personal"
	"lethe/domain/subject"
	"lethe/internal/app"
	"lethe/internal/audit"
	"lethe/internal/ledger"
)

// twoValues gives people a second value in the group of the first.
func (s *site) twoValues(people ...domain.Token) {
	s.t.Helper()
	_, err := s.app.Ledger.Declare(s.t.Context(), ledger.Request{Principal: app.Local},
		catalogue.DeclareField{FieldDeclared: catalogue.FieldDeclared{ID: "phone", Group: "contact", Type: catalogue.Text, Category: "Data"}},
		catalogue.DeclarePurpose{PurposeDeclared: catalogue.PurposeDeclared{
			ID: "calls", Controllers: []domain.Name{"acme"}, Basis: domain.LegitimateInterests, Fields: []domain.Name{"phone"},
			Retention: "P3Y", RetentionStart: catalogue.FromLastActivity, DPV: "dpv:CustomerCare",
		}})
	require.NoError(s.t, err)
	for _, token := range people {
		s.record(token, "+49 30 1")
	}
}

func (s *site) record(token domain.Token, phone string) {
	s.t.Helper()
	_, err := s.app.Ledger.On(s.t.Context(), ledger.Request{Principal: app.Local}, token, subject.Env{},
		subject.RecordFields{Purpose: "calls", Items: []subject.Entry{{Field: "phone", Text: personal.Of(phone)}}})
	require.NoError(s.t, err)
}

// eraseValue erases one value, to the end.
func (s *site) eraseValue(token domain.Token, id byte, field domain.Name) {
	s.t.Helper()
	erasure := domain.ID{0xe, id}
	_, err := s.app.Ledger.OrderErasure(s.t.Context(), ledger.Request{Principal: app.Local}, token,
		subject.OrderErasure{Erasure: erasure, Scope: subject.Scope{Values: []subject.ValueRef{{Field: field}}}, Ground: subject.Unlawful})
	require.NoError(s.t, err)
	s.app.Erasures.Wake()
	eventually(s.t, time.Minute, func() bool {
		state, err := s.app.Ledger.Subject(context.Background(), token)
		require.NoError(s.t, err)
		e, _ := state.Erasure(erasure)
		return e.State == subject.IsCompleted
	})
}

// field is how a value stands; nil: there is none.
func (s *site) field(token domain.Token, id domain.Name) *subject.Field {
	s.t.Helper()
	state, err := s.app.Ledger.Subject(s.t.Context(), token)
	require.NoError(s.t, err)
	for _, f := range state.At(time.Time{}, time.Time{}).Fields {
		if f.Field == id {
			return &f
		}
	}
	return nil
}

func (s *site) again(token domain.Token) (list []subject.ErasureReapplied) {
	s.t.Helper()
	state, err := s.app.Ledger.Subject(s.t.Context(), token)
	require.NoError(s.t, err)
	for _, r := range state.Entries() {
		if e, ok := r.Event.(*subject.ErasureReapplied); ok {
			list = append(list, *e)
		}
	}
	return list
}

// What an erasure of a single value left was sealed again, in an event that the
// restored copy of the ledger does not have. It is lost, and not called erased;
// what was named by the erasure is erased. Both is told.
func TestPitfall24WhatAnErasureLeftIsLostAndNotErased(t *testing.T) {
	for name, keys := range map[string]bool{"the ledger": false, "ledger and keys": true} {
		t.Run(name, func(t *testing.T) {
			s := newSite(t)
			token, other := s.person(1), s.person(2)
			s.twoValues(token, other)
			made := s.backup()
			s.eraseValue(token, 1, "email")
			from := ""
			if keys {
				from = made[1].Dir
			}
			s.restore(made[0].Dir, from)
			s.open()
			list := s.again(token)
			require.Len(t, list, 1)
			require.Equal(t, []domain.Name{"contact"}, list[0].Left)
			require.Equal(t, []subject.ValueRef{{Field: "email"}}, list[0].Erased)
			require.Equal(t, []subject.ValueRef{{Field: "phone"}}, list[0].Lost)
			require.Contains(t, s.reports(), "1 values of 1 people that were to stay")
			require.Nil(t, s.field(token, "email"))
			require.True(t, s.field(token, "phone").Lost)
			require.False(t, s.field(other, "phone").Lost)
			require.False(t, s.field(token, "name").Lost)
			s.requireClean()
			require.Contains(t, s.eventNotes(), "1 values of 1 people were to stay when others were erased, and are lost with events that a restore lost")

			s.close()
			s.open()
			require.Len(t, s.again(token), 1)
			require.NotContains(t, s.reports(), "were to stay", "it is told once")

			_, err := s.app.Ledger.Operate(t.Context(), ledger.Request{Principal: app.Local}, operations.AcceptLostRange{Number: 1})
			require.NoError(t, err)
			s.eraseValue(token, 2, "phone") // the next erasure is not held up by what is lost
			require.Nil(t, s.field(token, "phone"))
			s.record(token, "+49 30 2")
			require.False(t, s.field(token, "phone").Lost)
			s.requireClean()
		})
	}
}

func TestALostValueCanBeBroughtInAgain(t *testing.T) {
	s := newSite(t)
	token := s.person(1)
	s.twoValues(token)
	made := s.backup()
	s.eraseValue(token, 1, "email")
	s.restore(made[0].Dir, "")
	s.open()
	s.record(token, "+49 30 1")
	phone := s.field(token, "phone")
	require.False(t, phone.Lost)
	same, err := s.app.Ledger.Matches(t.Context(), phone.Value, "+49 30 1")
	require.NoError(t, err)
	require.True(t, same)
	s.requireClean()
}

// What was sealed again and erased later is erased: two erasures after the
// backup, of one value and then of everything, or of each value.
func TestWhatWasErasedInTheEndIsNotLost(t *testing.T) {
	s := newSite(t)
	whole, each := s.person(1), s.person(2)
	s.twoValues(whole, each)
	made := s.backup()
	s.eraseValue(whole, 1, "email")
	s.erase(whole)
	s.eraseValue(each, 2, "email")
	s.eraseValue(each, 3, "phone")
	s.restore(made[0].Dir, made[1].Dir)
	s.open()
	s.requireErased(whole)
	for _, token := range []domain.Token{whole, each} {
		for _, e := range s.again(token) {
			require.Empty(t, e.Lost)
		}
	}
	require.Nil(t, s.field(each, "email"))
	require.Nil(t, s.field(each, "phone"))
	require.NotContains(t, s.reports(), "values of")
	s.requireClean()
}

// eventNotes are what the audit says of events that is no finding.
func (s *site) eventNotes() (all string) {
	s.t.Helper()
	res, err := audit.New(audit.Options{
		Store: s.app.Store, Seal: s.app.Seal, Keys: s.app.Keys, Decoder: s.app.Codec, Views: s.app.Views.Runner, Version: "test", Now: time.Now,
	}).Run(s.t.Context(), audit.Request{}, nil)
	require.NoError(s.t, err)
	for _, step := range res.Steps {
		if step.Name == audit.StepEvents {
			for _, n := range step.Notes {
				all += n + "\n"
			}
		}
	}
	return all
}
