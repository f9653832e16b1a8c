package oracles

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"database/sql"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"

	"filippo.io/torchwood"
	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/agent"
	_ "modernc.org/sqlite" // the driver

	"lethe/internal/tlog"
)

// A ledger publishes nothing but what torchwood's own witness program
// cosigned, as it grows and after a start.
func TestForeignWitness(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	l := openLedger(t, dir, "")
	l.close()
	w := runLitewitness(t, l.vkey)
	text := policyOf(l.vkey, w.vkey+" "+w.url)
	file := filepath.Join(t.TempDir(), "policy")
	require.NoError(t, os.WriteFile(file, text, 0o600))
	policy, err := torchwood.ParsePolicy(text)
	require.NoError(t, err)
	for _, sizes := range [][]uint64{{100, 256}, {300, 700}} {
		l = openLedger(t, dir, file)
		for _, size := range sizes {
			l.grow(size)
			c, n, err := torchwood.VerifyCheckpoint(l.get("/checkpoint"), policy)
			require.NoError(t, err)
			require.EqualValues(t, size, c.N)
			require.Len(t, n.Sigs, 2)
		}
		l.close()
	}
	require.NotContains(t, w.told.String(), "level=ERROR")
}

type litewitness struct {
	url, vkey string
	told      *said
}

// said is what a running program writes.
type said struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (s *said) Write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.Write(b)
}

func (s *said) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.String()
}

// runLitewitness builds and runs the program. Its key is held by an ssh-agent,
// which is played here; what logs it knows is in a database.
func runLitewitness(t *testing.T, log string) litewitness {
	t.Helper()
	const name = "witness.example/lite"
	dir := t.TempDir()
	program := filepath.Join(dir, "litewitness")
	out, err := exec.CommandContext(t.Context(), "go", "build", "-o", program, "filippo.io/torchwood/cmd/litewitness").CombinedOutput()
	require.NoError(t, err, string(out))
	_, private, err := ed25519.GenerateKey(rand.Reader)
	require.NoError(t, err)
	signer, err := torchwood.NewCosignatureSigner(name, private)
	require.NoError(t, err)
	fillDatabase(t, filepath.Join(dir, "db"), log)
	address := freeAddress(t)
	w := litewitness{url: "http://" + address + "/", vkey: signer.Verifier().String(), told: &said{}}
	cmd := exec.CommandContext(t.Context(), program, "-name", name, "-db", filepath.Join(dir, "db"), "-listen", address,
		"-ssh-agent", playAgent(t, private), "-key", fingerprint(t, private))
	cmd.Stdout, cmd.Stderr = w.told, w.told
	require.NoError(t, cmd.Start())
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		if t.Failed() {
			t.Log(w.told.String())
		}
	})
	return w
}

// fillDatabase names a log of which nothing is known yet, in the tables that
// the program keeps.
func fillDatabase(t *testing.T, file, vkey string) {
	t.Helper()
	db, err := sql.Open("sqlite", file)
	require.NoError(t, err)
	defer func() { require.NoError(t, db.Close()) }()
	_, err = db.ExecContext(t.Context(), `
		CREATE TABLE log (origin TEXT PRIMARY KEY, tree_size INTEGER NOT NULL, tree_hash TEXT NOT NULL);
		CREATE TABLE key (origin TEXT NOT NULL, key TEXT NOT NULL, FOREIGN KEY(origin) REFERENCES log(origin));`)
	require.NoError(t, err)
	_, err = db.ExecContext(t.Context(), "INSERT INTO log VALUES (?, 0, ?)", origin, tlog.EmptyRoot().String())
	require.NoError(t, err)
	_, err = db.ExecContext(t.Context(), "INSERT INTO key VALUES (?, ?)", origin, vkey)
	require.NoError(t, err)
}

// playAgent answers as an ssh-agent that holds one key, at a socket.
func playAgent(t *testing.T, private ed25519.PrivateKey) (socket string) {
	t.Helper()
	ring := agent.NewKeyring()
	require.NoError(t, ring.Add(agent.AddedKey{PrivateKey: private}))
	dir, err := os.MkdirTemp("", "agent") // short: a socket's path has few bytes
	require.NoError(t, err)
	socket = filepath.Join(dir, "s")
	l, err := net.Listen("unix", socket)
	require.NoError(t, err)
	t.Cleanup(func() {
		require.NoError(t, l.Close())
		require.NoError(t, os.RemoveAll(dir))
	})
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() { _ = agent.ServeAgent(ring, c) }() // until the program is gone
		}
	}()
	return socket
}

func fingerprint(t *testing.T, private ed25519.PrivateKey) string {
	t.Helper()
	public, err := ssh.NewPublicKey(private.Public())
	require.NoError(t, err)
	return ssh.FingerprintSHA256(public)
}

// freeAddress is one that was free a moment ago: the program does not say
// which one it took.
func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	return l.Addr().String()
}
