package sources

import (
	"context"
	"fmt"
	"iter"
	"net/http"
	"slices"
	"strings"

	"github.com/sluiceio/sluice/entity"
	"github.com/sluiceio/sluice/internal/csvtext"
	"github.com/sluiceio/sluice/internal/diag"
	"github.com/sluiceio/sluice/internal/jsonpos"
	"github.com/sluiceio/sluice/internal/spec"
	"github.com/sluiceio/sluice/systems"
)

type csvConfig struct {
	spec.Base
	Type            string        `spec:"type,required" doc:"csv"`
	Comment         *jsonpos.Node `spec:"comment" kind:"string|array" doc:"A remark for readers of the configuration."`
	System          string        `spec:"system,required" doc:"Id of the URL system."`
	URL             string        `spec:"url,required" doc:"Address of the file, absolute or relative to the system's."`
	PrimaryKey      *jsonpos.Node `spec:"primary_key,required" kind:"string|array" doc:"Column, or list of columns, whose values make the _id. Several are joined by colons; a colon or backslash within a value gets a backslash before it."`
	HasHeader       bool          `spec:"has_header" default:"true" doc:"Whether the first row names the columns; without it field_names must."`
	FieldNames      []string      `spec:"field_names" doc:"Names of the columns; they go before the header's."`
	AutoDialect     bool          `spec:"auto_dialect" default:"true" doc:"Whether delimiter and quotes are guessed by the beginning of the file, unless dialect or delimiter is given."`
	Dialect         string        `spec:"dialect" enum:"excel,excel_tab,unix_dialect" doc:"How fields are told apart: excel and unix_dialect by commas, excel_tab by tabs, all with double quotes. Unless given, and not guessed: excel."`
	Delimiter       string        `spec:"delimiter" default:"," doc:"What stands between fields, one or more characters; goes before dialect and auto_dialect if given."`
	Encoding        string        `spec:"encoding" default:"UTF-8" doc:"Character set of the file."`
	DecodeErrors    string        `spec:"decode_error_strategy" enum:"strict,replace" default:"strict" doc:"Whether bytes that are none of the encoding fail the run or become U+FFFD, which loses them."`
	Whitelist       []string      `spec:"whitelist" doc:"Columns that become properties; all unless given."`
	Blacklist       []string      `spec:"blacklist" doc:"Columns that do not, also of those in the whitelist."`
	PreserveEmpty   bool          `spec:"preserve_empty_strings" doc:"Whether empty fields become empty strings; otherwise they are left out."`
	EscapeNull      bool          `spec:"escape_null_bytes" doc:"Whether null characters become the text \\x00; otherwise they fail the run."`
	IfSourceEmpty   string        `spec:"if_source_empty" enum:"accept,fail" doc:"Whether a full run that reads nothing fails, so that it does not delete everything. Unless given the node decides, which accepts."`
	SupportsSince   bool          `spec:"supports_since" doc:"Whether a run continues behind the greatest value of the column _updated, which is asked for and which older rows are left out by."`
	SinceComparable bool          `spec:"is_since_comparable" default:"true" doc:"Whether values of the column _updated can be compared."`
	Chronological   bool          `spec:"is_chronological" doc:"Whether rows stand in the order of the column _updated."`
	SinceName       string        `spec:"since_property_name" default:"since" doc:"Name of the parameter or header that carries the continuation."`
	SinceLocation   string        `spec:"since_property_location" enum:"query,header,manual" default:"query" doc:"Where the continuation is put; manual puts it nowhere."`
	InitialSince    *jsonpos.Node `spec:"initial_since_value" kind:"string|number" doc:"Continuation of a run that has none yet."`
}

func csvType() Type {
	return Type{
		Name:   "csv",
		Doc:    "Reads the rows of a CSV file from a URL system; all values are strings.",
		Config: func() any { return new(csvConfig) },
		Build:  buildCSV,
	}
}

type csvSource struct {
	cfg     *csvConfig
	system  func(id string) systems.System
	since   Since
	empty   bool
	sure    bool // that nothing means no rows
	keys    []string
	charset csvtext.Charset
}

