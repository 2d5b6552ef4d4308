package sinks

import (
	"fmt"
	"path"
	"strings"

	"github.com/sluiceio/sluice/entity"
	"github.com/sluiceio/sluice/internal/xlsxtext"
)

// csvPublisher publishes CSV, and the same table as a spreadsheet.
type csvPublisher struct {
	published
	cfg *csvEndpointConfig
}

// Form implements Forms.
func (p *csvPublisher) Form(route string) Publisher {
	if route != "excel" {
		return nil
	}
	name := p.filename
	if name != "" {
		name = strings.TrimSuffix(name, path.Ext(name)) + ".xlsx"
	}
	return &published{route: "excel", contentType: xlsxtext.ContentType, bare: true, filename: name, disposition: p.disposition,
		document: func() Document { return &excelDocument{cfg: p.cfg} }}
}

// Link implements Linking.
func (p *csvPublisher) Link(address string) ([]byte, error) {
	return xlsxtext.Linked(address, p.cfg.Delimiter, strings.HasPrefix(strings.ToLower(p.cfg.Encoding), "utf-8"))
}

// excelDocument is the table as a spreadsheet.
type excelDocument struct {
	cfg   *csvEndpointConfig
	w     *xlsxtext.Writer
	cells []xlsxtext.Cell
}

// Begin implements Document.
func (d *excelDocument) Begin(dst []byte) (_ []byte, err error) {
	if d.w, err = xlsxtext.NewWriter(); err != nil {
		return dst, err
	}
	d.cells = make([]xlsxtext.Cell, len(d.cfg.Columns))
	if d.cfg.IncludeHeader {
		for i, c := range d.cfg.Columns {
			d.cells[i] = xlsxtext.Cell{Kind: xlsxtext.Text, Text: c}
		}
		if err := d.w.Row(d.cells); err != nil {
			return dst, err
		}
	}
	return d.w.Drain(dst)
}

// Append implements Document.
func (d *excelDocument) Append(dst []byte, e entity.Value) ([]byte, bool, error) {
	if d.cfg.SkipDeleted && entity.Deleted(e) {
		return dst, false, nil
	}
	for i, c := range d.cfg.Columns {
		v, _ := e.Get(c)
		d.cells[i] = cellOf(v)
	}
	if err := d.w.Row(d.cells); err != nil {
		return dst, false, entityError(e, fmt.Errorf("it does not fit into a spreadsheet: %w", err))
	}
	dst, err := d.w.Drain(dst)
	return dst, err == nil, err
}

func cellOf(v entity.Value) xlsxtext.Cell {
	text := string(entity.AppendBare(nil, v))
	switch {
	case v.IsNull():
		return xlsxtext.Cell{}
	case v.Kind() == entity.Bool:
		return xlsxtext.Cell{Kind: xlsxtext.Bool, Text: text}
	case v.IsNumber():
		return xlsxtext.Cell{Kind: xlsxtext.Number, Text: text}
	}
	return xlsxtext.Cell{Kind: xlsxtext.Text, Text: text}
}

// End implements Document.
func (d *excelDocument) End(dst []byte) ([]byte, error) {
	if err := d.w.Close(); err != nil {
		return dst, err
	}
	return d.w.Drain(dst)
}
