// Package vendortest runs case files against a small server that answers by
// script, for the tests of everything that calls other people's services.
//
// A case is a txtar file. Its files are JSON of the components under test, and
//
//	vendor    responses in order, separated by lines "===": a first line with
//	          status and content type, headers, an empty line, the body
//	requests  what was asked, in order (written by -update)
//	out       what came of it (written by -update)
//
// {vendor} stands for the server's address everywhere, {port} for its port.
package vendortest

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sluiceio/sluice/internal/diag"
	"github.com/sluiceio/sluice/internal/jsonpos"
	"github.com/sluiceio/sluice/systems"
)

// Case is one case file with its server running.
type Case struct {
	T       *testing.T
	files   map[string]string
	server  *httptest.Server
	mu      sync.Mutex
	script  []string
	asked   strings.Builder
	Secrets map[string]string
}

const placeholder = "{vendor}"

// Run runs every case file of dir. f returns what stands under out. With
// update, files that differ are rewritten.
func Run(t *testing.T, dir string, update bool, f func(c *Case) string) {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(dir, "*.txtar"))
	if err != nil || len(paths) == 0 {
		t.Fatalf("no cases in %s", dir)
	}
	for _, path := range paths {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".txtar"), func(t *testing.T) { runCase(t, path, update, f) })
	}
}

func runCase(t *testing.T, path string, update bool, f func(c *Case) string) {
	a, err := readArchive(path)
	if err != nil {
		t.Fatal(err)
	}
	c := &Case{T: t, files: map[string]string{}, Secrets: map[string]string{}}
	for _, f := range a.files {
		c.files[f.name] = f.data
	}
	c.start()
	defer c.server.Close()
	out := c.mask(f(c))
	c.check(a, path, update, "requests", c.mask(c.asked.String()))
	c.check(a, path, update, "out", out)
	if left := len(c.script); left > 0 && !update {
		t.Errorf("%d responses of the vendor were never asked for", left)
	}
}

func (c *Case) start() {
	if s := strings.TrimSpace(c.files["vendor"]); s != "" {
		for _, r := range strings.Split(c.files["vendor"], "\n===\n") {
			c.script = append(c.script, strings.Trim(r, "\n"))
		}
	}
	for line := range strings.SplitSeq(c.files["secrets"], "\n") {
		if name, value, ok := strings.Cut(line, "="); ok {
			c.Secrets[name] = value
		}
	}
	c.server = httptest.NewServer(http.HandlerFunc(c.serve))
}

func (c *Case) mask(s string) string {
	s = strings.ReplaceAll(s, c.server.URL, placeholder)
	return strings.ReplaceAll(s, c.port(), "{port}")
}

// fill puts the server's address where a case names it.
func (c *Case) fill(s string) string {
	s = strings.ReplaceAll(s, placeholder, c.server.URL)
	return strings.ReplaceAll(s, "{port}", c.port())
}

func (c *Case) port() string { return c.server.URL[strings.LastIndexByte(c.server.URL, ':')+1:] }

func (c *Case) serve(w http.ResponseWriter, q *http.Request) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.record(q)
	if len(c.script) == 0 {
		http.Error(w, "the script has no response left", http.StatusTeapot)
		return
	}
	next := c.fill(c.script[0])
	c.script = c.script[1:]
	head, body, _ := strings.Cut(next, "\n\n")
	lines := strings.Split(head, "\n")
	status, kind, _ := strings.Cut(lines[0], " ")
	w.Header()["Date"] = nil
	if w.Header().Set("Content-Type", kind); kind == "" {
		w.Header()["Content-Type"] = nil
	}
	for _, l := range lines[1:] {
		name, value, _ := strings.Cut(l, ": ")
		w.Header().Add(name, value)
	}
	code, err := strconv.Atoi(status)
	if err != nil {
		code = http.StatusTeapot
	}
	w.WriteHeader(code)
	io.WriteString(w, body) // the client sees a failure itself
}

func (c *Case) record(q *http.Request) {
	fmt.Fprintf(&c.asked, "%s %s\n", q.Method, q.URL.RequestURI())
	names := make([]string, 0, len(q.Header))
	for name := range q.Header {
		usual := slices.Contains([]string{"Accept-Encoding", "User-Agent", "Content-Length"}, name)
		if !usual && (name != "Accept" || q.Header.Get(name) != "*/*") {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	for _, name := range names {
		fmt.Fprintf(&c.asked, "%s: %s\n", name, strings.Join(q.Header.Values(name), ", "))
	}
	body, err := io.ReadAll(q.Body)
	if err != nil {
		fmt.Fprintf(&c.asked, "body: %v\n", err)
	}
	if len(body) > 0 {
		fmt.Fprintf(&c.asked, "\n%s\n", strings.ReplaceAll(string(body), "\r\n", "\n"))
	}
	c.asked.WriteString("\n")
}

// check compares a section with what was got, or writes it.
func (c *Case) check(a *archive, path string, update bool, name, got string) {
	got = strings.TrimRight(got, "\n")
	if got != "" {
		got += "\n"
	}
	if got == c.files[name] {
		return
	}
	if !update {
		c.T.Errorf("%s: %s is\n%s\nwant\n%s", path, name, got, c.files[name])
		return
	}
	a.set(name, got)
	if err := a.write(path); err != nil {
		c.T.Fatal(err)
	}
}

// Has tells whether the case has a file.
func (c *Case) Has(name string) bool { _, ok := c.files[name]; return ok }

// Text returns a file with the server's address in it, "" if there is none.
func (c *Case) Text(name string) string { return c.fill(c.files[name]) }

// Node parses a file as configuration.
func (c *Case) Node(name string) *jsonpos.Node {
	n, errs := jsonpos.Parse(name, []byte(c.Text(name)))
	for _, err := range errs {
		c.T.Fatal(err)
	}
	return n
}

// Env returns what a system is built with: the case's secrets, a transport
// that reaches the server only, and a clock that notes waits as requests.
func (c *Case) Env() systems.Env {
	return systems.Env{
		Secret: func(name string) (string, bool) { v, ok := c.Secrets[name]; return v, ok },
		Transport: systems.NewTransport(systems.GuardOptions{
			Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")},
		}),
		Now: func() time.Time { return time.Date(2025, 3, 1, 12, 0, 0, 0, time.UTC) },
		Sleep: func(_ context.Context, d time.Duration) error {
			c.mu.Lock()
			defer c.mu.Unlock()
			fmt.Fprintf(&c.asked, "wait %s\n\n", d)
			return nil
		},
	}
}

// System builds the case's system.json; nil if there is none or it has errors.
// The text lists the findings.
func (c *Case) System() (systems.System, string) {
	if !c.Has("system.json") {
		return nil, ""
	}
	env := c.Env()
	env.Node = c.Node("system.json")
	env.ID, _ = env.Node.Get("_id").Str()
	sys, diags := systems.NewSet(systems.Standard()...).Build(env)
	return sys, Findings(diags)
}

// Findings lists findings, one a line.
func Findings(l diag.List) string {
	var b strings.Builder
	for _, f := range l {
		fmt.Fprintf(&b, "%s:%d:%d: %s: %s [%s]\n", f.Span.File, f.Span.Start.Line, f.Span.Start.Col, f.Severity, f.Message, f.Rule)
		if f.Help != "" {
			fmt.Fprintf(&b, "  help: %s\n", f.Help)
		}
	}
	return b.String()
}
