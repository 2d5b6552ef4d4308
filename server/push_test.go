package server_test

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/sluiceio/sluice/store/local"
)

// A step is a request: what is posted, or "" to get; and what the answer has.
type step struct{ path, body, want string }

func play(t *testing.T, at string, steps []step) {
	t.Helper()
	for i, s := range steps {
		var resp *http.Response
		var err error
		if s.body == "" {
			resp, err = http.Get(at + s.path)
		} else {
			resp, err = http.Post(at+s.path, "application/json", strings.NewReader(s.body))
		}
		if got := ask(t, resp, err); !strings.Contains(got, s.want) {
			t.Errorf("step %d, %s: the answer %s\nshould have %s", i+1, s.path, got, s.want)
		}
	}
}

func inMemory(t *testing.T) *local.Store {
	t.Helper()
	st, err := local.Open("mem", local.Options{InMemory: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = st.Close() })
	return st
}

// The examples of the protocol's documentation, and its conflicts.
func TestPushProtocol(t *testing.T) {
	_, s := node(t, inMemory(t), `[{"_id": "myendpoint", "type": "pipe", "source": {"type": "http_endpoint"}, "sink": {"type": "dataset", "dataset": "mydataset"}}]`)
	const in, out = "/api/receivers/myendpoint/entities", "/api/datasets/mydataset/entities?history=false"
	full := func(sequence, request, previous, more string) string {
		p := in + "?is_full=true&sequence_id=" + sequence + "&request_id=" + request + more
		if previous != "" {
			p += "&previous_request_id=" + previous
		}
		return p
	}
	const ab = `[{"_id": "a", "name": "A"}, {"_id": "b", "name": "B"}]`
	play(t, s.URL, []step{
		{in, ab, "200 {}"},
		{full("1", "1", "", "&is_first=True"), `[{"_id": "b", "name": "B"}]`, "200 {}"},
		{full("1", "2", "1", ""), `[{"_id": "a", "name": "A (updated)"}, {"_id": "c", "name": "C"}]`, "200 {}"},
		{in + "?sequence_id=7&request_id=3&is_full=false", `{"_id": "beside", "n": 1}`, "200 {}"},
		{full("1", "3", "2", "&is_last=true"), `[{"_id": "d", "name": "D"}]`, "200 {}"},
		{out, "", `"_id":"d","name":"D","_updated":5`},
		{full("2", "1", "", "&is_first=true"), ab, "200 {}"},
		{full("2", "2", "1", "&is_last=true"), `[{"_id": "d", "name": "D"}]`, "200 {}"},
		{out, "", `"_id":"c","name":"C","_deleted":true`},
		{full("2", "2", "1", "&is_last=true"), `[{"_id": "d", "name": "D"}]`, "200 {}"}, // once more
		{full("2", "3", "2", ""), `[]`, `409 {"error":{"message":"the request goes on with sequence \"2\", which is not under way`},
		{full("3", "2", "1", ""), `[]`, "409 "},
		{full("3", "1", "", ""), `[]`, "200 {}"},
		{full("3", "1", "", "&is_first=true"), `[{"_id": "x"}]`, `409 {"error":{"message":"is_first is true, but sequence \"3\" has begun already`},
		{full("3", "3", "2", ""), `[]`, `409 {"error":{"message":"previous_request_id is \"2\", but the previous request of sequence \"3\" was \"1\"`},
		{in + "?sequence_id=3&request_id=2&previous_request_id=1", `[]`, `409 {"error":{"message":"is_full is not true`},
		{full("4", "1", "", "&is_first=true"), `[]`, "200 {}"},
		{full("3", "2", "1", "&is_last=true"), `[]`, `409 {"error":{"message":"the request goes on with sequence \"3\", but sequence \"4\" has taken its place`},
		{out, "", `"_id":"a","name":"A","_updated":6`},
		{in + "?is_full=true", `[]`, "400 "},
		{in + "?is_full=maybe", `[]`, `400 {"error":{"message":"is_full is true or false"`},
		{full("4", "2", "1", "&is_last=1"), `[{"id": 1}]`, "400 "}, // nothing was stored: it may come again
		{full("4", "2", "1", "&is_last=1"), `{"_id": "a", "name": "A"}`, "200 {}"},
		{out, "", `"_id":"d","name":"D","_deleted":true`},
	})
}

