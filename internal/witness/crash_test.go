package witness_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/stretchr/testify/require"

	"lethe/internal/tlog"
	"lethe/internal/witness"
)

var errDisk = errors.New("the disk failed")

// faultyFS fails one operation of a kind, before or after it took effect.
type faultyFS struct {
	vfs.FS
	op    string // of those that fail
	after bool   // failed, but persisted
	armed bool
}

func (f *faultyFS) around(op string, do func() error) error {
	if !f.armed || op != f.op {
		return do()
	}
	f.armed = false
	if f.after {
		if err := do(); err != nil {
			return err
		}
	}
	return errDisk
}

func (f *faultyFS) Create(name string, c vfs.DiskWriteCategory) (file vfs.File, err error) {
	err = f.around("create", func() error { file, err = f.FS.Create(name, c); return err })
	return &faultyFile{File: file, fs: f}, err
}

func (f *faultyFS) Rename(from, to string) error {
	return f.around("rename", func() error { return f.FS.Rename(from, to) })
}

func (f *faultyFS) OpenDir(name string) (dir vfs.File, err error) {
	err = f.around("opendir", func() error { dir, err = f.FS.OpenDir(name); return err })
	return &faultyFile{File: dir, fs: f, dir: "dir"}, err
}

type faultyFile struct {
	vfs.File
	fs  *faultyFS
	dir string
}

func (f *faultyFile) Write(b []byte) (n int, err error) {
	err = f.fs.around("write", func() error { n, err = f.File.Write(b); return err })
	return n, err
}

func (f *faultyFile) Sync() error  { return f.fs.around(f.dir+"sync", f.File.Sync) }
func (f *faultyFile) Close() error { return f.fs.around(f.dir+"close", f.File.Close) }

// Each step of keeping a checkpoint fails, or fails after it took effect; then
// the witness goes on, or crashes and starts again with what the disk kept of
// unsynced data. Whatever it cosigned it never contradicts.
func TestCrashTable(t *testing.T) {
	log, fork := grow(t, 40, never), grow(t, 40, 21)
	for _, op := range []string{"create", "write", "sync", "close", "rename", "opendir", "dirsync", "dirclose"} {
		for _, after := range []bool{false, true} {
			for crash := range 5 { // 0: none; else percent of what was unsynced that stays
				t.Run(fmt.Sprintf("%s/%v/%d", op, after, crash), func(t *testing.T) {
					mem := vfs.NewCrashableMem()
					faulty := &faultyFS{FS: mem, op: op, after: after}
					p := newParty(t, log.vkey)
					p.fs, p.mldsa = faulty, false
					p.start(t)
					_, err := p.client.AddCheckpoint(t.Context(), 0, nil, log.signed(t, 20))
					require.NoError(t, err)

					faulty.armed = true
					_, err = p.client.AddCheckpoint(t.Context(), 20, log.proof(t, 20, 30), log.signed(t, 30))
					require.Error(t, err, "an answer left before the checkpoint was kept")
					require.False(t, faulty.armed)
					if crash > 0 {
						p.stop(t)
						p.fs = mem.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: (crash - 1) * 33, RNG: rand.New(rand.NewPCG(uint64(crash), 1))})
						p.start(t)
					}
					known := p.sizeKnown(t)
					require.Contains(t, []int64{20, 30}, known)

					// A history other than what was cosigned is refused; size 20 it shares.
					if known == 20 {
						_, err = p.client.AddCheckpoint(t.Context(), 0, nil, fork.signed(t, 10))
					} else {
						_, err = p.client.AddCheckpoint(t.Context(), 30, fork.proof(t, 30, 35), fork.signed(t, 35))
					}
					require.Error(t, err)
					_, err = p.client.AddCheckpoint(t.Context(), known, log.proof(t, known, 30), log.signed(t, 30))
					require.NoError(t, err)
					_, err = p.client.AddCheckpoint(t.Context(), 30, log.proof(t, 30, 40), log.signed(t, 40))
					require.NoError(t, err)
					require.Equal(t, int64(40), p.sizeKnown(t))
				})
			}
		}
	}
}

