// Package xlsxtext writes spreadsheets as Excel reads them (Office Open XML), row
// by row and without holding them: see docs/adr for why not with a library.
package xlsxtext

import (
	"archive/zip"
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// What a sheet can hold.
const (
	MostRows    = 1 << 20
	MostColumns = 1 << 14
	mostText    = 32767 // UTF-16 units of a cell
	mostDigits  = 15    // of a number; a longer one would become another
)

// ContentType is that of a spreadsheet.
const ContentType = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"

// Errors for what a sheet cannot hold.
var (
	ErrRows    = fmt.Errorf("a sheet has %d rows at the most", MostRows)
	ErrColumns = fmt.Errorf("a sheet has %d columns at the most", MostColumns)
	ErrText    = fmt.Errorf("a cell has %d characters at the most", mostText)
)

// Kind says what a cell is.
type Kind uint8

// The kinds of cells.
const (
	Empty Kind = iota
	Text
	Number // a JSON number; one of too many digits is written as text
	Bool   // "true" or "false"
)

// Cell is one cell of a row.
type Cell struct {
	Kind Kind
	Text string
}

// Writer writes a spreadsheet with one sheet.
type Writer struct {
	out   bytes.Buffer
	zip   *zip.Writer
	sheet io.Writer
	row   bytes.Buffer
	rows  int
}

// NewWriter begins a spreadsheet.
func NewWriter() (*Writer, error) {
	w := &Writer{}
	w.zip = zip.NewWriter(&w.out)
	for _, p := range frame(false) {
		if err := w.part(p); err != nil {
			return nil, err
		}
	}
	var err error
	if w.sheet, err = w.zip.Create(sheetPath); err == nil {
		_, err = io.WriteString(w.sheet, xmlHead+`<worksheet xmlns="`+mainNS+`"><sheetData>`)
	}
	return w, err
}

func (w *Writer) part(p part) error {
	f, err := w.zip.Create(p.path)
	if err == nil {
		_, err = io.WriteString(f, xmlHead+p.text)
	}
	return err
}

// Row writes a row.
func (w *Writer) Row(cells []Cell) error {
	if len(cells) > MostColumns {
		return ErrColumns
	}
	if w.rows == MostRows {
		return ErrRows
	}
	w.row.Reset()
	w.row.WriteString("<row>")
	for i, c := range cells {
		if err := w.cell(c); err != nil {
			return fmt.Errorf("column %d: %w", i+1, err)
		}
	}
	w.row.WriteString("</row>")
	w.rows++
	_, err := w.sheet.Write(w.row.Bytes())
	return err
}

func (w *Writer) cell(c Cell) error {
	switch {
	case c.Kind == Empty:
		w.row.WriteString("<c/>")
	case c.Kind == Bool:
		w.row.WriteString(`<c t="b"><v>` + map[bool]string{true: "1", false: "0"}[c.Text == "true"] + `</v></c>`)
	case c.Kind == Number && digits(c.Text) <= mostDigits:
		w.row.WriteString("<c><v>" + c.Text + "</v></c>")
	default:
		if units(c.Text) > mostText {
			return ErrText
		}
		w.row.WriteString(`<c t="inlineStr"><is><t xml:space="preserve">`)
		escape(&w.row, c.Text)
		w.row.WriteString("</t></is></c>")
	}
	return nil
}

// digits counts those that a number needs.
func digits(number string) (n int) {
	mantissa, _, _ := strings.Cut(strings.ToLower(number), "e")
	if !strings.Contains(mantissa, ".") {
		mantissa = strings.TrimRight(mantissa, "0")
	}
	seen := false
	for _, r := range mantissa {
		if r >= '1' && r <= '9' || r == '0' && seen {
			seen = true
			n++
		}
	}
	return n
}

func units(s string) (n int) {
	for _, r := range s {
		n += max(utf16.RuneLen(r), 1)
	}
	return n
}

// escape writes text for XML. What XML cannot say is written as Excel does it: as
// _x001F_, and what looks like that with its first character so.
func escape(b *bytes.Buffer, s string) {
	for i, r := range s {
		switch {
		case r == '&':
			b.WriteString("&amp;")
		case r == '<':
			b.WriteString("&lt;")
		case r == '>':
			b.WriteString("&gt;")
		case r == '_' && escaped(s[i:]):
			b.WriteString("_x005F_")
		case r < ' ' && r != '\t' && r != '\n', r == 0xfffe, r == 0xffff:
			fmt.Fprintf(b, "_x%04X_", r)
		case r == utf8.RuneError:
			b.WriteRune('\ufffd')
		default:
			b.WriteRune(r)
		}
	}
}

// escaped tells whether a text begins like an escaped character.
func escaped(s string) bool {
	if len(s) < 7 || s[1] != 'x' || s[6] != '_' {
		return false
	}
	for _, c := range s[2:6] {
		if !strings.ContainsRune("0123456789abcdefABCDEF", c) {
			return false
		}
	}
	return true
}

// Drain appends what has been written so far and forgets it.
func (w *Writer) Drain(dst []byte) ([]byte, error) {
	err := w.zip.Flush()
	dst = append(dst, w.out.Bytes()...)
	w.out.Reset()
	return dst, err
}

// Close ends the spreadsheet; Drain returns its end.
func (w *Writer) Close() error {
	_, err := io.WriteString(w.sheet, "</sheetData></worksheet>")
	return errors.Join(err, w.zip.Close())
}
