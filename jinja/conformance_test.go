package jinja

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

const caseDir = "../testdata/jinja"

type conformanceCase struct {
	ID       int             `json:"id"`
	Template string          `json:"template"`
	Mode     string          `json:"mode"`
	Delims   string          `json:"delims"`
	Vars     json.RawMessage `json:"vars"`
	Expected struct {
		OK         *string `json:"ok"`
		Error      string  `json:"error"`
		ParseError string  `json:"parse_error"`
	} `json:"expected"`
}

// conformanceHost binds what the cases' README says.
func conformanceHost() *Host {
	secrets := map[string]string{
		"oauth_client_secret": "s3cr3t-client", "webhook_secret": "wh-s3cr3t", "public_key": "PUBKEY", "jwt": "good.jwt.token",
	}
	return &Host{
		Secret: func(_ context.Context, name string) (string, error) {
			if s, ok := secrets[name]; ok {
				return s, nil
			}
			return "", UnknownSecret(name, nil)
		},
		Env: func(name string) (Value, error) {
			if name == "node-env" {
				return Str("test"), nil
			}
			return None(), errors.New("no such variable")
		},
		Now: func() time.Time { return time.Date(2025, 2, 5, 12, 30, 45, 0, time.UTC) },
	}
}

// conformanceJWT stands in for the one token the cases know.
func conformanceJWT(c *Call) Value {
	if c.Recv.s != "good.jwt.token" || c.Arg(jwtKey).s != "PUBKEY" {
		return c.Failf("the JWT is refused")
	}
	return Dict(Member{"sub", Str("alice")}, Member{"scope", Str("write")})
}

func conformanceOptions(c conformanceCase) Options {
	o := Options{Host: conformanceHost(), Sets: []Set{StdSet(), {
		Filters: map[string]*Func{"decode_jwt": NewFunc(jwtParams, conformanceJWT)},
	}}}
	o.Undefined = map[string]Undefined{"strict": Strict, "lenient": Lenient, "debug": Debug}[c.Mode]
	if c.Delims == "connector" {
		o.Delimiters = ConnectorDelimiters()
	}
	return o
}

// exceptions lists the cases that are meant to differ, with the reason.
func exceptions(t *testing.T) map[string]string {
	data, err := os.ReadFile(filepath.Join(caseDir, "exceptions.txt"))
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]string{}
	for line := range strings.Lines(string(data)) {
		if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "#") {
			id, reason, _ := strings.Cut(line, " ")
			out[id] = reason
		}
	}
	return out
}

func loadCases(t testing.TB, file string) []conformanceCase {
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var cases []conformanceCase
	if err := json.Unmarshal(data, &cases); err != nil {
		t.Fatal(err)
	}
	return cases
}

// TestConformance runs every case that Python's jinja2 has answered.
func TestConformance(t *testing.T) {
	files, _ := filepath.Glob(filepath.Join(caseDir, "*.json"))
	if len(files) < 15 {
		t.Fatalf("only %d case files", len(files))
	}
	except := exceptions(t)
	for _, f := range files {
		t.Run(strings.TrimSuffix(filepath.Base(f), ".json"), func(t *testing.T) {
			for _, c := range loadCases(t, f) {
				runCase(t, c, except)
			}
		})
	}
	for id := range except {
		t.Errorf("exception %s: the case does not exist or passes; remove the line", id)
	}
}

func runCase(t *testing.T, c conformanceCase, except map[string]string) {
	got, err := renderCase(t, c)
	ok := (err != nil) == (c.Expected.OK == nil) && (err != nil || got == *c.Expected.OK)
	id, _ := json.Marshal(c.ID)
	if _, listed := except[string(id)]; listed && !ok {
		delete(except, string(id))
		return
	}
	if !ok {
		want := "error: " + c.Expected.Error + c.Expected.ParseError
		if c.Expected.OK != nil {
			want = *c.Expected.OK
		}
		t.Errorf("case %d (%s)\n template: %s\n vars: %.300s\n want: %q\n got:  %q %v", c.ID, c.Mode, c.Template, c.Vars, want, got, err)
	}
}

func renderCase(t *testing.T, c conformanceCase) (string, error) {
	vars, err := ParseVars(c.Vars)
	if err != nil {
		t.Fatalf("case %d: %v", c.ID, err)
	}
	tmpl, err := Compile(c.Template, conformanceOptions(c))
	if err != nil {
		return "", err
	}
	return tmpl.Render(t.Context(), vars)
}
