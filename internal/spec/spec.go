// Package spec turns a component's configuration struct into everything that
// follows from it: strict decoding with places, defaults, JSON Schema,
// documentation. It is the only package that reflects.
//
// A configuration struct names each property once:
//
//	type datasetConfig struct {
//		spec.Base
//		Dataset string `spec:"dataset,required" doc:"Id of the dataset to read."`
//		Mode    string `spec:"mode" enum:"scheduled,manual,off" default:"scheduled" doc:"…"`
//		Subset  *jsonpos.Node `spec:"subset" kind:"array" doc:"…"`
//	}
package spec

import "github.com/sluiceio/sluice/internal/jsonpos"

// Base is embedded by configuration structs that want to know where they and
// their properties stand.
type Base struct {
	// Node is the object decoded.
	Node *jsonpos.Node
}

// At returns the place of a property's value, or of the whole object if the
// property is absent.
func (b *Base) At(key string) jsonpos.Span {
	if v := b.Node.Get(key); v != nil {
		return v.Span
	}
	if b.Node == nil {
		return jsonpos.Span{}
	}
	return b.Node.Span
}
