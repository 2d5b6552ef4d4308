// Package schemas embeds the JSON Schemas (draft-07) of everything a
// configuration can hold, for checks and for editors. The files are written by
// internal/gen from the configuration structs; `make generate` renews them.
package schemas

import "embed"

// FS has one file for each component type (source-dataset.json, pipe.json …)
// and one for each kind of pipe of the webhook pattern (kind-event.json …).
//
//go:embed *.json
var FS embed.FS

// Kind returns the schema of a kind of pipe, and whether there is one: event,
// event2, collect, registerwebhook, wipe.
func Kind(name string) ([]byte, bool) {
	data, err := FS.ReadFile("kind-" + name + ".json")
	return data, err == nil
}
