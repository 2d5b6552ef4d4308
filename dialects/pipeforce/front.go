package pipeforce

import (
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/sluiceio/sluice/internal/diag"
	"github.com/sluiceio/sluice/internal/jsonpos"
	"github.com/sluiceio/sluice/internal/textdist"
	"github.com/sluiceio/sluice/internal/yamlpos"
)

// suffix is what the files of pipelines end in, almost what some end in by mistake.
const suffix, almost = ".pi.yaml", ".pi.yml"

// front makes pipes of pipelines.
type front struct{}

// Files implements config.Front: pipelines stand in the node folder itself, in
// pipes/, pipelines/, and in global/ as a property store has them.
func (front) Files(dir string) []string {
	var files []string
	for _, end := range []string{suffix, almost} {
		found, _ := filepath.Glob(filepath.Join(dir, "*"+end)) // the pattern is well formed
		files = append(files, found...)
	}
	for _, sub := range []string{"pipes", "pipelines", "global"} {
		// What cannot be read has no files; folders of the user are read by others too.
		_ = filepath.WalkDir(filepath.Join(dir, sub), func(path string, d fs.DirEntry, err error) error {
			if err != nil {
				return fs.SkipDir
			}
			if ours := strings.HasSuffix(path, suffix) || strings.HasSuffix(path, almost); ours && !d.IsDir() {
				files = append(files, path)
			}
			return nil
		})
	}
	slices.Sort(files)
	return files
}

// Compile implements config.Front.
func (front) Compile(dir string, files []string, read func(path string) ([]byte, error)) ([]*jsonpos.Node, diag.List) {
	var pipes []*jsonpos.Node
	var finds diag.List
	for _, file := range files {
		start := jsonpos.Pos{Line: 1, Col: 1}
		at, id := jsonpos.Span{File: file, Start: start, End: start}, pipeID(dir, file)
		switch {
		case strings.HasSuffix(file, almost):
			finds.Add(caution(at, "file", "rename it", "the file is not read: pipelines end in %s", suffix))
			continue
		case id == "":
			finds.Add(fault(at, "file", "the pipe is called like the file", "the file has no name"))
			continue
		}
		data, err := read(file)
		if err != nil {
			finds.Add(fault(at, "file", "", "%s", err))
			continue
		}
		n, errs := yamlpos.Parse(file, data)
		for _, e := range errs {
			finds.Add(diag.Finding{Rule: e.Code, Severity: diag.Error, Span: e.Span, Help: e.Help, Message: e.Msg})
		}
		if n == nil {
			continue
		}
		pipe, more := document(id, n)
		finds.Add(more...)
		finds.Add(commented(n, strings.Split(string(data), "\n"))...)
		if pipe != nil {
			pipes = append(pipes, pipe)
		}
	}
	return pipes, finds
}

// pipeID is the id of the pipe that a file becomes: its name, behind the folders
// it stands in. global/app/shop/pipeline/lead is shop-lead.
func pipeID(dir, file string) string {
	rel, err := filepath.Rel(dir, file)
	if err != nil {
		rel = filepath.Base(file)
	}
	parts := strings.Split(strings.TrimSuffix(filepath.ToSlash(rel), suffix), "/")
	switch {
	case len(parts) > 1 && (parts[0] == "pipes" || parts[0] == "pipelines"):
		parts = parts[1:]
	case len(parts) > 4 && parts[0] == "global" && parts[1] == "app" && parts[3] == "pipeline":
		parts = append([]string{parts[2]}, parts[4:]...)
	case len(parts) > 1 && parts[0] == "global":
		parts = parts[1:]
	}
	id := strings.Map(func(c rune) rune {
		if unicode.In(c, unicode.L, unicode.M, unicode.N) {
			return c
		}
		return '-'
	}, strings.Join(parts, "-"))
	return strings.Trim(id, "-")
}

// documentKeys are what a pipeline file has.
func documentKeys() []string { return []string{"pipeline", "headers", "vars", "body"} }

