package jinja

import (
	"context"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func lines(t *testing.T, file string) []string {
	data, err := os.ReadFile(filepath.Join(caseDir, "validation", file))
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for l := range strings.Lines(string(data)) {
		if l = strings.TrimSuffix(l, "\n"); l != "" && l[0] != '#' {
			out = append(out, l)
		}
	}
	return out
}

func probeHost() *Host {
	return &Host{Now: func() time.Time { return time.Unix(1738756240, 0) }}
}

// TestProbe tells signed expressions from those that let forgeries in.
func TestProbe(t *testing.T) {
	for _, src := range lines(t, "signed.txt") {
		if f, ok := probe(t, src); ok {
			t.Errorf("%s\n must pass, but: %s", src, f)
		}
	}
	for _, src := range lines(t, "unsigned.txt") {
		if _, ok := probe(t, src); !ok {
			t.Errorf("%s\n accepts forgeries, and the probe found none", src)
		}
	}
}

func probe(t *testing.T, src string) (string, bool) {
	v, err := CompileValidation(src, Options{Host: probeHost()})
	if err != nil {
		t.Fatalf("%s: %v", src, err)
	}
	f, ok := v.Probe(t.Context())
	return f.Message, ok
}

var _ = context.Canceled
var _ http.Header
var _ url.Values
