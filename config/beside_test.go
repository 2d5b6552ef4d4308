package config

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/sluiceio/sluice/internal/report"
)

// What is wrong with a file of secrets is told without what stands in it.
func TestBadSecrets(t *testing.T) {
	for text, rule := range map[string]string{
		`{"global": {"pw": "hunter2"}}`:                "",
		`{"global": {"pw": "hunter2",}}`:               "json/comma",
		`{"global": {"pw": hunter2}}`:                  "json/word",
		`{"global": {"pw" "hunter2"}}`:                 "json/colon",
		`{"global": {"hunter2": "a", "hunter2": "b"}}`: "json/duplicate-key",
		`["hunter2"]`:                                "config/type",
		`{"global": "hunter2"}`:                      "config/type",
		`{"systems": {"shop": "hunter2"}}`:           "config/type",
		`{"systems": {"shop": {"pw": ["hunter2"]}}}`: "config/type",
		`{"pw": "hunter2"}`:                          "config/secrets",
		`{"globl": {"pw": "hunter2"}}`:               "config/secrets",
	} {
		dir := t.TempDir()
		in(t, dir, "pipes/a.conf.json", aPipe, "")
		in(t, dir, "test-secrets.json", text, "")
		_, finds := Load([]string{dir}, Options{})
		var b strings.Builder
		if err := report.Text(&b, finds, report.Options{Line: report.FileLines()}); err != nil {
			t.Fatal(err)
		}
		if got := b.String(); strings.Contains(got, "hunter2") || strings.Contains(got, "[") != (rule != "") || !strings.Contains(got, rule) {
			t.Errorf("%s: %s", text, strings.ReplaceAll(got, filepath.Dir(dir), ""))
		}
	}
}
