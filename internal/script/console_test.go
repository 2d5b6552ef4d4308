package script

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/sluiceio/sluice/examples/nodetest"
)

func TestMatches(t *testing.T) {
	cases := []struct {
		shown, printed string
		want           bool
	}{
		{"a\nb", "a\nb\n", true},
		{"a\nb", "a\nc\n", false},
		{"a …\nb", "a 12 s\nb", true},
		{"a\n…\nz", "a\nb\nc\nz\n", true},
		{"a\n…", "a\n", true},
		{"", "", true},
		{"", "surprise", false},
	}
	for _, c := range cases {
		if got := Matches(c.shown, c.printed); got != c.want {
			t.Errorf("Matches(%q, %q) = %v", c.shown, c.printed, got)
		}
	}
}

// TestDocumentation runs every console block of README and docs with the
// binary built from this tree.
func TestDocumentation(t *testing.T) {
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	bin := filepath.Join(t.TempDir(), "sluice")
	if out, err := exec.Command("go", "build", "-o", bin, "../../cmd/sluice").CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	pages, _ := filepath.Glob(filepath.Join(root, "docs", "*", "*.md"))
	more, _ := filepath.Glob(filepath.Join(root, "docs", "*.md"))
	pages = append(append(pages, more...), filepath.Join(root, "README.md"))
	for _, page := range pages {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		for _, session := range Sessions(string(text)) {
			runSession(t, root, page, filepath.Dir(bin), session)
		}
	}
}

// listens is a command that says where a node listens.
var listens = regexp.MustCompile(`--listen 127\.0\.0\.1:([0-9]+)`)

// elsewhere has the nodes of a session listen where nobody else does, in the commands
// and in the files of the examples that name them.
func elsewhere(t *testing.T, dir string, s Session) Session {
	t.Helper()
	var moved []string
	for _, c := range s {
		for _, m := range listens.FindAllStringSubmatch(c.Text, -1) {
			moved = append(moved, "127.0.0.1:"+m[1], nodetest.Address(t))
		}
	}
	if moved == nil {
		return s
	}
	to := strings.NewReplacer(moved...)
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		if moved := to.Replace(string(text)); moved != string(text) {
			return os.WriteFile(path, []byte(moved), 0o600)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	all := slices.Clone(s)
	for i := range all {
		all[i].Text = to.Replace(all[i].Text)
	}
	return all
}

// runSession runs a block in a copy of the examples, so that what it writes
// stays out of the tree.
func runSession(t *testing.T, root, page, bin string, s Session) {
	t.Helper()
	dir := t.TempDir()
	if err := os.CopyFS(filepath.Join(dir, "examples"), os.DirFS(filepath.Join(root, "examples"))); err != nil {
		t.Fatal(err)
	}
	s = elsewhere(t, dir, s)
	for _, c := range s {
		cmd := exec.CommandContext(t.Context(), "sh", "-c", c.Text)
		cmd.Dir = dir
		cmd.Env = append(os.Environ(), "PATH="+bin+":"+os.Getenv("PATH"), "NO_COLOR=1")
		out, _ := cmd.CombinedOutput()
		if !Matches(c.Output, string(out)) {
			t.Errorf("%s:%d: $ %s\nprinted:\n%s\nthe page shows:\n%s",
				strings.TrimPrefix(page, root+"/"), c.Line, c.Text, out, c.Output)
		}
	}
}
