package tlog_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/mod/sumdb/note"
	"pgregory.net/rapid"

	"lethe/internal/tlog"
)

// crowd are six witnesses of both kinds.
func crowd(t testing.TB) []actor {
	var out []actor
	for i := range 6 {
		out = append(out, witnessActor(t, fmt.Sprintf("w%d.example", i), algorithms[i%2]))
	}
	return out
}

// example is the specification's example, with keys.
func example(log actor, w []actor) string {
	return "log " + log.vkey + "\n\n" +
		"witness X1 " + w[0].vkey + "\nwitness X2 " + w[1].vkey + "\n\twitness  X3\t" + w[2].vkey + " https://x3.example/ \n" +
		"group X-witnesses 2 X1 X2 X3\n\n" +
		"witness Y1 " + w[3].vkey + "\nwitness Y2 " + w[4].vkey + "\nwitness Y3 " + w[5].vkey + "\n" +
		"group Y-witnesses any Y1 Y2 Y3\n \t# Both.\ngroup X-and-Y all X-witnesses Y-witnesses\nquorum X-and-Y\n"
}

func TestPolicyExample(t *testing.T) {
	log, w := logActor(t, origin, "log"), crowd(t)
	p, err := tlog.ParsePolicy([]byte(example(log, w)))
	require.NoError(t, err)
	require.Len(t, p.Logs, 1)
	require.Equal(t, origin, p.Logs[0].Origin)
	require.Equal(t, "https://x3.example/", p.Witnesses[2].URL)
	require.Equal(t, tlog.PolicyGroup{Name: "Y-witnesses", Threshold: 1, Members: []string{"Y1", "Y2", "Y3"}}, p.Groups[1])

	text := tlog.Checkpoint{Origin: origin, Size: 5, Root: leafHash(0)}.Text()
	for set := range 1 << len(w) {
		var by []actor
		x, y := 0, 0
		for i, a := range w {
			if set>>i&1 == 0 {
				continue
			}
			by = append(by, a)
			if i < 3 {
				x++
			} else {
				y++
			}
		}
		c, n, err := p.Open(sign(t, text, append(by, log)...))
		if x >= 2 && y >= 1 {
			require.NoError(t, err)
			require.Equal(t, int64(5), c.Size)
			require.Len(t, n.Sigs, len(by)+1)
			continue
		}
		var quorum *tlog.QuorumError
		require.ErrorAs(t, err, &quorum)
		require.Equal(t, "X-and-Y", quorum.Quorum)
		require.Contains(t, err.Error(), fmt.Sprintf("group X-and-Y has %d of 2 needed", btoi(x >= 2)+btoi(y >= 1)))
		if x < 2 {
			require.Contains(t, err.Error(), fmt.Sprintf("group X-witnesses has %d of 2 needed", x))
		} else {
			require.NotContains(t, err.Error(), "X-witnesses")
		}
	}
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}

func TestPolicyOpens(t *testing.T) {
	a := theCast(t)
	text := tlog.Checkpoint{Origin: origin, Size: 5, Root: leafHash(0)}.Text()
	parse := func(s string) *tlog.Policy {
		p, err := tlog.ParsePolicy([]byte(s))
		require.NoError(t, err)
		return p
	}
	none := parse("log " + a.log.vkey + "\nquorum none\n")
	_, _, err := none.Open(sign(t, text, a.log))
	require.NoError(t, err)
	_, _, err = none.Open(sign(t, text, a.next))
	require.ErrorIs(t, err, tlog.ErrUnlisted)
	_, _, err = none.Open(sign(t, text, a.ed))
	require.ErrorIs(t, err, tlog.ErrUnlisted, "a witness is no log")
	both := parse("log " + a.log.vkey + "\nlog " + a.next.vkey + "\nquorum none\n")
	_, _, err = both.Open(sign(t, text, a.next))
	require.NoError(t, err, "rotated keys")
	_, _, err = none.Open(sign(t, tlog.Checkpoint{Origin: "another.example", Size: 5, Root: leafHash(0)}.Text(), a.log))
	require.ErrorIs(t, err, tlog.ErrUnlisted, "a log signs under its own origin only")
	_, _, err = none.Open(sign(t, tlog.Checkpoint{Origin: origin, Size: 0, Root: leafHash(0)}.Text(), a.log))
	require.ErrorContains(t, err, "empty tree")
	_, _, err = none.Open([]byte("nonsense"))
	require.ErrorIs(t, err, tlog.ErrMalformed)
	_, _, err = none.Open(sign(t, "no checkpoint\n", a.log))
	require.Error(t, err)
	_, _, err = parse("quorum none\n").Open(sign(t, text, a.log))
	require.ErrorIs(t, err, tlog.ErrUnlisted, "an empty set of logs")

	one := parse("log " + a.log.vkey + "\nwitness w " + a.ed.vkey + "\nquorum w\n")
	_, _, err = one.Open(sign(t, text, a.log, a.ed))
	require.NoError(t, err)
	_, _, err = one.Open(sign(t, text, a.log, a.pq))
	require.ErrorContains(t, err, "witness w did not cosign")
	forged := strings.Replace(string(sign(t, text, a.log, a.ed)), "\n5\n", "\n6\n", 1)
	_, _, err = one.Open([]byte(forged))
	var invalid *note.InvalidSignatureError
	require.ErrorAs(t, err, &invalid)

	// A log's ML-DSA-44 key may be a witness's too: it stands once.
	self := witnessActor(t, origin, tlog.CosignMLDSA44)
	_, _, err = parse("log " + self.vkey + "\nwitness w " + self.vkey + "\nquorum w\n").Open(sign(t, text, self))
	require.NoError(t, err)
}

