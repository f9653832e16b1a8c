package archtest

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// arrow says what a folder of ours may import of ours. The longest matching
// folder counts; what stands here without a match may import nothing.
type arrow struct {
	from string
	may  []string
	why  string
}

func arrows() []arrow {
	domain := []string{"domain"}
	return []arrow{
		{"domain", domain, "rules are pure: they are tested without anything else"},
		{"eventstore", nil, "the contract knows no event"},
		{"eventstore/segment", []string{"eventstore", "eventstore/segment"}, "an engine knows the contract only"},
		{"eventstore/storetest", []string{"eventstore"}, "the conformance suite knows the contract only"},
		{"eventstore/faultstore", []string{"eventstore"}, "a wrapper knows the contract only"},
		{"projections", []string{"domain", "eventstore", "projections", "internal/part", "internal/room", "internal/slack"}, "views see facts and stored bytes, never keys"},
		{"internal/durable", nil, "small files that survive a crash"},
		{"internal/leaf", []string{"eventstore"}, "a leaf is made of stored bytes"},
		{"internal/seal", []string{"eventstore", "internal/durable", "internal/leaf", "internal/tlog", "internal/witness"}, "the seal sees stored bytes, never keys"},
		{"internal/part", nil, "the format of a sealed value: an offline verifier opens one with it and links no keys"},
		{"internal/room", nil, "a file system, and SQLite's codes"},
		{"internal/slack", nil, "pages of SQLite's, not what is in them"},
		{"internal/rootkey", []string{"internal/part", "internal/rootkey"}, "opens a key and knows nothing of what it wraps"},
		{"internal/keyring", []string{"domain", "internal/part", "internal/rootkey", "internal/room", "internal/slack"}, "keys know nothing of the log"},
		{"internal/codec", []string{"domain", "eventstore", "internal/keyring", "internal/part"}, "between events and stored bytes"},
		{"internal/ledger", []string{"domain", "eventstore", "internal/codec", "internal/keyring", "internal/room"}, "the one way in"},
		{"internal/disclose", []string{"domain", "eventstore", "internal/auth", "internal/codec", "internal/keyring", "internal/ledger", "internal/part", "projections"}, "the one way out"},
		{"internal/dropping", []string{"domain", "eventstore", "internal/keyring", "internal/part"}, "it asks which keys are gone, and opens no value"},
		{"internal/auth", domain, "who may what is a rule"},
		{"internal/retention", []string{"domain", "internal/ledger"}, "it finds what is overdue; the ledger decides"},
		{"internal/erasure", []string{"domain", "eventstore", "internal/keyring", "internal/ledger"}, "orders become destruction; it opens no value"},
		{"internal/react", []string{"domain", "eventstore", "internal/ledger"}, "reactors make commands and never open a value"},
		{"internal/receipt", domain, "a pure function"},
		{"internal/certificate", []string{"internal/leaf", "internal/tlog"}, "what a certificate says follows from events and is made anew where nothing of the ledger is"},
		{"internal/bundle", []string{"eventstore", "internal/bundle", "internal/certificate", "internal/leaf", "internal/part", "internal/tlog"}, "checked where nothing of the ledger is: no keys, no store"},
		{"internal/tlog", nil, "formats of a log, which anybody could have written"},
		{"internal/tlog/tileclient", []string{"internal/tlog"}, "reads a log over HTTP"},
		{"internal/audit", []string{"domain", "eventstore", "internal/codec", "internal/durable", "internal/keyring", "internal/leaf", "internal/part", "internal/seal", "internal/tlog", "projections"}, "reads everything, opens no value"},
		{"internal/backup", []string{"eventstore", "internal/durable", "internal/leaf", "internal/room", "internal/seal", "internal/tlog"}, "copies files: it sees stored bytes, never keys"},
		{"internal/witness", []string{"internal/durable", "internal/tlog"}, "a second party: it knows logs, not what is in them"},
		{"internal/starter", domain, "a file becomes commands"},
		{"internal/importer", []string{"domain", "internal/importer", "internal/ledger", "internal/keyring", "internal/auth"}, "imports are commands; claims are the keyring's"},
		{"internal/httpapi", []string{"domain", "eventstore", "projections", "internal/auth", "internal/disclose", "internal/dropping", "internal/importer", "internal/audit", "internal/bundle", "internal/certificate", "internal/durable", "internal/keyring", "internal/leaf", "internal/ledger", "internal/part", "internal/receipt", "internal/retention", "internal/seal", "internal/starter", "internal/tlog", "internal/backup"}, "an edge"},
		{"internal/canary", nil, "searches files: it knows formats, and nothing of what is in them"},
		{"internal/config", nil, "settings depend on nothing"},
		{"internal/demodata", nil, "made-up data depends on nothing"},
		{"internal/testenv", nil, "what tests ask of the machine"},
		{"internal/archtest", nil, "this"},
		{"internal/bench", []string{"domain", "eventstore", "internal", "projections"}, "measures everything"},
		{"internal/app", []string{"domain", "eventstore", "internal", "projections"}, "the composition root sees all"},
		{"internal/cli", []string{"domain", "eventstore", "internal", "projections"}, "an edge that can be the whole program"},
		{"cmd/lethe-verify", []string{"internal/bundle"}, "an auditor's program: a test pins what it links"},
		{"cmd/lethe-kms", []string{"internal/cli", "internal/rootkey"}, "kinds of root keys, and the program that takes them"},
		{"cmd", []string{"internal/app", "internal/cli"}, "main does next to nothing"},
		{"scripts", nil, "tools of the project do not need it"},
	}
}

