package config

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// Stamp describes the files that Load would read by names, sizes and times: it
// differs from an earlier one if a file was added, removed or written since.
func Stamp(paths []string, o Options) string {
	l := &loader{o: o.orDefault()}
	var b strings.Builder
	for _, p := range paths {
		for _, f := range l.watched(p) {
			if info, err := os.Stat(f); err == nil {
				fmt.Fprintf(&b, "%s %d %d\n", f, info.Size(), info.ModTime().UnixNano())
			}
		}
	}
	return b.String()
}

// watched are the files a path stands for, whether they are there or not.
func (l *loader) watched(path string) []string {
	dir, files := path, []string{path}
	if info, err := os.Stat(path); err == nil && info.IsDir() {
		files = append(l.walk(filepath.Join(path, "pipes")), l.walk(filepath.Join(path, "systems"))...)
		files = append(files, filepath.Join(path, metadataFile))
		for _, front := range l.o.Fronts {
			files = append(files, front.Files(path)...)
		}
	} else {
		dir = filepath.Dir(path)
	}
	return append(files, l.envFile(dir), l.secretsFile(dir))
}
