package config

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"

	"github.com/sluiceio/sluice/internal/diag"
	"github.com/sluiceio/sluice/internal/jsonpos"
)

// metadataFile is the node's metadata in its folder.
const metadataFile = "node-metadata.conf.json"

// maxFile bounds a configuration file, in bytes.
const maxFile = 16 << 20

// Load reads node folders and single files. All problems of all files are
// reported at once; what could be read is returned all the same, so that other
// checks can add theirs. The configuration may be run only if no finding is an
// error.
func Load(paths []string, o Options) (*Config, diag.List) {
	l := &loader{o: o.orDefault()}
	var files []string
	for _, p := range paths {
		files = append(files, l.discover(p)...)
	}
	l.parseAll(files)
	for _, n := range l.o.More {
		l.add(parsed{node: n})
	}
	return l.finish(len(files) + l.foreign)
}

// Parse reads one body of configuration, as the API receives it.
func Parse(name string, data []byte, o Options) (*Config, diag.List) {
	l := &loader{o: o}
	l.add(parse(name, data))
	for _, n := range o.More {
		l.add(parsed{node: n})
	}
	return l.finish(1)
}

type loader struct {
	o       Options
	finds   diag.List
	roots   []parsed
	env     map[string]*jsonpos.Node
	secrets []*jsonpos.Node
	foreign int // files that fronts read
}

type parsed struct {
	node  *jsonpos.Node
	finds diag.List
}

func (l *loader) add(p parsed) {
	l.finds.Add(p.finds...)
	if p.node != nil {
		l.roots = append(l.roots, p)
	}
}

// discover returns the configuration files that a path stands for. What fronts
// make of files of other formats is added at once.
func (l *loader) discover(path string) []string {
	info, err := os.Stat(path)
	if err != nil {
		l.unreadable(path, err)
		return nil
	}
	if !info.IsDir() {
		l.besides(filepath.Dir(path))
		if l.front(path) {
			return nil
		}
		return []string{path}
	}
	l.besides(path)
	var files []string
	for _, sub := range []string{"pipes", "systems"} {
		files = append(files, l.walk(filepath.Join(path, sub))...)
	}
	if meta := filepath.Join(path, metadataFile); exists(meta) {
		files = append(files, meta)
	}
	if l.fronts(path); files == nil && l.foreign == 0 {
		l.finds.Add(finding(jsonpos.Span{File: path}, "config/no-files",
			"a node folder has pipes/*.conf.json, systems/*.conf.json and node-metadata.conf.json; `sluice new node` makes one",
			"no configuration in this folder"))
	}
	return files
}

// fronts adds the components that fronts make of a folder's files.
func (l *loader) fronts(dir string) {
	for _, front := range l.o.Fronts {
		files := front.Files(dir)
		if len(files) == 0 {
			continue
		}
		l.compile(front, dir, files)
	}
}

func (l *loader) compile(f Front, dir string, files []string) {
	l.foreign += len(files)
	nodes, finds := f.Compile(dir, files, readLimited)
	l.finds.Add(finds...)
	for _, n := range nodes {
		l.add(parsed{node: n})
	}
}

// front adds the components of a single file if it is one of a front's.
func (l *loader) front(path string) bool {
	if strings.HasSuffix(path, ".json") {
		return false // of this format, wherever it stands
	}
	dir := filepath.Dir(path)
	for _, f := range l.o.Fronts {
		if slices.Contains(f.Files(dir), path) {
			l.compile(f, dir, []string{path})
			return true
		}
	}
	return false
}

// readLimited reads a file that is not larger than configuration may be.
func readLimited(path string) ([]byte, error) {
	data, find := readBounded(path)
	if find != nil {
		return nil, errors.New(find.Message)
	}
	return data, nil
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

func (l *loader) walk(dir string) []string {
	if !exists(dir) {
		return nil
	}
	var files []string
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			l.unreadable(path, err)
			return nil
		}
		if !d.IsDir() && strings.HasSuffix(path, ".conf.json") {
			files = append(files, path)
		}
		return nil
	})
	if err != nil {
		l.unreadable(dir, err)
	}
	slices.Sort(files)
	return files
}

func (l *loader) unreadable(path string, err error) {
	var pe *fs.PathError
	reason := err
	if errors.As(err, &pe) {
		reason = pe.Err
	}
	l.finds.Add(finding(jsonpos.Span{File: path}, "config/unreadable", "check the path and its permissions", "cannot be read: %v", reason))
}

