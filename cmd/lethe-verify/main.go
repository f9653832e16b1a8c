// Command lethe-verify checks evidence bundles and proofs of a Lethe ledger on
// a machine that has nothing else.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"lethe/internal/bundle/verifycmd"
)

// version is set by the linker (-X main.version=…).
var version = "unversioned"

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal ends the process at once
	os.Exit(verifycmd.Run(ctx, verifycmd.Process{Args: os.Args[1:], Stdout: os.Stdout, Stderr: os.Stderr, Version: version}))
}
