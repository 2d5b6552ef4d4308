package server_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"iter"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/sluiceio/sluice/config"
	"github.com/sluiceio/sluice/engine"
	"github.com/sluiceio/sluice/entity"
	"github.com/sluiceio/sluice/internal/diag"
	"github.com/sluiceio/sluice/server"
	"github.com/sluiceio/sluice/sources"
)

// published is a node with the letters of the manual's example and publishers
// of them.
func published(t *testing.T) (*engine.Engine, *httptest.Server) {
	t.Helper()
	var letters, many []string
	for c := 'A'; c <= 'Z'; c++ {
		letters = append(letters, fmt.Sprintf(`{"_id": "%c", "vowel": %v}`, c, strings.ContainsRune("AEIOUY", c)))
	}
	for i := range 5000 {
		many = append(many, fmt.Sprintf(`{"_id": "%d", "n": %d}`, i, i))
	}
	e, s := node(t, inMemory(t), fmt.Sprintf(`[
	{"_id": "letters", "type": "pipe", "source": {"type": "embedded", "entities": [%s]}},
	{"_id": "many", "type": "pipe", "source": {"type": "embedded", "entities": [%s]}},
	{"_id": "plain", "type": "pipe", "source": {"type": "dataset", "dataset": "letters"}, "sink": {"type": "http_endpoint"}},
	{"_id": "shaped", "type": "pipe", "source": {"type": "dataset", "dataset": "letters"}, "sink": {"type": "http_endpoint", "filename": "f.json"},
	 "transform": {"type": "dtl", "rules": {"default": [["if", "_S.vowel", ["filter", false]], ["add", "of", "_B.of"], ["create", ["dict", "_id", ["concat", "_S._id", "2"]]], ["copy", "_id"]]}}},
	{"_id": "table", "type": "pipe", "source": {"type": "dataset", "dataset": "letters"}, "sink": {"type": "csv_endpoint", "columns": ["_id", "vowel"], "filename": "t.csv"}},
	{"_id": "doc", "type": "pipe", "source": {"type": "embedded", "entities": [{"_id": "1", "<t>": "x"}]}, "sink": {"type": "xml_endpoint", "wrapper": "w"}},
	{"_id": "unshaped", "type": "pipe", "source": {"type": "dataset", "dataset": "letters"}, "sink": {"type": "xml_endpoint", "wrapper": "w"}},
	{"_id": "late", "type": "pipe", "source": {"type": "dataset", "dataset": "many"}, "sink": {"type": "csv_endpoint", "columns": ["_id", "text"]},
	 "transform": {"type": "dtl", "rules": {"default": [["copy", "_id"], ["add", "text", "%s"], ["if", ["eq", "_S.n", 4999], ["fail!", "no"]]]}}},
	{"_id": "early", "type": "pipe", "source": {"type": "dataset", "dataset": "letters"}, "sink": {"type": "csv_endpoint", "columns": ["_id"]},
	 "transform": {"type": "dtl", "rules": {"default": [["fail!", "no"]]}}}
	]`, strings.Join(letters, ","), strings.Join(many, ","), strings.Repeat("x", 100)))
	if results, err := e.RunAll(t.Context(), nil, nil); err != nil || len(results) != 2 {
		t.Fatalf("two pipes have pumps; run were %d, %v", len(results), err)
	}
	return e, s
}

