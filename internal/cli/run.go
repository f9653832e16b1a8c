package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/alecthomas/kong"

	"lethe/internal/config"
	"lethe/internal/rootkey"
)

// Process is what a command may touch of the process it runs in.
type Process struct {
	Args    []string // without the program's name
	Stdin   io.Reader
	Stdout  io.Writer
	Stderr  io.Writer
	Version string

	RootKeys map[string]rootkey.Opener // further kinds, by the scheme of their names
}

// Exit codes.
const (
	exitDone   = 0
	exitFailed = 1
	exitUsage  = 2
	exitFound  = 3
)

// errFound ends a command whose check found something, after it said what.
var errFound = errors.New("a check found something")

// root is the whole command line.
type root struct {
	JSON    bool             `name:"json" help:"Print the API's answer as JSON instead of a table."`
	Version kong.VersionFlag `name:"version" help:"Print the version and end."`
	File    config.File      `embed:""`
	Storage config.Storage   `embed:"" group:"Storage"`
	Seal    config.Seal      `embed:"" group:"Seal"`
	Erasure config.Erasure   `embed:"" group:"Erasure"`
	Client  config.Client    `embed:"" group:"Client"`
	Log     config.Log       `embed:"" group:"Log"`

	Serve       serveCmd       `cmd:"" help:"Serve the API from a data directory."`
	Demo        demoCmd        `cmd:"" help:"Show what Lethe does, on made-up customers."`
	Status      statusCmd      `cmd:"" help:"Tell what the ledger holds and whether its views are up to date."`
	Import      importCmd      `cmd:"" help:"Import people from a CRM's file."`
	Catalogue   catalogueCmd   `cmd:"" help:"Declare what is processed and why, or show it."`
	Subject     subjectCmd     `cmd:"" help:"Register, change, find and read people."`
	Consent     consentCmd     `cmd:"" help:"Record what people agree to, and what they no longer do."`
	Erase       eraseCmd       `cmd:"" help:"Forget people, as far as nothing keeps their data."`
	Hold        holdCmd        `cmd:"" help:"Keep data from erasure for a legal claim or duty, and let it go again."`
	Retention   retentionCmd   `cmd:"" help:"End what was kept long enough, and drop what is left of erased values."`
	Suppression suppressionCmd `cmd:"" help:"Ask for the marks that erasures left, and lift one."`
	Audit       auditCmd       `cmd:"" help:"Look back."`
	Projections projectionsCmd `cmd:"" help:"Show the views' state, or rebuild them."`
	Backup      backupCmd      `cmd:"" help:"Back up the ledger and its keys, and look after the backups."`
	Restore     restoreCmd     `cmd:"" help:"Put back what was backed up."`
	Keys        keysCmd        `cmd:"" help:"Rotate the keys that wrap all others; show or change those that sign the log."`
	Witness     witnessCmd     `cmd:"" help:"Cosign another ledger's checkpoints, as a second party."`
	Token       tokenCmd       `cmd:"" help:"Create, list and revoke access tokens."`
	Bench       benchCmd       `cmd:"" help:"Measure this machine, each figure beside a raw log."`
	Completion  completionCmd  `cmd:"" help:"Print a completion script for a shell."`
	About       versionCmd     `cmd:"" name:"version" help:"Print the version."`
}

const description = `Lethe records what is done with personal data, keeps the data sealed, and proves its history.

Commands open the data directory (--data) themselves, or with --server and a token go through a running server. Exit codes: 0 done, 1 failed, 2 usage, 3 a check found something.`

// Run runs one command and returns the process's exit code.
func Run(ctx context.Context, p Process) int {
	var r root
	ended := false // by --help or --version
	parser, err := kong.New(&r,
		kong.Name("lethe"), kong.Description(description), kong.Writers(p.Stdout, p.Stderr),
		kong.Exit(func(int) { ended = true }), kong.Vars{"version": p.Version},
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, FlagsLast: true, NoExpandSubcommands: true, WrapUpperBound: 100}),
		kong.BindTo(ctx, (*context.Context)(nil)), config.Resolver(),
	)
	if err != nil {
		return fail(p.Stderr, false, fmt.Errorf("reading the commands' declaration: %w", err))
	}
	if len(p.Args) == 0 {
		p.Args = []string{"--help"}
	}
	parsed, err := parser.Parse(p.Args)
	switch {
	case ended:
		return exitDone
	case err != nil:
		return fail(p.Stderr, r.JSON, &usageError{err: err, command: commandOf(err)})
	}
	sh := &shell{process: p, root: &r, model: parser.Model, parsed: parsed, creates: creates(parsed.Command())}
	if err := errors.Join(r.Storage.Check(), r.Seal.Check(), r.Erasure.Check(), r.Client.Check()); err != nil {
		return fail(p.Stderr, r.JSON, &usageError{err: err})
	}
	return fail(p.Stderr, r.JSON, errors.Join(parsed.Run(sh), sh.close()))
}

// creates reports whether a command may make a new ledger. All others refuse a
// directory that holds none: it is more likely misspelt.
func creates(command string) bool {
	for _, c := range []string{"serve", "demo", "token create", "catalogue load", "import", "subject register"} {
		if command == c || strings.HasPrefix(command, c+" ") {
			return true
		}
	}
	return false
}

// usageError is a command line that cannot be followed.
type usageError struct {
	err     error
	command string
}

func (e *usageError) Error() string { return e.err.Error() }
func (e *usageError) Unwrap() error { return e.err }

func usage(format string, args ...any) error { return &usageError{err: fmt.Errorf(format, args...)} }

func commandOf(err error) string {
	var parse *kong.ParseError
	if errors.As(err, &parse) && parse.Context != nil {
		if node := parse.Context.Selected(); node != nil {
			return node.FullPath()
		}
	}
	return "lethe"
}
