package membrane

import (
	"bytes"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/sluiceio/sluice/internal/jsonpos"
	"github.com/sluiceio/sluice/internal/jsrun"
	"github.com/sluiceio/sluice/internal/schemacheck"
	"github.com/sluiceio/sluice/internal/spec"
	"github.com/sluiceio/sluice/internal/textdist"
)

// connector is what is read of a connector's folder: lists of webhooks and
// events as components have them.
type connector struct {
	key    string
	schema *schemacheck.Schema // of its parameters; nil takes all
	hooks  *jsonpos.Node
	events *jsonpos.Node
}

type rootSpec struct {
	spec.Base
	Name       string        `spec:"name"`
	Key        string        `spec:"key"`
	Parameters *jsonpos.Node `spec:"parametersSchema" kind:"object"`
}

type hookSpec struct {
	spec.Base
	Name    string        `spec:"name" doc:"Name of the webhook."`
	Key     string        `spec:"key" doc:"Key of the webhook: the name of its folder."`
	RawOnly bool          `spec:"rawOnly" doc:"Whether the body is not taken apart."`
	Methods *jsonpos.Node `spec:"methods" kind:"object" doc:"How handle is implemented."`
}

type eventSpec struct {
	spec.Base
	Name           string        `spec:"name" doc:"Name of the event."`
	Key            string        `spec:"key" doc:"Key of the event: the name of its folder."`
	Implementation string        `spec:"implementationType" enum:"webhook,global-webhook" doc:"How the event is implemented."`
	Parameters     *jsonpos.Node `spec:"parametersSchema" kind:"object" doc:"JSON Schema of the parameters."`
	Schema         *jsonpos.Node `spec:"schema" kind:"object" doc:"JSON Schema of the payload."`
	Strict         bool          `spec:"strict" doc:"Whether payloads that do not fit the schema are left out."`
	Methods        *jsonpos.Node `spec:"methods" kind:"object" doc:"How get-event-selector is implemented."`
}

// connectors reads all connectors, by the name of their folder.
func (f *folder) connectors() map[string]*connector {
	all := map[string]*connector{}
	for _, name := range f.names("connectors/") {
		parts := strings.Split(name, "/")
		if len(parts) < 3 || all[parts[1]] != nil {
			continue
		}
		all[parts[1]] = f.connector(parts[1])
	}
	return all
}

func (f *folder) connector(key string) *connector {
	base := "connectors/" + key
	c := &connector{key: key, hooks: &jsonpos.Node{Kind: jsonpos.Array}, events: &jsonpos.Node{Kind: jsonpos.Array}}
	f.root(c, base)
	for _, name := range f.names(base + "/") {
		parts := strings.Split(strings.TrimPrefix(name, base+"/"), "/")
		last := parts[len(parts)-1]
		switch {
		case len(parts) == 3 && last == "spec.yml" && parts[0] == "global-webhooks":
			f.hook(c, base, parts[1])
		case len(parts) == 3 && last == "spec.yml" && parts[0] == "events":
			f.event(c, base, parts[1])
		case last == "spec.yml" && len(parts) > 1:
			f.warn(f.start(name), "unsupported", "", "%s is not read: only global-webhooks and events are", strings.Join(parts[:len(parts)-1], "/"))
		case len(parts) == 3 && (parts[0] == "global-webhooks" || parts[0] == "events"):
			f.unspecified(base+"/"+parts[0]+"/"+parts[1], name, last)
		}
	}
	f.mentions(c, base)
	return c
}

// unspecified tells of a file that somebody means to be read in a folder that lacks
// the file which says what it is.
func (f *folder) unspecified(folder, name, file string) {
	switch word, _, _ := strings.Cut(file, "."); {
	case f.files[folder+"/spec.yml"] != "":
	case word == "spec":
		f.warn(f.start(name), "no-spec", "rename it to spec.yml", "%s is not read", file)
	case slices.Contains(append(spellings("get-event-selector"), spellings("handle")...), word):
		f.warn(f.start(name), "no-spec", "write "+folder+"/spec.yml; in that of a webhook it is enough to give a name", "%s is not called: there is no spec.yml beside it", file)
	}
}

