package keyring

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"lethe/domain"
	"lethe/domain/personal"
	"lethe/internal/part"
)

// acknowledged is what a child says after a call has returned.
type acknowledged struct {
	Ref       *personal.Ref // a part sealed with a provisioned key
	Destroyed *KeyInfo      // a key that is gone
	Command   uint64        // a creation that was claimed, for
	Token     domain.Token
	Marked    *SourceKey // of Token, who was erased
}

const childDir = "LETHE_KEYRING_KILL_DIR"

// TestKilledAtRandom kills two processes that provision, renew, destroy,
// claim and rotate from many goroutines, again and again on one store. After
// each kill what was acknowledged is there: keys open their parts, destroyed
// keys are erased and have left their marks, claims keep their token, and
// every row adds up. LETHE_KILL_ROUNDS sets how often.
func TestKilledAtRandom(t *testing.T) {
	t.Parallel()
	rounds := 3
	if s := os.Getenv("LETHE_KILL_ROUNDS"); s != "" {
		var err error
		rounds, err = strconv.Atoi(s)
		require.NoError(t, err)
	}
	dir := t.TempDir()
	require.NoError(t, open(t, childOptions(dir)).Close())
	var all []acknowledged
	for round := range rounds {
		var of [2][]acknowledged
		var wg sync.WaitGroup
		for i := range of {
			wg.Go(func() { of[i] = runAndKill(t, dir, 2*round+i) })
		}
		wg.Wait()
		all = append(append(all, of[0]...), of[1]...)
		k := open(t, childOptions(dir))
		requireWhole(t, k)
		_, lost := k.LookupLost()
		require.False(t, lost)
		erased := map[KeyID]bool{}
		for _, a := range all {
			if a.Destroyed != nil {
				erased[a.Destroyed.ID] = true
			}
		}
		for _, a := range all {
			requireAcknowledged(t, k, a, erased)
		}
		require.Zero(t, k.Alarms().KeyMissing)
		require.NoError(t, k.Close())
	}
	require.NotEmpty(t, all)
	t.Logf("%d rounds, %d acknowledged calls", rounds, len(all))
}

func requireAcknowledged(t *testing.T, k *Keyring, a acknowledged, erased map[KeyID]bool) {
	switch {
	case a.Ref != nil:
		h, err := part.Parse(a.Ref.Part)
		require.NoError(t, err)
		state := stateOf(t, k, a.Ref)
		if erased[h.KeyID] {
			require.Equal(t, personal.Erased, state)
		} else if state != personal.Present {
			// A destruction that was under way may have happened.
			require.Equal(t, personal.Erased, state)
			require.Contains(t, h.Owner, "subject-d")
		}
	case a.Marked != nil:
		marks, err := k.Suppressed(t.Context(), []Identifier{{Source: *a.Marked}})
		require.NoError(t, err)
		require.True(t, marks[0].Erased)
		claims, err := k.ImportClaims(t.Context(), []SourceKey{*a.Marked})
		require.NoError(t, err)
		require.Empty(t, claims)
	case a.Command != 0:
		claim, existing, err := k.ClaimCreation(t.Context(), domain.ID{1}, k.CommandID(domain.ID{1}, fmt.Sprint(a.Command)), domain.Digest{}, token(t, k))
		require.NoError(t, err)
		require.True(t, existing)
		require.Equal(t, a.Token, claim.Token)
	}
}

func childOptions(dir string) Options {
	return Options{
		Dir: dir, EpochDir: dir, EpochReplicas: []string{dir + "/replica"}, LookupDir: dir,
		JournalDir: dir, HeadDir: dir + "/head", RootKeyFile: dir + "/root.key", CreateRoot: true,
	}
}

