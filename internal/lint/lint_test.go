// Package lint holds the house rules as tests.
package lint

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "github.com/sluiceio/sluice/"

// levels is the table of who may import whom: a package imports only packages
// on lines above its own. A name ending in / stands for all below it.
var levels = [][]string{
	{"entity", "internal/jsonpos", "internal/textdist", "schemas", "internal/script", "internal/jsrun", "internal/heap", "internal/urlquery", "internal/ntriples"},
	{"internal/diag"},
	{"dtl", "jinja", "dialects/pipeforce/pel", "store", "internal/spec", "config", "internal/report", "internal/schemacheck", "internal/xmltext", "internal/csvtext", "internal/xlsxtext", "internal/page", "internal/yamlpos"},
	{"dtl/stdlib", "systems", "webhooks", "messages", "store/local", "store/storetest"},
	{"systems/vendortest", "systems/amqptest"}, // a vendor and a broker for the tests of what calls systems
	{"sources", "transforms", "sinks"},
	{"pipes"},
	{"dialects"}, // what a dialect is; the dialects themselves stand beside the engine
	{"engine", "dialects/"},
	{"server"},
	{"cli"},
	{"cmd/", "examples/", "internal/gen"},
}

func level(pkg string) int {
	for i, line := range levels {
		for _, name := range line {
			if pkg == name || strings.HasSuffix(name, "/") && strings.HasPrefix(pkg+"/", name) {
				return i
			}
		}
	}
	return -1
}

type source struct {
	path string
	file *ast.File
	fset *token.FileSet
	text string
}

// sourceFiles are the module's own Go files, tests excepted.
func sourceFiles(t *testing.T) []source {
	t.Helper()
	root := filepath.Join("..", "..")
	var all []source
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, _ := filepath.Rel(root, path)
		if d.IsDir() && (rel == "bench" || rel == "tools" || strings.HasPrefix(d.Name(), ".") && rel != ".") {
			return fs.SkipDir
		}
		if d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return nil
		}
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		fset := token.NewFileSet()
		f, err := parser.ParseFile(fset, path, data, parser.ParseComments|parser.SkipObjectResolution)
		if err == nil {
			all = append(all, source{filepath.ToSlash(rel), f, fset, string(data)})
		}
		return err
	})
	if err != nil || len(all) == 0 {
		t.Fatal("no source files", err)
	}
	return all
}

func TestImports(t *testing.T) {
	for _, s := range sourceFiles(t) {
		pkg := filepath.ToSlash(filepath.Dir(s.path))
		own := level(pkg)
		if own < 0 {
			t.Errorf("%s: package %s has no line in the table of levels: give it one", s.path, pkg)
			continue
		}
		for _, imp := range s.file.Imports {
			path, _ := strconv.Unquote(imp.Path.Value)
			dep, ours := strings.CutPrefix(path, module)
			if ours && level(dep) >= own && !strings.HasPrefix(pkg, "examples/") {
				t.Errorf("%s: %s may not import %s: it stands on the same line of the table or below; hand the thing in through an interface",
					s.path, pkg, dep)
			}
		}
	}
}

// allowed holds exceptions, "rule path[:name]" with a reason behind #.
func allowed(t *testing.T, rule string) []string {
	t.Helper()
	data, err := os.ReadFile("exceptions.txt")
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for line := range strings.Lines(string(data)) {
		entry, reason, found := strings.Cut(line, "#")
		if f := strings.Fields(entry); len(f) == 2 && f[0] == rule {
			if !found || strings.TrimSpace(reason) == "" {
				t.Errorf("exceptions.txt: %s has no reason", f[1])
			}
			all = append(all, f[1])
		}
	}
	return all
}