// The headers and parameters of the pull protocol.
func TestPullProtocol(t *testing.T) {
	e, s := node(t, inMemory(t), `[{"_id": "letters", "type": "pipe", "sink": {"indexes": ["_S.vowel"]}, "source": {"type": "embedded", "entities": [
		{"_id": "A", "vowel": true}, {"_id": "B"}, {"_id": "C", "_deleted": true}, {"_id": "E", "vowel": true}]}},
		{"_id": "copy", "type": "pipe", "source": {"type": "dataset", "dataset": "letters"}, "sink": {"type": "replicated_dataset"}},
		{"_id": "raw", "type": "pipe", "source": {"type": "embedded", "entities": []}}]`)
	const at = "/api/datasets/letters/entities"
	play(t, s.URL, []step{{at + "?populated=true", "", "404 "}, {at, "", "200 []"}})
	if _, err := e.RunAll(t.Context(), nil, nil); err != nil {
		t.Fatal(err)
	}
	subset := func(text string) string { return at + "?subset=" + url.QueryEscape(text) }
	play(t, s.URL, []step{
		{at + "?populated=True&since=1&limit=1", "", `200 [{"_id":"C"`},
		{at + "?history=false&deleted=false&since=1", "", `200 [{"_id":"E"`},
		{at + "?limit=0", "", "200 []"},
		{at + "?limit=-1", "", "400 "},
		{at + "?since=x", "", "400 "},
		{at + "?reverse=true&limit=1", "", `200 [{"_id":"E"`},
		{at + "?uncommitted=true&since=2", "", `200 [{"_id":"E"`},
		{subset(`["eq", "_S.vowel", true]`), "", `200 [{"_id":"A","vowel":true`},
		{subset(`["eq", "_S.vowel", false]`), "", "200 []"},
		{subset(`["eq", "_S.other", true]`), "", "404 "},
		{subset(`["eq", ["now"], true]`), "", "400 "},
		{subset(`["eq"`), "", "400 "},
		{"/api/datasets/nowhere/entities", "", "404 "},
		{"/api/datasets/raw/entities", `[{"_id": "x", "f": 1.5}]`, "200 {}"},
		{"/api/datasets/raw/entities", `[{"_id": "x", "f": 1.5}]`, "200 {}"},
		{"/api/datasets/raw/entities?since=0", "", "200 []"}, // it is there
		{"/api/datasets/raw/entities?force=true", `[{"_id": "x", "f": 1.5}]`, "200 {}"},
		{"/api/datasets/raw/entities?since=0", "", `200 [{"_id":"x","f":1.5,"_updated":1,"_previous":0,`},
		{"/api/datasets/raw/entities?force=perhaps", `[]`, "400 "},
		{"/api/datasets/copy/entities", `[{"_id": "x"}]`, "409 "},
		{"/api/datasets/raw/entities?is_full=true", `[]`, "400 "},
		{"/api/datasets/raw/entities", `[{"id": "x"}]`, "400 "},
		{"/api/datasets/system:pump:raw/entities", `[]`, "403 "},
		{"/api/datasets/nowhere/entities", `[]`, "404 "},
		{"/api/datasets/raw/entities", "", `200 [{"_id":"x","f":1.5`},
	})
	for path, want := range map[string]string{at: "true 3 ", subset(`["eq", "_S.vowel", true]`): "true 3 true", at + "?deleted=false": "true 3 ",
		at + "?history=false&deleted=false": "true 3 true"} {
		for _, method := range []string{http.MethodGet, http.MethodHead} {
			q, err := http.NewRequestWithContext(t.Context(), method, s.URL+path, nil)
			if err != nil {
				t.Fatal(err)
			}
			resp, err := http.DefaultClient.Do(q)
			ask(t, resp, err)
			h := resp.Header
			got := fmt.Sprint(h.Get("X-Dataset-Populated"), " ", h.Get("X-Dataset-Max-Updated"), " ", h.Get("X-Dataset-Filtered"))
			if got != want || len(h.Get("X-Dataset-Generation")) != 36 || h.Get("X-Dataset-Completeness") == "" {
				t.Errorf("%s %s: %v", method, path, h)
			}
		}
	}
}

// Senders who push full syncs at once, and single changes between, get no answer
// but taken or conflict, and the last sync decides.
func TestPushAtOnce(t *testing.T) {
	_, s := node(t, inMemory(t), `[{"_id": "in", "type": "pipe", "source": {"type": "http_endpoint"}}]`)
	full := func(sequence string, n, request int) string {
		q := url.Values{"is_full": {"true"}, "sequence_id": {sequence}, "request_id": {fmt.Sprint(request)}}
		if request > 1 {
			q.Set("previous_request_id", fmt.Sprint(request-1))
		}
		q.Set("is_last", fmt.Sprint(request == n))
		return q.Encode()
	}
	post := func(query, body string) int {
		resp, err := http.Post(s.URL+"/api/receivers/in/entities?"+query, "application/json", strings.NewReader(body))
		if err != nil {
			t.Error(err)
			return 0
		}
		resp.Body.Close()
		return resp.StatusCode
	}
	var all sync.WaitGroup
	for who := range 4 {
		all.Go(func() {
			for try := range 30 {
				post("", fmt.Sprintf(`[{"_id": "single-%d", "n": %d}]`, who, try))
				for request := 1; request <= 3; request++ {
					code := post(full(fmt.Sprint(who, "-", try), 3, request), fmt.Sprintf(`[{"_id": "%d-%d", "n": %d}]`, who, request, try))
					if code == http.StatusConflict {
						break
					}
					if code != http.StatusOK {
						t.Errorf("the answer is %d", code)
					}
				}
			}
		})
	}
	all.Wait()
	if code := post(full("end", 1, 1), `[{"_id": "x"}]`); code != http.StatusOK {
		t.Errorf("the last sync: %d", code)
	}
	play(t, s.URL, []step{{"/api/datasets/in", "", `"count-index-exists":1,`}})
}
