package jsrun

import (
	"bytes"
	"errors"
	"io/fs"
	"path"
	"strings"

	"github.com/dop251/goja"
	"github.com/evanw/esbuild/pkg/api"
)

// scriptRoot stands before the names of files in the places of errors.
const scriptRoot = "script:"

// Problem is what is wrong with a script.
type Problem struct {
	File      string // as it was asked for
	Line, Col int    // from 1; 0 if unknown
	Message   string
	Warning   bool
}

// extensions are tried, in this order, for an import that names no file.
func extensions() []string {
	return []string{"", ".ts", ".js", ".mts", ".mjs", ".cts", ".cjs", ".json", "/index.ts", "/index.js"}
}

// given are the modules that prelude.js has.
func given(name string) bool {
	switch strings.TrimPrefix(name, "node:") {
	case "crypto", "buffer", "url", "util":
		return true
	}
	return strings.HasPrefix(name, "@integration-app/") || strings.HasPrefix(name, "@membranehq/")
}

// Bundle makes one script of a JavaScript or TypeScript file and what it
// imports. Names are paths with slashes; read returns what a file holds, and an
// fs.ErrNotExist if it is not one of those that belong together. The script is
// "" if there are problems that are no warnings.
func Bundle(entry string, read func(name string) ([]byte, error)) (script string, problems []Problem) {
	r := api.Build(api.BuildOptions{
		EntryPoints: []string{entry}, Bundle: true, Write: false, Outfile: "script.js", LogLevel: api.LogLevelSilent,
		Format: api.FormatCommonJS, Platform: api.PlatformNeutral, Target: api.ES2017, Charset: api.CharsetUTF8,
		// What the engine has although the target lacks it.
		Supported: map[string]bool{"bigint": true, "regexp-lookbehind-assertions": true, "regexp-named-capture-groups": true,
			"regexp-unicode-property-escapes": true, "regexp-dot-all-flag": true, "optional-chain": true, "nullish-coalescing": true,
			"class-field": true, "class-private-field": true, "class-private-method": true, "class-private-static-field": true,
			"class-private-static-method": true, "class-private-accessor": true, "class-private-static-accessor": true, "class-static-field": true},
		Sourcemap: api.SourceMapInline, SourcesContent: api.SourcesContentExclude, TsconfigRaw: "{}",
		Banner: map[string]string{"js": "(function(module, exports, require) {"}, Footer: map[string]string{"js": "})"},
		Plugins: []api.Plugin{{Name: "files", Setup: func(b api.PluginBuild) { files(b, read) }}},
	})
	for _, m := range r.Errors {
		problems = append(problems, problem(entry, m, false))
	}
	for _, m := range r.Warnings {
		problems = append(problems, problem(entry, m, true))
	}
	if len(r.Errors) > 0 || len(r.OutputFiles) != 1 {
		return "", problems
	}
	script = string(r.OutputFiles[0].Contents)
	if _, err := compile(script); err != nil {
		return "", append(problems, Problem{File: entry, Message: "the engine cannot read the script: " + err.Error()})
	}
	// What is exported is known when it runs; that nothing is can be seen before.
	if text, err := read(entry); err == nil && !bytes.Contains(text, []byte("export")) {
		return "", append(problems, Problem{File: entry, Line: 1, Col: 1, Message: "the script exports no function: write `export default async function …`"})
	}
	return script, problems
}

// files has esbuild read what read returns, and nothing else of this machine.
func files(b api.PluginBuild, read func(name string) ([]byte, error)) {
	b.OnResolve(api.OnResolveOptions{Filter: ".*"}, func(a api.OnResolveArgs) (api.OnResolveResult, error) {
		if a.Kind != api.ResolveEntryPoint && given(a.Path) {
			return api.OnResolveResult{Path: a.Path, External: true}, nil
		}
		name := path.Clean(a.Path)
		if a.Kind != api.ResolveEntryPoint {
			if !strings.HasPrefix(a.Path, "./") && !strings.HasPrefix(a.Path, "../") {
				return api.OnResolveResult{}, errors.New("there is no module \"" + a.Path + "\" here: packages must stand beside the script as files, and be imported by path")
			}
			name = path.Join(path.Dir(a.Importer), a.Path)
		}
		for _, e := range extensions() {
			if _, err := read(name + e); err == nil {
				return api.OnResolveResult{Path: name + e, Namespace: "script"}, nil
			} else if !errors.Is(err, fs.ErrNotExist) {
				return api.OnResolveResult{}, err
			}
		}
		return api.OnResolveResult{}, errors.New("there is no file " + name)
	})
	b.OnLoad(api.OnLoadOptions{Filter: ".*", Namespace: "script"}, func(a api.OnLoadArgs) (api.OnLoadResult, error) {
		data, err := read(a.Path)
		text := string(data)
		return api.OnLoadResult{Contents: &text, Loader: loader(a.Path)}, err
	})
}

func loader(name string) api.Loader {
	switch path.Ext(name) {
	case ".ts", ".mts", ".cts":
		return api.LoaderTS
	case ".json":
		return api.LoaderJSON
	default:
		return api.LoaderJS
	}
}

func problem(entry string, m api.Message, warning bool) Problem {
	p := Problem{File: entry, Message: m.Text, Warning: warning}
	if at := m.Location; at != nil {
		p.File = strings.TrimPrefix(at.File, scriptRoot)
		p.Line, p.Col = at.Line, at.Column+1
	}
	return p
}

// compile reads a script that Bundle has made.
func compile(script string) (*goja.Program, error) { return goja.Compile("script.js", script, false) }
