// Command lethe-kms is lethe with root keys in the key services of Amazon,
// Google and Microsoft as well. It is a module of its own, so that the clients,
// and the many modules they need, are in no other program.
//
// # Names
//
//	awskms://KEY?region=REGION   a key's ID, alias/NAME, or with three slashes an ARN
//	gcpkms://projects/P/locations/L/keyRings/R/cryptoKeys/KEY
//	azurekeyvault://VAULT.vault.azure.net/keys/KEY/VERSION
//
// What a client shows to its service comes from the environment and the files
// of the service's own tools, never from the name.
//
// # What was tried
//
// The tests run the real clients, over HTTP, gRPC and HTTPS, against stand-ins
// that answer as the services' references say. The services themselves, and
// how each client comes by its credentials, are not tried.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"lethe/internal/cli"
	"lethe/internal/rootkey"
)

// version is set by the linker (-X main.version=…).
var version = "unversioned"

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal ends the process at once
	os.Exit(cli.Run(ctx, cli.Process{
		Args: os.Args[1:], Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr, Version: version,
		RootKeys: map[string]rootkey.Opener{
			"awskms":        opener(openAmazon),
			"gcpkms":        opener(google{}.open),
			"azurekeyvault": opener(microsoft{}.open),
		},
	}))
}
