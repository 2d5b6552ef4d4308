package enginetest

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"
)

// A full run deletes what is missing from an answer that is a list, and nothing where it
// is open whether the answer is all there is.
func TestDoubtfulAnswersDeleteNothing(t *testing.T) {
	status, kind, body := 200, "", ""
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", kind)
		w.WriteHeader(status)
		fmt.Fprint(w, body)
	}))
	defer srv.Close()
	const js, csv = "application/json", "text/csv"
	sources := map[string]string{
		"json":  `{"type": "json", "system": "u", "url": "/"`,
		"csv":   `{"type": "csv", "system": "u", "url": "/", "primary_key": "id"`,
		"list":  `{"type": "rest", "system": "r", "operation": "list"`,
		"items": `{"type": "rest", "system": "r", "operation": "items"`,
		"pages": `{"type": "rest", "system": "r", "operation": "pages"`,
	}
	good := map[string]string{"json": `[{"_id": "1"}, {"_id": "2"}]`, "csv": "id,a\n1,x\n2,y\n", "list": `[{"_id": "1"}, {"_id": "2"}]`,
		"items": `{"items": [{"_id": "1"}, {"_id": "2"}]}`, "pages": `{"items": [{"_id": "1"}, {"_id": "2"}]}`}
	for _, c := range []struct {
		source       string
		status       int
		body, accept string
		deleted      int // -1: the run fails
	}{
		{"json", 200, "[]", "", 2}, {"json", 200, "", "", -1}, {"json", 206, `[{"_id": "1"}]`, "", 0},
		{"csv", 200, "id,a\n", "", 2}, {"csv", 200, "", "", 0}, {"csv", 200, "", "accept", 2}, {"csv", 204, "", "", 0}, {"csv", 206, "id,a\n1,x\n", "accept", 0},
		{"csv", 200, "id,a\n1", "", 0}, {"csv", 200, "id,a\n1\n", "", 1}, {"csv", 200, "id,a\n1,x", "", 1},
		{"list", 200, "[]", "", 2}, {"list", 200, "null", "", 2}, {"list", 200, "", "", 0}, {"list", 200, " \n", "", 0}, {"list", 204, "", "", 0}, {"list", 204, "", "accept", 2},
		{"list", 206, `[{"_id": "1"}]`, "", 0},
		{"items", 200, `{"items": []}`, "", 2}, {"items", 200, `{"items": null}`, "", 2}, {"items", 200, `{}`, "", 0}, {"items", 200, `{"error": "x"}`, "", 0},
		{"items", 200, `[]`, "", 0}, {"items", 200, `{}`, "accept", 2}, {"items", 200, "", "", 0},
		{"pages", 206, `{"items": [{"_id": "1"}]}`, "", 1}, // pages are parts, and the last has no link
	} {
		more := "}"
		if c.accept != "" {
			more = `, "if_source_empty": "accept"}`
		}
		e := open(t, memory(t), parse(t, `[{"_id": "p", "type": "pipe", "source": `+sources[c.source]+more+`},
			{"_id": "u", "type": "system:url", "base_url": "`+srv.URL+`"}, {"_id": "r", "type": "system:rest", "url_pattern": "`+srv.URL+`%s", "operations": {
				"list": {"url": "/", "method": "GET"}, "items": {"url": "/", "method": "GET", "payload_property": "items"},
				"pages": {"url": "/", "method": "GET", "payload_property": "items", "next_page_link": "{{ body.next }}"}}}]`))
		p, _ := e.Pipe("p")
		if kind = js; c.source == "csv" {
			kind = csv
		}
		status, body = 200, good[c.source]
		if stats, err := p.Run(t.Context(), true); err != nil || stats.Changed != 2 {
			t.Fatalf("%s: %+v, %v", c.source, stats, err)
		}
		status, body = c.status, c.body
		stats, err := p.Run(t.Context(), true)
		if stats.Deleted != max(c.deleted, 0) || (err != nil) != (c.deleted < 0) || stats.Kept != (c.deleted == 0) {
			t.Errorf("%s, %d %q, accept %q: %d deleted, kept %v, %v", c.source, c.status, c.body, c.accept, stats.Deleted, stats.Kept, err)
		}
	}
}
