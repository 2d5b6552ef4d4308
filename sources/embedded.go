package sources

import (
	"context"
	"iter"
	"strconv"

	"github.com/sluiceio/sluice/entity"
	"github.com/sluiceio/sluice/internal/diag"
	"github.com/sluiceio/sluice/internal/jsonpos"
	"github.com/sluiceio/sluice/internal/spec"
)

type embeddedConfig struct {
	spec.Base
	Type             string        `spec:"type,required" doc:"embedded"`
	Comment          *jsonpos.Node `spec:"comment" kind:"string|array" doc:"A remark for readers of the configuration."`
	Entities         *jsonpos.Node `spec:"entities,required" kind:"array" doc:"The entities."`
	System           string        `spec:"system" doc:"Id of a system to show in graphs; it is not called."`
	IfSourceEmpty    string        `spec:"if_source_empty" enum:"accept,fail" doc:"Whether a full run that reads nothing fails, so that it does not delete everything. Unless given the node decides, which accepts."`
	SupportsSince    bool          `spec:"supports_since" doc:"Whether an entity is read again only when its _updated grows."`
	SinceComparable  bool          `spec:"is_since_comparable" default:"true" doc:"Whether values of _updated can be compared."`
	Chronological    bool          `spec:"is_chronological" doc:"Whether entities stand in the order of their _updated."`
	InitialSinceText *jsonpos.Node `spec:"initial_since_value" kind:"string|number" doc:"Continuation of the first run."`
}

func embeddedType() Type {
	return Type{
		Name:   "embedded",
		Doc:    "Holds its entities in the configuration itself.",
		Config: func() any { return new(embeddedConfig) },
		Build:  buildEmbedded,
	}
}

type embedded struct {
	entities []entity.Value
	since    Since
	initial  string
	empty    bool
}

func buildEmbedded(c any, env Env) (Source, diag.List) {
	cfg := c.(*embeddedConfig)
	s := &embedded{
		since: Since{cfg.SupportsSince, cfg.SinceComparable, cfg.Chronological},
		empty: env.acceptsEmpty(cfg.IfSourceEmpty), initial: sinceText(cfg.InitialSinceText),
	}
	var diags diag.List
	if cfg.Entities == nil {
		return s, nil // its absence has been told
	}
	for _, n := range cfg.Entities.Elems {
		e, err := entity.Decode(nil, n.AppendJSON(nil), entity.DecodeOptions{})
		switch {
		case err != nil:
			diags.Add(diag.Finding{Rule: "source/entities", Severity: diag.Error, Span: n.Span, Message: err.Error()})
		case e.Kind() != entity.Dict:
			diags.Add(diag.Finding{Rule: "source/entities", Severity: diag.Error, Span: n.Span,
				Message: "an entity must be a dict; this is of type " + e.Kind().String()})
		}
		s.entities = append(s.entities, e)
	}
	return s, diags
}

// sinceText is the text of a continuation value written as text or number.
func sinceText(n *jsonpos.Node) string {
	if n == nil || n.Kind != jsonpos.String && n.Kind != jsonpos.Number {
		return ""
	}
	return n.Text
}

// Bare implements Bare.
func (s *embedded) Bare() bool { return true }

// Partway implements Partway.
func (s *embedded) Partway() bool { return s.since.begins("", s.initial) != "" }

// Since implements Source.
func (s *embedded) Since() Since { return s.since }

// Read implements Source. With continuation it leaves out what is not newer
// than since; the offset is the greatest _updated so far.
func (s *embedded) Read(ctx context.Context, since string, size int) iter.Seq2[*entity.Batch, error] {
	since = s.since.begins(since, s.initial)
	return failIfEmpty(s.empty || since != "", func(yield func(*entity.Batch, error) bool) {
		if err := ctx.Err(); err != nil {
			yield(nil, err)
			return
		}
		top := since
		batches(s.newer(since), size, true, func(e entity.Value) string {
			if u := Updated(e); s.since.Supports && Newer(u, top) {
				top = u
			}
			return top
		}, yield)
	})
}

func (s *embedded) newer(since string) []entity.Value {
	if !s.since.Supports || since == "" {
		return s.entities
	}
	var out []entity.Value
	for _, e := range s.entities {
		if Newer(Updated(e), since) {
			out = append(out, e)
		}
	}
	return out
}

// Updated is an entity's _updated as text, "" if it has none.
func Updated(e entity.Value) string {
	v, ok := e.Get(entity.UpdatedKey)
	switch {
	case !ok || v.IsNull():
		return ""
	case v.Kind() == entity.String:
		return v.Text()
	default:
		b := entity.AppendPlain(nil, v)
		if s, err := strconv.Unquote(string(b)); err == nil {
			return s
		}
		return string(b)
	}
}

// Newer compares two continuations: as numbers if both are whole, since
// byte by byte 10 stands before 9, else byte by byte.
func Newer(a, b string) bool {
	m, errM := strconv.ParseInt(a, 10, 64)
	n, errN := strconv.ParseInt(b, 10, 64)
	if errM == nil && errN == nil {
		return m > n
	}
	return a > b
}