func arrowOf(pkg string) (arrow, bool) {
	var best arrow
	found := false
	for _, a := range arrows() {
		if within(pkg, a.from) && (!found || len(a.from) > len(best.from)) {
			best, found = a, true
		}
	}
	return best, found
}

func TestImportArrows(t *testing.T) {
	for _, f := range load(t) {
		if f.test {
			continue
		}
		a, ok := arrowOf(f.pkg)
		if !assert.True(t, ok, "%s: the folder %s has no row in the table of arrows", f.name, f.pkg) {
			continue
		}
		for p := range f.imports {
			if to, mine := ours(p); mine {
				assert.True(t, within(to, a.may...), "%s imports %s, which %s may not: %s", f.name, to, a.from, a.why)
			}
		}
	}
}

func TestTheTableIsChecked(t *testing.T) {
	a, ok := arrowOf("eventstore/segment")
	assert.True(t, ok)
	assert.False(t, within("domain", a.may...))
	assert.False(t, within("eventstores", "eventstore"), "a folder is not a prefix of letters")
	_, ok = arrowOf("util")
	assert.False(t, ok)
}

// Who imports the keyring is pinned: whoever holds it could open values.
func TestWhoImportsTheKeyring(t *testing.T) {
	allowed := []string{
		"internal/app", "internal/cli", "internal/bench", // build it
		"internal/codec", "internal/ledger", "internal/disclose", // seal and open
		"internal/httpapi",  // command IDs and opt-in nonces
		"internal/importer", // claims of imports
		"internal/erasure",  // destroys keys
		"internal/dropping", // which keys are fenced, and since when
		"internal/audit",    // whether keys and fences are there
	}
	for _, f := range load(t) {
		if _, ok := f.imports[module+"/internal/keyring"]; ok && !f.test {
			assert.True(t, within(f.pkg, allowed...), "%s imports the keyring", f.name)
		}
	}
}

