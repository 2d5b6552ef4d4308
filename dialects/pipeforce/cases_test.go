package pipeforce_test

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"golang.org/x/tools/txtar"

	"github.com/sluiceio/sluice/cli"
)

var update = flag.Bool("update", false, "rewrite the expected results")

// archive is a file of cases: of each NAME.pi.yaml what becomes of it is compared
// with NAME.out.
func archive(t *testing.T, name string, becomes func(name string, pipeline []byte, files map[string]string) string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	a, err := txtar.ParseFile(path)
	if err != nil {
		t.Fatal(err)
	}
	files := map[string]string{}
	for _, f := range a.Files {
		files[f.Name] = string(f.Data)
	}
	out := &txtar.Archive{Comment: a.Comment}
	for _, f := range a.Files {
		if strings.HasSuffix(f.Name, ".out") {
			continue
		}
		base, isPipeline := strings.CutSuffix(f.Name, ".pi.yaml")
		out.Files = append(out.Files, f)
		if in, ok := files[base+".in"]; ok && isPipeline {
			out.Files = append(out.Files, txtar.File{Name: base + ".in", Data: []byte(in)})
		}
		if !isPipeline {
			out.Files = out.Files[:len(out.Files)-1] // it stands there already
			continue
		}
		got := becomes(base, f.Data, files)
		if !*update && got != files[base+".out"] {
			t.Errorf("%s: got\n%swant\n%s", base, got, files[base+".out"])
		}
		out.Files = append(out.Files, txtar.File{Name: base + ".out", Data: []byte(got)})
	}
	if *update {
		if err := os.WriteFile(path, txtar.Format(out), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// P-16 and all else that can be wrong with a file.
func TestValidate(t *testing.T) {
	t.Parallel()
	archive(t, "validate.txtar", func(name string, pipeline []byte, _ map[string]string) string {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, name+".pi.yaml"), pipeline, 0o600); err != nil {
			t.Fatal(err)
		}
		var out bytes.Buffer
		status := cli.Run(context.Background(), []string{"validate", "--format", "json", dir}, strings.NewReader(""), &out, io.Discard)
		return fmt.Sprintf("exit %d\n%s", status, shortened(t, out.String(), dir))
	})
}

// shortened are the findings of validate, one a line.
func shortened(t *testing.T, text, dir string) string {
	t.Helper()
	var b strings.Builder
	var told struct {
		Findings []struct {
			Path, Severity, Rule, Message, Help string
			Line, Column                        int
		}
	}
	if err := json.Unmarshal([]byte(text), &told); err != nil {
		t.Fatal(err, text)
	}
	for _, f := range told.Findings {
		fmt.Fprintf(&b, "%s:%d:%d: %s %s: %s\n", filepath.Base(f.Path), f.Line, f.Column, f.Severity, f.Rule, f.Message)
		if f.Help != "" {
			fmt.Fprintf(&b, "    %.160s\n", f.Help)
		}
	}
	return strings.ReplaceAll(b.String(), dir+"/", "")
}

// What pipelines make of a payload.
func TestPipelines(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/teapot" {
			w.WriteHeader(http.StatusTeapot)
			fmt.Fprint(w, "short and stout")
			return
		}
		data, _ := io.ReadAll(r.Body)
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprintf(w, `{"method": %q, "uri": %q, "type": %q, "key": %q, "trace": %q, "b": %q, "body": %q}`, r.Method, r.URL.RequestURI(),
			r.Header.Get("Content-Type"), r.Header.Get("X-Key"), r.Header.Get("X-Trace"), r.Header.Get("B"), data)
	}))
	defer server.Close()
	a, err := txtar.ParseFile("testdata/pipelines.txtar")
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]string{}
	for _, f := range a.Files {
		if base, ok := strings.CutSuffix(f.Name, ".pi.yaml"); ok {
			all[base] = string(f.Data)
		}
	}
	s := newStage(t, nil, "", nil)
	s.stop()
	for name, text := range all {
		s.file("pipelines/"+name+".pi.yaml", text)
	}
	s.file("test-secrets.json", `{"global": {"key": "hush-hush"}}`)
	s.serve()
	varying := regexp.MustCompile(`"(correlationId|uuid)":"[^"]*"|"created":\d+`)
	archive(t, "pipelines.txtar", func(name string, _ []byte, files map[string]string) string {
		in := strings.ReplaceAll(strings.TrimSpace(files[name+".in"]), "$SERVER", server.URL)
		r := s.do("POST", "/api/v3/webhook.receive?token="+s.hook("eventKey=webhook."+name, "payloadType=raw"), "application/json", in, "X-Kind", "a")
		got := s.resultOf(r)
		out := fmt.Sprintf("%d %s\n", got.status, varying.ReplaceAllString(got.body, `"$1":…`))
		if log := lastRun(s.dataset("system:pipeforce-log"), name); log != "" {
			out += log + "\n"
		}
		return strings.NewReplacer(server.URL, "$SERVER", s.dir+"/", "", strings.TrimPrefix(server.URL, "http://"), "$HOST").Replace(out)
	})
	if log := s.dataset("system:pipeforce-log"); strings.Contains(log, "hush-hush") {
		t.Error("the secret stands in the log:", log)
	}
}

// lastRun is what the log says of a pipeline's run besides that it was.
func lastRun(log, pipeline string) string {
	m := regexp.MustCompile(`"pipeline":"`+pipeline+`".*?"log":(\[.*?\])(?:,"error":"(.*?)","command")?`).FindAllStringSubmatch(log, -1)
	if m == nil {
		return ""
	}
	last := m[len(m)-1]
	return strings.TrimSpace(strings.TrimPrefix(last[1], "[]") + " " + last[2])
}
