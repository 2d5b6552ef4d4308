package server_test

import (
	"testing"

	"github.com/sluiceio/sluice/engine"
)

// Texts that begin with a tilde and the letter of a type are values of that type on
// the wire, and in the store; there is no escape for those that are meant as texts.
func TestTilde(t *testing.T) {
	const kinds = `["add", "kinds", ["map", ["case", ["is-uri", "_."], "uri", ["is-ni", "_."], "ni", ["is-bytes", "_."], "bytes", ["is-string", "_."], "string", "other"], "_S.v"]]`
	const later = `"source": {"type": "dataset", "dataset": `
	e, s := node(t, inMemory(t), `[
		{"_id": "door", "type": "pipe", "source": {"type": "http_endpoint"}, "transform": {"type": "dtl", "rules": {"default": [["copy", "*"], `+kinds+`]}}},
		{"_id": "door-later", "type": "pipe", `+later+`"door"}, "transform": {"type": "dtl", "rules": {"default": [["copy", "_id"], `+kinds+`]}}},
		{"_id": "hook", "type": "pipe", "source": {"type": "webhook", "signature": "none"}, "transform": {"type": "dtl", "rules": {"default":
			[["add", "_id", "_S.body._id"], ["add", "v", "_S.body.v"], ["add", "kind", ["if", ["is-uri", "_T.v"], "uri", "string"]]]}}},
		{"_id": "hook-later", "type": "pipe", `+later+`"hook"}, "transform": {"type": "dtl", "rules": {"default": [["copy", "_id"], ["add", "kind", ["if", ["is-uri", "_S.v"], "uri", "string"]]]}}},
		{"_id": "made", "type": "pipe", "source": {"type": "embedded", "entities": [{"_id": "1"}]}, "transform": {"type": "dtl", "rules": {"default":
			[["copy", "_id"], ["add", "v", ["concat", "~", "r", "x"]], ["add", "kind", ["if", ["is-uri", "_T.v"], "uri", "string"]]]}}},
		{"_id": "made-later", "type": "pipe", `+later+`"made"}, "transform": {"type": "dtl", "rules": {"default": [["copy", "_id"], ["add", "kind", ["if", ["is-uri", "_S.v"], "uri", "string"]]]}}}]`)
	play(t, s.URL, []step{
		{"/api/receivers/door/entities", `{"_id": "1", "v": ["~rx", "~:a:b", "~bAA==", "~b!", "~~rx", "~zx", "~", "~:", "x~rx"]}`, "200 "},
		{"/api/receivers/hook/entities", `{"_id": "1", "v": "~rx"}`, "200 "},
	})
	if _, err := e.RunAll(t.Context(), nil, func(engine.PipeResult, int) {}); err != nil {
		t.Fatal(err)
	}
	const asSent, of = `"v":["~rx","~:a:b","~bAA==","~b!","~~rx","~zx","~","~:","x~rx"],`, `"kinds":["uri","ni","bytes","string","string","string","string","string","string"]`
	play(t, s.URL, []step{
		{"/api/datasets/door/entities", "", asSent + of},
		{"/api/datasets/door-later/entities", "", of},
		{"/api/datasets/hook/entities", "", `"v":"~rx","kind":"string"`}, // a webhook's JSON has no types
		{"/api/datasets/hook-later/entities", "", `"kind":"uri"`},
		{"/api/datasets/made/entities", "", `"v":"~rx","kind":"string"`},
		{"/api/datasets/made-later/entities", "", `"kind":"uri"`},
	})
}