// foreign says which folders may import a module that is not ours.
func TestForeignModules(t *testing.T) {
	only := map[string][]string{
		"github.com/cockroachdb/pebble":   {"eventstore/segment", "internal/app", "internal/backup", "internal/bench", "internal/canary", "internal/durable", "internal/room", "internal/seal", "internal/witness"},
		"modernc.org/sqlite":              {"internal/keyring", "projections", "internal/bench"},
		"github.com/alecthomas/kong":      {"internal/config", "internal/cli", "cmd"},
		"github.com/danielgtaylor/huma":   {"internal/httpapi"},
		"github.com/brianvoe/gofakeit":    {"internal/demodata"},
		"github.com/prometheus":           {"internal/app", "internal/cli", "internal/httpapi"},
		"github.com/vbauerster/mpb":       {"internal/cli", "internal/importer"},
		"github.com/nyaruka":              {"internal/keyring"},
		"github.com/santhosh-tekuri":      {},
		"github.com/google/uuid":          {"internal/app", "internal/cli"},
		"github.com/cloudflare":           {"internal/tlog"},
		"github.com/transparency-dev":     {}, // what the tests check against
		"github.com/cockroachdb/apd":      {"domain", "internal", "projections"},
		"database/sql":                    {"internal/keyring", "projections", "internal/bench"},
		"net/http":                        {"internal/httpapi", "internal/app", "internal/cli", "internal/bench", "cmd", "internal/bundle/verifycmd", "internal/rootkey", "internal/tlog/tileclient", "internal/witness"},
		"crypto/aes":                      {"internal/part", "internal/httpapi"}, // an upload that waits on disk
		"crypto/hkdf":                     {},
		"golang.org/x/crypto":             {"internal/rootkey"},
		"encoding/gob":                    {},
		"unsafe":                          {},
		"github.com/rogpeppe/go-internal": {},
	}
	for _, f := range load(t) {
		if f.test {
			continue
		}
		for p := range f.imports {
			for name, folders := range only {
				if within(p, name) {
					assert.True(t, within(f.pkg, folders...), "%s imports %s", f.name, p)
				}
			}
			if foreign := strings.Contains(strings.Split(p, "/")[0], "."); foreign && within(f.pkg, "domain") {
				assert.True(t, within(p, "github.com/cockroachdb/apd"), "%s imports %s: the domain needs the standard library and decimals only", f.name, p)
			}
		}
	}
}

// The clients of key services need many modules: they are in lethe-kms, which is
// a module of its own, and in nothing that this module builds.
func TestNoKeyServicesInTheModule(t *testing.T) {
	clients := []string{
		"gocloud.dev", "github.com/aws", "github.com/Azure", "github.com/AzureAD", "cloud.google.com",
		"google.golang.org/api", "google.golang.org/grpc", "google.golang.org/genproto", "github.com/googleapis",
	}
	for p := range exported(t) {
		assert.False(t, within(p, clients...), "%s is linked", p)
	}
	text, err := os.ReadFile(filepath.Join(root, "go.mod"))
	require.NoError(t, err)
	for line := range strings.Lines(string(text)) {
		name, _, _ := strings.Cut(strings.TrimSpace(strings.TrimPrefix(line, "require ")), " ")
		assert.False(t, within(name, clients...), "go.mod needs %s", name)
	}
	for _, f := range load(t) {
		for p := range f.imports {
			if within(p, clients...) {
				assert.True(t, within(f.pkg, "cmd/lethe-kms"), "%s imports %s", f.name, p)
			}
		}
	}
}

// Test packages are not linked into the program.
func TestNoTestPackagesInProduction(t *testing.T) {
	support := []string{"eventstore/storetest", "eventstore/faultstore", "internal/testenv", "internal/importer/sourcetest", "internal/rootkey/rootkeytest", "internal/archtest"}
	foreign := []string{"testing", "github.com/stretchr/testify", "pgregory.net/rapid", "go.uber.org/goleak", "net/http/httptest"}
	for _, f := range load(t) {
		if f.test || within(f.pkg, support...) {
			continue
		}
		for p := range f.imports {
			to, mine := ours(p)
			assert.False(t, mine && within(to, support...), "%s imports %s", f.name, p)
			assert.False(t, within(p, foreign...), "%s imports %s", f.name, p)
		}
	}
}

// The arrows form no hidden way: what each folder may import is named by a
// folder that exists in the table.
func TestTheTableNamesItsOwnRows(t *testing.T) {
	var rows []string
	for _, a := range arrows() {
		assert.False(t, slices.Contains(rows, a.from), "%s stands twice", a.from)
		assert.NotEmpty(t, a.why)
		rows = append(rows, a.from)
	}
	for _, a := range arrows() {
		for _, m := range a.may {
			known := slices.ContainsFunc(rows, func(r string) bool { return within(r, m) })
			assert.True(t, known, "%s may import %s, which has no row", a.from, m)
		}
	}
}
