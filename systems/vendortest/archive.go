package vendortest

import (
	"os"
	"strings"
)

// archive is a txtar file: a comment, then files that begin with "-- name --".
type archive struct {
	comment string
	files   []file
}

type file struct{ name, data string }

func readArchive(path string) (*archive, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	a := &archive{}
	for line := range strings.Lines(string(b)) {
		name, ok := fileName(line)
		switch {
		case ok:
			a.files = append(a.files, file{name: name})
		case len(a.files) == 0:
			a.comment += line
		default:
			a.files[len(a.files)-1].data += line
		}
	}
	return a, nil
}

func fileName(line string) (string, bool) {
	line = strings.TrimSpace(line)
	if len(line) < 7 || !strings.HasPrefix(line, "-- ") || !strings.HasSuffix(line, " --") {
		return "", false
	}
	return strings.TrimSpace(line[3 : len(line)-3]), true
}

// set gives a file its content, at the end if it is new.
func (a *archive) set(name, data string) {
	for i := range a.files {
		if a.files[i].name == name {
			a.files[i].data = data
			return
		}
	}
	a.files = append(a.files, file{name, data})
}

func (a *archive) write(path string) error {
	var b strings.Builder
	b.WriteString(a.comment)
	for _, f := range a.files {
		b.WriteString("-- " + f.name + " --\n" + f.data)
	}
	return os.WriteFile(path, []byte(b.String()), 0o644)
}
