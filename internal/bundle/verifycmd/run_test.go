package verifycmd_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
	"github.com/stretchr/testify/require"

	"lethe/internal/bundle/verifycmd"
)

// golden has the bundles and the log that the tests of package bundle write.
const golden = "../testdata"

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){
		"lethe-verify": func() {
			os.Exit(verifycmd.Run(context.Background(), verifycmd.Process{Args: os.Args[1:], Stdout: os.Stdout, Stderr: os.Stderr, Version: "test"}))
		},
	})
}

func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: "testdata", RequireExplicitExec: true, RequireUniqueNames: true,
		Setup: func(env *testscript.Env) error {
			if err := os.CopyFS(env.WorkDir, os.DirFS(golden)); err != nil {
				return err
			}
			server := httptest.NewServer(log(env.WorkDir))
			env.Defer(server.Close)
			env.Setenv("LOG", server.URL+"/log")
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){"exits": exits, "flip": flip, "json": jsonAt},
	})
}

// log serves the folder as a ledger does: entry tiles for a token only.
func log(dir string) http.Handler {
	files := http.FileServer(http.Dir(dir))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.Contains(r.URL.Path, "/tile/entries/") && r.Header.Get("Authorization") != "Bearer lethe_auditor" {
			http.Error(w, "auditors only", http.StatusForbidden)
			return
		}
		files.ServeHTTP(w, r)
	})
}

// exits CODE PROGRAM ARGS… runs a program that must end with the code.
func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE PROGRAM ARGS…")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	got := 0
	var exit *exec.ExitError
	if err := ts.Exec(args[1], args[2:]...); errors.As(err, &exit) {
		got = exit.ExitCode()
	} else {
		ts.Check(err)
	}
	if got != want {
		ts.Fatalf("exit code %d instead of %d", got, want)
	}
}

// flip FILE TEXT turns a bit of the first byte of TEXT in a file.
func flip(ts *testscript.TestScript, _ bool, args []string) {
	name := ts.MkAbs(args[0])
	b, err := os.ReadFile(name)
	ts.Check(err)
	at := bytes.Index(b, []byte(args[1]))
	if at < 0 {
		ts.Fatalf("%s does not hold %q", args[0], args[1])
	}
	b[at] ^= 1
	ts.Check(os.WriteFile(name, b, 0o600))
}

// json MEMBER VALUE checks a top-level member of the last standard output.
func jsonAt(ts *testscript.TestScript, neg bool, args []string) {
	var m map[string]json.RawMessage
	ts.Check(json.Unmarshal([]byte(ts.ReadFile("stdout")), &m))
	got := strings.Trim(string(m[args[0]]), `"`)
	if (got == args[1]) == neg {
		ts.Fatalf("%s is %s", args[0], got)
	}
}

// A name in a bundle cannot make a terminal do something.
func TestOutputIsPlain(t *testing.T) {
	dir := t.TempDir()
	name := filepath.Join(dir, "x\x1b[2J.zip")
	require.NoError(t, os.WriteFile(name, []byte("PK\x03\x04\x1b[2J"), 0o600))
	var out, errs bytes.Buffer
	code := verifycmd.Run(t.Context(), verifycmd.Process{Args: []string{name}, Stdout: &out, Stderr: &errs})
	require.Equal(t, 3, code)
	require.NotContains(t, out.String(), "\x1b")
	code = verifycmd.Run(t.Context(), verifycmd.Process{Args: []string{filepath.Join(dir, "\x1b[2J")}, Stdout: &out, Stderr: &errs})
	require.Equal(t, 1, code)
	require.NotContains(t, errs.String(), "\x1b")
}

// full is a disk without room.
type full struct{}

func (full) Write([]byte) (int, error) { return 0, fs.ErrPermission }

func TestAReportThatCannotBeWrittenIsNoSuccess(t *testing.T) {
	args := []string{filepath.Join(golden, "golden.zip"), "--key", filepath.Join(golden, "log.vkey")}
	require.Equal(t, 1, verifycmd.Run(t.Context(), verifycmd.Process{Args: args, Stdout: full{}, Stderr: full{}}))
}

// What the auditor's program links is pinned: of ours, the formats and
// nothing that holds keys, events or a store.
func TestWhatTheProgramLinks(t *testing.T) {
	list, err := exec.Command("go", "list", "-deps", "lethe/cmd/lethe-verify").Output()
	require.NoError(t, err)
	var ours, foreign []string
	for line := range strings.Lines(string(list)) {
		switch p := strings.TrimSpace(line); {
		case strings.HasPrefix(p, "lethe/"):
			ours = append(ours, p)
		case strings.Contains(strings.Split(p, "/")[0], ".") && !strings.HasPrefix(p, "vendor/"):
			foreign = append(foreign, p)
		}
	}
	require.ElementsMatch(t, []string{
		"lethe/eventstore", // types that a leaf is made of
		"lethe/internal/leaf", "lethe/internal/tlog", "lethe/internal/tlog/tileclient", "lethe/internal/part",
		"lethe/internal/certificate", "lethe/internal/bundle", "lethe/internal/bundle/verifycmd", "lethe/cmd/lethe-verify",
	}, ours)
	for _, p := range foreign {
		require.True(t, strings.HasPrefix(p, "golang.org/x/mod/") || strings.HasPrefix(p, "github.com/cloudflare/circl/") || strings.HasPrefix(p, "golang.org/x/sys/"), p)
	}
}
