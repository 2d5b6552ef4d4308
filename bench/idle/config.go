package main

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/sluiceio/sluice/bench/measure"
)

// secret is what webhooks are signed with.
const secret = "an-example-secret-that-protects-nothing"

const validation = "{% if request_headers['X-Shop-Signature'] == b64encode(hmacsha256digest(secret('webhook_secret'), request_body)) %}{% else %}FAIL!{% endif %}"

type object = map[string]any

// writeNode makes a node folder of chains: webhooks received, transformed,
// merged with what a full scan has found, and told to whoever reads them.
func writeNode(dir string, chains int) error {
	if err := os.MkdirAll(filepath.Join(dir, "pipes"), 0o700); err != nil {
		return err
	}
	for i := range chains {
		for _, p := range chain(fmt.Sprintf("shop%d-order", i)) {
			if err := measure.WriteJSON(filepath.Join(dir, "pipes", p["_id"].(string)+".conf.json"), p); err != nil {
				return err
			}
		}
	}
	return measure.WriteJSON(filepath.Join(dir, "test-secrets.json"), object{"global": object{"webhook_secret": secret}})
}

func chain(name string) []object {
	return []object{
		{"_id": name + "-event", "type": "pipe", "sink": object{"set_initial_offset": "onload"},
			"source": object{"type": "http_endpoint", "validation_expression": validation}},
		{"_id": name + "-event2", "type": "pipe", "sink": object{"deletion_tracking": false, "set_initial_offset": "onload"},
			"source": object{"type": "dataset", "dataset": name + "-event"},
			"transform": object{"type": "dtl", "rules": object{"default": []any{
				[]any{"merge", "_S.order"}, []any{"add", "event", "_S.eventType"}}}}},
		{"_id": name + "-collect", "type": "pipe",
			"source": object{"type": "merge_datasets", "datasets": []string{name + "-event2"}}},
		{"_id": name + "-transform", "type": "pipe", "source": object{"type": "dataset", "dataset": name + "-collect"},
			"transform": object{"type": "dtl", "rules": object{"default": []any{
				[]any{"copy", "*"}, []any{"add", "$based_on", "_S._updated"}}}}},
	}
}
