package cli_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"lethe/internal/bundle/verifycmd"
	"lethe/internal/cli"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){
		"lethe": func() { os.Exit(run(context.Background(), os.Args[1:]...)) },
		"lethe-verify": func() {
			os.Exit(verifycmd.Run(context.Background(), verifycmd.Process{Args: os.Args[1:], Stdout: os.Stdout, Stderr: os.Stderr, Version: "test"}))
		},
		"envjson": func() { fmt.Printf("{\"nonce\": %q}\n", os.Args[1]) },
	})
}

func run(ctx context.Context, args ...string) int {
	return cli.Run(ctx, cli.Process{Args: args, Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr, Version: "test"})
}

func TestScripts(t *testing.T) {
	dir, files := "testdata", []string(nil)
	if testing.Short() { // the ones in which the most goes on at once, for the race detector
		dir = ""
		for _, name := range []string{"server", "import", "demo"} {
			files = append(files, filepath.Join("testdata", name+".txtar"))
		}
	}
	testscript.Run(t, testscript.Params{
		Dir: dir, Files: files, RequireExplicitExec: true, RequireUniqueNames: true,
		Setup: func(env *testscript.Env) error {
			env.Vars = without(env.Vars, "LETHE_") // settings of who runs the tests
			env.Setenv("TMPDIR", env.WorkDir)
			env.Values[servedKey{}] = &served{}
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"exits": exits, "json": jsonAt, "serve": serve, "unserve": unserve, "private": private, "fetch": fetch,
		},
	})
}

func without(vars []string, prefix string) (out []string) {
	for _, v := range vars {
		if !strings.HasPrefix(v, prefix) {
			out = append(out, v)
		}
	}
	return out
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

// json PATH VALUE checks a member of the last standard output; `json PATH
// -> NAME` puts it into the environment. A path is items.0.name.
func jsonAt(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) < 2 {
		ts.Fatalf("usage: json PATH VALUE | json PATH -> NAME")
	}
	got, found := member(ts, args[0])
	switch {
	case args[1] == "->" && found:
		ts.Setenv(args[2], got)
	case (found && got == args[1]) == neg:
		ts.Fatalf("%s is %q (there: %v)", args[0], got, found)
	}
}

func member(ts *testscript.TestScript, path string) (string, bool) {
	d := json.NewDecoder(strings.NewReader(ts.ReadFile("stdout")))
	d.UseNumber()
	var v any
	ts.Check(d.Decode(&v))
	for _, key := range strings.Split(path, ".") {
		switch at := v.(type) {
		case map[string]any:
			v = at[key]
		case []any:
			if key == "len" {
				return strconv.Itoa(len(at)), true
			}
			i, err := strconv.Atoi(key)
			ts.Check(err)
			if i >= len(at) {
				return "", false
			}
			v = at[i]
		default:
			return "", false
		}
	}
	switch v := v.(type) {
	case nil:
		return "", false
	case string:
		return v, true
	}
	text, err := json.Marshal(v)
	ts.Check(err)
	return string(text), true
}

// private FILE checks that nobody else may read it.
func private(ts *testscript.TestScript, neg bool, args []string) {
	info, err := os.Stat(ts.MkAbs(args[0]))
	ts.Check(err)
	if (info.Mode().Perm() == 0o600) == neg {
		ts.Fatalf("%s has mode %v", args[0], info.Mode())
	}
}

// served is the server that a script started.
type served struct {
	end  context.CancelFunc
	done chan int
	log  *serverLog
}

type servedKey struct{}

// serverLog keeps what a server says and tells when it is ready.
type serverLog struct {
	mu    sync.Mutex
	buf   bytes.Buffer
	ready chan []string // the addresses, once
}

var servingAt = regexp.MustCompile(`(?s)msg=serving api=(\S+).* metrics=(\S+)`)

func newServerLog() *serverLog { return &serverLog{ready: make(chan []string, 1)} }

func (l *serverLog) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.buf.Write(p)
	if l.ready != nil && bytes.Contains(l.buf.Bytes(), []byte("msg=ready")) {
		if at := servingAt.FindStringSubmatch(l.buf.String()); at != nil {
			l.ready <- at[1:]
			l.ready = nil
		}
	}
	return len(p), nil
}

func (l *serverLog) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

// serve ARGS… starts `lethe serve` on free ports; SERVER and METRICS are its
// addresses. It ends with the script, or by unserve.
func serve(ts *testscript.TestScript, neg bool, args []string) {
	ctx, cancel := context.WithCancel(context.Background())
	log := newServerLog()
	ready, done := log.ready, make(chan int, 1)
	for i := range args {
		if args[i] == "--data" || args[i] == "--bootstrap-token-file" {
			args[i+1] = ts.MkAbs(args[i+1])
		}
	}
	args = append([]string{"serve", "--listen", "127.0.0.1:0", "--metrics-listen", "127.0.0.1:0"}, args...)
	go func() {
		done <- cli.Run(ctx, cli.Process{Args: args, Stdin: strings.NewReader(""), Stdout: log, Stderr: log, Version: "test"})
	}()
	select {
	case at := <-ready:
		ts.Setenv("SERVER", at[0])
		ts.Setenv("METRICS", at[1])
	case code := <-done:
		cancel()
		if !neg {
			ts.Fatalf("serve ended with %d: %s", code, log)
		}
		return
	case <-time.After(time.Minute):
		cancel()
		ts.Fatalf("serve is not ready: %s", log)
	}
	s := ts.Value(servedKey{}).(*served)
	*s = served{end: cancel, done: done, log: log}
	ts.Defer(func() { s.stop() })
}

func (s *served) stop() (code int) {
	if s.end == nil {
		return 0
	}
	s.end()
	s.end = nil
	return <-s.done
}

// unserve ends the server in order.
func unserve(ts *testscript.TestScript, _ bool, _ []string) {
	s := ts.Value(servedKey{}).(*served)
	if code := s.stop(); code != 0 {
		ts.Fatalf("serve ended with %d: %s", code, s.log)
	}
}

// fetch URL does a GET without a token; stdout is the body.
func fetch(ts *testscript.TestScript, _ bool, args []string) {
	res, err := http.Get(args[0]) //nolint:noctx // a test's own server
	ts.Check(err)
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	ts.Check(err)
	_, err = ts.Stdout().Write(append([]byte(res.Status+"\n"), body...))
	ts.Check(err)
}
