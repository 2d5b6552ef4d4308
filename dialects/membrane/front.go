package membrane

import (
	"bytes"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/sluiceio/sluice/internal/diag"
	"github.com/sluiceio/sluice/internal/jsonpos"
	"github.com/sluiceio/sluice/internal/yamlpos"
)

// front reads connectors and integrations of a node folder.
type front struct{}

// mostFiles bounds how many files of connectors are looked at.
const mostFiles = 10000

// Files implements config.Front.
func (front) Files(dir string) []string {
	var all []string
	walk := func(sub string, mine func(name string) bool) {
		// What cannot be read is no file of ours, and is told when it is asked for.
		_ = filepath.WalkDir(filepath.Join(dir, sub), func(path string, d fs.DirEntry, err error) error {
			switch {
			case err != nil:
				return nil
			case d.IsDir() && (d.Name() == "node_modules" || strings.HasPrefix(d.Name(), ".")):
				return fs.SkipDir
			case d.Type().IsRegular() && mine(d.Name()) && len(all) < mostFiles:
				all = append(all, path)
			}
			return nil
		})
	}
	walk("connectors", isSource)
	walk("integrations", isYAML)
	slices.Sort(all)
	return all
}

func isYAML(name string) bool {
	return strings.HasSuffix(name, ".yml") || strings.HasSuffix(name, ".yaml")
}

func isSource(name string) bool {
	return isYAML(name) || slices.Contains([]string{".js", ".ts", ".mjs", ".mts", ".cjs", ".cts", ".json"}, filepath.Ext(name))
}

// folder is a node folder while it is compiled.
type folder struct {
	dir   string
	files map[string]string // by their names below dir, with slashes
	read  func(path string) ([]byte, error)
	finds diag.List
}

// Compile implements config.Front.
func (front) Compile(dir string, files []string, read func(path string) ([]byte, error)) ([]*jsonpos.Node, diag.List) {
	f := &folder{dir: dir, files: map[string]string{}, read: read}
	for _, path := range files {
		if name, err := filepath.Rel(dir, path); err == nil {
			f.files[filepath.ToSlash(name)] = path
		}
	}
	connectors := f.connectors()
	var nodes []*jsonpos.Node
	for _, name := range f.names("integrations/") {
		nodes = append(nodes, f.integration(name, connectors)...)
	}
	return nodes, f.finds
}

// names are the files that begin with a prefix, sorted.
func (f *folder) names(prefix string) []string {
	var all []string
	for name := range f.files {
		if strings.HasPrefix(name, prefix) {
			all = append(all, name)
		}
	}
	slices.Sort(all)
	return all
}

// content reads a file by its name.
func (f *folder) content(name string) ([]byte, error) {
	path, ok := f.files[name]
	if !ok {
		return nil, fmt.Errorf("%s: %w", name, os.ErrNotExist)
	}
	return f.read(path)
}

// yaml reads a YAML file; nil if it cannot be read, which is reported.
func (f *folder) yaml(name string) *jsonpos.Node {
	data, err := f.content(name)
	if err != nil {
		f.fail(f.start(name), "unreadable", "", "%v", err)
		return nil
	}
	n, errs := yamlpos.Parse(f.files[name], captioned(data))
	for _, e := range errs {
		f.finds.Add(diag.Finding{Rule: e.Code, Severity: diag.Error, Span: e.Span, Message: e.Msg, Help: e.Help})
	}
	if n != nil && n.Kind == jsonpos.Null {
		n = &jsonpos.Node{Kind: jsonpos.Object, Span: f.start(name)}
	}
	return n
}

// captioned makes a comment of a first line like "// events/key/spec.yml", as the
// vendor's manual writes it above its examples.
func captioned(data []byte) []byte {
	if !bytes.HasPrefix(data, []byte("//")) {
		return data
	}
	return append([]byte("# "), data[2:]...)
}

// start is the beginning of a file.
func (f *folder) start(name string) jsonpos.Span {
	at := jsonpos.Pos{Line: 1, Col: 1}
	path := f.files[name]
	if path == "" {
		path = filepath.Join(f.dir, filepath.FromSlash(name))
	}
	return jsonpos.Span{File: path, Start: at, End: at}
}

func (f *folder) fail(at jsonpos.Span, rule, help, format string, args ...any) {
	f.finds.Add(diag.Finding{Rule: "membrane/" + rule, Severity: diag.Error, Span: at, Help: help, Message: fmt.Sprintf(format, args...)})
}

func (f *folder) warn(at jsonpos.Span, rule, help, format string, args ...any) {
	f.fail(at, rule, help, format, args...)
	f.finds[len(f.finds)-1].Severity = diag.Warning
}

// Nodes of components.

func textNode(at jsonpos.Span, s string) *jsonpos.Node {
	return &jsonpos.Node{Kind: jsonpos.String, Span: at, Text: s}
}

func intNode(at jsonpos.Span, n int) *jsonpos.Node {
	return &jsonpos.Node{Kind: jsonpos.Number, Span: at, Text: strconv.Itoa(n)}
}

func boolNode(at jsonpos.Span, b bool) *jsonpos.Node {
	return &jsonpos.Node{Kind: jsonpos.Bool, Span: at, Bool: b}
}

func dictNode(at jsonpos.Span, pairs ...any) *jsonpos.Node {
	n := &jsonpos.Node{Kind: jsonpos.Object, Span: at}
	for i := 0; i+1 < len(pairs); i += 2 {
		if v, ok := pairs[i+1].(*jsonpos.Node); ok && v != nil {
			key, _ := pairs[i].(string)
			n.Members = append(n.Members, &jsonpos.Member{Key: key, KeySpan: v.Span, Value: v})
		}
	}
	return n
}
