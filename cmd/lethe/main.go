// Command lethe is a compliance ledger: it records what is done with personal
// data, keeps the data itself sealed under keys that can be destroyed, and
// lets nothing out but through one guarded door.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"lethe/internal/cli"
)

// version is set by the linker (-X main.version=…).
var version = "unversioned"

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal ends the process at once
	os.Exit(cli.Run(ctx, cli.Process{
		Args: os.Args[1:], Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr, Version: version,
	}))
}
