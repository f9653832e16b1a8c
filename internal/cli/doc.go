// Package cli is the command line.
//
// A command is a client of the HTTP API: with --server it goes through a
// running server, without it opens the data directory and calls the same
// handler in its own process, so that there is one implementation of each
// command and one set of rules. The exceptions have a reason: serve, demo and
// bench own the directory, and a local import reads its file by path.
//
// Output on standard output is for people unless --json is given; then it is
// the API's own answer. Everything else goes to standard error. Exit codes: 0
// done, 1 failed, 2 usage, 3 a check found something.
//
// Personal values come by standard input or by file, never as arguments,
// which every user of the machine can read.
package cli
