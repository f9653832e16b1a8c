package archtest

import (
	"go/ast"
	"go/importer"
	"go/types"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// sum is a sealed interface marked //sumtype:decl and the types that are
// meant by it.
type sum struct {
	pkg, name string
	members   []string
}

// sums finds the sealed sums. A type is meant when it declares the sealing
// method itself; a state or command that embeds an event has the method too,
// but is not one. Where a single type declares it (a part that all members
// embed), the members are the types that embed it and are embedded by none.
func sums(files []file) []sum {
	var out []sum
	for _, f := range files {
		for name, marker := range sealed(&f) {
			out = append(out, sum{f.pkg, name, members(files, f.pkg, marker)})
		}
	}
	return out
}

// sealed lists a file's marked interfaces and their unexported method.
func sealed(f *file) map[string]string {
	out := map[string]string{}
	for _, d := range f.ast.Decls {
		g, ok := d.(*ast.GenDecl)
		if !ok || g.Doc == nil || !slices.ContainsFunc(g.Doc.List, func(c *ast.Comment) bool { return c.Text == "//sumtype:decl" }) {
			continue
		}
		spec := g.Specs[0].(*ast.TypeSpec)
		for _, m := range spec.Type.(*ast.InterfaceType).Methods.List {
			if len(m.Names) == 1 && strings.HasPrefix(m.Names[0].Name, "is") {
				out[spec.Name.Name] = m.Names[0].Name
			}
		}
	}
	return out
}

func members(files []file, pkg, marker string) []string {
	var direct []string
	embeds := map[string][]string{}
	for _, f := range files {
		if f.pkg != pkg || f.test {
			continue
		}
		for _, d := range f.ast.Decls {
			switch d := d.(type) {
			case *ast.FuncDecl:
				if d.Name.Name == marker && d.Recv != nil {
					direct = append(direct, typeName(d.Recv.List[0].Type))
				}
			case *ast.GenDecl:
				embedded(d, embeds)
			}
		}
	}
	if len(direct) != 1 {
		slices.Sort(direct)
		return direct
	}
	var all, parts []string
	var carry func(part string)
	carry = func(part string) {
		for name, of := range embeds {
			if slices.Contains(of, part) {
				parts = append(parts, part)
				all = append(all, name)
				carry(name)
			}
		}
	}
	carry(direct[0])
	all = slices.DeleteFunc(all, func(name string) bool { return slices.Contains(parts, name) })
	slices.Sort(all)
	return slices.Compact(all)
}

// embedded notes which types each struct embeds.
func embedded(d *ast.GenDecl, into map[string][]string) {
	for _, s := range d.Specs {
		spec, ok := s.(*ast.TypeSpec)
		if !ok {
			continue
		}
		if st, ok := spec.Type.(*ast.StructType); ok {
			for _, field := range st.Fields.List {
				if len(field.Names) == 0 {
					into[spec.Name.Name] = append(into[spec.Name.Name], typeName(field.Type))
				}
			}
		}
	}
}

func typeName(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.StarExpr:
		return typeName(e.X)
	case *ast.Ident:
		return e.Name
	}
	return ""
}

// TestSwitchesAreExhaustive holds every switch over a sealed sum to naming all
// its members, so that a new event or command is decided about everywhere. In
// the sum's own package a default does not stand for the rest; elsewhere it
// does.
func TestSwitchesAreExhaustive(t *testing.T) {
	files := load(t)
	all := sums(files)
	require.NotEmpty(t, all)
	switches := 0
	for _, s := range all {
		require.NotEmpty(t, s.members, "%s.%s has no members", s.pkg, s.name)
	}
	for _, p := range check(t, files) {
		for _, f := range p.files {
			ast.Inspect(f.ast, func(n ast.Node) bool {
				sw, ok := n.(*ast.TypeSwitchStmt)
				if !ok {
					return true
				}
				for _, s := range all {
					if p.switchesOver(sw) != module+"/"+s.pkg+"."+s.name {
						continue
					}
					switches++
					of, hasDefault := p.cases(sw)
					for _, m := range s.members {
						if hasDefault && f.pkg != s.pkg {
							break
						}
						assert.Contains(t, of, module+"/"+s.pkg+"."+m, "%s: this switch over %s.%s misses a case", f.at(sw), s.pkg, s.name)
					}
				}
				return true
			})
		}
	}
	require.Positive(t, switches)
}

