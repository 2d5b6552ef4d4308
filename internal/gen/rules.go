package main

import (
	"bytes"
	"cmp"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/sluiceio/sluice/internal/diag"
	"github.com/sluiceio/sluice/pipes"
)

// said is one thing that a rule's findings say.
type said struct{ message, help string }

// ruleBook is what the code says under each rule. It is gathered from the calls
// themselves, so that no rule is explained otherwise than it is told.
type ruleBook struct {
	rules  map[string]map[said]bool
	texts  map[string]string // constants, as package.Name
	pkg    string            // of the file in hand
	ruleID *regexp.Regexp
}

// reporters are the functions that take a rule, with how far behind it message and
// help stand; 0 is for none.
func reporters() map[string]places {
	return map[string]places{
		"finding": {2, 1}, "warning": {2, 1}, "report": {2, 1}, "refuse": {2, 1}, "Errorf": {2, 1}, "Warnf": {2, 1},
		"fail": {1, 2}, "Fail": {1, 0}, "FailCause": {1, 0},
	}
}

// places are how far behind a rule its message and its help stand.
type places struct{ message, help int }

// rules writes what each rule says, for the reference and for `sluice explain`.
func rules() error {
	b := &ruleBook{rules: map[string]map[said]bool{}, texts: map[string]string{}, ruleID: regexp.MustCompile(`^[a-z0-9]+/[a-z0-9-]+$`)}
	files, err := sourceFiles()
	if err != nil {
		return err
	}
	for _, look := range []func(ast.Node) bool{b.constants, b.gather} {
		for _, f := range files {
			b.pkg = f.Name.Name
			ast.Inspect(f, look)
		}
	}
	for _, r := range pipes.Rules() {
		b.add(r.ID, "", r.Help)
	}
	return b.write()
}

// sourceFiles are the files of the program itself.
func sourceFiles() (files []*ast.File, err error) {
	set := token.NewFileSet()
	err = filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && (path == "bench" || path == "tools" || path == "examples" || path != "." && strings.HasPrefix(d.Name(), ".")) {
			return fs.SkipDir
		}
		if !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return nil
		}
		f, err := parser.ParseFile(set, path, nil, parser.SkipObjectResolution|parser.ParseComments)
		files = append(files, f)
		return err
	})
	return files, err
}

func (b *ruleBook) constants(n ast.Node) bool {
	if spec, ok := n.(*ast.ValueSpec); ok && len(spec.Names) == len(spec.Values) {
		for i, name := range spec.Names {
			text, known := b.text(spec.Values[i])
			if known {
				b.texts[b.pkg+"."+name.Name] = text
			}
			if known && strings.HasPrefix(name.Name, "Code") && b.ruleID.MatchString(text) {
				b.add(text, strings.TrimSpace(spec.Comment.Text()), "")
			}
		}
	}
	return true
}

// gather takes down calls that report, and findings and errors written out.
func (b *ruleBook) gather(n ast.Node) bool {
	switch n := n.(type) {
	case *ast.CallExpr:
		b.call(n)
	case *ast.CompositeLit:
		parts := map[string]string{}
		for _, e := range n.Elts {
			if kv, ok := e.(*ast.KeyValueExpr); ok {
				if key, ok := kv.Key.(*ast.Ident); ok {
					parts[key.Name], _ = b.text(kv.Value)
				}
			}
		}
		if id := cmp.Or(parts["Rule"], parts["Code"]); b.ruleID.MatchString(id) {
			b.add(id, cmp.Or(parts["Message"], parts["Msg"]), parts["Help"])
		}
	}
	return true
}

func (b *ruleBook) call(n *ast.CallExpr) {
	name := ""
	switch f := n.Fun.(type) {
	case *ast.Ident:
		name = f.Name
	case *ast.SelectorExpr:
		name = f.Sel.Name
	}
	at, reports := reporters()[name]
	if !reports {
		return
	}
	for i, arg := range n.Args[:min(2, len(n.Args))] {
		id, ok := b.text(arg)
		if !ok || !b.ruleID.MatchString(id) {
			continue
		}
		part := func(behind int) (text string) {
			if behind > 0 && i+behind < len(n.Args) {
				text, _ = b.text(n.Args[i+behind])
			}
			return text
		}
		if message, help := part(at.message), part(at.help); message+help != "" {
			b.add(id, message, help)
		}
		return
	}
}

// text is a text of the source as far as it is known before it runs.
func (b *ruleBook) text(e ast.Expr) (string, bool) {
	switch e := e.(type) {
	case *ast.BasicLit:
		text, err := strconv.Unquote(e.Value)
		return text, err == nil && e.Kind == token.STRING
	case *ast.Ident:
		text, ok := b.texts[b.pkg+"."+e.Name]
		return text, ok
	case *ast.SelectorExpr:
		if pkg, ok := e.X.(*ast.Ident); ok {
			text, ok := b.texts[pkg.Name+"."+e.Sel.Name]
			return text, ok
		}
	case *ast.BinaryExpr:
		left, okLeft := b.text(e.X)
		right, okRight := b.text(e.Y)
		if !okLeft {
			left = "%s"
		}
		if !okRight {
			right = "%s"
		}
		return left + right, okLeft || okRight
	case *ast.CallExpr:
		if f, ok := e.Fun.(*ast.SelectorExpr); ok && f.Sel.Name == "Sprintf" && len(e.Args) > 0 {
			return b.text(e.Args[0])
		}
	}
	return "", false
}

var verb = regexp.MustCompile(`"%s"|%[-+# 0-9.]*[a-zA-Z]`)

func (b *ruleBook) add(id, message, help string) {
	if b.rules[id] == nil {
		b.rules[id] = map[said]bool{}
	}
	plain := func(s string) string { return strings.ReplaceAll(verb.ReplaceAllString(s, "…"), "%%", "%") }
	if message != "" || help != "" {
		b.rules[id][said{plain(message), plain(help)}] = true
	}
}

func (b *ruleBook) write() error {
	var page, table bytes.Buffer
	page.WriteString("# Rules\n\nGenerated from the code; do not edit. What findings say under each rule id, and what to do;\n" +
		"… stands for names and numbers. `sluice explain RULE` shows the same at the prompt.\n")
	family := ""
	for _, id := range slices.Sorted(maps.Keys(b.rules)) {
		if f, _, _ := strings.Cut(id, "/"); f != family {
			family = f
			fmt.Fprintf(&page, "\n## %s\n\n", family)
		}
		fmt.Fprintf(&page, "- `%s`\n", id)
		all := slices.SortedFunc(maps.Keys(b.rules[id]), func(x, y said) int {
			return cmp.Or(cmp.Compare(x.message, y.message), cmp.Compare(x.help, y.help))
		})
		fmt.Fprintf(&table, "%s\n", id)
		for _, s := range all {
			line := diag.Joined(s.message, s.help)
			fmt.Fprintf(&page, "  - %s\n", line)
			fmt.Fprintf(&table, "\t%s\n", line)
		}
	}
	if err := os.WriteFile("internal/diag/rules.txt", table.Bytes(), 0o644); err != nil {
		return err
	}
	return os.WriteFile("docs/reference/rules.md", page.Bytes(), 0o644)
}
