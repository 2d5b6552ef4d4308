package cli_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sluiceio/sluice/cli"
)

type full struct{}

func (full) Write([]byte) (int, error) { return 0, errors.New("no space left on device") }

// A result that could not be written is no success.
func TestFullOutput(t *testing.T) {
	for _, args := range [][]string{{"dtl", "--expr", "1"}, {"jinja", "x"}, {"explain", "upper"}, {"version"}, {"dtl", "--list"}} {
		var said strings.Builder
		if status := cli.Run(t.Context(), args, strings.NewReader(""), full{}, &said); status != 3 || !strings.Contains(said.String(), "no space left") {
			t.Errorf("%s: %d, %s", args, status, said.String())
		}
	}
}

// A pipe that was in the midst of its work when the run was stopped says so.
func TestStoppedPipe(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		cancel()
		fmt.Fprint(w, `[{"_id": "1"}, {"_id": "2"}]`) // two batches, and the run takes the one in hand
	}))
	defer srv.Close()
	dir := node(t, fmt.Sprintf(`[{"_id": "s", "type": "system:url", "url_pattern": "%s/%%s"}, {"_id": "a", "type": "pipe", "batch_size": 1, "source": {"type": "json", "system": "s", "url": "x"}}]`, srv.URL))
	var out, said strings.Builder
	status := cli.Run(ctx, []string{"run", dir, "--allow-internal"}, strings.NewReader(""), &out, &said)
	if want := fmt.Sprintf("%-40s stopped before its end\n", "a"); status != 1 || out.String() != want {
		t.Errorf("%d, %q, %s", status, out.String(), said.String())
	}
}

// Whoever stops a run made no mistake, and reads no list of pipes.
func TestStopped(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	var said strings.Builder
	status := cli.Run(ctx, []string{"run", node(t, `{"_id": "a", "type": "pipe", "source": {"type": "empty"}}`)}, strings.NewReader(""), io.Discard, &said)
	if want := "sluice: stopped before its end; it may be started again\n"; status != 1 || said.String() != want {
		t.Errorf("%d, %s", status, said.String())
	}
}

// Editors of some systems begin files with a byte order mark.
func TestByteOrderMark(t *testing.T) {
	file := filepath.Join(t.TempDir(), "in.json")
	if err := os.WriteFile(file, []byte("\uFEFF{\"_id\": \"1\"}\r\n{\"_id\": \"2\"}\r\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, source := range []string{"@" + file, "-"} {
		var out, said strings.Builder
		status := cli.Run(t.Context(), []string{"dtl", "--rules", `[["copy", "*"]]`, "--source", source}, strings.NewReader("\uFEFF{\"_id\": \"1\"} {\"_id\": \"2\"}"), &out, &said)
		if want := "{\"_id\":\"1\"}\n{\"_id\":\"2\"}\n"; status != 0 || out.String() != want {
			t.Errorf("%s: %d, %q, %s", source, status, out.String(), said.String())
		}
	}
}
