// Command gen writes what follows from the declarations: from the configuration
// structs the JSON Schemas in schemas/ and docs/reference/components.md, from
// the DTL functions docs/reference/dtl, from what is reported docs/reference/rules.md
// and the table of `sluice explain`.
package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/sluiceio/sluice/cli"
	"github.com/sluiceio/sluice/dialects"
	"github.com/sluiceio/sluice/internal/spec"
	"github.com/sluiceio/sluice/pipes"
	"github.com/sluiceio/sluice/sinks"
	"github.com/sluiceio/sluice/sources"
	"github.com/sluiceio/sluice/systems"
	"github.com/sluiceio/sluice/transforms"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "gen:", err)
		os.Exit(1)
	}
}

// component is a type of the configuration with its struct.
type component struct {
	family, name, doc string
	config            any
}

func components() []component {
	all := []component{{"", "pipe", "A pipe: source, transforms, sink, pump.", &pipes.Definition{}}}
	for _, t := range sources.Standard() {
		all = append(all, component{"source", t.Name, t.Doc, t.Config()})
	}
	for _, t := range transforms.Standard() {
		all = append(all, component{"transform", t.Name, t.Doc, t.Config()})
	}
	for _, t := range sinks.Standard() {
		all = append(all, component{"sink", t.Name, t.Doc, t.Config()})
	}
	for _, t := range systems.Standard() {
		all = append(all, component{"system", strings.TrimPrefix(t.Name, "system:"), t.Doc, t.Config()})
	}
	for _, d := range cli.Dialects() {
		all = append(all, ofDialect(d)...)
	}
	return all
}

// ofDialect are the types that a dialect brings.
func ofDialect(d dialects.Dialect) (all []component) {
	for _, t := range d.Sources {
		all = append(all, component{"source", t.Name, t.Doc, t.Config()})
	}
	for _, t := range d.Transforms {
		all = append(all, component{"transform", t.Name, t.Doc, t.Config()})
	}
	for _, t := range d.Sinks {
		all = append(all, component{"sink", t.Name, t.Doc, t.Config()})
	}
	for _, t := range d.Systems {
		all = append(all, component{"system", strings.TrimPrefix(t.Name, "system:"), t.Doc, t.Config()})
	}
	return all
}

func run() error {
	var page bytes.Buffer
	page.WriteString("# Components\n\nGenerated from the configuration structs; do not edit.\n")
	for _, c := range components() {
		schema := spec.Schema(c.config)
		schema["title"] = strings.TrimSpace(c.family + " " + c.name)
		schema["description"] = c.doc
		if err := write(strings.TrimPrefix(c.family+"-"+c.name, "-"), schema); err != nil {
			return err
		}
		reference(&page, c)
	}
	for name, schema := range kinds() {
		schema["title"] = "pipe of the kind " + name
		if err := write("kind-"+name, schema); err != nil {
			return err
		}
	}
	if err := functions(); err != nil { // makes the folder, too
		return err
	}
	if err := rules(); err != nil {
		return err
	}
	return os.WriteFile("docs/reference/components.md", page.Bytes(), 0o644)
}

func write(name string, schema map[string]any) error {
	schema["$schema"] = "http://json-schema.org/draft-07/schema#"
	data, err := json.MarshalIndent(schema, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join("schemas", name+".json"), append(data, '\n'), 0o644)
}

// reference writes the table of a component's properties.
func reference(w *bytes.Buffer, c component) {
	fmt.Fprintf(w, "\n## %s\n\n%s\n\n| property | type | default | |\n|---|---|---|---|\n", strings.TrimSpace(c.family+" "+c.name), c.doc)
	rows(w, "", spec.Fields(c.config))
}

// rows writes a row for each property, those of objects behind their object.
func rows(w *bytes.Buffer, within string, fields []spec.Field) {
	for _, f := range fields {
		name := "`" + within + f.Name + "`"
		if f.Required {
			name += " (required)"
		}
		typ := strings.Join(f.Kinds, ", ")
		if f.Enum != nil {
			typ = "`" + strings.Join(f.Enum, "`, `") + "`"
		}
		def := ""
		if f.Default != "" {
			def = "`" + f.Default + "`"
		}
		fmt.Fprintf(w, "| %s | %s | %s | %s |\n", name, typ, def, strings.ReplaceAll(f.Doc, "|", "\\|"))
		rows(w, within+f.Name+".", f.Fields())
	}
}
