// Package script runs what the documentation shows: every fenced block marked
// `console` is a session whose commands begin with "$ " and whose other lines
// are the output a reader will see.
package script

import (
	"bufio"
	"regexp"
	"strings"
)

// Command is one command of a console block with the output shown below it.
type Command struct {
	Line   int // of the command in its file, 1-based
	Text   string
	Output string // lines joined by "\n", without a final one
}

// Session is one console block; its commands share a working directory.
type Session []Command

// Sessions returns the console blocks of a Markdown text, in order.
func Sessions(markdown string) []Session {
	var all []Session
	var cur Session
	inside := false
	sc := bufio.NewScanner(strings.NewReader(markdown))
	for n := 1; sc.Scan(); n++ {
		line := sc.Text()
		switch {
		case !inside:
			inside, cur = line == "```console", nil
		case line == "```":
			inside, all = false, append(all, cur)
		case strings.HasPrefix(line, "$ "):
			cur = append(cur, Command{Line: n, Text: line[2:]})
		case len(cur) > 0:
			c := &cur[len(cur)-1]
			c.Output = strings.TrimPrefix(c.Output+"\n"+line, "\n")
		}
	}
	return all
}

// Matches tells whether what a command printed is what its block shows. In the
// block, "…" stands for any text within a line, and a line of "…" alone for
// any number of lines.
func Matches(shown, printed string) bool {
	var b strings.Builder
	b.WriteString(`\A`)
	for line := range strings.SplitSeq(strings.TrimRight(shown, "\n"), "\n") {
		if strings.TrimSpace(line) == "…" {
			b.WriteString(`(?:.*\n)*?`)
			continue
		}
		parts := strings.Split(strings.TrimRight(line, " "), "…")
		for i, p := range parts {
			parts[i] = regexp.QuoteMeta(p)
		}
		b.WriteString(strings.Join(parts, `.*`) + ` *\n`)
	}
	b.WriteString(`\z`)
	re, err := regexp.Compile(b.String())
	return err == nil && re.MatchString(strings.TrimRight(printed, "\n")+"\n")
}
