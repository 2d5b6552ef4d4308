package cli

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/sluiceio/sluice/dtl"
	"github.com/sluiceio/sluice/dtl/stdlib"
	"github.com/sluiceio/sluice/internal/diag"
	"github.com/sluiceio/sluice/internal/textdist"
	"github.com/sluiceio/sluice/pipes"
)

type explainCmd struct {
	Name string `arg:"" help:"A DTL function, or the id of a rule as findings show it in brackets."`
}

// Run says what a function or a rule is.
func (c *explainCmd) Run(s *stdio) error {
	var known []string
	for _, family := range stdlib.Families() {
		for _, f := range family.Funcs {
			if f.Name == c.Name {
				explainFunc(s, family.Name, f)
				return nil
			}
			known = append(known, f.Name)
		}
	}
	for _, r := range pipes.Rules() {
		if r.ID == c.Name {
			fmt.Fprintf(s.out, "%s (%s)\n\n%s\n", r.ID, r.Severity, sentence(r.Help))
			return nil
		}
	}
	rules := diag.Rules()
	if says, ok := rules[c.Name]; ok {
		explainRule(s, c.Name, says)
		return nil
	}
	known = append(known, slices.Sorted(maps.Keys(rules))...)
	if near := textdist.Nearest(c.Name, known); near != "" {
		return usage("there is no function or rule %q; did you mean %q?", c.Name, near)
	}
	return usage("there is no function or rule %q; `sluice dtl --list` lists the functions, docs/reference/rules.md the rules", c.Name)
}

func explainFunc(s *stdio, family string, f dtl.Func) {
	fmt.Fprintf(s.out, "%s (%s)\n  %s\n\n%s\n", f.Name, strings.ReplaceAll(family, "-", " "), f.Args, f.Doc)
	if len(f.Examples) > 0 {
		fmt.Fprintln(s.out)
	}
	for _, e := range f.Examples {
		fmt.Fprintf(s.out, "  %s → %s\n", e[0], e[1])
	}
}

// explainRule prints what findings say under a rule, … for names and numbers.
func explainRule(s *stdio, id string, says []string) {
	fmt.Fprintf(s.out, "%s\n\n", id)
	for _, text := range says {
		fmt.Fprintf(s.out, "  %s\n", text)
	}
	if len(says) == 0 {
		fmt.Fprintln(s.out, "  What is wrong is said by the finding itself.")
	}
}

// sentence makes a help text a sentence of its own.
func sentence(help string) string {
	return strings.ToUpper(help[:1]) + help[1:] + "."
}
