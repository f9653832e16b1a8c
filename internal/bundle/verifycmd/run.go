package verifycmd

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"runtime"

	"lethe/internal/bundle"
	"lethe/internal/certificate"
)

// Process is what the command gets from the system.
type Process struct {
	Args    []string // without the program's name
	Stdout  io.Writer
	Stderr  io.Writer
	Version string
}

// options are the command line.
type options struct {
	file        string
	certificate bool // it must be one
	page        string
	keys        list
	policy      string
	checkpoint  string
	consistency string
	tiles       string
	tokenFile   string
	json        bool
	version     bool
}

// wordCertificate before the file says what it must be. Without it, the file
// says itself what it is.
const wordCertificate = "certificate"

// list is a flag that may be repeated.
type list []string

func (l *list) String() string     { return "" }
func (l *list) Set(s string) error { *l = append(*l, s); return nil }

var (
	errUsage   = errors.New("usage")            // the command line cannot be followed
	errNothing = errors.New("nothing is named") // there is no command line
)

// Run runs the command and returns its exit code.
func Run(ctx context.Context, p Process) int {
	o, err := parse(p.Args)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return p.say(p.Stdout, usage, exitVerified)
	case errors.Is(err, errNothing):
		return p.say(p.Stderr, usage, exitUsage)
	case err != nil:
		return p.say(p.Stderr, "lethe-verify: "+clean(err.Error())+"\nTry `lethe-verify --help`.\n", exitUsage)
	case o.version:
		return p.say(p.Stdout, fmt.Sprintf("lethe-verify %s, %s, reads %s, %s\n", p.Version, runtime.Version(), bundle.Format, certificate.Format), exitVerified)
	}
	report, err := verify(ctx, o)
	switch {
	case errors.Is(err, errUsage):
		return p.say(p.Stderr, "lethe-verify: "+clean(err.Error())+"\n", exitUsage)
	case report == nil:
		return p.say(p.Stderr, "lethe-verify: "+clean(err.Error())+"\n", exitFailed)
	}
	text, e := render(o, report, err)
	if e != nil {
		return p.say(p.Stderr, "lethe-verify: "+e.Error()+"\n", exitFailed)
	}
	return p.say(p.Stdout, text, code(report.Outcome))
}

// say writes text; a text that cannot be written is a failure.
func (p *Process) say(to io.Writer, text string, code int) int {
	if _, err := io.WriteString(to, text); err != nil {
		return exitFailed
	}
	return code
}

// code is the exit code of an outcome.
func code(o bundle.Outcome) int {
	switch o {
	case bundle.Verified:
		return exitVerified
	case bundle.Found:
		return exitFound
	case bundle.Unanchored:
		return exitUnanchored
	}
	return exitFailed
}

// parse reads the command line. The file may stand before, between or behind
// the flags.
func parse(args []string) (*options, error) {
	o := &options{}
	set := flag.NewFlagSet("lethe-verify", flag.ContinueOnError)
	set.SetOutput(io.Discard)
	set.Var(&o.keys, "key", "")
	set.StringVar(&o.policy, "policy", "", "")
	set.StringVar(&o.checkpoint, "checkpoint", "", "")
	set.StringVar(&o.consistency, "consistency", "", "")
	set.StringVar(&o.tiles, "tiles", "", "")
	set.StringVar(&o.page, "page", "", "")
	set.StringVar(&o.tokenFile, "tiles-token-file", "", "")
	set.BoolVar(&o.json, "json", false, "")
	set.BoolVar(&o.version, "version", false, "")
	var files []string
	for {
		if err := set.Parse(args); err != nil {
			return nil, err
		}
		if set.NArg() == 0 {
			break
		}
		files, args = append(files, set.Arg(0)), set.Args()[1:]
	}
	if len(files) == 2 && files[0] == wordCertificate {
		o.certificate, files = true, files[1:]
	}
	switch {
	case o.version:
	case len(files) == 0 && set.NFlag() == 0:
		return nil, errNothing
	case len(files) == 1 && files[0] == wordCertificate:
		return nil, errors.New("the word certificate stands before a file: name it (one of that name is ./certificate)")
	case len(files) != 1:
		return nil, fmt.Errorf("one file is checked at a time, %d are named", len(files))
	case o.consistency != "" && o.checkpoint == "":
		return nil, errors.New("--consistency compares with a checkpoint: give --checkpoint")
	case o.tokenFile != "" && o.tiles == "":
		return nil, errors.New("--tiles-token-file is for --tiles")
	default:
		o.file = files[0]
	}
	return o, nil
}