// sizeKnown asks by a request that cannot be right what the witness holds.
func (p *party) sizeKnown(t *testing.T) int64 {
	t.Helper()
	log := grow(t, 40, never)
	_, err := p.client.AddCheckpoint(t.Context(), 39, nil, log.signed(t, 39))
	var conflict *witness.ConflictError
	require.ErrorAs(t, err, &conflict)
	return conflict.Size
}

// Two histories of one log are submitted at once, by many: what was cosigned
// belongs to one of them, and sizes only grow in the order of the answers.
func TestRacingRequests(t *testing.T) {
	log, fork := grow(t, 60, never), grow(t, 60, 8)
	p := newParty(t, log.vkey)
	p.mldsa = false
	p.start(t)
	var mu sync.Mutex
	var cosigned []tlog.Checkpoint
	var wg sync.WaitGroup
	for worker := range 8 {
		wg.Add(1)
		go func() {
			defer wg.Done()
			from := []*history{log, fork}[worker%2]
			random := rand.New(rand.NewPCG(uint64(worker), 7))
			old := int64(0)
			for range 60 {
				size := old + random.Int64N(4)
				if size > 60 {
					size = 60
				}
				_, err := p.client.AddCheckpoint(t.Context(), old, from.proof(t, old, size), from.signed(t, size))
				var conflict *witness.ConflictError
				switch {
				case errors.As(err, &conflict):
					old = conflict.Size
				case err == nil:
					mu.Lock()
					cosigned = append(cosigned, from.point(t, size))
					mu.Unlock()
					old = size
				}
			}
		}()
	}
	wg.Wait()
	require.NotEmpty(t, cosigned)
	winner := log
	for _, c := range cosigned {
		if c.Size > 8 && c == fork.point(t, c.Size) {
			winner = fork
		}
	}
	largest := int64(0)
	for _, c := range cosigned {
		require.Equal(t, winner.point(t, c.Size), c, "two histories were cosigned")
		largest = max(largest, c.Size)
	}
	require.Greater(t, largest, int64(8))
	latest, err := p.client.Latest(t.Context(), origin)
	require.NoError(t, err)
	c, err := tlog.CheckpointOf(latest)
	require.NoError(t, err)
	require.Equal(t, winner.point(t, largest), c, "it rolled back")
}

// More requests than fit at once are sent away, and those within are answered.
func TestTooManyAtOnce(t *testing.T) {
	log := grow(t, 20, never)
	p := newParty(t, log.vkey).start(t)
	enter, leave := make(chan struct{}), make(chan struct{})
	var wg sync.WaitGroup
	codes := make(chan int, witness.MaxAtOnce)
	for range witness.MaxAtOnce {
		wg.Add(1)
		go func() {
			defer wg.Done()
			rec := httptest.NewRecorder()
			body := &slow{Reader: strings.NewReader("nonsense"), enter: enter, leave: leave}
			p.server.Handler().ServeHTTP(rec, httptest.NewRequest(http.MethodPost, "/add-checkpoint", body))
			codes <- rec.Code
		}()
	}
	for range witness.MaxAtOnce {
		<-enter
	}
	code, _, _ := p.post(t, witness.FormatRequest(0, nil, log.signed(t, 20)))
	require.Equal(t, http.StatusServiceUnavailable, code)
	close(leave)
	wg.Wait()
	for range witness.MaxAtOnce {
		require.Equal(t, http.StatusBadRequest, <-codes)
	}
	code, _, _ = p.post(t, witness.FormatRequest(0, nil, log.signed(t, 20)))
	require.Equal(t, http.StatusOK, code)
}

// slow is a body that waits before it gives its first byte.
type slow struct {
	*strings.Reader
	once         sync.Once
	enter, leave chan struct{}
}

func (s *slow) Read(b []byte) (int, error) {
	s.once.Do(func() {
		s.enter <- struct{}{}
		<-s.leave
	})
	return s.Reader.Read(b)
}

func FuzzRequest(f *testing.F) {
	log := grow(f, 40, never)
	f.Add(witness.FormatRequest(0, nil, log.signed(f, 20)))
	f.Add(witness.FormatRequest(20, log.proof(f, 20, 40), log.signed(f, 40)))
	f.Add([]byte("old 0\n\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		again, c, err := witness.ParseRequest(b)
		if err != nil {
			return
		}
		require.Equal(t, string(b), string(again))
		require.NotEmpty(t, c.Origin)
	})
}
