package cli

import (
	"context"
	"fmt"

	"github.com/sluiceio/sluice/internal/jsonpos"
	"github.com/sluiceio/sluice/jinja"
)

type jinjaCmd struct {
	Template   string `arg:"" help:"The template, or @FILE."`
	Vars       string `help:"Variables, as a JSON object; {\"$bytes\": base64} is a byte string." placeholder:"JSON"`
	Delimiters string `enum:"std,connector" default:"std" help:"std is {{ x }}, connector is {{@ x @}}."`
	Undefined  string `enum:"strict,lenient,debug" default:"strict" help:"What an undefined name does."`
}

// Run renders a template and prints exactly its text, then a newline.
func (c *jinjaCmd) Run(ctx context.Context, s *stdio) error {
	src, err := s.text(c.Template)
	if err != nil {
		return err
	}
	o := jinja.Options{Host: &jinja.Host{}, Undefined: map[string]jinja.Undefined{
		"strict": jinja.Strict, "lenient": jinja.Lenient, "debug": jinja.Debug}[c.Undefined],
		Sets: []jinja.Set{jinja.StdSet()}}
	if c.Delimiters == "connector" {
		o.Delimiters = jinja.ConnectorDelimiters()
	}
	vars := jinja.VarMap{}
	if c.Vars != "" {
		data, err := s.text(c.Vars)
		if err != nil {
			return err
		}
		if vars, err = jinja.ParseVars(data); err != nil {
			if _, errs := jsonpos.Parse("--vars", data); errs != nil { // it says where
				return usage("%w", errs[0])
			}
			return usage("--vars: %w", err)
		}
	}
	t, err := jinja.Compile(string(src), o)
	if err != nil {
		return failed(err)
	}
	text, err := t.Render(ctx, vars)
	if err != nil {
		return failed(err)
	}
	fmt.Fprintln(s.out, text)
	return nil
}
