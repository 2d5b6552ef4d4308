// Package report renders findings for people and for machines, as the contract
// of the command line says.
package report

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/sluiceio/sluice/internal/diag"
)

// Options say how to render.
type Options struct {
	// Files counts the configuration files checked.
	Files int
	// Dir is what paths are made relative to; "" leaves them as they are.
	Dir string
	// Line returns a line of a file for the code frame; nil shows none.
	Line func(file string, line int) (string, bool)
}

// Text writes each finding as `path:line:col: severity: message [rule-id]`
// with a code frame and the help, and a last line that counts.
func Text(w io.Writer, finds diag.List, o Options) error {
	b := bufio.NewWriter(w)
	for _, f := range finds {
		fmt.Fprintf(b, "%s%s: %s [%s]\n", o.place(f), f.Severity, f.Message, f.Rule)
		o.frame(b, f)
		if f.Help != "" {
			fmt.Fprintf(b, "  help: %s\n", f.Help)
		}
	}
	errors, warnings := finds.Count()
	fmt.Fprintf(b, "%s, %s in %s\n", count(errors, "error"), count(warnings, "warning"), count(o.Files, "file"))
	return b.Flush()
}

// place is the path with line and column, as far as they are known.
func (o Options) place(f diag.Finding) string {
	switch {
	case f.Span.File == "":
		return ""
	case f.Span.Start.Line == 0:
		return o.rel(f.Span.File) + ": "
	default:
		return fmt.Sprintf("%s:%d:%d: ", o.rel(f.Span.File), f.Span.Start.Line, f.Span.Start.Col)
	}
}

func count(n int, what string) string {
	if n != 1 {
		what += "s"
	}
	return fmt.Sprintf("%d %s", n, what)
}

func (o Options) rel(path string) string {
	if o.Dir == "" {
		return path
	}
	abs, err := filepath.Abs(path)
	if err != nil {
		return path
	}
	if rel, err := filepath.Rel(o.Dir, abs); err == nil {
		return rel
	}
	return path
}

// frame shows the line with carets under the place.
func (o Options) frame(w io.Writer, f diag.Finding) {
	at := f.Span.Start
	if o.Line == nil || at.Line == 0 || f.Hidden {
		return
	}
	line, ok := o.Line(f.Span.File, at.Line)
	if !ok {
		return
	}
	runes := []rune(strings.ReplaceAll(strings.TrimRight(line, "\r\n"), "\t", " "))
	col := min(at.Col-1, len(runes))
	width := 1
	if f.Span.End.Line == at.Line {
		width = max(1, f.Span.End.Col-at.Col)
	}
	from := max(0, col-60)
	to := min(len(runes), col+60)
	width = min(width, max(1, to-col))
	number := fmt.Sprint(at.Line)
	fmt.Fprintf(w, "  %s | %s\n", number, string(runes[from:to]))
	fmt.Fprintf(w, "  %s | %s%s\n", strings.Repeat(" ", len(number)), strings.Repeat(" ", col-from), strings.Repeat("^", width))
}

// item is a finding as JSON has it.
type item struct {
	Rule      string        `json:"rule"`
	Severity  diag.Severity `json:"severity"`
	Message   string        `json:"message"`
	Path      string        `json:"path"`
	Line      int           `json:"line"`
	Column    int           `json:"column"`
	EndLine   int           `json:"end_line"`
	EndColumn int           `json:"end_column"`
	Pointer   string        `json:"pointer"`
	Pipe      string        `json:"pipe"`
	Help      string        `json:"help"`
	URL       string        `json:"url"`
}

type summary struct {
	Errors   int `json:"errors"`
	Warnings int `json:"warnings"`
	Files    int `json:"files"`
}

// JSON writes one object with all findings and the counts.
func JSON(w io.Writer, finds diag.List, o Options) error {
	items := make([]item, len(finds))
	for i, f := range finds {
		items[i] = item{f.Rule, f.Severity, f.Message, o.rel(f.Span.File), f.Span.Start.Line, f.Span.Start.Col,
			f.Span.End.Line, f.Span.End.Col, f.Pointer, f.Pipe, f.Help, ""}
	}
	errors, warnings := finds.Count()
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	return enc.Encode(struct {
		Findings []item  `json:"findings"`
		Summary  summary `json:"summary"`
	}{items, summary{errors, warnings, o.Files}})
}

// FileLines returns a Line function that reads files once each.
func FileLines() func(file string, line int) (string, bool) {
	cache := map[string][]string{}
	return func(file string, line int) (string, bool) {
		lines, ok := cache[file]
		if !ok {
			data, err := os.ReadFile(file)
			if err == nil {
				lines = strings.Split(strings.TrimPrefix(string(data), "\uFEFF"), "\n")
			}
			cache[file] = lines
		}
		if line < 1 || line > len(lines) {
			return "", false
		}
		return lines[line-1], true
	}
}
