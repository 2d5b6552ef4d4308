package server_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"testing"

	"github.com/sluiceio/sluice/config"
	"github.com/sluiceio/sluice/engine"
	"github.com/sluiceio/sluice/store"
	"github.com/sluiceio/sluice/store/local"
)

// call makes a request without a body.
func call(t *testing.T, method, url string) string {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	return ask(t, resp, err)
}

func runAll(t *testing.T, e *engine.Engine) {
	t.Helper()
	results, err := e.RunAll(t.Context(), nil, nil)
	for _, r := range results {
		if r.Err != nil {
			t.Fatal(r.Pipe, r.Err)
		}
	}
	if err != nil {
		t.Fatal(err)
	}
}

const dropped = `[
	{"_id": "in", "type": "pipe", "source": {"type": "embedded", "entities": [{"_id": "1", "n": 1}, {"_id": "2", "n": 2}]}},
	{"_id": "mid", "type": "pipe", "source": {"type": "dataset", "dataset": "in"}},
	{"_id": "fixed", "type": "pipe", "disable_set_last_seen": true, "source": {"type": "dataset", "dataset": "in"}},
	{"_id": "out", "type": "pipe", "source": {"type": "dataset", "dataset": "mid"}},
	{"_id": "letters", "type": "pipe", "source": {"type": "dataset", "dataset": "mid"}, "pump": {"max_write_errors_in_retry_dataset": 9, "dead_letter_dataset": "dead"}},
	{"_id": "post", "type": "pipe", "source": {"type": "http_endpoint"}}]`

// A dataset that is deleted is there again when its pipe has run, and those who read it
// lose nothing meanwhile.
func TestDropDataset(t *testing.T) {
	st := inMemory(t)
	e, s := node(t, st, dropped)
	if _, err := st.Create(t.Context(), "left"); err != nil {
		t.Fatal(err)
	}
	runAll(t, e)
	live := func(want map[string]int64) {
		t.Helper()
		for dataset, n := range want {
			if info, err := st.Info(t.Context(), dataset); err != nil || info.Live != n {
				t.Errorf("%s has %d, want %d: %v", dataset, info.Live, n, err)
			}
		}
	}
	play(t, s.URL, []step{{"/api/receivers/post/entities", `[{"_id": "p"}]`, "200"}})
	live(map[string]int64{"in": 2, "mid": 2, "out": 2, "post": 1})
	for _, c := range []struct{ path, want string }{
		{"datasets/mid", "200 {}"},
		{"datasets/left", "200 {}"},
		{"datasets/left", `404 {"error":{"message":"no such dataset`},
		{"datasets/post", "200 {}"},
		{"datasets/dead", "200 {}"},
		{"datasets/system:pump:mid", "409"},
		{"datasets/fixed", `409 {"error":{"message":"dataset \"fixed\" of pipe \"fixed\": \"disable_set_last_seen\"`},
	} {
		if got := call(t, http.MethodDelete, s.URL+"/api/"+c.path); !strings.Contains(got, c.want) {
			t.Errorf("%s is answered %s, want %s", c.path, got, c.want)
		}
	}
	live(map[string]int64{"in": 2, "mid": 0, "out": 2, "post": 0, "dead": 0})
	play(t, s.URL, []step{{"/api/receivers/post/entities", `[{"_id": "q"}]`, "200"}, {"/api/pipes/mid/pump", "", `"last-seen":""`},
		{"/api/datasets/post", "", `"populated":true`}, {"/api/datasets/mid", "", `"populated":false`}})
	if p, _ := e.Pipe("out"); p != nil {
		if stats, err := p.Run(t.Context(), false); err != nil || stats.Deleted > 0 {
			t.Errorf("%+v %v", stats, err)
		}
	}
	runAll(t, e)
	live(map[string]int64{"in": 2, "mid": 2, "out": 2, "post": 1})
	play(t, s.URL, []step{{"/api/datasets/mid", "", `"populated":true`}})
}

