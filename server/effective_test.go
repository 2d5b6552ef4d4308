package server_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/sluiceio/sluice/store/local"
)

// The effective configuration says what pipes have without saying so, and the original
// one what they say.
func TestEffectiveConfiguration(t *testing.T) {
	st, err := local.Open("mem", local.Options{InMemory: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = st.Close() })
	_, s := node(t, st, `[
		{"_id": "in", "type": "pipe", "source": {"type": "http_endpoint"}},
		{"_id": "hop", "type": "pipe", "source": {"type": "dataset", "dataset": "in"}, "sink": {"deletion_tracking": false},
		 "transform": {"type": "dtl", "rules": {"default": [["add", "x", ["hops", {"datasets": ["other o"], "where": ["eq", "_S._id", "o._id"]}]]]}}},
		{"_id": "other", "type": "pipe", "source": {"type": "empty"}, "sink": {"type": "dataset", "dataset": "other"}, "pump": {"cron_expression": "0 0 * * *"}},
		{"_id": "copy", "type": "pipe", "source": {"type": "dataset", "dataset": "in"}, "sink": {"type": "replicated_dataset"}, "pump": {"schedule_interval": 7}},
		{"_id": "out", "type": "pipe", "source": {"type": "dataset", "dataset": "in"}, "sink": {"type": "http_endpoint"}}]`)
	for pipe, wants := range map[string][]string{
		"in":    {`"effective":{"_id":"in","type":"pipe","source":{"type":"http_endpoint"},"sink":{"type":"dataset","dataset":"in"},"pump":{}}`, `"original":{"_id":"in","type":"pipe","source":{"type":"http_endpoint"}}`},
		"hop":   {`"sink":{"deletion_tracking":false,"type":"dataset","dataset":"hop"}`, `"pump":{"schedule_interval":30}`, `"dependencies":["other"]`},
		"other": {`"sink":{"type":"dataset","dataset":"other"},"pump":{"cron_expression":"0 0 * * *"}}`, `"dependencies":[]`},
		"copy":  {`"sink":{"type":"replicated_dataset","dataset":"copy"},"pump":{"schedule_interval":7}}`},
		"out":   {`"sink":{"type":"http_endpoint"},"pump":{}}`},
	} {
		resp, err := http.Get(s.URL + "/api/pipes/" + pipe)
		got := ask(t, resp, err)
		for _, want := range wants {
			if !strings.Contains(got, want) {
				t.Errorf("%s is %s, want %s", pipe, got, want)
			}
		}
	}
}
