package schemacheck

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/sluiceio/sluice/internal/jsonpos"
)

func TestPipe(t *testing.T) {
	c, err := New()
	if err != nil {
		t.Fatal(err)
	}
	cases := []struct{ id, src, want string }{
		{"a-wipe", "{\"pump\": {\"mode\": \"scheduled\"},\n \"transform\": []}", "1:19 schema/wipe"},
		{"a-wipe", `{"pump": {"mode": "manual"}}`, "1:1 schema/wipe"},
		{"a-event2", `{"source": {"type": "rest"}}`, "1:21 schema/event2"},
		{"a-event", `{"source": {"type": "http_endpoint"}}`, ""},
		{"a-anything", `{"source": 1}`, ""},
	}
	for _, k := range cases {
		n, errs := jsonpos.Parse("f", []byte(k.src))
		if errs != nil {
			t.Fatal(errs[0])
		}
		got := ""
		for _, f := range c.Pipe(k.id, n) {
			got += fmt.Sprintf("%d:%d %s", f.Span.Start.Line, f.Span.Start.Col, f.Rule)
		}
		if got != k.want {
			t.Errorf("%s %s: got %q, want %q", k.id, k.src, got, k.want)
		}
	}
}

// TestSeeds: the documented pipes have the shape of their kinds.
func TestSeeds(t *testing.T) {
	c, err := New()
	if err != nil {
		t.Fatal(err)
	}
	files, _ := filepath.Glob("../../examples/webhooks/pipes/*.json")
	if len(files) < 6 {
		t.Fatal(files)
	}
	for _, f := range files {
		data, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		n, errs := jsonpos.Parse(f, data)
		if errs != nil {
			t.Fatal(errs[0])
		}
		id, _ := n.Get("_id").Str()
		for _, find := range c.Pipe(id, n) {
			t.Errorf("%s: %s", f, find.Message)
		}
	}
}
