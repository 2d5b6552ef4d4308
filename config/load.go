package config

import (
	"bytes"
	"errors"
	"io"
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

// walk returns the configuration files below a folder, and tells of what looks like
// one and is not read.
func (l *loader) walk(dir string) []string {
	if !exists(dir) {
		return nil
	}
	var files []string
	// With a separator behind it, the folder itself may be a link.
	err := filepath.WalkDir(dir+string(filepath.Separator), func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			l.unreadable(path, err)
		case strings.HasPrefix(d.Name(), ".."):
			// Kubernetes keeps the versions of a mounted folder in such; each file
			// stands beside them as a link.
			if d.IsDir() {
				return fs.SkipDir
			}
		case !d.IsDir():
			files = append(files, l.entry(path, d)...)
		}
		return nil
	})
	if err != nil {
		l.unreadable(dir, err)
	}
	slices.Sort(files)
	return files
}

// entry returns a path that is no folder itself if it is a configuration file.
func (l *loader) entry(path string, d fs.DirEntry) []string {
	wanted := strings.HasSuffix(path, ".conf.json")
	if d.Type().IsRegular() && !wanted {
		return nil
	}
	info, err := os.Stat(path)
	switch at := (jsonpos.Span{File: path}); {
	case err == nil && info.IsDir(): // it might lead back to where it stands
		l.finds.Add(warning(at, "config/linked-folder", "put the files themselves here, or a link to each",
			"a link to a folder is not followed: nothing in it is read"))
	case wanted && err == nil && !info.Mode().IsRegular(): // reading it might wait for ever
		l.finds.Add(finding(at, "config/unreadable", "put a file in its place", "cannot be read: it is no file"))
	case wanted:
		return []string{path}
	}
	return nil
}

// checkPath is what to do about a file that cannot be read.
const checkPath = "check the path and its permissions"

func (l *loader) unreadable(path string, err error) {
	l.finds.Add(finding(jsonpos.Span{File: path}, "config/unreadable", checkPath, "cannot be read: %v", reason(err)))
}

// reason is an error without the path, which stands in the finding.
func reason(err error) error {
	var pe *fs.PathError
	if errors.As(err, &pe) {
		return pe.Err
	}
	return err
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
	refuse := func(rule, help, format string, args ...any) ([]byte, *diag.Finding) {
		f := finding(jsonpos.Span{File: path}, rule, help, format, args...)
		return nil, &f
	}
	file, err := os.Open(path)
	if err != nil {
		return refuse("config/unreadable", checkPath, "cannot be read: %v", reason(err))
	}
	defer file.Close()
	// The size of what is no regular file is known at its end only.
	data, err := io.ReadAll(io.LimitReader(file, maxFile+1))
	switch {
	case err != nil:
		return refuse("config/unreadable", checkPath, "cannot be read: %v", reason(err))
	case len(data) > maxFile:
		return refuse("config/too-large", "spread it over several files", "the file has more than %d bytes", maxFile)
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
