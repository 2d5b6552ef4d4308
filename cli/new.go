package cli

import (
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/sluiceio/sluice/internal/textdist"
)

// scaffold holds one folder for each kind, laid out as in a node folder, with
// <system> and <datatype> in names and texts.
//
//go:embed all:scaffold
var scaffold embed.FS

type newCmd struct {
	Kind     string `arg:"" help:"node, or a pipe's kind: event, event2, collect, registerwebhook, wipe, all."`
	System   string `help:"Id of the system the pipe talks to." placeholder:"S"`
	Datatype string `help:"What flows through the pipe, for example order." placeholder:"D"`
	Dir      string `help:"Node folder to write into." default:"."`
	Force    bool   `help:"Overwrite files that exist."`
}

var wordPattern = regexp.MustCompile(`^[a-zA-Z0-9][a-zA-Z0-9_-]{0,40}$`)

// Run writes the kind's files and lists them.
func (c *newCmd) Run(s *stdio) error {
	root := path.Join("scaffold", c.Kind)
	if _, err := fs.Stat(scaffold, root); err != nil || strings.ContainsAny(c.Kind, "./\\") {
		return c.unknownKind()
	}
	if err := c.checkWords(); err != nil {
		return err
	}
	files, err := c.render(root)
	if err != nil {
		return err
	}
	for _, f := range files {
		if _, err := os.Stat(f.path); err == nil && !c.Force {
			return usage("%s exists; --force overwrites it", f.path)
		}
	}
	for _, f := range files {
		if err := f.write(); err != nil {
			return usage("%w", err)
		}
		fmt.Fprintln(s.out, f.path)
	}
	return nil
}

func (c *newCmd) unknownKind() error {
	kinds := scaffoldKinds()
	hint := ""
	if near := textdist.Nearest(c.Kind, kinds); near != "" {
		hint = fmt.Sprintf(", did you mean %q?", near)
	}
	return usage("unknown kind %q%s (kinds: %s)", c.Kind, hint, strings.Join(kinds, ", "))
}

func scaffoldKinds() []string {
	entries, _ := fs.ReadDir(scaffold, "scaffold")
	kinds := make([]string, len(entries))
	for i, e := range entries {
		kinds[i] = e.Name()
	}
	slices.Sort(kinds)
	return kinds
}

func (c *newCmd) checkWords() error {
	if c.Kind == "node" && c.System == "" && c.Datatype == "" {
		return nil
	}
	var errs []error
	for _, w := range []struct{ flag, value string }{{"--system", c.System}, {"--datatype", c.Datatype}} {
		if c.Kind == "node" && w.value == "" {
			continue
		}
		if w.value == "" {
			errs = append(errs, fmt.Errorf("%s is missing: what %s is for, in a word", w.flag, c.Kind))
		} else if !wordPattern.MatchString(w.value) {
			errs = append(errs, fmt.Errorf("%s must be letters, digits, - or _, and begin with a letter or digit: %q", w.flag, w.value))
		}
	}
	if err := errors.Join(errs...); err != nil {
		return usage("%w", err)
	}
	return nil
}

type newFile struct {
	path string
	text string
}

func (c *newCmd) render(root string) ([]newFile, error) {
	fill := strings.NewReplacer("<system>", c.System, "<datatype>", c.Datatype)
	var files []newFile
	err := fs.WalkDir(scaffold, root, func(p string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := scaffold.ReadFile(p)
		if err != nil {
			return err
		}
		name := strings.TrimPrefix(p, root+"/")
		name = strings.NewReplacer("SYSTEM", c.System, "DATATYPE", c.Datatype, "DOT", "").Replace(name)
		files = append(files, newFile{filepath.Join(c.Dir, filepath.FromSlash(name)), fill.Replace(string(text))})
		return nil
	})
	return files, err
}

func (f newFile) write() error {
	if err := os.MkdirAll(filepath.Dir(f.path), 0o755); err != nil {
		return err
	}
	mode := os.FileMode(0o644)
	if strings.HasSuffix(f.path, "-secrets.json") {
		mode = 0o600
	}
	return os.WriteFile(f.path, []byte(f.text), mode)
}
