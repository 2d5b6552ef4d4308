package sources

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/sluiceio/sluice/internal/jsonpos"
	"github.com/sluiceio/sluice/systems"
)

// file answers every request with a body.
type file func() io.Reader

// RoundTrip implements http.RoundTripper.
func (f file) RoundTrip(q *http.Request) (*http.Response, error) {
	return &http.Response{StatusCode: 200, Header: http.Header{}, Body: io.NopCloser(f()), Request: q}, nil
}

func parse(t *testing.T, text string) *jsonpos.Node {
	t.Helper()
	n, err := jsonpos.Parse("c.json", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// csvOf is a source with the properties over a file.
func csvOf(t *testing.T, properties string, f file) Source {
	t.Helper()
	sys, diags := systems.NewSet(systems.Standard()...).Build(systems.Env{ID: "s", Transport: f,
		Node: parse(t, `{"_id": "s", "type": "system:url", "url_pattern": "http://example.com/%s"}`)})
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	return mustBuild(t, Env{PipeID: "p", Context: context.Background(), System: func(string) systems.System { return sys },
		Node: parse(t, `{"type": "csv", "system": "s", "url": "f.csv", "primary_key": "id"`+properties+`}`)})
}

func TestCSVEncodings(t *testing.T) {
	utf16 := "\xff\xfei\x00d\x00,\x00n\x00\n\x001\x00,\x00\xe5\x00\n\x00"
	for _, c := range []struct{ properties, in, want string }{
		{`, "encoding": "iso-8859-1"`, "id,n\n1,\xe5", `{"_id":"1","id":"1","n":"å"}`},
		{`, "encoding": "UTF-16"`, utf16, `{"_id":"1","id":"1","n":"å"}`},
		{``, "\xef\xbb\xbfid,n\n1,å", `{"_id":"1","id":"1","n":"å"}`},
		{``, "id,n\n1,\xe5", `error: system "s", f.csv: line 2, column 3: the field holds bytes that are not UTF-8; mend the file, name its encoding, or set decode_error_strategy to replace`},
		{``, "id,\xe5\n1,x", `error: system "s", f.csv: line 1, column 4: the field holds`},
		{``, "id,n\n\xff,x", `error: system "s", f.csv: line 2, column 1: the field holds`},
		{`, "encoding": "ascii"`, "id,n\n1,\xe5", `error: system "s", f.csv: line 2, column 3: the field holds bytes that are not ascii`},
		{`, "encoding": "ascii", "decode_error_strategy": "replace"`, "id,n\n1,a\xe5", `{"_id":"1","id":"1","n":"a` + "\ufffd" + `"}`},
		{`, "decode_error_strategy": "replace"`, "id,n\n1,a\xe5b", `{"_id":"1","id":"1","n":"a` + "\ufffd" + `b"}`},
		{``, "id,n\n1,a\x00b", `error: system "s", f.csv: line 2, column 4: a null character`},
		{`, "escape_null_bytes": true`, "id,n\n1,a\x00b", `{"_id":"1","id":"1","n":"a\\x00b"}`},
	} {
		got := read(csvOf(t, c.properties, func() io.Reader { return strings.NewReader(c.in) }), "")
		if !strings.HasPrefix(got, c.want) {
			t.Errorf("%q with %s\n got %s\nwant %s", c.in, c.properties, got, c.want)
		}
	}
}

// TestCSVBrokenOff checks that a file whose transfer breaks off fails the run:
// what is missing would be deleted otherwise.
func TestCSVBrokenOff(t *testing.T) {
	src := csvOf(t, "", func() io.Reader {
		return io.MultiReader(strings.NewReader("id,n\n1,a\n2,"), iotest.ErrReader(io.ErrUnexpectedEOF))
	})
	if got := read(src, ""); !strings.Contains(got, "error: ") || strings.Contains(got, `"_id":"2"`) {
		t.Errorf("it was read as if it were whole: %s", got)
	}
}

// TestCSVAgrees checks on random files that batches of any size hold the same
// rows, and that going on behind an offset gives what a full run gives behind
// it.
func TestCSVAgrees(t *testing.T) {
	for seed := range uint64(30) {
		rnd := rand.New(rand.NewPCG(seed, 1))
		var b bytes.Buffer
		b.WriteString("id,_updated,text\n")
		for i := range rnd.IntN(40) {
			fmt.Fprintf(&b, "%d,%d,%q\n", i, rnd.IntN(30), strings.Repeat("x\n", rnd.IntN(3)))
		}
		src := csvOf(t, `, "supports_since": true`, func() io.Reader { return bytes.NewReader(b.Bytes()) })
		all := gather(t, src, "", 1)
		if other := gather(t, src, "", 1000); other != all {
			t.Fatalf("seed %d: batches of 1000 hold\n%s\nbatches of 1\n%s", seed, other, all)
		}
		since := rnd.IntN(30)
		var want strings.Builder
		for line := range strings.Lines(all) {
			var id, updated int
			if _, err := fmt.Sscanf(line, `{"_id":"%d","id":"%d","_updated":"%d"`, &id, &id, &updated); err != nil {
				t.Fatal(line, err)
			}
			if updated > since {
				want.WriteString(line)
			}
		}
		if got := gather(t, src, fmt.Sprint(since), 7); got != want.String() {
			t.Fatalf("seed %d: behind %d come\n%s\nof\n%s", seed, since, got, all)
		}
	}
}

func gather(t *testing.T, src Source, since string, size int) string {
	t.Helper()
	var b strings.Builder
	for batch, err := range src.Read(context.Background(), since, size) {
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range batch.Entities {
			fmt.Fprintf(&b, "%s\n", e)
		}
	}
	return b.String()
}

// FuzzCSV checks that no file brings a source down, and that each entity has
// the _id that its row says.
func FuzzCSV(f *testing.F) {
	f.Add("id,n\n1,\"a\n\"\n2,b")
	f.Add("id;n\r1;\x00\r")
	f.Add("\ufeffn\tid\n\t1\n")
	f.Fuzz(func(t *testing.T, in string) {
		src := csvOf(t, `, "escape_null_bytes": true, "decode_error_strategy": "replace"`, func() io.Reader { return strings.NewReader(in) })
		for batch, err := range src.Read(context.Background(), "", 3) {
			if err != nil {
				return
			}
			for _, e := range batch.Entities {
				id, _ := e.Get("_id")
				if own, ok := e.Get("id"); !ok || own.Text() != id.Text() || id.Text() == "" {
					t.Fatalf("%q gives %s", in, e)
				}
			}
		}
	})
}
