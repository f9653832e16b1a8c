// Package oracles holds the tests in which other people's programs check what
// Lethe publishes: tessera's client and fsck, transparency-dev/merkle,
// golang.org/x/mod, torchwood, and a second implementation of ML-DSA. They run
// against a whole ledger that is served over HTTP, and against its plain files.
//
// It is a module of its own so that their dependencies stay out of the
// product's. Nothing here is skipped: what a test needs, it makes.
package oracles
