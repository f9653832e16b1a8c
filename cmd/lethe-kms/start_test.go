package main

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"lethe/internal/cli"
	"lethe/internal/rootkey"
)

// run runs a command of the program with the stand-in's client.
func (s *standIn) run(t *testing.T, input string, args ...string) (code int, said string) {
	var out bytes.Buffer
	code = cli.Run(t.Context(), cli.Process{
		Args: args, Stdin: strings.NewReader(input), Stdout: &out, Stderr: &out, Version: "test",
		RootKeys: map[string]rootkey.Opener{rootkey.Scheme(s.root): s.opener},
	})
	for _, secret := range s.secrets {
		require.NotContains(t, out.String(), secret)
	}
	return code, out.String()
}

// filesOf are the files below a directory and the hashes of what is in them,
// without the log's: it writes an empty group when it has waited for a while,
// and tidies its index.
func filesOf(t *testing.T, dir string) map[string]string {
	out := map[string]string{}
	require.NoError(t, filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		switch {
		case err == nil && d.Name() == "log":
			return fs.SkipDir
		case err != nil || d.IsDir():
			return err
		}
		text, err := os.ReadFile(path)
		out[path] = fmt.Sprintf("%x", sha256.Sum256(text))
		return err
	}))
	return out
}

var (
	tokenIn  = regexp.MustCompile(`\bs[a-z2-7]{28}\b`)
	eventsIn = regexp.MustCompile(`"events": \d+`)
)

// A ledger under each kind of key starts again; without its key, or with
// another one, the start says what is wrong, and changes nothing. From one
// kind it goes to another.
func TestAStart(t *testing.T) {
	for scheme, start := range standIns {
		t.Run(scheme, func(t *testing.T) {
			s := start(t)
			dir := filepath.Join(t.TempDir(), "data")
			run := func(input, root string, args ...string) (int, string) {
				return s.run(t, input, append(args, "--data", dir, "--root-key", root)...)
			}
			done := func(input, root string, args ...string) string {
				code, said := run(input, root, args...)
				require.Equal(t, 0, code, said)
				return said
			}
			refused := func(root string, want error) string {
				code, said := run("", root, "serve", "--listen", "127.0.0.1:0")
				require.Equal(t, 1, code, said)
				require.Contains(t, said, want.Error())
				return said
			}
			s.away()
			refused(s.root, rootkey.ErrUnreachable)
			s.back()
			done("", s.root, "catalogue", "load", "--starter")
			const ada = `{"email":"ada@example.org"}`
			token := tokenIn.FindString(done(ada, s.root, "subject", "register", "--jurisdiction", "DE", "--purpose", "customer.service", "--values", "-"))
			done(`{"reference":"balancing test 7"}`, s.root, "subject", "basis", token, "customer.service", "--values", "-")
			done("", s.root, "keys", "rotate")
			events := eventsIn.FindString(done("", s.root, "status", "--json"))
			require.NotEmpty(t, events)

			before := filesOf(t, dir)
			for _, c := range []struct {
				happens func()
				want    error
			}{
				{s.remove, rootkey.ErrMissing}, {s.swap, rootkey.ErrWrong}, {s.disable, rootkey.ErrDenied}, {s.away, rootkey.ErrUnreachable},
			} {
				c.happens()
				refused(s.root, c.want)
				require.Equal(t, before, filesOf(t, dir), "nothing was changed")
			}
			s.back()
			require.Contains(t, refused(s.other, rootkey.ErrWrong), "the key store is under ")
			require.Equal(t, before, filesOf(t, dir), "nothing was changed")

			s.back()
			s.rotate()
			require.Equal(t, events, eventsIn.FindString(done("", s.root, "status", "--json")))
			file := "file:" + filepath.Join(t.TempDir(), "root.key")
			done("", s.root, "keys", "root", "rewrap", "--to", s.other)
			done("", s.other, "keys", "root", "rewrap", "--to", file)
			s.away()
			require.Contains(t, done("", file, "subject", "show", token, "--purpose", "customer.service"), "ada@example.org")
		})
	}
}
