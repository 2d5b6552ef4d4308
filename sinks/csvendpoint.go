package sinks

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/sluiceio/sluice/entity"
	"github.com/sluiceio/sluice/internal/csvtext"
	"github.com/sluiceio/sluice/internal/diag"
	"github.com/sluiceio/sluice/internal/jsonpos"
	"github.com/sluiceio/sluice/internal/spec"
)

type csvEndpointConfig struct {
	spec.Base
	Type           string        `spec:"type,required" doc:"csv_endpoint"`
	Comment        *jsonpos.Node `spec:"comment" kind:"string|array" doc:"A remark for readers of the configuration."`
	Columns        []string      `spec:"columns,required" doc:"Properties that become columns, in this order. Lists and dicts are written as JSON, what is missing or null as nothing."`
	Quoting        string        `spec:"quoting" enum:"all,minimal,non-numeric,none" default:"minimal" doc:"Which fields are quoted: all, those that need it, all but numbers, or none, with an escape before what would need it."`
	Delimiter      string        `spec:"delimiter" default:"," doc:"Character between fields."`
	DoubleQuote    bool          `spec:"doublequote" default:"true" doc:"Whether a quote within quotes is doubled; otherwise escapechar stands before it."`
	IncludeHeader  bool          `spec:"include_header" default:"true" doc:"Whether the first row names the columns."`
	EscapeChar     *jsonpos.Node `spec:"escapechar" kind:"string|null" doc:"Character that escapes with quoting none, and quotes if doublequote is false. Unless given there is none, but for quoting none with doublequote, where it is a backslash."`
	LineTerminator string        `spec:"lineterminator" default:"\r\n" doc:"What ends a row."`
	QuoteChar      string        `spec:"quotechar" default:"\"" doc:"Character around fields that are quoted."`
	ByteOrderMark  bool          `spec:"byte_order_mark" doc:"Whether the document begins with a byte order mark, which only the encodings of Unicode have."`
	Encoding       string        `spec:"encoding" default:"utf-8" doc:"Character set of the document."`
	EncodeErrors   string        `spec:"encode_error_strategy" enum:"ignore,replace,xmlcharrefreplace,backslashreplace" default:"backslashreplace" doc:"What is written for a character that the encoding does not have: nothing, a question mark, &#281; or \\u0119."`
	SkipDeleted    bool          `spec:"skip-deleted-entities" default:"true" doc:"Whether deleted entities are left out."`
	Filename       string        `spec:"filename" doc:"Name that clients save the document under; without it the document is served inline. A name in the address goes before it."`
	Disposition    string        `spec:"content_disposition" enum:"attachment,inline" default:"attachment" doc:"Whether clients should save or show a document that has a filename."`
}

func csvEndpointType() Type {
	return Type{
		Name:   "csv_endpoint",
		Doc:    "Publishes the pipe's entities as CSV at /api/publishers/{pipe}/csv.",
		Config: func() any { return new(csvEndpointConfig) },
		Build:  buildCSVEndpoint,
	}
}

func buildCSVEndpoint(c any, _ Env) (Sink, diag.List) {
	cfg := c.(*csvEndpointConfig)
	diags := checkFilename(cfg.Filename, cfg.Node.Get("filename"))
	charset, err := csvtext.ParseCharset(cfg.Encoding)
	if err != nil {
		diags.Add(cfg.wrong("encoding", err.Error()))
	} else if cfg.ByteOrderMark && !charset.Unicode() {
		diags.Add(cfg.wrong("byte_order_mark", fmt.Sprintf("%s has no byte order mark", cfg.Encoding)))
	}
	diags.Add(cfg.check()...)
	style := cfg.style()
	return &csvPublisher{cfg: cfg, published: published{
		route: "csv", contentType: "text/csv; charset=" + strings.TrimSuffix(strings.ToLower(cfg.Encoding), "-sig"), bare: true,
		filename: cfg.Filename, disposition: cfg.Disposition,
		document: func() Document {
			return &csvDocument{cfg: cfg, style: style, charset: charset, lost: csvtext.Lost(cfg.EncodeErrors)}
		},
	}}, diags
}

func (c *csvEndpointConfig) wrong(key, message string) diag.Finding {
	return diag.Finding{Rule: "sink/csv", Severity: diag.Error, Span: c.At(key), Message: message}
}

