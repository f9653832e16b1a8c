// Package starter reads catalogue files: what a controller declares, as YAML
// that a person writes and reads. It ships one for a CRM to start from.
//
// A file is turned into the catalogue's own commands and nothing else: what
// the rules say of them is the catalogue's to decide. Reading is strict, since
// a misspelt key would silently declare something else: unknown keys, a second
// document and an oversized file are refused, with the line.
//
// The form is versioned by its first key, `format: lethe-catalogue/1`; files
// of a released form stay readable.
package starter

import (
	_ "embed"
	"strings"

	"lethe/domain/catalogue"
)

//go:embed starter.yaml
var text string

// Text is the starter catalogue as it ships, to be copied and changed.
func Text() string { return text }

// Default is the starter catalogue's declarations.
func Default() ([]Declaration, error) { return Parse(strings.NewReader(text)) }

// Declaration is one entry of a file, in an order in which nothing refers to
// what comes after it: recipients, controllers, fields, purposes, notices.
type Declaration struct {
	Line    int    // where the entry begins
	Section string // "purposes"
	ID      string // as written
	Command catalogue.Command
}
