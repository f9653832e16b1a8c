package audit_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"lethe/eventstore"
	"lethe/eventstore/segment"
	"lethe/internal/audit"
	"lethe/internal/seal"
)

// openVault hides nothing.
type openVault struct{}

func (openVault) Protect(_ string, secret []byte) ([]byte, error) { return bytes.Clone(secret), nil }
func (openVault) Unprotect(_ string, blob []byte) ([]byte, error) { return bytes.Clone(blob), nil }

// sealedLog is a store of made-up events under a seal, without keys and views.
type sealedLog struct {
	dir   string
	store *segment.Store
	seal  *seal.Log
}

func newSealedLog(t testing.TB, events uint64, segmentBytes int64) *sealedLog {
	l := &sealedLog{dir: t.TempDir()}
	var err error
	l.store, err = segment.Open(filepath.Join(l.dir, "log"), segment.Options{SegmentBytes: segmentBytes})
	require.NoError(t, err)
	l.openSeal(t)
	l.append(t, events)
	return l
}

// openSeal opens the seal beside an open store; both are closed at the end.
func (l *sealedLog) openSeal(t testing.TB, change ...func(*seal.Options)) {
	var err error
	o := seal.Options{
		Dir: filepath.Join(l.dir, "seal"), PinDir: filepath.Join(l.dir, "pins"), KeyDir: filepath.Join(l.dir, "keys"),
		Store: l.store, Vault: openVault{}, Origin: "ledger.example.com/log", Interval: 100 * time.Millisecond,
		Now: time.Now, Rand: rand.Reader,
	}
	for _, f := range change {
		f(&o)
	}
	l.seal, err = seal.Open(t.Context(), o)
	require.NoError(t, err)
	l.seal.Run(t.Context())
	t.Cleanup(func() {
		require.NoError(t, l.seal.Close(context.Background()))
		require.NoError(t, l.store.Close())
	})
}

// append writes events of the sizes that a ledger's have: one in three with
// three values, one with one, one with none; 680 bytes each on the average.
func (l *sealedLog) append(t testing.TB, events uint64) {
	const batch = 999
	e := make([]eventstore.Event, batch)
	for n := uint64(0); n < events; n += batch {
		for i := range e {
			k := n + uint64(i)
			facts, parts := 46, 0
			switch k % 3 {
			case 1:
				facts, parts = 230, 3
			case 2:
				facts, parts = 235, 1
			}
			e[i] = eventstore.Event{
				Type: "FieldsRecorded", Version: 1, Effective: time.Unix(1_700_000_000, 0),
				Facts: make([]byte, facts), Metadata: make([]byte, 150),
			}
			binary.BigEndian.PutUint64(e[i].ID[:], k+1)
			for range parts {
				e[i].Sealed = append(e[i].Sealed, make([]byte, 160))
			}
		}
		stream := fmt.Sprintf("subject-%026d", n/batch)
		_, err := l.store.Append(t.Context(), stream, eventstore.Any(), e[:min(batch, events-n)])
		require.NoError(t, err)
	}
	require.NoError(t, l.seal.WaitFor(t.Context(), l.store.Stats().Head))
}

func (l *sealedLog) auditor(workers int) *audit.Auditor {
	return audit.New(audit.Options{Store: l.store, Seal: l.seal, Version: "test", Workers: workers, Now: time.Now})
}

// rawScan reads the log's files and hashes their bytes, which is the least
// that whoever compares hashes has to do.
func (l *sealedLog) rawScan(t testing.TB, workers int) {
	sections := l.store.Sections()
	next := make(chan eventstore.Section)
	var wg sync.WaitGroup
	for range workers {
		wg.Go(func() {
			buf := make([]byte, 1<<20)
			for sec := range next {
				f, err := os.Open(filepath.Join(l.dir, "log", sec.Name))
				if err != nil {
					t.Error(err)
					return
				}
				h, left := sha256.New(), io.LimitReader(f, sec.Bytes)
				for {
					n, err := left.Read(buf)
					h.Write(buf[:n])
					if errors.Is(err, io.EOF) {
						break
					} else if err != nil {
						t.Error(err)
						break
					}
				}
				_ = f.Close()
				h.Sum(nil)
			}
		})
	}
	for _, sec := range sections {
		next <- sec
	}
	close(next)
	wg.Wait()
}

// BenchmarkLog is `lethe audit verify --log`: events a second, and beside it,
// in the same run, the raw scan with hashing by as many workers. The ratio is
// what counts on a machine that has other work. LETHE_AUDIT_EVENTS sets the
// number of events.
func BenchmarkLog(b *testing.B) {
	events := uint64(1_000_000)
	if s := os.Getenv("LETHE_AUDIT_EVENTS"); s != "" {
		var err error
		events, err = strconv.ParseUint(s, 10, 64)
		require.NoError(b, err)
	}
	l := newSealedLog(b, events, 64<<20)
	workers := runtime.GOMAXPROCS(0)
	a := l.auditor(workers)
	var scan, check time.Duration
	for b.Loop() {
		start := time.Now()
		l.rawScan(b, workers)
		scan += time.Since(start)
		start = time.Now()
		res, err := a.Run(b.Context(), audit.Request{LogOnly: true}, nil)
		check += time.Since(start)
		require.NoError(b, err)
		require.Empty(b, res.Findings)
		require.Equal(b, events, res.Sealed)
	}
	each := func(d time.Duration) float64 { return float64(events) * float64(b.N) / d.Seconds() }
	b.ReportMetric(each(check), "events/s")
	b.ReportMetric(each(scan), "raw-events/s")
	b.ReportMetric(each(check)/each(scan), "of-raw")
}

// BenchmarkVerify is the whole of `lethe audit verify` on a ledger that was
// made through the program, and where its time goes. LETHE_AUDIT_PEOPLE sets
// how many people it has; each has about five events.
func BenchmarkVerify(b *testing.B) {
	people := 5000
	if s := os.Getenv("LETHE_AUDIT_PEOPLE"); s != "" {
		var err error
		people, err = strconv.Atoi(s)
		require.NoError(b, err)
	}
	dir := b.TempDir()
	w := &world{t: b, app: open(b, dir)}
	w.declare()
	var g errgroup.Group
	g.SetLimit(16)
	for i := range people {
		g.Go(func() error {
			_, err := w.person(i)
			return err
		})
	}
	require.NoError(b, g.Wait())
	ready(b, w.app)
	at := auditor(w.app)
	seconds := map[string]float64{}
	var events, total float64
	for b.Loop() {
		start := time.Now()
		res, err := at.Run(b.Context(), audit.Request{}, nil)
		require.NoError(b, err)
		require.Empty(b, res.Findings)
		total += time.Since(start).Seconds()
		events += float64(res.Events)
		for _, s := range res.Steps {
			seconds[s.Name] += s.Seconds
		}
	}
	b.ReportMetric(events/total, "events/s")
	for _, step := range []string{audit.StepLog, audit.StepStore, audit.StepEvents, audit.StepKeys, audit.StepViews} {
		b.ReportMetric(100*seconds[step]/total, "%-"+step)
	}
	require.NoError(b, w.app.Close())
}
