package segment_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"lethe/eventstore"
	"lethe/eventstore/segment"
	"lethe/eventstore/storetest"
)

const (
	killDirVar   = "LETHE_KILL_CHILD_DIR"
	killRoundVar = "LETHE_KILL_CHILD_ROUND"
	killRounds   = "LETHE_KILL_ROUNDS"
	killWriters  = 12
)

var testContext = context.Background()

// TestMain lets the test binary be its own victim.
func TestMain(m *testing.M) {
	if dir := os.Getenv(killDirVar); dir != "" {
		if err := killChild(dir); err != nil {
			fmt.Println("error:", err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

func killOptions() segment.Options {
	return segment.Options{SegmentBytes: 256 << 10, IdleMarker: 2 * time.Millisecond}
}

// killEvent makes an event that says where it belongs: round, writer, number.
func killEvent(round, writer, n uint64) eventstore.Event {
	e := storetest.NewEvent(round<<40 | writer<<32 | n)
	e.Facts = make([]byte, (n*37)%1500)
	return e
}

// killChild appends from many goroutines until it is killed, and prints each
// acknowledgement: writer, number, stream's revision, position.
func killChild(dir string) error {
	round, err := strconv.ParseUint(os.Getenv(killRoundVar), 10, 64)
	if err != nil {
		return err
	}
	s, err := segment.Open(dir, killOptions())
	if err != nil {
		return err
	}
	var mu sync.Mutex
	fmt.Println("open")
	errs := make(chan error, killWriters)
	for w := range uint64(killWriters) {
		go func() {
			for n := uint64(0); ; n++ {
				stream := fmt.Sprintf("kill-%d", (w+n)%(killWriters/2)) // two writers and more share each
				res, err := s.Append(testContext, stream, eventstore.Any(), []eventstore.Event{killEvent(round, w, n)})
				if err != nil {
					errs <- err
					return
				}
				mu.Lock() // one write call a line: a kill cannot mix them
				_, _ = os.Stdout.WriteString(fmt.Sprintf("ack %d %d %d %d\n", w, n, res.Last, res.Position))
				mu.Unlock()
			}
		}()
	}
	return <-errs
}

type ack struct {
	id       eventstore.EventID
	revision uint64
	position eventstore.Position
}

// killRound starts a child, lets it run for a while, kills it, and returns
// what it acknowledged.
func killRound(t *testing.T, dir string, round uint64, life time.Duration) []ack {
	t.Helper()
	exe, err := os.Executable()
	require.NoError(t, err)
	cmd := exec.CommandContext(t.Context(), exe, "-test.run=^$")
	cmd.Env = append(os.Environ(), killDirVar+"="+dir, fmt.Sprintf("%s=%d", killRoundVar, round))
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	lines := bufio.NewReader(out)
	// Half of the children are killed while they open, recover or begin.
	var timer *time.Timer
	if round%2 == 0 {
		timer = time.AfterFunc(life, func() { _ = cmd.Process.Kill() })
	}
	var acks []ack
	for {
		line, err := lines.ReadString('\n')
		if err == io.EOF {
			break
		}
		require.NoError(t, err)
		if line == "open\n" {
			if timer == nil {
				timer = time.AfterFunc(life, func() { _ = cmd.Process.Kill() })
			}
			continue
		}
		var w, n, rev, pos uint64
		_, err = fmt.Sscanf(line, "ack %d %d %d %d", &w, &n, &rev, &pos)
		require.NoError(t, err, "the child says: %s", line)
		acks = append(acks, ack{killEvent(round, w, n).ID, rev, eventstore.Position(pos)})
	}
	require.Error(t, cmd.Wait(), "the child was killed")
	return acks
}

// killState is what all rounds so far have established.
type killState struct {
	acked map[eventstore.EventID]ack
	order []eventstore.EventID // of everything that was read once: it must stay
	cuts  int
}

// check reopens the log: all that was acknowledged or read before is there,
// once, where it was, and in order.
func (k *killState) check(t *testing.T, dir string) {
	t.Helper()
	o := killOptions()
	o.Report = func(error) { k.cuts++ }
	s, err := segment.Open(dir, o)
	require.NoError(t, err)
	all := storetest.CheckLog(t, s)
	require.GreaterOrEqual(t, len(all), len(k.order))
	found := 0
	for i, rec := range all {
		if i < len(k.order) {
			require.Equal(t, k.order[i], rec.ID, "the history changed")
		} else {
			k.order = append(k.order, rec.ID)
		}
		if a, ok := k.acked[rec.ID]; ok {
			found++
			require.Equal(t, a.revision, rec.Revision)
			require.Equal(t, a.position, rec.Position)
		}
	}
	require.Equal(t, len(k.acked), found, "acknowledged events are missing")
	require.NoError(t, s.Close())
}

// TestKill kills a writing process again and again. LETHE_KILL_ROUNDS sets how
// often; a log is begun anew every 25 rounds, so that beginnings are hit too.
func TestKill(t *testing.T) {
	rounds := 15
	if v := os.Getenv(killRounds); v != "" {
		n, err := strconv.Atoi(v)
		require.NoError(t, err)
		rounds = n
	}
	rng := rand.New(rand.NewPCG(uint64(rounds), 4))
	start := time.Now()
	total, cuts := 0, 0
	var k *killState
	var dir string
	for round := range rounds {
		if round%25 == 0 {
			k, dir = &killState{acked: map[eventstore.EventID]ack{}}, t.TempDir()+"/data"
		}
		life := time.Duration(rng.IntN(120)) * time.Millisecond
		for _, a := range killRound(t, dir, uint64(round), life) {
			k.acked[a.id] = a
			total++
		}
		before := k.cuts
		k.check(t, dir)
		cuts += k.cuts - before
	}
	t.Logf("%d rounds in %s: %d events acknowledged, none missing; %d torn tails cut", rounds, time.Since(start).Round(time.Second), total, cuts)
	require.Positive(t, total)
}