func buildCSV(c any, env Env) (Source, diag.List) {
	cfg := c.(*csvConfig)
	s := &csvSource{cfg: cfg, system: env.System, empty: env.acceptsEmpty(cfg.IfSourceEmpty), sure: env.acceptsExpressly(cfg.IfSourceEmpty),
		since: Since{cfg.SupportsSince, cfg.SinceComparable, cfg.Chronological}}
	var diags diag.List
	wrong := func(at jsonpos.Span, format string, args ...any) {
		diags.Add(diag.Finding{Rule: "source/csv", Severity: diag.Error, Span: at, Message: fmt.Sprintf(format, args...)})
	}
	var err error
	if s.charset, err = csvtext.ParseCharset(cfg.Encoding); err != nil {
		wrong(cfg.At("encoding"), "%v", err)
	}
	if cfg.Delimiter == "" || strings.ContainsAny(cfg.Delimiter, "\r\n\"") {
		wrong(cfg.At("delimiter"), "a delimiter has at least one character, and neither line ends nor double quotes")
	}
	if !cfg.HasHeader && len(cfg.FieldNames) == 0 {
		wrong(cfg.At("has_header"), "without a header field_names must name the columns")
	}
	if n := cfg.Node.Get("field_names"); n != nil {
		for i, name := range cfg.FieldNames {
			if name == "" || slices.Contains(cfg.FieldNames[:i], name) {
				wrong(n.Elems[i].Span, "each column needs a name of its own, %q is none", name)
			}
		}
	}
	s.compileKey(wrong)
	return s, diags
}

// compileKey reads primary_key. Where field_names are given it must be of them.
func (s *csvSource) compileKey(wrong func(at jsonpos.Span, format string, args ...any)) {
	n := s.cfg.PrimaryKey
	if n == nil {
		return // its absence has been told
	}
	all := n.Elems
	if n.Kind == jsonpos.String {
		all = []*jsonpos.Node{n}
	}
	if len(all) == 0 {
		wrong(n.Span, "primary_key must name at least one column")
	}
	for _, e := range all {
		name, ok := e.Str()
		switch {
		case !ok:
			wrong(e.Span, "a column's name must be a string, found a %s", e.Kind)
		case len(s.cfg.FieldNames) > 0:
			if _, err := find(s.cfg.FieldNames, name); err != nil {
				wrong(e.Span, "%v", err)
			}
		}
		s.keys = append(s.keys, name)
	}
}

// Bare implements Bare.
func (s *csvSource) Bare() bool { return true }

// Partway implements Partway.
func (s *csvSource) Partway() bool { return s.since.begins("", sinceText(s.cfg.InitialSince)) != "" }

// Since implements Source.
func (s *csvSource) Since() Since { return s.since }

// Anchor implements Anchored.
func (s *csvSource) Anchor() string { return s.cfg.System + "\n" + s.cfg.URL }

// Link implements systems.Linker.
func (s *csvSource) Link() diag.List {
	return systems.LinkTo(s.cfg.System, s.cfg.At("system"), s.system)
}

// Read implements Source. Rows are read as they come.
func (s *csvSource) Read(ctx context.Context, since string, size int) iter.Seq2[*entity.Batch, error] {
	since = s.since.begins(since, sinceText(s.cfg.InitialSince))
	return failIfEmpty(s.empty || since != "", func(yield func(*entity.Batch, error) bool) {
		r, err := systems.RESTOf(s.cfg.System, s.system)
		if err != nil {
			yield(nil, err)
			return
		}
		res, err := r.Open(ctx, s.request(since))
		if err != nil {
			yield(nil, err)
			return
		}
		defer res.Body.Close()
		if res.Status == http.StatusPartialContent {
			doubt(ctx, "the system answered 206, which is a part of what there is")
		}
		t := &csvRun{csvSource: s, since: since, top: since, size: size, arena: entity.NewArena()}
		if err := t.run(res.Body, yield); err != nil {
			yield(nil, fmt.Errorf("system %q, %s: %w", s.cfg.System, s.cfg.URL, err))
			return
		}
		switch {
		case t.blank && !s.sure:
			doubt(ctx, "the file has nothing in it, not even names of columns"+acceptIt)
		case t.short && t.rows.Open:
			doubt(ctx, "the file ends within a row, as one does that broke off")
		}
	})
}

func (s *csvSource) request(since string) systems.Fetch {
	f := systems.Fetch{URL: s.cfg.URL}
	if s.since.Supports && since != "" {
		at := map[string]string{s.cfg.SinceName: since}
		switch s.cfg.SinceLocation {
		case "query":
			f.Params = at
		case "header":
			f.Header = at
		}
	}
	return f
}
