package archtest

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const (
	module = "lethe"
	root   = "../.."
)

// file is one Go file of the module.
type file struct {
	name    string // relative to the root, with slashes
	pkg     string // import path without the module: "internal/ledger"
	test    bool
	imports map[string]string // import path → name in the file
	set     *token.FileSet
	ast     *ast.File
	lines   int
}

// load parses every Go file of the project, those of nested modules included.
func load(t *testing.T) []file {
	t.Helper()
	var out []file
	set := token.NewFileSet()
	walk(t, func(name string, text []byte) {
		if !strings.HasSuffix(name, ".go") || strings.HasPrefix(name, "scripts/tools/") || strings.Contains(name, "/testdata/") {
			return
		}
		tree, err := parser.ParseFile(set, name, text, parser.SkipObjectResolution|parser.ParseComments)
		require.NoError(t, err)
		f := file{
			name: name, pkg: path.Dir(name), test: strings.HasSuffix(name, "_test.go"),
			imports: map[string]string{}, set: set, ast: tree, lines: strings.Count(string(text), "\n"),
		}
		for _, spec := range tree.Imports {
			p, err := strconv.Unquote(spec.Path.Value)
			require.NoError(t, err)
			local := path.Base(p)
			if isVersion(local) {
				local = path.Base(path.Dir(p))
			}
			if spec.Name != nil {
				local = spec.Name.Name
			}
			f.imports[p] = local
		}
		out = append(out, f)
	})
	require.NotEmpty(t, out)
	return out
}

func isVersion(s string) bool {
	_, err := strconv.Atoi(strings.TrimPrefix(s, "v"))
	return strings.HasPrefix(s, "v") && err == nil
}

// walk visits the project's files, without what is built or ignored.
func walk(t *testing.T, visit func(name string, text []byte)) {
	t.Helper()
	err := filepath.WalkDir(root, func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name, err := filepath.Rel(root, p)
		if err != nil {
			return err
		}
		name = filepath.ToSlash(name)
		switch {
		case d.IsDir() && (name == ".git" || ignored(name)):
			return fs.SkipDir
		case d.IsDir() || !d.Type().IsRegular() || name == ".git" || ignored(name): // .git is a file in a linked worktree
			return nil
		}
		text, err := os.ReadFile(p)
		if err != nil {
			return err
		}
		visit(name, text)
		return nil
	})
	require.NoError(t, err)
}

// ignored names what .gitignore keeps out of the repository.
func ignored(name string) bool {
	switch name {
	case "build", "data", "secrets", "lethe", "lethe-data":
		return true
	}
	switch path.Ext(name) {
	case ".test", ".prof", ".out":
		return true
	}
	return false
}

// ours strips the module from an import path.
func ours(importPath string) (string, bool) {
	if importPath == module {
		return ".", true
	}
	return strings.CutPrefix(importPath, module+"/")
}

// within reports whether pkg is the folder or below it.
func within(pkg string, folders ...string) bool {
	for _, f := range folders {
		if pkg == f || strings.HasPrefix(pkg, f+"/") {
			return true
		}
	}
	return false
}

// at is where a node stands.
func (f *file) at(n ast.Node) string {
	return f.name + ":" + strconv.Itoa(f.set.Position(n.Pos()).Line)
}

// calls visits every call of a function of the imported package.
func (f *file) calls(importPath string, visit func(name string, call *ast.CallExpr)) {
	local, ok := f.imports[importPath]
	if !ok {
		return
	}
	ast.Inspect(f.ast, func(n ast.Node) bool {
		call, ok := n.(*ast.CallExpr)
		if !ok {
			return true
		}
		if sel, ok := call.Fun.(*ast.SelectorExpr); ok {
			if x, ok := sel.X.(*ast.Ident); ok && x.Name == local {
				visit(sel.Sel.Name, call)
			}
		}
		return true
	})
}
