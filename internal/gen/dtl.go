package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/sluiceio/sluice/dtl"
	"github.com/sluiceio/sluice/dtl/stdlib"
)

const dtlDir = "docs/reference/dtl"

// functions writes a page for each family of DTL functions, and one that lists
// them all. What the pages show of a function is its declaration, whose
// examples the tests run.
func functions() error {
	if err := os.MkdirAll(dtlDir, 0o755); err != nil {
		return err
	}
	var index bytes.Buffer
	index.WriteString("# DTL functions\n\nGenerated from the declarations; do not edit. The examples are run by the tests.\n" +
		"`sluice explain FUNCTION` shows the same at the prompt.\n")
	for _, f := range stdlib.Families() {
		var page bytes.Buffer
		fmt.Fprintf(&page, "# DTL: %s\n\nGenerated from the declarations; do not edit.\n", title(f.Name))
		fmt.Fprintf(&index, "\n## [%s](%s.md)\n\n", title(f.Name), f.Name)
		for _, fn := range f.Funcs {
			function(&page, fn)
			fmt.Fprintf(&index, "- `%s`: %s\n", fn.Name, fn.Doc)
		}
		if err := os.WriteFile(filepath.Join(dtlDir, f.Name+".md"), page.Bytes(), 0o644); err != nil {
			return err
		}
	}
	return os.WriteFile(filepath.Join(dtlDir, "README.md"), index.Bytes(), 0o644)
}

func title(family string) string {
	words := strings.ReplaceAll(family, "-", " ")
	return strings.ToUpper(words[:1]) + words[1:]
}

func function(w *bytes.Buffer, f dtl.Func) {
	fmt.Fprintf(w, "\n## `%s`\n\n%s\n", f.Name, f.Doc)
	switch {
	case f.Step != nil && (f.Call != nil || f.Call1 != nil || f.Call2 != nil || f.Build != nil):
		w.WriteString("\nAn expression and a transform.\n")
	case f.Step != nil:
		w.WriteString("\nA transform.\n")
	}
	args := f.Args
	if args == "" {
		args = "none"
	}
	fmt.Fprintf(w, "\nArguments: `%s`\n", args)
	if len(f.Examples) == 0 {
		return
	}
	w.WriteString("\n```text\n")
	for _, e := range f.Examples {
		fmt.Fprintf(w, "%s → %s\n", e[0], e[1])
	}
	w.WriteString("```\n")
}