// checked is a package with the types of its expressions.
type checked struct {
	files []file
	types map[ast.Expr]types.TypeAndValue
}

// check type-checks the packages that switch over types, against what the
// compiler exported of their imports: it needs nothing but the go command.
func check(t *testing.T, files []file) []checked {
	t.Helper()
	exports := exported(t)
	byPackage := map[string][]file{}
	for _, f := range files {
		if !f.test {
			byPackage[f.pkg] = append(byPackage[f.pkg], f)
		}
	}
	lookup := func(path string) (io.ReadCloser, error) { return os.Open(exports[path]) }
	imports := importer.ForCompiler(files[0].set, "gc", lookup)
	var out []checked
	for pkg, of := range byPackage {
		var trees []*ast.File
		switches := false
		for _, f := range of {
			if ast.IsGenerated(f.ast) || constrained(f.ast) {
				continue
			}
			trees = append(trees, f.ast)
			ast.Inspect(f.ast, func(n ast.Node) bool {
				_, is := n.(*ast.TypeSwitchStmt)
				switches = switches || is
				return true
			})
		}
		if !switches {
			continue
		}
		info := &types.Info{Types: map[ast.Expr]types.TypeAndValue{}}
		conf := types.Config{Importer: imports, Error: func(error) {}} // files of other systems may be incomplete
		_, _ = conf.Check(module+"/"+pkg, files[0].set, trees, info)
		out = append(out, checked{of, info.Types})
	}
	return out
}

// exported maps each import path to its export data. A package that does not
// compile has none; that is the compiler's to report.
func exported(t *testing.T) map[string]string {
	t.Helper()
	cmd := exec.Command("go", "list", "-e", "-export", "-deps", "-f", "{{.ImportPath}}\t{{.Export}}", "./...")
	cmd.Dir = root
	list, err := cmd.Output()
	require.NoError(t, err, "listing the packages")
	out := map[string]string{}
	for line := range strings.Lines(string(list)) {
		path, name, _ := strings.Cut(strings.TrimSpace(line), "\t")
		out[path] = name
	}
	return out
}

// constrained reports a build constraint: another file stands in for it.
func constrained(f *ast.File) bool {
	for _, group := range f.Comments {
		if group.Pos() < f.Package && strings.HasPrefix(group.List[0].Text, "//go:build") {
			return true
		}
	}
	return false
}

// switchesOver is the type that a switch distinguishes: "lethe/domain.Event".
func (c *checked) switchesOver(sw *ast.TypeSwitchStmt) string {
	var x ast.Expr
	switch s := sw.Assign.(type) {
	case *ast.AssignStmt:
		x = s.Rhs[0]
	case *ast.ExprStmt:
		x = s.X
	}
	return named(c.types[x.(*ast.TypeAssertExpr).X].Type)
}

func (c *checked) cases(sw *ast.TypeSwitchStmt) (of []string, hasDefault bool) {
	for _, s := range sw.Body.List {
		clause := s.(*ast.CaseClause)
		hasDefault = hasDefault || clause.List == nil
		for _, e := range clause.List {
			of = append(of, named(c.types[e].Type))
		}
	}
	return of, hasDefault
}

func named(t types.Type) string {
	if p, ok := t.(*types.Pointer); ok {
		t = p.Elem()
	}
	if n, ok := t.(*types.Named); ok && n.Obj().Pkg() != nil {
		return n.Obj().Pkg().Path() + "." + n.Obj().Name()
	}
	return ""
}
