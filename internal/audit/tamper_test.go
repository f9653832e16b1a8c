package audit_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"sort"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"lethe/domain"
	"lethe/internal/app"
	"lethe/internal/audit"
	"lethe/internal/testenv"
)

// The tamper test changes one thing in a file of a small and complete ledger
// that was closed in order, many times, in every region of it. Each change is
// either found — the ledger does not open and says that it is damaged, or
// opening reports it, or the audit does — or no answer of the ledger is another
// one, to the byte. And whatever was changed, no value counts as erased that
// was not.
//
// LETHE_TAMPER_ROUNDS multiplies the number of changes; LETHE_TAMPER_SEED draws
// other ones.

// region is a set of files that are changed alike.
type region struct {
	name  string
	files []string // relative to the data directory
	// live: the audit of the log alone reads the file from the disk, so that
	// changes can be tried while the ledger is open, which is fast.
	live bool
}

// regionOf sorts the files of a ledger.
func regionOf(rel string) (name string, live bool) {
	parts := strings.Split(rel, "/")
	switch {
	case strings.HasSuffix(rel, ".seg"):
		return "log: segments", true
	case strings.HasPrefix(rel, "log/index/"):
		return "log: index", false
	case parts[0] == "log":
		return "log: " + parts[1], false
	case strings.HasPrefix(rel, "seal/log-0/tile/"):
		return "seal: tile/" + parts[3], true
	case strings.HasPrefix(rel, "seal/log-0/"):
		return "seal: " + parts[2], true
	case parts[0] == "seal", parts[0] == "pins":
		return parts[0] + ": " + parts[1], true
	case parts[0] == "views" && parts[2] == "CURRENT":
		return "views: CURRENT", false
	case parts[0] == "views":
		return "views: " + parts[1], false
	}
	return strings.Join(parts[:min(2, len(parts))], ": "), false
}

func regions(t testing.TB, dir string) (out []*region) {
	t.Helper()
	by := map[string]*region{}
	require.NoError(t, filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		rel, err := filepath.Rel(dir, name)
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil || info.Size() == 0 {
			return err // a lock
		}
		of, live := regionOf(filepath.ToSlash(rel))
		if by[of] == nil {
			by[of] = &region{name: of, live: live}
			out = append(out, by[of])
		}
		by[of].files = append(by[of].files, rel)
		return nil
	}))
	sort.Slice(out, func(i, j int) bool { return out[i].name < out[j].name })
	return out
}

// change is one change of one file.
type change struct {
	file string
	what string
	do   func(b []byte) []byte
}

// pick draws a change of a region: mostly single bits.
func (r *region) pick(rng *rand.Rand, dir string) change {
	c := change{file: r.files[rng.IntN(len(r.files))]}
	b, err := os.ReadFile(filepath.Join(dir, c.file))
	if err != nil {
		return c
	}
	at := rng.IntN(len(b))
	if r.name == "log: segments" && rng.IntN(2) == 0 { // half of them where something is
		at = rng.IntN(bytes.LastIndexFunc(b, func(r rune) bool { return r != 0 }) + 1)
	}
	switch kind := rng.IntN(20); {
	case kind < 14:
		bit := byte(1) << rng.IntN(8)
		c.what, c.do = fmt.Sprintf("bit %d of byte %d", bit, at), func(b []byte) []byte { b[at] ^= bit; return b }
	case kind < 16:
		v := byte(rng.IntN(256))
		c.what, c.do = fmt.Sprintf("byte %d to %d", at, v), func(b []byte) []byte { b[at] = v; return b }
	case kind < 17:
		c.what, c.do = fmt.Sprintf("zeros from %d", at), func(b []byte) []byte { clear(b[at:min(at+512, len(b))]); return b }
	case kind < 18:
		c.what, c.do = fmt.Sprintf("cut at %d", at), func(b []byte) []byte { return b[:at] }
	case kind < 19:
		c.what, c.do = "a byte added", func(b []byte) []byte { return append(b, 1) }
	default:
		c.what, c.do = fmt.Sprintf("two bytes swapped at %d", at), func(b []byte) []byte {
			if at+1 < len(b) {
				b[at], b[at+1] = b[at+1], b[at]
			}
			return b
		}
	}
	return c
}

