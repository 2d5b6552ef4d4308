package script

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
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

// runSession runs a block in a copy of the examples, so that what it writes
// stays out of the tree.
func runSession(t *testing.T, root, page, bin string, s Session) {
	t.Helper()
	dir := t.TempDir()
	if err := os.CopyFS(filepath.Join(dir, "examples"), os.DirFS(filepath.Join(root, "examples"))); err != nil {
		t.Fatal(err)
	}
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
