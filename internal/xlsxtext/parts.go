package xlsxtext

import (
	"archive/zip"
	"bytes"
)

const (
	xmlHead   = `<?xml version="1.0" encoding="UTF-8" standalone="yes"?>` + "\n"
	mainNS    = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
	relsNS    = "http://schemas.openxmlformats.org/package/2006/relationships"
	officeNS  = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
	typesNS   = "http://schemas.openxmlformats.org/package/2006/content-types"
	sheetPath = "xl/worksheets/sheet1.xml"
	office    = "application/vnd.openxmlformats-officedocument.spreadsheetml."
)

// part is a file of the archive.
type part struct{ path, text string }

// frame are the parts that say what the archive is; linked adds where its data
// comes from.
func frame(linked bool) []part {
	types := `<Override PartName="/xl/workbook.xml" ContentType="` + office + `sheet.main+xml"/>` +
		`<Override PartName="/` + sheetPath + `" ContentType="` + office + `worksheet+xml"/>`
	rels := relation("rId1", "worksheet", "worksheets/sheet1.xml")
	if linked {
		types += `<Override PartName="/xl/connections.xml" ContentType="` + office + `connections+xml"/>` +
			`<Override PartName="/xl/queryTables/queryTable1.xml" ContentType="` + office + `queryTable+xml"/>`
		rels += relation("rId2", "connections", "connections.xml")
	}
	names := ""
	if linked {
		names = `<definedNames><definedName name="data" localSheetId="0">Data!$A$1</definedName></definedNames>`
	}
	return []part{
		{"[Content_Types].xml", `<Types xmlns="` + typesNS + `"><Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>` +
			`<Default Extension="xml" ContentType="application/xml"/>` + types + `</Types>`},
		{"_rels/.rels", relations(relation("rId1", "officeDocument", "xl/workbook.xml"))},
		{"xl/workbook.xml", `<workbook xmlns="` + mainNS + `" xmlns:r="` + officeNS + `"><sheets><sheet name="Data" sheetId="1" r:id="rId1"/></sheets>` + names + `</workbook>`},
		{"xl/_rels/workbook.xml.rels", relations(rels)},
	}
}

func relation(id, kind, target string) string {
	return `<Relationship Id="` + id + `" Type="` + officeNS + "/" + kind + `" Target="` + target + `"/>`
}

func relations(all string) string {
	return `<Relationships xmlns="` + relsNS + `">` + all + `</Relationships>`
}

// Linked returns a spreadsheet without data of its own, which gets it as text from
// an address when it is opened or refreshed. The delimiter is one character.
func Linked(address, delimiter string, utf8 bool) ([]byte, error) {
	var url, char bytes.Buffer
	escape(&url, address)
	escape(&char, delimiter)
	by := ` comma="1"`
	switch delimiter {
	case ",":
	case "\t":
		by = ` tab="1"`
	case ";":
		by = ` semicolon="1"`
	default:
		by = ` tab="0" delimiter="` + quoted(char.String()) + `"`
	}
	page := ""
	if utf8 {
		page = ` codePage="65001"`
	}
	parts := append(frame(true),
		part{sheetPath, `<worksheet xmlns="` + mainNS + `"><sheetData/></worksheet>`},
		part{"xl/worksheets/_rels/sheet1.xml.rels", relations(relation("rId1", "queryTable", "../queryTables/queryTable1.xml"))},
		part{"xl/queryTables/queryTable1.xml", `<queryTable xmlns="` + mainNS + `" name="data" connectionId="1" autoFormatId="16"/>`},
		part{"xl/connections.xml", `<connections xmlns="` + mainNS + `"><connection id="1" name="data" type="6" refreshedVersion="6" background="1" refreshOnLoad="1" saveData="0">` +
			`<textPr` + page + ` sourceFile="` + quoted(url.String()) + `"` + by + `><textFields count="1"><textField/></textFields></textPr></connection></connections>`})
	var out bytes.Buffer
	z := zip.NewWriter(&out)
	w := &Writer{zip: z}
	for _, p := range parts {
		if err := w.part(p); err != nil {
			return nil, err
		}
	}
	err := z.Close()
	return out.Bytes(), err
}

// quoted makes escaped text fit for an attribute.
func quoted(s string) string {
	return string(bytes.ReplaceAll([]byte(s), []byte(`"`), []byte("&quot;")))
}