// document makes a pipe of a pipeline file.
func document(id string, n *jsonpos.Node) (*jsonpos.Node, diag.List) {
	var finds diag.List
	if n.Kind != jsonpos.Object {
		return nil, diag.List{fault(n.Span, "document", "write pipeline: and the commands below it", "a pipeline file is a dict, found a %s", n.Kind)}
	}
	list := n.Get("pipeline")
	if list == nil || list.Kind != jsonpos.Array || len(list.Elems) == 0 {
		at := n.Span
		if list != nil {
			at = list.Span
		}
		finds.Add(fault(at, "document", "write pipeline: and the commands below it, each behind a dash", "the file has no list of commands"))
	}
	for _, m := range n.Members {
		if slices.Contains(documentKeys(), m.Key) {
			continue
		}
		help := "a pipeline file has " + strings.Join(documentKeys(), ", ")
		if near := textdist.Nearest(m.Key, documentKeys()); near != "" {
			help = fmt.Sprintf("did you mean %q?", near)
		}
		finds.Add(fault(m.KeySpan, "document", help, "%q has no meaning here", m.Key))
	}
	if finds.HasErrors() {
		return nil, finds
	}
	return pipeOf(id, n, list), finds
}

// commented finds expressions #{…} that YAML takes for comments, as they are not in
// quotes: nothing is there where they stand.
func commented(n *jsonpos.Node, lines []string) (finds diag.List) {
	look := func(at jsonpos.Span, v *jsonpos.Node) {
		if v.Kind != jsonpos.Null || at.Start.Line < 1 || at.Start.Line > len(lines) {
			finds.Add(commented(v, lines)...)
			return
		}
		line := lines[at.Start.Line-1]
		if i := strings.Index(line, " #{"); i >= 0 && strings.HasSuffix(strings.TrimSpace(line[:i]), ":") || i >= 0 && strings.TrimSpace(line[:i]) == "-" {
			col := utf8.RuneCountInString(line[:i]) + 2
			at.Start.Col = col
			at.End = jsonpos.Pos{Line: at.Start.Line, Col: col + 1}
			finds.Add(caution(at, "expression", `write "#{…}", or ${…}`, "this is a comment for YAML, and no expression"))
		}
	}
	for _, m := range n.Members {
		look(m.KeySpan, m.Value)
	}
	for _, e := range n.Elems {
		look(e.Span, e)
	}
	return finds
}

// builder makes nodes that stand where something else does.
type builder struct{ at jsonpos.Span }

func (b builder) text(s string) *jsonpos.Node {
	return &jsonpos.Node{Kind: jsonpos.String, Text: s, Span: b.at}
}

func (b builder) number(n int) *jsonpos.Node {
	return &jsonpos.Node{Kind: jsonpos.Number, Text: strconv.Itoa(n), Span: b.at}
}

func (b builder) boolean(v bool) *jsonpos.Node {
	return &jsonpos.Node{Kind: jsonpos.Bool, Bool: v, Span: b.at}
}

func (b builder) dict(pairs ...any) *jsonpos.Node {
	d := &jsonpos.Node{Kind: jsonpos.Object, Span: b.at}
	for i := 0; i+1 < len(pairs); i += 2 {
		key, _ := pairs[i].(string)
		v, _ := pairs[i+1].(*jsonpos.Node)
		if v != nil {
			d.Members = append(d.Members, &jsonpos.Member{Key: key, KeySpan: b.at, Value: v})
		}
	}
	return d
}

// pipeOf makes the pipe: it reads what the first command listens to, runs the
// pipeline, and writes nowhere. Failed events become dead letters at once,
// failed messages after they were delivered again.
func pipeOf(id string, n, list *jsonpos.Node) *jsonpos.Node {
	b := builder{list.Span}
	transform := b.dict("type", b.text("pipeforce"), "pipeline", list, "headers", notNull(n.Get("headers")), "vars", notNull(n.Get("vars")), "body", n.Get("body"))
	t := triggerOf(list)
	if t.name != "" && !t.batch {
		t.items = concurrency(n.Get("headers"))
	}
	pipe := []any{"_id", builder{n.Members[0].KeySpan}.text(id), "type", b.text("pipe"), "source", t.source(b), "transform", transform,
		"sink", b.dict("type", b.text("null")), "add_namespaces", b.boolean(false), "remove_namespaces", b.boolean(false),
		"batch_size", b.number(t.items), "checkpoint_interval", b.number(1), "pump", t.pump(b, id)}
	return b.dict(pipe...)
}

