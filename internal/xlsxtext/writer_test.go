package xlsxtext

import (
	"archive/zip"
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"strings"
	"testing"
)

// read returns a part of an archive, which must be well formed like all others.
func read(t testing.TB, data []byte, path string) (text string) {
	t.Helper()
	z, err := zip.NewReader(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range z.File {
		r, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		for d := xml.NewDecoder(bytes.NewReader(b)); ; {
			if _, err := d.Token(); err == io.EOF {
				break
			} else if err != nil {
				t.Fatalf("%s: %v", f.Name, err)
			}
		}
		if f.Name == path {
			text = string(b)
		}
	}
	return text
}

func write(t testing.TB, rows ...[]Cell) ([]byte, error) {
	t.Helper()
	w, err := NewWriter()
	if err != nil {
		t.Fatal(err)
	}
	var out []byte
	for _, r := range rows {
		if err := w.Row(r); err != nil {
			return nil, err
		}
		if out, err = w.Drain(out); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return w.Drain(out)
}

func TestCells(t *testing.T) {
	for _, c := range []struct {
		cell Cell
		want string
	}{
		{Cell{}, `<c/>`},
		{Cell{Bool, "true"}, `<c t="b"><v>1</v></c>`},
		{Cell{Number, "-12.50"}, `<c><v>-12.50</v></c>`},
		{Cell{Number, "123456789012345000"}, `<c><v>123456789012345000</v></c>`},
		{Cell{Number, "1234567890123456"}, `<c t="inlineStr"><is><t xml:space="preserve">1234567890123456</t></is></c>`},
		{Cell{Number, "0.1000000000000000055"}, `<c t="inlineStr"><is><t xml:space="preserve">0.1000000000000000055</t></is></c>`},
		{Cell{Number, "1.5e300"}, `<c><v>1.5e300</v></c>`},
		{Cell{Text, "=1+1"}, `<c t="inlineStr"><is><t xml:space="preserve">=1+1</t></is></c>`},
		{Cell{Text, " <a> & \"b\"\r\x01_x0041_ø"}, `<c t="inlineStr"><is><t xml:space="preserve"> &lt;a&gt; &amp; "b"_x000D__x0001__x005F_x0041_ø</t></is></c>`},
	} {
		data, err := write(t, []Cell{c.cell})
		if err != nil {
			t.Fatal(err)
		}
		_, row, _ := strings.Cut(read(t, data, sheetPath), "<row>")
		if got, _, _ := strings.Cut(row, "</row>"); got != c.want {
			t.Errorf("%+v: %s", c.cell, got)
		}
	}
	for want, row := range map[error][]Cell{ErrText: {{Text, strings.Repeat("ø", mostText+1)}}, ErrColumns: make([]Cell, MostColumns+1)} {
		if _, err := write(t, row); !errors.Is(err, want) {
			t.Errorf("%v, want %v", err, want)
		}
	}
	if _, err := write(t, []Cell{{Text, strings.Repeat("ø", mostText)}}); err != nil {
		t.Error(err)
	}
}

func TestLinked(t *testing.T) {
	for delimiter, want := range map[string]string{",": `comma="1"`, ";": `semicolon="1"`, "\t": `tab="1"`, "|": `tab="0" delimiter="|"`, `"`: `delimiter="&quot;"`} {
		data, err := Linked("http://x/csv?a=1&b=<2>\"", delimiter, true)
		if err != nil {
			t.Fatal(err)
		}
		text := read(t, data, "xl/connections.xml")
		if !strings.Contains(text, want) || !strings.Contains(text, `sourceFile="http://x/csv?a=1&amp;b=&lt;2&gt;&quot;"`) {
			t.Error(text)
		}
	}
}

// Whatever text there is makes a sheet that can be read.
func FuzzText(f *testing.F) {
	for _, s := range []string{"", "_x0041_", "\x00\ufffe", "\xff", "a\r\nb", "=cmd|' /C calc'!A0"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if data, err := write(t, []Cell{{Text, s}, {Number, "1"}}); err == nil {
			read(t, data, sheetPath)
		}
	})
}