func TestSizes(t *testing.T) {
	files, funcs := allowed(t, "file"), allowed(t, "func")
	for _, s := range sourceFiles(t) {
		if n := strings.Count(s.text, "\n"); n > 400 && !slices.Contains(files, s.path) {
			t.Errorf("%s has %d lines, more than 400: split it by idea", s.path, n)
		}
		for _, d := range s.file.Decls {
			f, ok := d.(*ast.FuncDecl)
			if !ok {
				continue
			}
			n := s.fset.Position(f.End()).Line - s.fset.Position(f.Pos()).Line + 1
			if n > 60 && !slices.Contains(funcs, s.path+":"+f.Name.Name) {
				t.Errorf("%s: %s has %d lines, more than 60: name its parts", s.path, f.Name.Name, n)
			}
		}
	}
}

func TestForbidden(t *testing.T) {
	exceptions := allowed(t, "use")
	for _, s := range sourceFiles(t) {
		pkg := filepath.ToSlash(filepath.Dir(s.path))
		main := strings.HasPrefix(pkg, "cmd/") || s.file.Name.Name == "main"
		complain := func(at token.Pos, what, remedy string) {
			if !slices.Contains(exceptions, s.path+":"+what) {
				t.Errorf("%s:%d: %s: %s", s.path, s.fset.Position(at).Line, what, remedy)
			}
		}
		for _, imp := range s.file.Imports {
			switch path, _ := strconv.Unquote(imp.Path.Value); {
			case path == "reflect" && pkg != "internal/spec":
				complain(imp.Pos(), "reflect", "only internal/spec reflects: ask for an ability instead")
			case path == "unsafe" && pkg != "entity":
				complain(imp.Pos(), "unsafe", "only entity is unsafe")
			}
		}
		ast.Inspect(s.file, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.FuncDecl:
				if n.Name.Name == "init" && n.Recv == nil {
					complain(n.Pos(), "init", "hand values in instead of registering them")
				}
			case *ast.CallExpr:
				switch text := callee(n); {
				case text == "panic":
					complain(n.Pos(), "panic", "return an error")
				case (text == "context.Background" || text == "context.TODO") && !main:
					complain(n.Pos(), text, "take the caller's context")
				}
			}
			return true
		})
	}
}

func callee(c *ast.CallExpr) string {
	switch f := c.Fun.(type) {
	case *ast.Ident:
		return f.Name
	case *ast.SelectorExpr:
		if x, ok := f.X.(*ast.Ident); ok {
			return x.Name + "." + f.Sel.Name
		}
	}
	return ""
}

func TestExportedNamesAreDocumented(t *testing.T) {
	for _, s := range sourceFiles(t) {
		for _, d := range s.file.Decls {
			switch d := d.(type) {
			case *ast.FuncDecl:
				if d.Name.IsExported() && exportedReceiver(d) && d.Doc == nil {
					t.Errorf("%s: %s needs a comment: what goes in and out, units, errors", s.path, d.Name.Name)
				}
			case *ast.GenDecl:
				for _, spec := range d.Specs {
					if ts, ok := spec.(*ast.TypeSpec); ok && ts.Name.IsExported() && d.Doc == nil && ts.Doc == nil {
						t.Errorf("%s: type %s needs a comment", s.path, ts.Name.Name)
					}
				}
			}
		}
	}
}

func exportedReceiver(f *ast.FuncDecl) bool {
	if f.Recv == nil {
		return true
	}
	typ := f.Recv.List[0].Type
	if star, ok := typ.(*ast.StarExpr); ok {
		typ = star.X
	}
	id, ok := typ.(*ast.Ident)
	return ok && id.IsExported()
}

// TestTrackedTextIsNeutral looks for paths of one machine in what people read.
func TestTrackedTextIsNeutral(t *testing.T) {
	for _, s := range sourceFiles(t) {
		for _, word := range []string{`"/tmp/`, `"/root/`, `"/work/`, `"/home/`} {
			if strings.Contains(s.text, word) {
				t.Errorf("%s holds %s…, a path of one machine", s.path, word)
			}
		}
	}
}
