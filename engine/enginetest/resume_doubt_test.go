package enginetest

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/sluiceio/sluice/entity"
	"github.com/sluiceio/sluice/store"
)

// A full run that was cut short behind an answer that may have missed something goes on
// later, and still deletes nothing for what that answer did not have.
func TestDoubtOutlivesACut(t *testing.T) {
	var pages map[string]string
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		page, known := pages[r.URL.Path+"?"+r.URL.Query().Get("since")]
		if !known {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprint(w, page)
	}))
	defer srv.Close()
	for _, background := range []string{"false", "true"} {
		pages = map[string]string{"/1?": `{"items": [{"_id": "1", "u": 1}, {"_id": "2", "u": 2}, {"_id": "3", "u": 3}, {"_id": "4", "u": 4}, {"_id": "5", "u": 5}]}`}
		st := memory(t)
		e := open(t, st, parse(t, `[{"_id": "p", "type": "pipe", "batch_size": 1, "checkpoint_interval": 1, "enable_background_rescan": `+background+`,
			"source": {"type": "rest", "system": "r", "operation": "pages", "supports_since": true, "is_chronological": true},
			"pump": {"max_read_retries": 0}},
			{"_id": "r", "type": "system:rest", "url_pattern": "`+srv.URL+`/%s", "operations": {"pages": {"url": "1", "method": "GET", "payload_property": "items",
				"updated_expression": "{{ entity.u }}", "since_property_name": "since", "since_property_location": "query", "next_page_link": "{{ body.next }}"}}}]`))
		p, _ := e.Pipe("p")
		if stats, err := p.Run(t.Context(), true); err != nil || stats.Changed != 5 {
			t.Fatalf("%+v, %v", stats, err)
		}
		again := func() (int, error) {
			if background == "true" {
				stats, err := p.Rescan(t.Context())
				return stats.Deleted, err
			}
			stats, err := p.Run(t.Context(), true)
			return stats.Deleted, err
		}
		if err := p.SetRescan(t.Context(), background == "true"); err != nil {
			t.Fatal(err)
		}
		// The second page is an error that came as 200; the fourth fails.
		pages = map[string]string{"/1?": `{"items": [{"_id": "1", "u": 1}, {"_id": "2", "u": 2}], "next": "` + srv.URL + `/2"}`,
			"/2?": `{"error": "busy", "next": "` + srv.URL + `/3"}`, "/3?": `{"items": [{"_id": "4", "u": 4}], "next": "` + srv.URL + `/4"}`}
		if _, err := again(); err == nil {
			t.Fatal("the run was not cut short")
		}
		pages = map[string]string{"/1?": `{"items": [{"_id": "1", "u": 1}]}`, "/1?4": `{"items": [{"_id": "5", "u": 5}]}`}
		if deleted, err := again(); err != nil || deleted != 0 {
			t.Errorf("background %s: the run that went on deleted %d, %v", background, deleted, err)
		}
		// One that doubts nothing deletes what is gone.
		pages = map[string]string{"/1?": `{"items": [{"_id": "1", "u": 1}, {"_id": "5", "u": 5}]}`}
		if deleted, err := again(); err != nil || deleted != 3 {
			t.Errorf("background %s: the next run deleted %d, %v", background, deleted, err)
		}
	}
}

// A full run of automatic reprocessing whose source is not populated yet deletes
// nothing, also if it was cut short before.
func TestRefillOutlivesACut(t *testing.T) {
	for _, batch := range []string{"1", "100"} {
		st := memory(t)
		e := open(t, st, parse(t, `[{"_id": "in", "type": "pipe", "source": {"type": "http_endpoint", "auto_populate_dataset": false}},
			{"_id": "out", "type": "pipe", "reprocessing_policy": "automatic", "batch_size": `+batch+`, "checkpoint_interval": 1,
			"source": {"type": "dataset", "dataset": "in"},
			"transform": {"type": "dtl", "rules": {"default": [["copy", "*"], ["if", ["eq", "_S.bad", true], ["fail!", "bad"]]]}}}]`))
		p, _ := e.Pipe("out")
		fill(t, st, "in", true, `{"_id": "1"}`, `{"_id": "2"}`, `{"_id": "3"}`)
		if stats, err := p.Run(t.Context(), false); err != nil || stats.Changed != 3 {
			t.Fatalf("%+v, %v", stats, err)
		}
		if err := st.Drop(t.Context(), "in"); err != nil {
			t.Fatal(err)
		}
		fill(t, st, "in", false, `{"_id": "1"}`, `{"_id": "2", "bad": true}`)
		if _, err := p.Run(t.Context(), false); err == nil {
			t.Fatal("the run was not cut short")
		}
		fill(t, st, "in", false, `{"_id": "2"}`)
		if stats, err := p.Run(t.Context(), false); err != nil || stats.Deleted > 0 {
			t.Errorf("batch %s: the run that went on: %+v, %v", batch, stats, err)
		}
		fill(t, st, "in", true, `{"_id": "4"}`)
		if stats, err := p.Run(t.Context(), false); err != nil || stats.Deleted != 1 {
			t.Errorf("batch %s: the populated source: %+v, %v", batch, stats, err)
		}
	}
}

// fill writes entities to a dataset, and may populate it.
func fill(t *testing.T, st store.Store, dataset string, populate bool, entities ...string) {
	t.Helper()
	var all []entity.Value
	for _, text := range entities {
		e, err := entity.DecodeString(text)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, e)
	}
	put(t, st, dataset, all, populate)
}