// apply changes the file; false when that leaves it as it was.
func (c change) apply(dir string) (undo func() error, changed bool, err error) {
	name := filepath.Join(dir, c.file)
	was, err := os.ReadFile(name)
	if err != nil {
		return nil, false, err
	}
	is := c.do(bytes.Clone(was))
	if bytes.Equal(was, is) {
		return nil, false, nil
	}
	return func() error { return os.WriteFile(name, was, 0o600) }, true, os.WriteFile(name, is, 0o600)
}

// tally counts what became of changes.
type tally struct {
	mu sync.Mutex
	by map[string]map[string]int
}

func (t *tally) add(region, outcome string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.by == nil {
		t.by = map[string]map[string]int{}
	}
	if t.by[region] == nil {
		t.by[region] = map[string]int{}
	}
	t.by[region][outcome]++
}

func (t *tally) log(tb testing.TB) {
	total := 0
	for _, r := range sortedKeys(t.by) {
		var line []string
		for _, o := range sortedKeys(t.by[r]) {
			line = append(line, fmt.Sprintf("%s %d", o, t.by[r][o]))
			total += t.by[r][o]
		}
		tb.Logf("%-24s %s", r, strings.Join(line, ", "))
	}
	tb.Logf("%d changes", total)
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	sort.Strings(keys)
	return keys
}

func rounds(t testing.TB, few, usual, all int) int {
	t.Helper()
	n := testenv.Cases(usual, all)
	if testing.Short() {
		n = few
	}
	if s := os.Getenv("LETHE_TAMPER_ROUNDS"); s != "" {
		times, err := strconv.Atoi(s)
		require.NoError(t, err)
		n *= times
	}
	return n
}

// draw is the source of one change.
func draw(t testing.TB, i, k int) *rand.Rand {
	t.Helper()
	seed := uint64(0)
	if s := os.Getenv("LETHE_TAMPER_SEED"); s != "" {
		var err error
		seed, err = strconv.ParseUint(s, 10, 32)
		require.NoError(t, err)
	}
	return rand.New(rand.NewPCG(seed<<32|uint64(i), uint64(k)))
}

// tampered is the ledger of the tamper tests.
type tampered struct {
	dir   string
	ask   *questions
	want  []string
	parts []*region
}

// theTampered is made once, for all tests that tamper.
var theTampered struct {
	once sync.Once
	*tampered
}

func newTampered(t *testing.T) *tampered {
	t.Helper()
	theTampered.once.Do(func() {
		dir, err := os.MkdirTemp("", "lethe-audit-*")
		require.NoError(t, err)
		temporary = append(temporary, dir)
		theTampered.tampered = makeTampered(t, dir)
	})
	require.NotNil(t, theTampered.tampered)
	return theTampered.tampered
}

func makeTampered(t *testing.T, dir string) *tampered {
	t.Helper()
	people := fill(t, dir, 90)
	lookInto(t, dir, people[20:24])
	dropOld(t, dir, people[:5])
	w := &tampered{dir: dir}
	twin := t.TempDir()
	copyTo(t, dir, twin)
	a := open(t, twin)
	ready(t, a)
	require.Empty(t, a.Reports())
	require.Greater(t, len(a.Store.Sections()), 3)
	w.ask = ask(t, a, people)
	w.want = w.ask.answers(a)
	require.Empty(t, firstDifference(w.want, w.ask.answers(a)), "asking changes nothing")
	requireClean(t, verify(t, a, audit.Request{}))
	require.NoError(t, a.Close())
	w.parts = regions(t, dir)
	return w
}

// dropOld drops values of people whose keys are destroyed. Nothing in the log
// ordered that here, so that views know it of the log only when made anew.
func dropOld(t *testing.T, dir string, people []domain.Token) {
	t.Helper()
	a := open(t, dir)
	dropFrom(t, a, fullSections(a)[0], 7, people, saying(t, a, nil))
	ready(t, a)
	require.NoError(t, a.Views.Rebuild(context.Background(), nil))
	require.NoError(t, a.Close())
}

// lookInto opens values of some people, so that there are accesses.
func lookInto(t *testing.T, dir string, people []domain.Token) {
	t.Helper()
	a := open(t, dir)
	for _, p := range people {
		code, body := get(api(a), "GET", "/v1/subjects/"+string(p)+"?purpose=customer.service", nil)
		require.Equal(t, 200, code, "%s", body)
	}
	ready(t, a)
	require.NoError(t, a.Close())
}

