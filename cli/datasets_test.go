package cli_test

import (
	"path/filepath"
	"strings"
	"testing"
)

// A folder that a node serves is looked into by asking the node: the answers are
// those of the folder, and a backup is made while the node goes on.
func TestDatasetsOfServedNode(t *testing.T) {
	dir := node(t, `[{"_id": "people", "type": "pipe", "source": {"type": "embedded", "entities": [{"_id": "1", "name": "Ada"}, {"_id": "2/æ", "name": "Åse"}]}, "pump": {"mode": "manual"}}]`)
	if status, _, errs := run(t, "run", dir, "--pipe", "people"); status != 0 {
		t.Fatal(errs)
	}
	asked := [][]string{{"cat", "people"}, {"get", "people", "2/æ"}, {"cat", "system:pump:people"}, {"cat", "nobody"}, {"ls"}}
	before := make([]string, len(asked))
	for i, words := range asked {
		_, out, errs := run(t, append([]string{"datasets", dir}, words...)...)
		before[i] = out + errs
	}
	serve(t, dir)
	for i, words := range asked {
		_, out, errs := run(t, append([]string{"datasets", dir}, words...)...)
		if words[0] == "ls" { // the node has datasets of its own besides
			out = out[strings.Index(out, "people "):]
			out = out[:strings.Index(out, "\n")]
		}
		if got := out + errs; !strings.Contains(before[i], got) || got == "" {
			t.Errorf("%v: the node says\n%sand the folder\n%s", words, got, before[i])
		}
	}
	file := filepath.Join(t.TempDir(), "saved.tar")
	if status, _, errs := run(t, "datasets", dir, "backup", file); status != 0 {
		t.Error(errs)
	}
	other := filepath.Join(t.TempDir(), "other")
	if status, _, errs := run(t, "datasets", "--data", other, "restore", file); status != 0 {
		t.Error(errs)
	}
	if _, out, errs := run(t, "datasets", "--data", other, "get", "people", "1"); !strings.Contains(out, "Ada") {
		t.Error(out, errs)
	}
	if status, _, errs := run(t, "datasets", dir, "compact"); status != 2 || !strings.Contains(errs, "compacts it by itself") {
		t.Errorf("%d %s", status, errs)
	}
}
