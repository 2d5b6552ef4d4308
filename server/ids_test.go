package server_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/sluiceio/sluice/store/local"
)

// An entity is found by its $ids where a dataset has that index.
func TestEntityByIDs(t *testing.T) {
	for setting, found := range map[string]bool{`"indexes": "$ids"`: true, `"indexes": []`: false, `"deletion_tracking": true`: true} {
		st, err := local.Open("mem", local.Options{InMemory: true})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = st.Close() })
		e, s := node(t, st, `[{"_id": "node", "type": "metadata", "global_defaults": {"always_index_ids": true}},
			{"_id": "out", "type": "pipe", "sink": {`+setting+`}, "source": {"type": "embedded", "entities": [
			{"_id": "1", "$ids": ["~:crm:7", "plain"], "n": 1}, {"_id": "2", "n": 2}]}}]`)
		if _, err := e.RunAll(t.Context(), nil, nil); err != nil {
			t.Fatal(err)
		}
		for id, want := range map[string]bool{"1": true, "~:crm:7": found, "crm:7": found, "plain": found, "crm:8": false} {
			resp, err := http.Get(s.URL + "/api/datasets/out/entity?entity_id=" + url.QueryEscape(id))
			if got := ask(t, resp, err); strings.Contains(got, `"n":1`) != want {
				t.Errorf("%s: %s is %s", setting, id, got)
			}
		}
	}
}