// TestTamperedLedger makes each change while the ledger is closed.
func TestTamperedLedger(t *testing.T) {
	testenv.Sequential(t)
	t.Parallel()
	w := newTampered(t)
	var n tally
	var failed []string
	var mu sync.Mutex
	g, ctx := errgroup.WithContext(t.Context())
	g.SetLimit(runtime.GOMAXPROCS(0))
	for i, r := range w.parts {
		for k := range rounds(t, 2, 2, 5) {
			rng := draw(t, i, k)
			g.Go(func() error {
				outcome, err := w.closed(ctx, t, r, rng)
				if err != nil {
					mu.Lock()
					failed = append(failed, err.Error())
					mu.Unlock()
				}
				if outcome != "" {
					n.add(r.name, outcome)
				}
				return nil
			})
		}
	}
	require.NoError(t, g.Wait())
	n.log(t)
	sort.Strings(failed)
	require.Empty(t, failed, strings.Join(failed, "\n"))
}

// closed tries one change of a closed ledger.
func (w *tampered) closed(ctx context.Context, t testing.TB, r *region, rng *rand.Rand) (outcome string, err error) {
	dir, err := os.MkdirTemp(t.TempDir(), "")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(dir) //nolint:errcheck // a test
	copyTo(t, w.dir, dir)
	c := r.pick(rng, dir)
	if _, changed, err := c.apply(dir); err != nil || !changed {
		return "", err
	}
	outcome, err = w.judge(ctx, dir)
	if err != nil {
		return outcome, fmt.Errorf("%s, %s: %w", c.file, c.what, err)
	}
	return outcome, nil
}

// judge opens a changed ledger and decides what became of the change.
func (w *tampered) judge(ctx context.Context, dir string) (outcome string, err error) {
	a, err := app.Open(ctx, ledgerOf(dir), slog.New(slog.DiscardHandler))
	if err != nil {
		if _, damaged := audit.Refused(dir, err); !damaged {
			return "refused", fmt.Errorf("refused, and not as damage: %w", err)
		}
		return "refused", nil
	}
	defer func() { _ = a.Close() }() // damaged files may not close well
	if err := w.ask.neverErased(a); err != nil {
		return "", err
	}
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	for _, v := range a.Views.Status() {
		if err := a.Views.WaitFor(ctx, v.Name, a.Store.Stats().Head); errors.Is(err, context.DeadlineExceeded) {
			return "", fmt.Errorf("view %s does not come: %w", v.Name, err)
		}
	}
	if len(a.Reports()) > 0 {
		return "mended", nil
	}
	res, err := auditor(a).Run(ctx, audit.Request{}, nil)
	switch {
	case err != nil:
		return "", err
	case len(res.Findings) > 0:
		return "found", nil
	}
	if d := firstDifference(w.want, w.ask.answers(a)); d != "" {
		return "", fmt.Errorf("clean, and an answer is another one: %s", d)
	}
	return "no effect", nil
}

// TestTamperedWhileOpen makes changes under an open ledger, in the files that
// the audit of the log reads. What it does not find is tried again closed.
func TestTamperedWhileOpen(t *testing.T) {
	t.Parallel()
	w := newTampered(t)
	dir := t.TempDir()
	copyTo(t, w.dir, dir)
	a := open(t, dir)
	ready(t, a)
	at := auditor(a)
	var n tally
	var live []*region
	for _, r := range regions(t, dir) {
		if r.live {
			live = append(live, r)
		}
	}
	for i := range rounds(t, 15, 400, 800) {
		r := live[i%len(live)]
		rng := draw(t, i, 11)
		c := r.pick(rng, dir)
		undo, changed, err := c.apply(dir)
		require.NoError(t, err)
		if !changed {
			continue
		}
		res, err := at.Run(t.Context(), audit.Request{LogOnly: true}, nil)
		require.NoError(t, err, "%s %s", c.file, c.what)
		require.NoError(t, undo())
		if len(res.Findings) > 0 {
			n.add(r.name, "found")
			continue
		}
		twin := t.TempDir()
		copyTo(t, w.dir, twin)
		_, _, err = c.apply(twin)
		require.NoError(t, err)
		outcome, err := w.judge(t.Context(), twin)
		require.NoError(t, err, "%s %s", c.file, c.what)
		n.add(r.name, outcome+" when closed")
	}
	res, err := at.Run(t.Context(), audit.Request{}, nil)
	require.NoError(t, err)
	requireClean(t, res)
	require.NoError(t, a.Close())
	n.log(t)
}
