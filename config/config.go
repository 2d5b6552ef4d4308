// Package config reads node folders, files and API bodies into
// components that remember file, line and column. It expands $ENV and
// conditional properties, and knows nothing of types.
package config

import (
	"fmt"

	"github.com/sluiceio/sluice/internal/diag"
	"github.com/sluiceio/sluice/internal/jsonpos"
)

// Component is one pipe, system or metadata object of a configuration.
type Component struct {
	ID   string // its _id
	Type string // its type: "pipe", "system:rest", "metadata" …
	// Original is the object as written, Effective with variables and
	// conditional properties resolved. $SECRET stays in both.
	Original, Effective *jsonpos.Node
}

// Config is a whole configuration.
type Config struct {
	// Components in the order of their files, metadata among them.
	Components []*Component
	// Env are the variables of $ENV.
	Env map[string]*jsonpos.Node
	// Secrets are the node's secrets.
	Secrets *Secrets
	// Files counts the files read.
	Files int
	byID  map[string]*Component
}

// Get returns the component with that id, or nil.
func (c *Config) Get(id string) *Component { return c.byID[id] }

// Metadata returns the node's metadata object, or nil.
func (c *Config) Metadata() *jsonpos.Node {
	for _, comp := range c.Components {
		if comp.Type == "metadata" {
			return comp.Effective
		}
	}
	return nil
}

// Options say how to load.
type Options struct {
	// Profile names the files <profile>-env.json and <profile>-secrets.json;
	// "" means "test".
	Profile string
	// Environ are "NAME=value" pairs of the process; SLUICE_SECRET_<name>
	// among them are secrets and win over files.
	Environ []string
	// Env overrides variables of the env file.
	Env map[string]*jsonpos.Node
	// Fronts read files of other formats that stand in node folders.
	Fronts []Front
	// More are components that stand in no file.
	More []*jsonpos.Node
}

// Front makes components of files in somebody else's format.
type Front interface {
	// Files are the paths of the files in a node folder that are the front's. It
	// looks at names only; those under pipes/ and systems/ that end in .conf.json
	// are not for it.
	Files(dir string) []string
	// Compile makes components of those files, as they would stand in a
	// *.conf.json, each value with the place it comes from. read returns what a
	// file holds.
	Compile(dir string, files []string, read func(path string) ([]byte, error)) ([]*jsonpos.Node, diag.List)
}

func (o Options) orDefault() Options {
	if o.Profile == "" {
		o.Profile = "test"
	}
	return o
}

func finding(at jsonpos.Span, rule, help, format string, args ...any) diag.Finding {
	return diag.Finding{Rule: rule, Severity: diag.Error, Span: at, Help: help, Message: fmt.Sprintf(format, args...)}
}

func warning(at jsonpos.Span, rule, help, format string, args ...any) diag.Finding {
	f := finding(at, rule, help, format, args...)
	f.Severity = diag.Warning
	return f
}