// root reads the connector's own spec.yml, which need not be there. What others
// need of it is passed over.
func (f *folder) root(c *connector, base string) {
	name := base + "/spec.yml"
	if f.files[name] == "" {
		return
	}
	n := f.yaml(name)
	if n == nil || n.Kind != jsonpos.Object {
		return
	}
	var s rootSpec
	for _, finding := range spec.Decode(n, &s) {
		if finding.Rule != "config/unknown-key" {
			f.finds.Add(finding)
		}
	}
	if auth := n.Member("auth"); auth != nil {
		f.warn(auth.KeySpan, "unsupported", "", "auth is not read: the system of a connection says how to authenticate")
	}
	if s.Parameters != nil {
		schema, finds := schemacheck.Compile(s.Parameters)
		f.finds.Add(finds...)
		c.schema = schema
	}
}

// keyed checks the key of a spec, which is the name of its folder.
func (f *folder) keyed(b *spec.Base, folder, key string) bool {
	if key != "" && key != folder {
		f.fail(b.At("key"), "key", "rename the folder, or leave the key out", "the key %q stands in a folder called %q", key, folder)
		return false
	}
	if !keyPattern.MatchString(folder) {
		f.fail(b.At("key"), "key", "small letters, digits, - and _", "%q is no key", folder)
		return false
	}
	return true
}

func nameOr(name, key string) string {
	if name == "" {
		return key
	}
	return name
}

func (f *folder) hook(c *connector, base, folder string) {
	name := base + "/global-webhooks/" + folder + "/spec.yml"
	n := f.yaml(name)
	if n == nil {
		return
	}
	var s hookSpec
	f.finds.Add(spec.Decode(n, &s)...)
	if !f.keyed(&s.Base, folder, s.Key) {
		return
	}
	at := s.At("key")
	kind, code := f.method(base, name, &s.Base, s.Methods, "handle")
	if code == nil {
		return
	}
	c.hooks.Elems = append(c.hooks.Elems, dictNode(at, "key", textNode(at, folder), "name", textNode(at, nameOr(s.Name, folder)),
		"raw_only", boolNode(at, s.RawOnly), kind, code))
}

func (f *folder) event(c *connector, base, folder string) {
	name := base + "/events/" + folder + "/spec.yml"
	n := f.yaml(name)
	if n == nil {
		return
	}
	var s eventSpec
	f.finds.Add(spec.Decode(n, &s)...)
	at := s.At("key")
	switch {
	case !f.keyed(&s.Base, folder, s.Key):
		return
	case s.Implementation == "webhook":
		f.warn(s.At("implementationType"), "unsupported", "only global-webhook is", "the event %q is not read: webhooks of single connections are not supported", folder)
		return
	case s.Implementation != "global-webhook":
		if s.Node.Get("implementationType") == nil { // else it was reported
			f.fail(at, "implementation", "global-webhook", "implementationType is missing")
		}
		return
	}
	if s.Strict && s.Schema == nil {
		f.warn(s.At("strict"), "strict", "", "strict has no effect without a schema")
	}
	for _, schema := range []*jsonpos.Node{s.Parameters, s.Schema} {
		if schema != nil {
			_, finds := schemacheck.Compile(schema)
			f.finds.Add(finds...)
		}
	}
	kind, code := f.method(base, name, &s.Base, s.Methods, "get-event-selector")
	if code == nil {
		return
	}
	var strict *jsonpos.Node
	if s.Strict {
		strict = s.Schema
	}
	c.events.Elems = append(c.events.Elems, dictNode(at, "key", textNode(at, folder), "name", textNode(at, nameOr(s.Name, folder)),
		"parameters_schema", s.Parameters, "schema", strict, kind, code))
}

// spellings are the ways to write a method's name.
func spellings(method string) []string {
	if method == "handle" {
		return []string{"handle"}
	}
	return []string{"get-event-selector", "getEventSelector", "getEventsSelector", "get-events-selector"}
}

// method reads how a method is implemented: "script" with a script, or "formula"
// with a tree. The node is nil if it cannot be, which is reported.
func (f *folder) method(base, specName string, b *spec.Base, methods *jsonpos.Node, method string) (kind string, code *jsonpos.Node) {
	dir, declared, at := path.Dir(specName), "", f.start(specName)
	for _, m := range membersOf(methods) {
		if !slices.Contains(spellings(method), m.Key) {
			f.warn(m.KeySpan, "method", "here: "+method, "the method %q is not called", m.Key)
			continue
		}
		at = m.KeySpan
		if v := m.Value.Get("implementationType"); v != nil {
			declared, at = v.Text, v.Span
		}
	}
	switch declared {
	case "", "javascript", "mapping":
	default:
		f.fail(at, "implementation", "javascript or mapping", "%s cannot be implemented as %q", method, declared)
		return "", nil
	}
	for _, name := range spellings(method) {
		for _, ext := range []string{".js", ".ts", ".map.yml"} {
			file := dir + "/" + name + ext
			if f.files[file] == "" || (declared == "mapping") != (ext == ".map.yml") && declared != "" {
				continue
			}
			if ext == ".map.yml" {
				return "formula", f.formula(file)
			}
			return "script", f.script(base, file)
		}
	}
	f.fail(at, "missing-file", "write "+dir+"/"+method+".js", "there is no implementation of %s", method)
	return "", nil
}

