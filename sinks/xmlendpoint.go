package sinks

import (
	"fmt"

	"github.com/sluiceio/sluice/entity"
	"github.com/sluiceio/sluice/internal/diag"
	"github.com/sluiceio/sluice/internal/jsonpos"
	"github.com/sluiceio/sluice/internal/spec"
	"github.com/sluiceio/sluice/internal/xmltext"
)

type xmlEndpointConfig struct {
	spec.Base
	Type           string        `spec:"type,required" doc:"xml_endpoint"`
	Comment        *jsonpos.Node `spec:"comment" kind:"string|array" doc:"A remark for readers of the configuration."`
	Wrapper        string        `spec:"wrapper" doc:"Element around those of all entities. Without it a document of several entities has several roots."`
	RootAttributes *jsonpos.Node `spec:"root-attributes" kind:"object" doc:"Attributes of the wrapper, or of each entity's element without one; such as declarations of namespaces."`
	Declaration    bool          `spec:"include-xml-decl" doc:"Whether the document begins with a declaration."`
	SkipDeleted    bool          `spec:"skip-deleted-entities" default:"true" doc:"Whether deleted entities are left out."`
	ByteOrderMark  bool          `spec:"byte_order_mark" doc:"Whether the document begins with the byte order mark of UTF-8."`
	Filename       string        `spec:"filename" doc:"Name that clients save the document under; without it the document is served inline. A name in the address goes before it."`
	Disposition    string        `spec:"content_disposition" enum:"attachment,inline" default:"attachment" doc:"Whether clients should save or show a document that has a filename."`
}

func xmlEndpointType() Type {
	return Type{
		Name:   "xml_endpoint",
		Doc:    "Publishes the pipe's entities as XML at /api/publishers/{pipe}/xml. Of an entity the one property named <tag> is the element, the others are its attributes.",
		Config: func() any { return new(xmlEndpointConfig) },
		Build:  buildXMLEndpoint,
	}
}

func buildXMLEndpoint(c any, _ Env) (Sink, diag.List) {
	cfg := c.(*xmlEndpointConfig)
	diags := checkFilename(cfg.Filename, cfg.Node.Get("filename"))
	root, more := xmltext.Attributes(cfg.RootAttributes)
	diags.Add(more...)
	if cfg.Wrapper != "" && !xmltext.IsQName(cfg.Wrapper) {
		diags.Add(diag.Finding{Rule: "sink/wrapper", Severity: diag.Error, Span: cfg.At("wrapper"),
			Message: fmt.Sprintf("%q is no name of an XML element", cfg.Wrapper)})
	}
	return &published{
		route: "xml", contentType: "application/xml; charset=utf-8",
		filename: cfg.Filename, disposition: cfg.Disposition,
		document: func() Document { return &xmlDocument{cfg, root} },
	}, diags
}

type xmlDocument struct {
	cfg  *xmlEndpointConfig
	root []xmltext.Attribute
}

// Begin implements Document.
func (d *xmlDocument) Begin(dst []byte) ([]byte, error) {
	if d.cfg.ByteOrderMark {
		dst = append(dst, "\ufeff"...)
	}
	if d.cfg.Declaration {
		dst = append(dst, xmltext.Declaration...)
	}
	if d.cfg.Wrapper == "" {
		return dst, nil
	}
	dst, err := xmltext.AppendStart(dst, d.cfg.Wrapper, d.root)
	return append(dst, '>'), err
}

// Append implements Document.
func (d *xmlDocument) Append(dst []byte, e entity.Value) ([]byte, bool, error) {
	if d.cfg.SkipDeleted && entity.Deleted(e) {
		return dst, false, nil
	}
	root := d.root
	if d.cfg.Wrapper != "" {
		root = nil
	}
	dst, err := xmltext.Append(dst, e, root)
	if err != nil {
		return dst, false, entityError(e, err)
	}
	return dst, true, nil
}

// End implements Document.
func (d *xmlDocument) End(dst []byte) ([]byte, error) {
	if d.cfg.Wrapper == "" {
		return dst, nil
	}
	return xmltext.AppendEnd(dst, d.cfg.Wrapper), nil
}