// The quorum does not take the word of who opened the note.
func TestQuorumVerifiesItself(t *testing.T) {
	a := theCast(t)
	p, err := tlog.ParsePolicy([]byte("witness w " + a.ed.vkey + "\nquorum w\n"))
	require.NoError(t, err)
	text := tlog.Checkpoint{Origin: origin, Size: 5, Root: leafHash(0)}.Text()
	n, err := tlog.OpenNote(sign(t, text, a.log, a.ed), note.VerifierList(a.log.verifier))
	require.NoError(t, err)
	require.NoError(t, p.Quorum(n), "the witness's key was not known")
	n.Sigs, n.UnverifiedSigs = append(n.Sigs, n.UnverifiedSigs...), nil
	n.Text = strings.Replace(n.Text, "5", "6", 1)
	require.Error(t, p.Quorum(n), "a claim that it was verified")
}

func TestPolicyLimits(t *testing.T) {
	var b strings.Builder
	for i := range 40 {
		log := logActor(t, fmt.Sprintf("log%d.example", i), fmt.Sprint("log", i))
		if i%2 == 0 {
			log = witnessActor(t, fmt.Sprintf("log%d.example", i), tlog.CosignMLDSA44)
		}
		fmt.Fprintf(&b, "log %s\nwitness w%d %s\n", log.vkey, i, witnessActor(t, fmt.Sprintf("w%d.example", i), tlog.CosignMLDSA44).vkey)
		fmt.Fprintf(&b, "group g%d 1 w%d\n", i, i)
	}
	p, err := tlog.ParsePolicy([]byte(b.String() + "quorum g39\n"))
	require.NoError(t, err)
	require.Len(t, p.Groups, 40)
	_, err = tlog.ParsePolicy([]byte(b.String() + strings.Repeat("#\n", tlog.MaxPolicy/2) + "quorum g39\n"))
	require.ErrorContains(t, err, "more than")

	// As deep as the size allows: no recursion to exhaust.
	deep := "witness w " + theCast(t).ed.vkey + "\ngroup 0 1 w\n"
	for i := 1; len(deep) < tlog.MaxPolicy-100; i++ {
		deep += fmt.Sprintf("group %d 1 %d\n", i, i-1)
	}
	p, err = tlog.ParsePolicy([]byte(deep + "quorum 9999\n"))
	require.NoError(t, err)
	require.Error(t, p.Quorum(&note.Note{}))
}

// Opaque bytes: names are compared and nothing more.
func TestPolicyNames(t *testing.T) {
	w := theCast(t)
	p, err := tlog.ParsePolicy([]byte("witness K " + w.ed.vkey + "\nwitness \u212a " + w.pq.vkey + "\ngroup \xff\xfe all K \u212a\nquorum \xff\xfe\n"))
	require.NoError(t, err)
	require.Equal(t, "\xff\xfe", p.QuorumName)
	require.Equal(t, 2, p.Groups[0].Threshold)
	p, err = tlog.ParsePolicy([]byte("witness all " + w.ed.vkey + "\nwitness any " + w.pq.vkey + "\ngroup 2 2 all any\nquorum all\n"))
	require.NoError(t, err, "keywords are names as well")
	require.Equal(t, "all", p.QuorumName)
}

// The evaluation agrees with counting by recursion.
func TestQuorumsAgainstAModel(t *testing.T) {
	w := crowd(t)
	text := tlog.Checkpoint{Origin: origin, Size: 5, Root: leafHash(0)}.Text()
	rapid.Check(t, func(t *rapid.T) {
		policy, free := "", []string{}
		eval := map[string]func(map[string]bool) bool{}
		for i, a := range w {
			name := fmt.Sprintf("w%d", i)
			policy += "witness " + name + " " + a.vkey + "\n"
			eval[name] = func(signed map[string]bool) bool { return signed[name] }
			free = append(free, name)
		}
		for g := 0; len(free) > 1; g++ {
			n := rapid.IntRange(1, len(free)).Draw(t, "members")
			members, k := free[:n:n], rapid.IntRange(1, n).Draw(t, "k")
			name := fmt.Sprintf("g%d", g)
			policy += fmt.Sprintf("group %s %d %s\n", name, k, strings.Join(members, " "))
			eval[name] = func(signed map[string]bool) bool {
				count := 0
				for _, m := range members {
					count += btoi(eval[m](signed))
				}
				return count >= k
			}
			free = append(free[n:], name)
			if n == 1 && g > 5 {
				break
			}
		}
		quorum := free[len(free)-1]
		p, err := tlog.ParsePolicy([]byte(policy + "quorum " + quorum + "\n"))
		require.NoError(t, err)
		signed, by := map[string]bool{}, []note.Signer{}
		for i, a := range w {
			if signed[fmt.Sprintf("w%d", i)] = rapid.Bool().Draw(t, "signs"); signed[fmt.Sprintf("w%d", i)] {
				by = append(by, a)
			}
		}
		b, err := note.Sign(&note.Note{Text: text}, by...)
		require.NoError(t, err)
		n := &note.Note{Text: text}
		if len(by) > 0 {
			_, n.UnverifiedSigs, err = tlog.SplitNote(b)
			require.NoError(t, err)
		}
		err = p.Quorum(n)
		require.Equal(t, eval[quorum](signed), err == nil)
		var q *tlog.QuorumError
		require.True(t, err == nil || errors.As(err, &q) && len(q.Missing) > 0)
	})
}
