package engine

import (
	"github.com/sluiceio/sluice/config"
	"github.com/sluiceio/sluice/internal/diag"
	"github.com/sluiceio/sluice/internal/jsonpos"
	"github.com/sluiceio/sluice/pipes"
)

// metadata is what the node's metadata says.
func metadata(c *config.Config) *pipes.Metadata {
	m, _ := pipes.ReadMetadata(c.Metadata()) // what is wrong with it is told by checkMetadata
	return m
}

// checkMetadata looks for what is wrong with a metadata object. Of several only the
// one in force counts.
func checkMetadata(c *config.Component, inForce *jsonpos.Node) diag.List {
	_, finds := pipes.ReadMetadata(c.Effective)
	if c.Effective != inForce {
		finds.Add(diag.Finding{Rule: "config/second-metadata", Severity: diag.Warning, Span: c.Effective.Get("type").Span,
			Message: "the node has its metadata already: this one has no effect", Help: "put all of it into one object"})
	}
	return finds
}
