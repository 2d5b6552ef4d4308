package sinks

import (
	"github.com/sluiceio/sluice/entity"
	"github.com/sluiceio/sluice/internal/diag"
	"github.com/sluiceio/sluice/internal/jsonpos"
	"github.com/sluiceio/sluice/internal/spec"
	"github.com/sluiceio/sluice/systems"
)

type httpEndpointConfig struct {
	spec.Base
	Type        string        `spec:"type,required" doc:"http_endpoint"`
	Comment     *jsonpos.Node `spec:"comment" kind:"string|array" doc:"A remark for readers of the configuration."`
	Filename    string        `spec:"filename" doc:"Name that clients save the document under; without it the document is served inline. A name in the address goes before it."`
	Disposition string        `spec:"content_disposition" enum:"attachment,inline" default:"attachment" doc:"Whether clients should save or show a document that has a filename."`
}

func httpEndpointType() Type {
	return Type{
		Name:   "http_endpoint",
		Doc:    "Publishes the pipe's entities as a JSON list at /api/publishers/{pipe}/entities, to be read by the JSON pull protocol.",
		Config: func() any { return new(httpEndpointConfig) },
		Build: func(c any, _ Env) (Sink, diag.List) {
			cfg := c.(*httpEndpointConfig)
			return &published{
				route: "entities", contentType: "application/json", continues: true, bare: true,
				filename: cfg.Filename, disposition: cfg.Disposition,
				document: func() Document { return new(jsonDocument) },
			}, checkFilename(cfg.Filename, cfg.Node.Get("filename"))
		},
	}
}

// jsonDocument is a list of entities, the deleted ones included.
type jsonDocument struct{ some bool }

// Begin implements Document.
func (d *jsonDocument) Begin(dst []byte) ([]byte, error) { return append(dst, '['), nil }

// Append implements Document.
func (d *jsonDocument) Append(dst []byte, e entity.Value) ([]byte, bool, error) {
	if d.some {
		dst = append(dst, ',')
	}
	d.some = true
	return entity.AppendJSON(dst, systems.Outward(e)), true, nil
}

// End implements Document.
func (d *jsonDocument) End(dst []byte) ([]byte, error) { return append(dst, "]\n"...), nil }