func notNull(n *jsonpos.Node) *jsonpos.Node {
	if n != nil && n.Kind == jsonpos.Null {
		return nil
	}
	return n
}

// listening is what a pipeline listens to.
type listening struct {
	name   string // of the command; "" if there is none
	key    *jsonpos.Node
	prefix string // before the key
	params *jsonpos.Node
	items  int // of a batch, or that are worked on at once
	bytes  int
	batch  bool
}

// triggerOf reads what the first command listens to. What is wrong with it is
// said when the commands are compiled.
func triggerOf(list *jsonpos.Node) listening {
	t := listening{items: 1}
	first := list.Elems[0]
	if first.Kind != jsonpos.Object || len(first.Members) != 1 {
		return t
	}
	m := first.Members[0]
	cmd, _ := find(m.Key)
	if cmd == nil || !cmd.trigger {
		return t
	}
	t.name, t.params = cmd.name, m.Value
	if t.name == "event.listen" {
		t.prefix = eventPrefix
	}
	t.key = m.Value
	if m.Value.Kind == jsonpos.Object {
		if t.key = m.Value.Get("key"); t.key == nil {
			t.key = m.Value.Get("eventKey")
		}
		t.items = max(1, intOf(m.Value.Get("maxBatchItems")))
		if t.bytes = intOf(m.Value.Get("maxBatchSize")); t.bytes > 0 && t.items == 1 {
			t.items = 10000
		}
		t.batch = t.items > 1 || t.bytes > 0
	}
	return t
}

// mostConcurrency bounds how many messages a pipeline works on at once.
const mostConcurrency = 100

// concurrency is how many messages a pipeline works on at once; what is wrong with
// the header is said when the pipeline is compiled.
func concurrency(headers *jsonpos.Node) int {
	if n := intOf(headers.Get("concurrency")); n >= 1 && n <= mostConcurrency {
		return n
	}
	return 1
}

func intOf(n *jsonpos.Node) int {
	if n == nil {
		return 0
	}
	i, err := strconv.Atoi(n.Text)
	if err != nil || i < 0 || i > 10000 && n.Kind == jsonpos.Null {
		return 0
	}
	return i
}

func (t listening) source(b builder) *jsonpos.Node {
	if t.name == "" || t.key == nil || t.key.Kind != jsonpos.String {
		return b.dict("type", b.text("embedded"), "entities", &jsonpos.Node{Kind: jsonpos.Array, Span: b.at, Elems: []*jsonpos.Node{b.dict("_id", b.text("run"))}})
	}
	exchange, _ := t.params.Get("exchange").Str()
	size := t.bytes
	if size == 0 {
		size = 204800
	}
	src := []any{"type", b.text("pipeforce"), "system", b.text(systemID), "exchange", b.text(exchangeName(exchange)), "key", builder{t.key.Span}.text(t.prefix + t.key.Text),
		"max_batch_items", b.number(min(t.items, 10000)), "max_batch_bytes", b.number(min(size, 204800)), "start", b.text("new"), "wait", b.boolean(t.batch)}
	return b.dict(src...)
}

func (t listening) pump(b builder, id string) *jsonpos.Node {
	if t.name == "" {
		return b.dict("mode", b.text("manual"))
	}
	again, delay := 0, 0
	if t.name == "message.receive" {
		again, delay = redeliveries, 1
	}
	return b.dict("schedule_interval", b.number(5), "max_write_errors_in_retry_dataset", b.number(100000), "max_consecutive_write_errors", b.number(1000),
		"max_retries_per_entity", b.number(again), "write_retry_delay", b.number(delay), "batch_retries", b.number(0), "dead_letter_dataset", b.text(id+"-dead-letters"))
}