// check looks at the characters that make the table, which must differ.
func (c *csvEndpointConfig) check() diag.List {
	var finds diag.List
	if c.Columns != nil && len(c.Columns) == 0 {
		finds.Add(c.wrong("columns", "there must be at least one column"))
	}
	if c.LineTerminator == "" {
		finds.Add(c.wrong("lineterminator", "a row must end with something"))
	}
	escape, given := c.EscapeChar.Str()
	chars := map[string]string{"delimiter": c.Delimiter, "quotechar": c.QuoteChar}
	if given {
		chars["escapechar"] = escape
	}
	for key, char := range chars {
		if utf8.RuneCountInString(char) != 1 || strings.ContainsAny(char, "\r\n\x00") {
			finds.Add(c.wrong(key, fmt.Sprintf("%q must be one character and no line end", key)))
		}
	}
	for _, pair := range [][2]string{{"quotechar", "delimiter"}, {"escapechar", "delimiter"}} {
		if a, ok := chars[pair[0]]; ok && a == chars[pair[1]] {
			finds.Add(c.wrong(pair[0], fmt.Sprintf("%q and %q must differ", pair[0], pair[1])))
		}
	}
	if !c.DoubleQuote && !given {
		finds.Add(diag.Finding{Rule: "sink/csv", Severity: diag.Warning, Span: c.At("doublequote"),
			Message: `without "doublequote" and "escapechar" there is no way to write a value that holds the quotechar`,
			Help:    c.withoutEscape()})
	}
	finds.Sort() // the characters come in any order
	return finds
}

func (c *csvEndpointConfig) withoutEscape() string {
	if c.Quoting == "none" {
		return "with quoting none it is written as it is, and so are delimiters and line ends: readers will see other columns and rows"
	}
	return "the document breaks off at such a value"
}

func (c *csvEndpointConfig) style() *csvtext.Style {
	s := &csvtext.Style{Delimiter: c.Delimiter, Quote: c.QuoteChar, End: c.LineTerminator,
		Double: c.DoubleQuote, Quoting: csvtext.ParseQuoting(c.Quoting)}
	escape, given := c.EscapeChar.Str()
	if !given && s.Double && s.Quoting == csvtext.None {
		escape = `\`
	}
	s.Escape = escape
	return s
}

type csvDocument struct {
	cfg     *csvEndpointConfig
	style   *csvtext.Style
	charset csvtext.Charset
	lost    func(rune) string
	row     []byte // in UTF-8
	field   []byte
}

// Begin implements Document.
func (d *csvDocument) Begin(dst []byte) ([]byte, error) {
	start := d.charset.AppendStart(nil)
	if d.cfg.ByteOrderMark && len(start) == 0 {
		var err error
		if start, err = d.charset.Append(start, []byte("\ufeff"), d.lost); err != nil {
			return dst, err
		}
	}
	dst = append(dst, start...)
	if !d.cfg.IncludeHeader {
		return dst, nil
	}
	d.row = d.row[:0]
	for i, c := range d.cfg.Columns {
		if err := d.add(i, []byte(c), false); err != nil {
			return dst, fmt.Errorf("column %q: %w", c, err)
		}
	}
	return d.endRow(dst)
}

// Append implements Document.
func (d *csvDocument) Append(dst []byte, e entity.Value) ([]byte, bool, error) {
	if d.cfg.SkipDeleted && entity.Deleted(e) {
		return dst, false, nil
	}
	d.row = d.row[:0]
	for i, c := range d.cfg.Columns {
		v, _ := e.Get(c)
		d.field = entity.AppendBare(d.field[:0], v)
		if err := d.add(i, d.field, v.IsNumber()); err != nil {
			return dst, false, entityError(e, fmt.Errorf("the property %q: %w", c, err))
		}
	}
	dst, err := d.endRow(dst)
	return dst, err == nil, err
}

// End implements Document.
func (d *csvDocument) End(dst []byte) ([]byte, error) { return dst, nil }

func (d *csvDocument) add(i int, text []byte, number bool) (err error) {
	if i > 0 {
		d.row = append(d.row, d.style.Delimiter...)
	}
	d.row, err = d.style.AppendField(d.row, text, number, len(d.cfg.Columns) == 1)
	return err
}

func (d *csvDocument) endRow(dst []byte) ([]byte, error) {
	d.row = append(d.row, d.style.End...)
	return d.charset.Append(dst, d.row, d.lost)
}
