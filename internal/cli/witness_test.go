package cli_test

import (
	"bufio"
	"context"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/mod/sumdb/note"
	sumdb "golang.org/x/mod/sumdb/tlog"

	"lethe/internal/cli"
	"lethe/internal/tlog"
	"lethe/internal/witness"
)

// startWitness runs `lethe witness` and returns its address; end stops it in
// order and returns what it printed.
func startWitness(t *testing.T, args ...string) (url string, end func() []string) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	stdout, stdoutW := io.Pipe()
	stderr, stderrW := io.Pipe()
	done := make(chan int, 1)
	go func() {
		args = append([]string{"witness", "--listen", "127.0.0.1:0"}, args...)
		code := cli.Run(ctx, cli.Process{Args: args, Stdin: strings.NewReader(""), Stdout: stdoutW, Stderr: stderrW, Version: "test"})
		_, _ = stdoutW.Close(), stderrW.Close()
		done <- code
	}()
	printed := make(chan []string, 1)
	go func() {
		var lines []string
		for s := bufio.NewScanner(stdout); s.Scan(); {
			lines = append(lines, s.Text())
		}
		printed <- lines
	}()
	lines := bufio.NewScanner(stderr)
	serving := regexp.MustCompile(`msg="serving as a witness" at=(\S+)`)
	var told strings.Builder
	for url == "" && lines.Scan() {
		told.WriteString(lines.Text() + "\n")
		if m := serving.FindStringSubmatch(lines.Text()); m != nil {
			url = m[1]
		}
	}
	require.NotEmpty(t, url, told.String())
	go func() { _, _ = io.Copy(io.Discard, stderr) }()
	return url, func() []string {
		cancel()
		require.Zero(t, <-done)
		return <-printed
	}
}

// A log and `lethe witness` against each other, over two starts.
func TestWitnessServes(t *testing.T) {
	dir := t.TempDir()
	const origin = "ledger.example/log"
	signer, vkey, err := tlog.NewSigner(origin, []byte(strings.Repeat("s", 32)))
	require.NoError(t, err)
	file := filepath.Join(dir, "log.vkey")
	require.NoError(t, os.WriteFile(file, []byte("# the log\n"+vkey+"\n"), 0o600))
	first, second := sumdb.RecordHash([]byte("one")), sumdb.RecordHash([]byte("two"))
	checkpoint := func(size int64, root tlog.Hash) []byte {
		b, err := note.Sign(&note.Note{Text: tlog.Checkpoint{Origin: origin, Size: size, Root: root}.Text()}, signer)
		require.NoError(t, err)
		return b
	}
	args := []string{"--dir", filepath.Join(dir, "w"), "--name", "witness.example/w1"}
	key, _, err := witness.LoadKey(filepath.Join(dir, "w"), strings.NewReader(strings.Repeat("r", 64)))
	require.NoError(t, err)
	vkeys, err := key.VKeys("witness.example/w1", true)
	require.NoError(t, err)
	var known []note.Verifier
	for _, k := range vkeys {
		v, err := tlog.NewVerifier(k)
		require.NoError(t, err)
		known = append(known, v)
	}

	url, end := startWitness(t, append(args, "--log", file, "--ml-dsa")...)
	client := &witness.Client{URL: url, Verifiers: known}
	lines, err := client.AddCheckpoint(t.Context(), 0, nil, checkpoint(1, first))
	require.NoError(t, err)
	require.Equal(t, 2, strings.Count(string(lines), "— witness.example/w1 "))
	policy, err := tlog.ParsePolicy([]byte("log " + vkey + "\nwitness a " + vkeys[0] + "\nwitness b " + vkeys[1] + "\ngroup both all a b\nquorum both\n"))
	require.NoError(t, err)
	_, _, err = policy.Open(append(checkpoint(1, first), lines...))
	require.NoError(t, err)
	require.Equal(t, vkeys, end())

	url, end = startWitness(t, append(args, "--log", vkey)...)
	client = &witness.Client{URL: url, Verifiers: known}
	_, err = client.AddCheckpoint(t.Context(), 0, nil, checkpoint(1, second))
	require.ErrorAs(t, err, new(*witness.ConflictError), "it remembers")
	lines, err = client.AddCheckpoint(t.Context(), 1, []tlog.Hash{second}, checkpoint(2, sumdb.NodeHash(first, second)))
	require.NoError(t, err)
	require.Equal(t, 1, strings.Count(string(lines), "\n"))
	latest, err := client.Latest(t.Context(), origin)
	require.NoError(t, err)
	require.Equal(t, string(checkpoint(2, sumdb.NodeHash(first, second)))+string(lines), string(latest))
	require.Equal(t, vkeys[:1], end())
}