// parseAll reads and parses the files on all cores, and keeps their order.
func (l *loader) parseAll(files []string) {
	results := make([]parsed, len(files))
	var wg sync.WaitGroup
	next := make(chan int)
	for range runtime.GOMAXPROCS(0) {
		wg.Go(func() {
			for i := range next {
				results[i] = readFile(files[i])
			}
		})
	}
	for i := range files {
		next <- i
	}
	close(next)
	wg.Wait()
	for _, r := range results {
		l.add(r)
	}
}

func readFile(path string) parsed {
	data, find := readBounded(path)
	if find != nil {
		return parsed{finds: diag.List{*find}}
	}
	return parse(path, data)
}

func readBounded(path string) ([]byte, *diag.Finding) {
	info, err := os.Stat(path)
	if err == nil && info.Size() > maxFile {
		f := finding(jsonpos.Span{File: path}, "config/too-large", "", "the file has %d bytes, more than %d", info.Size(), maxFile)
		return nil, &f
	}
	data, err := os.ReadFile(path)
	if err != nil {
		var l loader
		l.unreadable(path, err)
		return nil, &l.finds[0]
	}
	return data, nil
}

func parse(name string, data []byte) parsed {
	if bytes.HasPrefix(data, []byte("\xff\xfe")) || bytes.HasPrefix(data, []byte("\xfe\xff")) {
		return parsed{finds: diag.List{finding(jsonpos.Span{File: name}, "config/encoding", "save it as UTF-8", "the file is encoded as UTF-16")}}
	}
	n, errs := jsonpos.Parse(name, data)
	var finds diag.List
	for _, e := range errs {
		finds.Add(finding(e.Span, e.Code, e.Help, "%s", e.Msg))
	}
	return parsed{n, finds}
}

func (l *loader) envFile(dir string) string { return filepath.Join(dir, l.o.Profile+"-env.json") }

func (l *loader) secretsFile(dir string) string {
	return filepath.Join(dir, l.o.Profile+"-secrets.json")
}

// besides reads the env and secrets files that stand in a folder.
func (l *loader) besides(dir string) {
	if env := l.optional(l.envFile(dir)); env != nil {
		if l.env == nil {
			l.env = map[string]*jsonpos.Node{}
		}
		for _, m := range env.Members {
			l.env[m.Key] = m.Value
		}
	}
	if secrets := l.optional(l.secretsFile(dir)); secrets != nil {
		l.secrets = append(l.secrets, secrets)
	}
}

// optional reads an object from a file that need not be there.
func (l *loader) optional(path string) *jsonpos.Node {
	if !exists(path) {
		return nil
	}
	p := readFile(path)
	l.finds.Add(p.finds...)
	if p.node != nil && p.node.Kind != jsonpos.Object {
		l.finds.Add(finding(p.node.Span, "config/type", "", "an object is expected, found a %s", p.node.Kind))
		return nil
	}
	return p.node
}

func (l *loader) finish(files int) (*Config, diag.List) {
	c := &Config{Env: l.variables(), Secrets: l.readSecrets(), Files: files, byID: map[string]*Component{}}
	for _, root := range l.roots {
		nodes := []*jsonpos.Node{root.node}
		if root.node.Kind == jsonpos.Array {
			nodes = root.node.Elems
		}
		for _, n := range nodes {
			l.component(c, n)
		}
	}
	l.finds.Sort()
	return c, l.finds
}

func (l *loader) variables() map[string]*jsonpos.Node {
	env := map[string]*jsonpos.Node{}
	for k, v := range l.env {
		env[k] = v
	}
	for k, v := range l.o.Env {
		env[k] = v
	}
	return env
}

func (l *loader) readSecrets() *Secrets {
	s := &Secrets{global: map[string]string{}, systems: map[string]map[string]string{}}
	for _, n := range l.secrets {
		texts(n.Get("global"), s.global)
		if systems := n.Get("systems"); systems != nil {
			for _, m := range systems.Members {
				own := map[string]string{}
				texts(m.Value, own)
				s.systems[m.Key] = own
			}
		}
	}
	for _, pair := range l.o.Environ {
		name, value, _ := strings.Cut(pair, "=")
		if name, ok := strings.CutPrefix(name, "SLUICE_SECRET_"); ok {
			s.global[name] = value
			for _, own := range s.systems {
				delete(own, name)
			}
		}
	}
	return s
}

func texts(n *jsonpos.Node, into map[string]string) {
	if n == nil {
		return
	}
	for _, m := range n.Members {
		if text, ok := m.Value.Str(); ok {
			into[m.Key] = text
		}
	}
}
