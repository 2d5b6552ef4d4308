package config

import (
	"os"
	"path/filepath"
	"testing"
)

// in makes a file, or a link where to is given, below a folder.
func in(t *testing.T, dir, name, text, to string) {
	t.Helper()
	path := filepath.Join(dir, name)
	err := os.MkdirAll(filepath.Dir(path), 0o755)
	if err == nil && to != "" {
		err = os.Symlink(to, path)
	} else if err == nil {
		err = os.WriteFile(path, []byte(text), 0o644)
	}
	if err != nil {
		t.Fatal(err)
	}
}

const aPipe = `{"_id": "a", "type": "pipe", "source": {"type": "empty"}}`

// Kubernetes mounts a ConfigMap as links into a folder of the present version.
func TestMountedConfigMap(t *testing.T) {
	dir := t.TempDir()
	in(t, dir, "pipes/..2026_11_26/a.conf.json", aPipe, "")
	in(t, dir, "pipes/..data", "", "..2026_11_26")
	in(t, dir, "pipes/a.conf.json", "", "..data/a.conf.json")
	c, finds := Load([]string{dir}, Options{})
	if len(finds) > 0 || c.Get("a") == nil || c.Files != 1 {
		t.Errorf("%d files, %v", c.Files, finds)
	}
}

func TestLinkedFolders(t *testing.T) {
	dir := t.TempDir()
	in(t, dir, "shared/a.conf.json", aPipe, "")
	in(t, dir, "shared/round", "", "..")
	in(t, dir, "pipes", "", "shared")
	c, finds := Load([]string{dir}, Options{})
	if c.Get("a") == nil {
		t.Error("a link in place of the folder pipes is not followed")
	}
	if len(finds) != 1 || finds[0].Rule != "config/linked-folder" || finds.HasErrors() {
		t.Error(finds)
	}
}
