package sinks

import (
	"archive/zip"
	"bytes"
	"io"
	"testing"

	"github.com/sluiceio/sluice/systems/vendortest"
)

// TestExcel prints the sheet that is made of the entities of a case.
func TestExcel(t *testing.T) {
	vendortest.Run(t, "../testdata/components/excel", *update, func(c *vendortest.Case) string {
		s := newScript(c)
		p := s.sink.(Forms).Form("excel")
		if p == nil || s.sink.(Forms).Form("xml") != nil {
			t.Fatal("the forms are others")
		}
		doc := p.Document()
		text, err := doc.Begin(nil)
		for _, e := range s.batch(c.Text("in")).Entities {
			if err == nil {
				text, _, err = doc.Append(text, e)
			}
		}
		if err != nil {
			return "error: " + err.Error() + "\n"
		}
		if text, err = doc.End(text); err != nil {
			t.Fatal(err)
		}
		z, err := zip.NewReader(bytes.NewReader(text), int64(len(text)))
		if err != nil {
			t.Fatal(err)
		}
		f, err := z.Open("xl/worksheets/sheet1.xml")
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		sheet, err := io.ReadAll(f)
		if err != nil {
			t.Fatal(err)
		}
		return p.Disposition("") + "\n" + string(bytes.ReplaceAll(sheet, []byte("</row>"), []byte("</row>\n"))) + "\n"
	})
}