func membersOf(n *jsonpos.Node) []*jsonpos.Member {
	if n == nil {
		return nil
	}
	return n.Members
}

// formula reads a mapping.
func (f *folder) formula(name string) *jsonpos.Node {
	n := f.yaml(name)
	if n == nil {
		return nil
	}
	_, finds := parseFormula(n)
	f.finds.Add(finds...)
	if finds.HasErrors() {
		return nil
	}
	return n
}

// script makes one script of a file and what it imports from its connector.
func (f *folder) script(base, name string) *jsonpos.Node {
	if text, err := f.content(name); err == nil && len(bytes.TrimSpace(text)) == 0 {
		f.fail(f.start(name), "script", "write `export default async function …`", "the file is empty")
		return nil
	}
	script, problems := jsrun.Bundle(strings.TrimPrefix(name, base+"/"), func(file string) ([]byte, error) { return f.content(base + "/" + file) })
	for _, p := range problems {
		at := f.start(base + "/" + p.File)
		if p.Line > 0 {
			at.Start = jsonpos.Pos{Line: p.Line, Col: p.Col}
			at.End = at.Start
		}
		if p.Warning {
			f.warn(at, "script", "", "%s", p.Message)
		} else {
			f.fail(at, "script", "", "%s", p.Message)
		}
	}
	if script == "" {
		return nil
	}
	return textNode(f.start(name), hideMarks.Replace(script))
}

// hideMarks writes what would be expanded in configurations so that a script
// reads the same, and nothing else sees it.
var hideMarks = strings.NewReplacer("$ENV(", `$\u0045NV(`, "$SECRET(", `$\u0053ECRET(`)

// namedKey finds where a script gives the key of a webhook as it is.
var namedKey = regexp.MustCompile(`globalWebhookKey["']?\s*:\s*(?:'([^'\\\n]*)'|"([^"\\\n]*)"|` + "`([^`\\\\$\n]*)`" + `|([a-z0-9][a-z0-9_-]*)\s*$)`)

// yamlGroup is the group of namedKey for a bare word.
const yamlGroup = 8

// mentions looks for keys of webhooks, in the files of events, that the connector
// does not have.
func (f *folder) mentions(c *connector, base string) {
	keys := keysOf(c.hooks)
	for _, name := range f.names(base + "/global-webhooks/") {
		// What could not be read has been reported: its key is there.
		if key, rest, _ := strings.Cut(strings.TrimPrefix(name, base+"/global-webhooks/"), "/"); rest == "spec.yml" && !slices.Contains(keys, key) {
			keys = append(keys, key)
		}
	}
	for _, name := range f.names(base + "/events/") {
		data, err := f.content(name)
		if err != nil {
			continue
		}
		for i, line := range strings.Split(string(data), "\n") {
			for _, m := range namedKey.FindAllStringSubmatchIndex(line, -1) {
				for g := 2; g+1 < len(m); g += 2 {
					if g == yamlGroup && !isYAML(name) {
						continue // a variable of a script
					}
					if from, to := m[g], m[g+1]; from >= 0 && !slices.Contains(keys, line[from:to]) {
						at := jsonpos.Pos{Line: i + 1, Col: len([]rune(line[:from])) + 1}
						end := jsonpos.Pos{Line: i + 1, Col: at.Col + len([]rune(line[from:to]))}
						f.warn(jsonpos.Span{File: f.files[name], Start: at, End: end}, "unknown-webhook", nearKey(line[from:to], keys), "the connector has no global webhook %q: no event will come", line[from:to])
					}
				}
			}
		}
	}
}

func keysOf(list *jsonpos.Node) []string {
	var keys []string
	for _, e := range list.Elems {
		key, _ := e.Get("key").Str()
		keys = append(keys, key)
	}
	return keys
}

// nearKey names the key that was probably meant; one that is the only one was.
func nearKey(word string, keys []string) string {
	near := textdist.Nearest(word, keys)
	switch {
	case len(keys) == 0:
		return "it has none at all"
	case near == "" && len(keys) == 1:
		near = keys[0]
	case near == "":
		return "it has " + strings.Join(keys, ", ")
	}
	return `did you mean "` + near + `"?`
}