func TestPublish(t *testing.T) {
	e, s := published(t)
	const api = "/api/publishers/"
	play(t, s.URL, []step{
		{api + "plain/entities?since=20&limit=3", "", `200 [{"_id":"V","vowel":false,"_updated":21,`},
		{api + "plain/entities?since=24", "", `200 [{"_id":"Z"`},
		{api + "plain/entities?since=25", "", "200 []"},
		{api + "plain/entities?limit=0", "", "200 []"},
		{api + "plain/entities/x.json?limit=1", "", `200 [{"_id":"A"`},
		{api + "plain/entities?limit=-1", "", "400 "},
		{api + "plain/entities?since=x", "", `400 {"error":{"message":"reading: dataset \"letters\": the offset`},
		{api + "shaped/entities?limit=2&of=one", "", `200 [{"_id":"B2","_updated":0,"_deleted":false},{"_id":"B","of":"one","_updated":1,"_deleted":false}]`},
		{api + "shaped/entities?limit=1&of=one&of=two", "", `200 [{"_id":"B2","_updated":0,"_deleted":false},{"_id":"B","of":["one","two"],"_updated":1,"_deleted":false}]`},
		{api + "shaped/entities?since=23", "", `200 [{"_id":"Z2","_updated":24,"_deleted":false},{"_id":"Z","of":null,"_updated":25,"_deleted":false}]`},
		{api + "table/csv?limit=2", "", "200 _id,vowel\r\nA,true\r\nB,false\r\n"},
		{api + "table/csv?since=24", "", "200 _id,vowel\r\nZ,false\r\n"},
		{api + "doc/xml", "", "200 <w><t>x</t></w>"},
		{api + "doc/xml?since=7", "", "200 <w><t>x</t></w>"},
		{api + "unshaped/xml", "", `500 {"error":{"message":"entity \"A\": no property is a tag`},
		{api + "early/csv", "", `500 {"error":{"message":"a rule of the pipe failed`},
		{api + "table/xml", "", `404 {"error":{"message":"the pipe publishes /api/publishers/table/csv, not xml`},
		{api + "letters/entities", "", "405 "},
		{api + "nothing/entities", "", "404 "},
		{api + "table/excel", "", "200 PK"},
		{api + "table/excel/x.xlsx?limit=1", "", "200 PK"},
		{api + "plain/excel", "", "404 "},
		{api + "early/excel", "", "500 "},
		{api + "table/csv?linked_excel_file=x.xlsx&limit=3", "", "200 PK"},
		{api + "plain/entities?linked_excel_file=x.xlsx", "", "400 "},
		{api + "table/sdshare-collection", "", `404 {"error":{"message":"the pipe publishes /api/publishers/table/csv, and no feeds of SDShare`},
	})
	if err := e.SetEnabled(t.Context(), "plain", false, engine.Switch{}); err != nil {
		t.Fatal(err)
	}
	play(t, s.URL, []step{{api + "plain/entities", "", "503 "}})
	if err := e.StartPump("table", false); err == nil {
		t.Error("a publisher was pumped")
	}
}

func TestPublishHeaders(t *testing.T) {
	_, s := published(t)
	for _, c := range []struct{ method, path, want string }{
		{"GET", "plain/entities", "X-Dataset-Max-Updated: 25\nX-Dataset-Populated: true\nContent-Type: application/json\nContent-Security-Policy: sandbox\n"},
		{"HEAD", "shaped/entities", "X-Dataset-Max-Updated: 25\nX-Dataset-Populated: true\nX-Dataset-Filtered: true\nContent-Type: application/json\nContent-Security-Policy: sandbox\nContent-Disposition: attachment; filename=f.json\n"},
		{"GET", "table/csv/other.csv", "Content-Type: text/csv; charset=utf-8\nContent-Security-Policy: sandbox\nContent-Disposition: attachment; filename=other.csv\n"},
		{"GET", "table/excel", "Content-Type: application/vnd.openxmlformats-officedocument.spreadsheetml.sheet\nContent-Security-Policy: sandbox\nContent-Disposition: attachment; filename=t.xlsx\n"},
		{"GET", "table/csv?linked_excel_file=my.xlsx", "Content-Type: application/vnd.openxmlformats-officedocument.spreadsheetml.sheet\nContent-Disposition: attachment; filename=my.xlsx\n"},
		{"OPTIONS", "table/csv/", "Allow: GET, HEAD, OPTIONS\n"},
		{"GET", "early/csv", "Content-Type: application/json\n"},
	} {
		q, err := http.NewRequestWithContext(t.Context(), c.method, s.URL+"/api/publishers/"+c.path, nil)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := http.DefaultClient.Do(q)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		got := ""
		for _, name := range []string{"Allow", "X-Dataset-Max-Updated", "X-Dataset-Populated", "X-Dataset-Filtered", "Content-Type", "Content-Security-Policy", "Content-Disposition"} {
			if v := resp.Header.Get(name); v != "" {
				got += name + ": " + v + "\n"
			}
		}
		if got != c.want {
			t.Errorf("%s %s\n%swant\n%s", c.method, c.path, got, c.want)
		}
	}
}