// runAndKill starts the child, lets it work for a random while, kills it and
// returns what it acknowledged.
func runAndKill(t *testing.T, dir string, round int) []acknowledged {
	cmd := exec.Command(os.Args[0], "-test.run", "^TestKillChild$")
	cmd.Env = append(os.Environ(), childDir+"="+dir, fmt.Sprintf("LETHE_KEYRING_KILL_ROUND=%d", round+1))
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	after := rapid.IntRange(5, 150).Example(int(time.Now().UnixNano()))
	var got []acknowledged
	lines := bufio.NewScanner(out)
	lines.Buffer(nil, 1<<20)
	for n := 0; lines.Scan(); n++ {
		var a acknowledged
		if json.Unmarshal(lines.Bytes(), &a) == nil { // the last line may be cut
			got = append(got, a)
		}
		if n == after {
			require.NoError(t, cmd.Process.Kill())
		}
	}
	require.Error(t, cmd.Wait(), "the child ends by being killed")
	return got
}

// TestKillChild is the process that TestKilledAtRandom kills.
func TestKillChild(t *testing.T) {
	dir, round := os.Getenv(childDir), os.Getenv("LETHE_KEYRING_KILL_ROUND")
	if dir == "" {
		t.Skip("only as a child of TestKilledAtRandom")
	}
	k, err := Open(t.Context(), childOptions(dir))
	require.NoError(t, err)
	var mu sync.Mutex
	say := func(a acknowledged) {
		b, err := json.Marshal(a)
		require.NoError(t, err)
		mu.Lock()
		defer mu.Unlock()
		_, _ = os.Stdout.Write(append(b, '\n'))
	}
	number, err := strconv.ParseUint(round, 10, 64)
	require.NoError(t, err)
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			_, err := k.Rotate(context.Background(), RotateOptions{})
			require.NoError(t, err)
		}
	})
	for worker := range uint64(8) {
		wg.Go(func() {
			for i := range uint64(1 << 20) {
				childStep(t, k, number<<40|worker<<20|i, say)
			}
		})
	}
	wg.Wait()
}

func childStep(t *testing.T, k *Keyring, n uint64, say func(acknowledged)) {
	kind := "s"
	if n%5 == 0 {
		kind = "d" // to be destroyed
	}
	c := Compartment{Owner: fmt.Sprintf("subject-%s%d", kind, n), Group: "contact"}
	keys, err := k.Provision(context.Background(), []Compartment{c, {Owner: c.Owner, Group: "evidence"}})
	require.NoError(t, err)
	say(acknowledged{Ref: sealed(t, k, keys[0], byte(n), "x")})
	if kind == "d" {
		renewed, err := k.ProvisionNext(context.Background(), []Compartment{c})
		require.NoError(t, err)
		info := infoOf(keys[0])
		endFully(t, k, Destruction{Keys: []KeyInfo{info}})
		say(acknowledged{Destroyed: &info})
		say(acknowledged{Ref: sealed(t, k, renewed[0], byte(n), "x")})
		erasePerson(t, k, say)
	}
	tok := token(t, k)
	_, _, err = k.ClaimCreation(context.Background(), domain.ID{1}, k.CommandID(domain.ID{1}, fmt.Sprint(n)), domain.Digest{}, tok)
	require.NoError(t, err)
	say(acknowledged{Command: n, Token: tok})
}

// erasePerson makes somebody and erases them.
func erasePerson(t *testing.T, k *Keyring, say func(acknowledged)) {
	tok := token(t, k)
	keys, err := k.Provision(context.Background(), []Compartment{{Owner: tok.Stream(), Group: "contact"}})
	require.NoError(t, err)
	source := k.SourceKeyOf("shop", "people", string(tok))
	require.NoError(t, k.FinishImports(context.Background(), []ImportClaim{{Key: source, Token: tok}}))
	endFully(t, k, Destruction{Token: tok, Keys: []KeyInfo{infoOf(keys[0])}, Everything: true, Marks: MarkSource})
	say(acknowledged{Token: tok, Marked: &source})
}

// endFully repeats a destruction that the other process held up.
func endFully(t *testing.T, k *Keyring, d Destruction) {
	for {
		_, err := k.Destroy(context.Background(), "erasure", d)
		if !errors.As(err, new(*IncompleteError)) {
			require.NoError(t, err)
			return
		}
	}
}
