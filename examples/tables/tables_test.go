// Package tables_test runs the example and what the how-to pages show of it.
package tables_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/sluiceio/sluice/config"
	"github.com/sluiceio/sluice/engine"
	"github.com/sluiceio/sluice/server"
	"github.com/sluiceio/sluice/store/local"
	"github.com/sluiceio/sluice/systems"
)

// serve runs the node once, against a server of its files, and serves it.
func serve(t *testing.T) *httptest.Server {
	t.Helper()
	files := httptest.NewServer(http.FileServer(http.Dir("files")))
	t.Cleanup(files.Close)
	dir := t.TempDir()
	for _, sub := range []string{"pipes", "systems"} {
		if err := os.CopyFS(filepath.Join(dir, sub), os.DirFS(sub)); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(dir, "test-env.json"), fmt.Appendf(nil, `{"files_url": "%s/"}`, files.URL), 0o600); err != nil {
		t.Fatal(err)
	}
	c, finds := config.Load([]string{dir}, config.Options{Profile: "test"})
	if finds.HasErrors() {
		t.Fatal(finds)
	}
	return open(t, c)
}

func open(t *testing.T, c *config.Config) *httptest.Server {
	t.Helper()
	sets, err := engine.Standard()
	if err != nil {
		t.Fatal(err)
	}
	st, err := local.Open("mem", local.Options{InMemory: true})
	if err != nil {
		t.Fatal(err)
	}
	e, err := engine.Open(t.Context(), engine.Options{Config: c, Store: st,
		Transport: systems.NewTransport(systems.GuardOptions{Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}}),
		Sets:      sets})
	if err != nil {
		t.Fatal(err)
	}
	s := httptest.NewServer(server.New(e, server.Options{}))
	t.Cleanup(func() { s.Close(); e.Close(); _ = st.Close() })
	results, err := e.RunAll(context.WithoutCancel(t.Context()), nil, nil)
	if err != nil || len(results) != 1 || results[0].Err != nil {
		t.Fatalf("%+v %v", results, err)
	}
	return s
}

// TestPages sends the requests that the pages show, and compares the answers
// with what stands below them.
func TestPages(t *testing.T) {
	s := serve(t)
	shown := regexp.MustCompile("(?ms)^\\$ curl '?http://127\\.0\\.0\\.1:9042(/api/publishers/[^'\n]*)'?\n(.*?)^(?:\\$|```)")
	for _, page := range []string{"publish-csv-xml-json.md", "read-csv.md"} {
		text, err := os.ReadFile(filepath.Join("..", "..", "docs", "how-to", page))
		if err != nil {
			t.Fatal(err)
		}
		for rest := string(text); ; {
			at := shown.FindStringSubmatchIndex(rest)
			if at == nil {
				break
			}
			path, want := rest[at[2]:at[3]], rest[at[4]:at[5]]
			rest = rest[at[5]:]
			if got := answer(t, s.URL+path); got != want {
				t.Errorf("%s: %s answers\n%s\nthe page shows\n%s", page, path, got, want)
			}
		}
	}
}

// answer is an answer as a terminal shows it, ended by a line end.
func answer(t *testing.T, at string) string {
	t.Helper()
	resp, err := http.Get(at)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSuffix(strings.ReplaceAll(string(b), "\r\n", "\n"), "\n") + "\n"
}
