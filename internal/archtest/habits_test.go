package archtest

import (
	"go/ast"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
)

// Values are opened in two places: to decide, and to disclose after the
// access was recorded. Both go through the codec's OpenValue; nothing else
// names it, and nobody else opens a part by the keyring itself. The benchmark
// may, of the made-up people in a ledger of its own. What opens a value
// elsewhere, its secret, leaves by the door alone.
func TestWhoOpensValues(t *testing.T) {
	openers := []string{"internal/ledger", "internal/disclose", "internal/bench"}
	files := load(t)
	holders := holdersOfValues(files)
	for _, f := range files {
		if f.test || !holders[f.pkg] || within(f.pkg, "internal/codec", "internal/keyring") {
			continue
		}
		packages := map[string]bool{}
		for _, local := range f.imports {
			packages[local] = true
		}
		ast.Inspect(f.ast, func(n ast.Node) bool {
			sel, ok := n.(*ast.SelectorExpr)
			if ok && sel.Sel.Name == "SecretOf" {
				assert.True(t, within(f.pkg, "internal/disclose"), "%s: the secret of a value is given by the door only", f.at(sel))
			}
			if !ok || within(f.pkg, openers...) {
				return true
			}
			assert.NotEqual(t, "OpenValue", sel.Sel.Name, "%s: values are opened by the ledger and the door only", f.at(sel))
			if sel.Sel.Name == "Open" && !packages[firstName(sel.X)] {
				assert.Contains(t, []string{"door"}, strings.ToLower(lastName(sel.X)),
					"%s: this opens something that is neither a package nor the door", f.at(sel))
			}
			return true
		})
		if _, ok := f.imports[module+"/internal/keyring"]; ok {
			ast.Inspect(f.ast, func(n ast.Node) bool {
				if sel, ok := n.(*ast.SelectorExpr); ok {
					assert.NotEqual(t, "Secret", sel.Sel.Name, "%s: the keyring is asked for a secret by the codec only", f.at(sel))
				}
				return true
			})
		}
		f.calls(module+"/internal/keyring", func(name string, call *ast.CallExpr) {
			if name == "Open" {
				assert.True(t, within(f.pkg, "internal/app", "internal/bench"), "%s: the keyring is built by the composition root", f.at(call))
			}
		})
	}
}

// holdersOfValues are the packages that can name a sealed value or what opens
// it. What others open is a file, a note or a part by its secret.
func holdersOfValues(files []file) map[string]bool {
	holders := map[string]bool{}
	for _, f := range files {
		for _, p := range []string{"domain/personal", "internal/keyring", "internal/codec"} {
			if _, ok := f.imports[module+"/"+p]; ok && !f.test {
				holders[f.pkg] = true
			}
		}
	}
	return holders
}

// lastName is the identifier that an expression ends with: b.c of a.b.c is c.
func lastName(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.Ident:
		return e.Name
	case *ast.SelectorExpr:
		return e.Sel.Name
	case *ast.CallExpr:
		return lastName(e.Fun)
	}
	return ""
}

// firstName is the identifier that an expression begins with: a of a.b.c.
func firstName(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.Ident:
		return e.Name
	case *ast.SelectorExpr:
		return firstName(e.X)
	case *ast.CallExpr:
		return firstName(e.Fun)
	}
	return ""
}

// Time and chance come in through fields: time.Now and rand.Reader may be the
// default of one, but are not called where something is decided or stored.
func TestClockAndChanceAreInjected(t *testing.T) {
	free := []string{"cmd", "internal/app", "internal/cli", "internal/bench", "scripts", "eventstore/storetest"}
	defaults := map[string]string{
		"eventstore/segment/options.go": "the monotonic clock's default is a closure over its start",
	}
	forbidden := map[string][]string{
		"time":                   {"Now", "Since", "Until", "Sleep"},
		"crypto/rand":            {"Read", "Int", "Prime", "Text"},
		"github.com/google/uuid": {"New", "NewString", "NewRandom", "NewUUID", "NewV6", "NewV7", "Must"},
	}
	for _, f := range load(t) {
		if f.test || within(f.pkg, free...) || defaults[f.name] != "" {
			continue
		}
		for p, names := range forbidden {
			f.calls(p, func(name string, call *ast.CallExpr) {
				assert.False(t, slices.Contains(names, name), "%s calls %s.%s: take it from a field", f.at(call), p, name)
			})
		}
		if _, ok := f.imports["math/rand"]; ok {
			assert.Fail(t, "math/rand", "%s: seeded by nobody", f.name)
		}
		if _, ok := f.imports["math/rand/v2"]; ok {
			assert.True(t, within(f.pkg, "internal/demodata"), "%s imports math/rand/v2", f.name)
		}
	}
}

// Only main ends the process; everything else returns an error. Output goes
// to the writers it was given.
func TestNobodyElseEndsOrPrints(t *testing.T) {
	for _, f := range load(t) {
		if f.test || within(f.pkg, "cmd", "scripts", "internal/testenv") {
			continue
		}
		f.calls("os", func(name string, call *ast.CallExpr) {
			assert.NotEqual(t, "Exit", name, f.at(call))
		})
		f.calls("log", func(name string, call *ast.CallExpr) {
			// net/http asks for a *log.Logger; the rest of the package speaks past ours.
			assert.Equal(t, "New", name, "%s: log with the logger that was given", f.at(call))
		})
		f.calls("fmt", func(name string, call *ast.CallExpr) {
			assert.NotContains(t, []string{"Print", "Printf", "Println"}, name, f.at(call))
		})
		ast.Inspect(f.ast, func(n ast.Node) bool {
			if call, ok := n.(*ast.CallExpr); ok {
				if id, ok := call.Fun.(*ast.Ident); ok {
					assert.False(t, id.Name == "panic" || id.Name == "print" || id.Name == "println", "%s calls %s", f.at(call), id.Name)
				}
			}
			return true
		})
	}
}

// Packages are named for what they provide, and files can be read in one
// sitting.
func TestNamesAndSizes(t *testing.T) {
	vague := []string{"util", "utils", "common", "helper", "helpers", "model", "models", "types", "misc"}
	for _, f := range load(t) {
		assert.NotContains(t, vague, f.ast.Name.Name, f.name)
		assert.LessOrEqual(t, f.lines, 1000, "%s is too long", f.name)
	}
}