// TestPublishContinues checks that readers who ask for so many entities at
// once, or take in only the beginning of an answer, and go on from the last
// _updated they have, get what one gets who asks for everything.
func TestPublishContinues(t *testing.T) {
	_, s := published(t)
	all := pull(t, s.URL+"/api/publishers/shaped/entities")
	for limit := 1; limit < 12; limit++ {
		for kept := 1; kept <= limit+1; kept++ {
			since, seen := "", map[string]bool{}
			var order []string
			for range 100 {
				page := pull(t, fmt.Sprintf("%s/api/publishers/shaped/entities?limit=%d&since=%s", s.URL, limit, since))
				at := since
				for _, e := range page[:min(kept, len(page))] {
					if !seen[e.ID] {
						order = append(order, e.ID)
					}
					seen[e.ID] = true
					if e.Updated != nil {
						since = fmt.Sprint(*e.Updated)
					}
				}
				if len(page) == 0 || since == at {
					break
				}
			}
			if kept >= 2 && fmt.Sprint(order) != fmt.Sprint(ids(all)) {
				t.Fatalf("limit %d, %d kept: %v, want %v", limit, kept, order, ids(all))
			}
		}
	}
}

type pulled struct {
	ID      string `json:"_id"`
	Updated *int64 `json:"_updated"`
}

func pull(t *testing.T, at string) []pulled {
	t.Helper()
	resp, err := http.Get(at)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var all []pulled
	if err := json.NewDecoder(resp.Body).Decode(&all); err != nil {
		t.Fatal(at, err)
	}
	return all
}

func ids(all []pulled) (ids []string) {
	for _, e := range all {
		ids = append(ids, e.ID)
	}
	return ids
}