// Nothing is deleted while the pipe that writes it runs, and nothing of what many write
// then.
func TestDropWhileRunning(t *testing.T) {
	asked, answer := make(chan bool), make(chan bool)
	far := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		asked <- true
		<-answer
		w.Write([]byte(`[{"_id": "1"}]`))
	}))
	t.Cleanup(far.Close)
	st := inMemory(t)
	c, _ := config.Parse("conf.json", []byte(`[{"_id": "far", "type": "system:url", "base_url": "`+far.URL+`"},
		{"_id": "still", "type": "pipe", "source": {"type": "embedded", "entities": [{"_id": "1"}]}},
		{"_id": "busy", "type": "pipe", "source": {"type": "json", "system": "far", "url": "/x"}, "pump": {"mode": "manual"}}]`), config.Options{})
	e, s := nodeOf(t, st, c, func(o *engine.Options) { o.Transport = http.DefaultTransport })
	runAll(t, e)
	e.Start()
	if err := e.StartPump("busy", false); err != nil {
		t.Fatal(err)
	}
	<-asked
	const busy = `409 {"error":{"message":"the dataset is written by the pipe \"busy\": the pipe is running: stop it first`
	if got := call(t, http.MethodDelete, s.URL+"/api/datasets/busy"); !strings.Contains(got, busy) {
		t.Error(got)
	}
	if got := call(t, http.MethodPost, s.URL+"/api/pipes/delete-all-sink-datasets"); !strings.Contains(got, busy) {
		t.Error(got)
	}
	if info, err := st.Info(t.Context(), "still"); err != nil || info.Live != 1 {
		t.Error(info, err)
	}
	close(answer)
}

// All that pipes have written goes, and comes again.
func TestDropSinkDatasets(t *testing.T) {
	st := inMemory(t)
	e, s := node(t, st, strings.ReplaceAll(dropped, `"disable_set_last_seen": true, `, ""))
	runAll(t, e)
	if got := call(t, http.MethodPost, s.URL+"/api/pipes/delete-all-sink-datasets"); !strings.HasPrefix(got, "200 {}") {
		t.Error(got)
	}
	for i, want := range []int64{0, 2} {
		if i == 1 {
			runAll(t, e)
		}
		for _, d := range []string{"in", "mid", "out", "fixed"} {
			if info, err := st.Info(t.Context(), d); err != nil || info.Live != want {
				t.Errorf("%s has %d, want %d: %v", d, info.Live, want, err)
			}
		}
	}
}

// Indexes are told, and deleted if nobody needs them.
func TestIndexesOfDataset(t *testing.T) {
	dir := t.TempDir()
	const conf = `[{"_id": "in", "type": "pipe", "source": {"type": "http_endpoint"}, "sink": {"indexes": %INDEXES%}}]`
	for i, c := range []struct{ indexes, want, gone string }{
		{`["_S.x", ["plus", "_S.y", 1]]`, `"_S.x" used, ["plus","_S.y",1] used`, "409"},
		{`["_S.x"]`, `"_S.x" used, ["plus","_S.y",1] unused`, "200"},
		{`["_S.x"]`, `"_S.x" used`, "404"},
	} {
		st, err := local.Open(dir, local.Options{})
		if err != nil {
			t.Fatal(err)
		}
		e, s := node(t, st, strings.ReplaceAll(conf, "%INDEXES%", c.indexes))
		var all []struct {
			Expression string `json:"expression"`
			Number     int    `json:"index_int_id"`
			InUse      bool   `json:"in-use"`
		}
		body := strings.TrimPrefix(call(t, http.MethodGet, s.URL+"/api/datasets/in/indexes"), "200 ")
		if err := json.Unmarshal([]byte(body), &all); err != nil {
			t.Fatal(body, err)
		}
		var told []string
		number := 99
		for _, x := range all {
			told = append(told, x.Expression+map[bool]string{true: " used", false: " unused"}[x.InUse])
			if strings.HasPrefix(x.Expression, "[") {
				number = x.Number
			}
		}
		if got := strings.Join(told, ", "); got != c.want {
			t.Errorf("%d: %s, want %s", i, got, c.want)
		}
		if got := call(t, http.MethodDelete, s.URL+"/api/datasets/in/indexes/"+strconv.Itoa(number)); !strings.HasPrefix(got, c.gone) {
			t.Errorf("%d: %s, want %s", i, got, c.gone)
		}
		for path, want := range map[string]string{"in/indexes/x": "400", "none/indexes/1": "404", "none/indexes": "404"} {
			method := map[bool]string{true: http.MethodGet, false: http.MethodDelete}[strings.HasSuffix(path, "indexes")]
			if got := call(t, method, s.URL+"/api/datasets/"+path); !strings.HasPrefix(got, want) {
				t.Errorf("%s: %s", path, got)
			}
		}
		s.Close()
		e.Close()
		if err := st.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// Others may wait for what is new in an execution log as in any dataset.
func TestLogOptions(t *testing.T) {
	_, s := node(t, inMemory(t), dropped)
	for path, want := range map[string]string{
		"mid":  "200",
		"none": "404",
		"in?webhook=" + url.QueryEscape("http://127.0.0.1:1/x"): "400",
	} {
		id, query, _ := strings.Cut(path, "?")
		if got := call(t, http.MethodOptions, s.URL+"/api/pipes/"+id+"/log?"+query); !strings.HasPrefix(got, want) {
			t.Errorf("%s: %s, want %s", path, got, want)
		}
	}
}

var _ store.Indexed = (*local.Store)(nil)
