package ledger

import (
	"context"
	"encoding/binary"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"lethe/domain"
	"lethe/domain/catalogue"
	"lethe/domain/personal"
	"lethe/domain/subject"
	"lethe/eventstore/segment/rawlog"
)

// A consent command through the whole path, for people who have their keys.
func BenchmarkConsent(b *testing.B) {
	for _, clients := range []int{1, 64} {
		name := map[int]string{1: "1-client", 64: "64-clients"}[clients]
		b.Run(name+"/raw", func(b *testing.B) { benchmarkRaw(b, clients) })
		b.Run(name+"/ledger", func(b *testing.B) { benchmarkConsent(b, clients) })
	}
}

// benchmarkRaw is the yardstick: as many bytes, durable, and nothing else.
func benchmarkRaw(b *testing.B, clients int) {
	l, err := rawlog.Create(filepath.Join(b.TempDir(), "raw"), 1<<30)
	require.NoError(b, err)
	payload := make([]byte, 800)
	run(b, clients, func(uint64) error {
		_, err := l.Append(payload)
		return err
	})
	require.NoError(b, l.Close())
}

// run does b.N commands in so many goroutines.
func run(b *testing.B, clients int, do func(n uint64) error) {
	var next atomic.Uint64
	var wg sync.WaitGroup
	b.ReportAllocs()
	b.ResetTimer()
	for range clients {
		wg.Go(func() {
			for n := next.Add(1); n <= uint64(b.N); n = next.Add(1) {
				if err := do(n); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	b.StopTimer()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "commands/s")
}

const benchPeople = 2048

func benchmarkConsent(b *testing.B, clients int) {
	p := &place{dir: b.TempDir()}
	o := p.openFor(b)
	notice := o.declareMarketing(b)
	tokens := make([]domain.Token, benchPeople)
	var wg sync.WaitGroup
	for w := range 64 {
		wg.Go(func() {
			for i := w; i < benchPeople; i += 64 {
				token, _, err := o.Register(context.Background(), numbered(uint64(i), 1), subject.Env{}, append(person("a@example.org"), give(notice))...)
				if err != nil {
					b.Error(err)
					return
				}
				tokens[i] = token
			}
		})
	}
	wg.Wait()
	run(b, clients, func(n uint64) error {
		var c subject.Command = give(notice)
		if n/benchPeople%2 == 0 {
			c = subject.WithdrawConsent{Said: subject.Said{Purpose: "marketing", Medium: subject.Web, Method: subject.FormSubmit}}
		}
		_, err := o.On(context.Background(), numbered(n, 2), tokens[n%benchPeople], subject.Env{}, c)
		return err
	})
}

func numbered(n uint64, kind byte) Request {
	r := Request{Principal: me, Command: domain.Digest{kind}, Body: domain.Digest{kind, 1}}
	binary.BigEndian.PutUint64(r.Command[8:], n)
	return r
}

func give(notice domain.Digest) subject.Command {
	return subject.GiveConsent{Granting: subject.Granting{Said: subject.Said{
		Purpose: "marketing", Notice: notice, Medium: subject.Web, Method: subject.Checkbox, Evidence: personal.Of("form 7, request 123456"),
	}}}
}

func (o *opened) declareMarketing(b *testing.B) domain.Digest {
	b.Helper()
	o.declare(b)
	_, err := o.Declare(context.Background(), Request{Principal: me},
		catalogue.DeclarePurpose{PurposeDeclared: catalogue.PurposeDeclared{
			ID: "marketing", Controllers: []domain.Name{"acme"}, Basis: domain.Consent, Fields: []domain.Name{"email"},
			Retention: "P3Y", RetentionStart: catalogue.FromConsentEnd, DPV: "dpv:DirectMarketing", Marketing: true,
		}},
		catalogue.PublishNotice{NoticePublished: catalogue.NoticePublished{
			ID: "n", Version: 1, Language: "en", Purposes: []catalogue.PurposeRef{{Purpose: "marketing", Version: 1}},
			Text: personal.Of("We send you news by e-mail."),
		}},
	)
	require.NoError(b, err)
	cat, err := o.Catalogue(context.Background())
	require.NoError(b, err)
	return cat.Notices()[0].Digest
}