// TestPublishBreaksOff checks that a document that fails half-way cannot be
// taken for whole, by HTTP 1.1 nor by 1.0.
func TestPublishBreaksOff(t *testing.T) {
	_, s := published(t)
	resp, err := http.Get(s.URL + "/api/publishers/late/csv")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if text, err := io.ReadAll(resp.Body); err == nil || resp.StatusCode != 200 || len(text) < 1000 {
		t.Errorf("status %d, %d bytes and no error", resp.StatusCode, len(text))
	}
	conn, err := net.Dial("tcp", strings.TrimPrefix(s.URL, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprintf(conn, "GET /api/publishers/late/csv HTTP/1.0\r\nHost: localhost\r\n\r\n")
	if text, err := io.ReadAll(conn); err == nil {
		t.Errorf("HTTP 1.0 read %d bytes and no error", len(text))
	}
}

func TestPublishTogether(t *testing.T) {
	_, s := published(t)
	want := ids(pull(t, s.URL+"/api/publishers/shaped/entities"))
	var readers sync.WaitGroup
	for range 20 {
		readers.Go(func() {
			if got := ids(pull(t, s.URL+"/api/publishers/shaped/entities")); fmt.Sprint(got) != fmt.Sprint(want) {
				t.Errorf("somebody got %v", got)
			}
		})
	}
	readers.Wait()
}

// endless is a source that goes on until its reader has had enough.
type endless struct{ ended chan struct{} }

func (endless) Since() sources.Since { return sources.Since{} }

func (s endless) Read(ctx context.Context, _ string, size int) iter.Seq2[*entity.Batch, error] {
	return func(yield func(*entity.Batch, error) bool) {
		defer close(s.ended)
		b := &entity.Batch{Arena: entity.NewArena()}
		for range size {
			b.Entities = append(b.Entities, entity.NewDict(entity.Member{Key: "_id", Value: entity.NewString(strings.Repeat("x", 1000))}))
		}
		for yield(b, ctx.Err()) {
		}
	}
}

// TestPublishGoneAway checks that a run ends when its reader goes away.
func TestPublishGoneAway(t *testing.T) {
	src := endless{make(chan struct{})}
	type cfg struct {
		Type string `spec:"type" doc:"endless"`
	}
	sets, err := engine.Standard()
	if err != nil {
		t.Fatal(err)
	}
	sets = sets.With([]sources.Type{{Name: "endless", Doc: "Goes on.", Config: func() any { return new(cfg) },
		Build: func(any, sources.Env) (sources.Source, diag.List) { return src, nil }}}, nil, nil, nil)
	c, _ := config.Parse("conf.json", []byte(`[{"_id": "p", "type": "pipe", "source": {"type": "endless"}, "sink": {"type": "http_endpoint"}}]`), config.Options{})
	e, err := engine.Open(t.Context(), engine.Options{Config: c, Store: inMemory(t), Sets: sets})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	s := httptest.NewServer(server.New(e, server.Options{}))
	defer s.Close()
	resp, err := http.Get(s.URL + "/api/publishers/p/entities")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := bufio.NewReader(resp.Body).Peek(1000); err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	<-src.ended
}

// TestPublisherFindings checks what is said of pipes that cannot be what they
// want to be.
func TestPublisherFindings(t *testing.T) {
	sets, err := engine.Standard()
	if err != nil {
		t.Fatal(err)
	}
	c, _ := config.Parse("conf.json", []byte(`[{"_id": "p", "type": "pipe", "source": {"type": "http_endpoint"},
  "pump": {"schedule_interval": 30},
  "sink": {"type": "csv_endpoint", "columns": ["_id"]}}]`), config.Options{})
	got := ""
	for _, f := range engine.Check(t.Context(), c, sets) {
		got += fmt.Sprintf("%s:%d:%d: %s [%s]\n", f.Span.File, f.Span.Start.Line, f.Span.Start.Col, f.Severity, f.Rule)
	}
	if want := "conf.json:2:3: warning [pump/ignored]\nconf.json:3:3: error [sink/publisher]\n"; got != want {
		t.Errorf("got %s\nwant %s", got, want)
	}
}

// What is merged is shown as it is, each once, to whoever asks as often as they ask.
func TestPublishMerged(t *testing.T) {
	_, s := node(t, inMemory(t), `[
	{"_id": "A", "type": "pipe", "source": {"type": "http_endpoint"}},
	{"_id": "B", "type": "pipe", "source": {"type": "http_endpoint"}},
	{"_id": "both", "type": "pipe", "batch_size": 1, "sink": {"type": "http_endpoint"},
	 "source": {"type": "merge", "version": 2, "datasets": ["A a", "B b"], "equality_sets": [["a.k", "b.k"]]}},
	{"_id": "apart", "type": "pipe", "sink": {"type": "http_endpoint"}, "source": {"type": "union_datasets", "datasets": ["A", "B"]}}]`)
	const all, one = "/api/publishers/both/entities", `{"_id":"0|a1|1|b1","$ids":["a1","b1"],"k":[1,1],"_deleted":false}`
	play(t, s.URL, []step{
		{"/api/receivers/A/entities", `[{"_id": "a1", "k": 1}]`, "200"},
		{"/api/receivers/B/entities", `[{"_id": "b1", "k": 1}]`, "200"},
		{all, "", "200 [" + one + "]"},
		{"/api/receivers/B/entities", `[{"_id": "b2", "k": 2}]`, "200"},
		{all + "?since=1", "", "200 [" + one + `,{"_id":"1|b2","$ids":["b2"],"k":2,"_deleted":false}]`},
		{"/api/receivers/A/entities", `[{"_id": "a1", "k": 3}]`, "200"},
		{all + "?limit=1", "", `200 [{"_id":"0|a1","$ids":["a1"],"k":3,"_deleted":false}]`},
		// an _updated is of one of the datasets
		{"/api/publishers/apart/entities?since=1", "", `200 [{"_id":"A:a1","k":3,"_updated":1,`},
		{"/api/publishers/apart/entities?since=1", "", `{"_id":"B:b1","k":1,"_updated":0,`},
		{"/api/publishers/apart/entities?since=" + url.QueryEscape(`{"A":1,"B":0}`), "", `200 [{"_id":"B:b2"`},
		{"/api/publishers/apart/entities?since=x", "", "400 "},
	})
}
