package server_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/sluiceio/sluice/store/local"
)

// Failed entities are told of, reposted and discarded over the API.
func TestFailedEntities(t *testing.T) {
	st, err := local.Open("mem", local.Options{InMemory: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = st.Close() })
	e, s := node(t, st, `[{"_id": "in", "type": "pipe", "source": {"type": "embedded", "entities": [{"_id": "1"}, {"_id": "2", "bad": true}]}},
		{"_id": "out", "type": "pipe", "source": {"type": "dataset", "dataset": "in"}, "pump": {"max_write_errors_in_retry_dataset": 5, "max_consecutive_write_errors": 5, "max_retries_per_entity": 0, "dead_letter_dataset": "letters"},
		 "transform": {"type": "dtl", "rules": {"default": [["copy", "*"], ["if", ["eq", "_S.bad", true], ["fail!", "bad"]]]}}}]`)
	run := func() string {
		results, err := e.RunAll(t.Context(), nil, nil)
		for _, r := range results {
			if err == nil {
				err = r.Err
			}
		}
		if err != nil {
			t.Fatal(err)
		}
		return ""
	}
	post := func(pipe, operation string, more ...string) string {
		form := url.Values{"operation": {operation}, "entity": more}
		if operation == "update-last-seen" {
			form = url.Values{"operation": {operation}, "last-seen": more}
		}
		resp, err := http.PostForm(s.URL+"/api/pipes/"+pipe+"/pump", form)
		return ask(t, resp, err)
	}
	get := func(path string) string {
		resp, err := http.Get(s.URL + "/api/" + path)
		return ask(t, resp, err)
	}
	for _, step := range []struct{ got, want string }{
		{run(), ""},
		{get("pipes/out/pump"), `"failed-entities":{"dead":1,"retryable":0}`},
		{get("datasets/letters/entities"), `"_id":"2"`},
		{post("out", "repost", "nobody"), `409 {"error":{"message":"entity \"nobody\" is not among the entities that have failed`},
		{post("in", "repost"), `409 {"error":{"message":"failed entities are kept only with max_write_errors_in_retry_dataset`},
		{post("out", "repost", "2"), `"failed-entities":{"dead":0,"retryable":1}`},
		{get("pipes/out/log"), `"event_type":"entities-reposted"`},
		{get("datasets/system:pump_execution:out/entities"), `"event_type":"entities-reposted"`},
		{post("out", "discard-retries"), `"failed-entities":{"dead":0,"retryable":0}`},
		{get("pipes/out/log"), `"event_type":"pump-discard-retries"`},
		{post("out", "update-last-seen"), `400 {"error":{"message":"last-seen is missing`},
		{post("out", "update-last-seen", ""), `"last-seen":""`},
		{run(), ""},
		{get("pipes/out/pump"), `"failed-entities":{"dead":1,"retryable":0}`},
		{post("out", "set-last-seen-to-end"), `"last-seen":"1"`},
		{post("in", "set-last-seen-to-end"), `409 {"error":{"message":"only a source of type \"dataset\" knows its end`},
		{post("out", "reset-rescan"), `"last-seen":"1"`},
		{post("out", "blow"), `set-last-seen-to-end, reset-rescan, discard-retries, repost`},
	} {
		if !strings.Contains(step.got, step.want) {
			t.Errorf("the answer %s\nshould have %s", step.got, step.want)
		}
	}
}
