package sources

import (
	"context"
	"fmt"
	"iter"
	"net/http"

	"github.com/sluiceio/sluice/entity"
	"github.com/sluiceio/sluice/internal/diag"
	"github.com/sluiceio/sluice/internal/jsonpos"
	"github.com/sluiceio/sluice/internal/spec"
	"github.com/sluiceio/sluice/systems"
)

type jsonConfig struct {
	spec.Base
	Type               string            `spec:"type,required" doc:"json"`
	Comment            *jsonpos.Node     `spec:"comment" kind:"string|array" doc:"A remark for readers of the configuration."`
	System             string            `spec:"system,required" doc:"Id of the URL system."`
	URL                string            `spec:"url,required" doc:"Address of a list of entities that follows the JSON pull protocol, absolute or relative to the system's."`
	PageSize           int               `spec:"page_size" min:"1" doc:"Entities asked for at once. Only where supports_since, is_since_comparable and is_chronological are all true; unless given everything is asked for at once, and there what a limit of the other end cut off."`
	Subset             *jsonpos.Node     `spec:"subset" kind:"array" doc:"Asks for what fits only: [\"eq\", expression over _S, literal]. The service must offer the subset."`
	Headers            map[string]string `spec:"headers" doc:"Headers of the requests; they replace the system's of the same name."`
	SupportsSince      bool              `spec:"supports_since" doc:"Whether a run continues behind the _updated read last, by the parameter since."`
	SinceComparable    bool              `spec:"is_since_comparable" default:"true" doc:"Whether values of _updated can be compared byte by byte."`
	Chronological      bool              `spec:"is_chronological" doc:"Whether entities come in the order of their _updated."`
	InitialSince       *jsonpos.Node     `spec:"initial_since_value" kind:"string|number" doc:"Continuation of a run that has none yet."`
	SupportsSignalling bool              `spec:"supports_signalling" doc:"Whether the other node is asked to call this one when there is something new, so that the pipe runs at once."`
	IfSourceEmpty      string            `spec:"if_source_empty" enum:"accept,fail" doc:"Whether a full run that reads nothing fails, so that it does not delete everything. Unless given the node decides, which accepts."`
}

func jsonType() Type {
	return Type{
		Name:   "json",
		Doc:    "Reads entities that another node or service offers by the JSON pull protocol.",
		Config: func() any { return new(jsonConfig) },
		Build:  buildJSON,
	}
}

// jsonSource reads entities by the JSON pull protocol.
type jsonSource struct {
	cfg    *jsonConfig
	system func(id string) systems.System
	subset string // as JSON, "" for all
	pages  bool
	empty  bool // a full run may read nothing
}

func buildJSON(c any, env Env) (Source, diag.List) {
	cfg := c.(*jsonConfig)
	s := &jsonSource{cfg: cfg, system: env.System, empty: env.acceptsEmpty(cfg.IfSourceEmpty)}
	var diags diag.List
	s.pages = cfg.PageSize > 0 && s.ordered()
	if cfg.PageSize > 0 && !s.pages {
		diags.Add(diag.Finding{Rule: "source/paging", Severity: diag.Warning, Span: cfg.At("page_size"),
			Message: "page_size has no effect: there are pages only where supports_since, is_since_comparable and is_chronological are all true"})
	}
	if n := cfg.Subset; n != nil {
		if len(n.Elems) != 3 || n.Elems[0].Text != "eq" {
			diags.Add(diag.Finding{Rule: "dtl/subset", Severity: diag.Error, Span: n.Span,
				Message: "a subset is an eq of an expression and a literal"})
		}
		s.subset = string(n.AppendJSON(nil))
	}
	return s, diags
}

// ordered tells whether a request can go on where an answer ended.
func (s *jsonSource) ordered() bool {
	return s.cfg.SupportsSince && s.cfg.SinceComparable && s.cfg.Chronological
}

// Since implements Source.
func (s *jsonSource) Since() Since {
	return Since{s.cfg.SupportsSince, s.cfg.SinceComparable, s.cfg.Chronological}
}

// Partway implements Partway.
func (s *jsonSource) Partway() bool { return s.initial() != "" }

// initial is where a run begins that has nothing to continue.
func (s *jsonSource) initial() string { return s.Since().begins("", sinceText(s.cfg.InitialSince)) }

// Bare implements Bare.
func (s *jsonSource) Bare() bool { return true }

// Alternates implements Alternating.
func (s *jsonSource) Alternates() {}

// Anchor implements Anchored.
func (s *jsonSource) Anchor() string { return s.cfg.System + "\n" + s.cfg.URL }

// Link implements systems.Linker.
func (s *jsonSource) Link() diag.List {
	return systems.LinkTo(s.cfg.System, s.cfg.At("system"), s.system)
}

// Afar implements Afar.
func (s *jsonSource) Afar() bool { return s.cfg.SupportsSignalling }

// AskToBeCalled implements Afar.
func (s *jsonSource) AskToBeCalled(ctx context.Context, hook, token, since string) error {
	r, err := systems.RESTOf(s.cfg.System, s.system)
	if err != nil {
		return err
	}
	params := map[string]string{"webhook": hook, "token": token}
	if since != "" {
		params["since"] = since
	}
	res, err := r.Open(ctx, systems.Fetch{Method: http.MethodOptions, URL: s.cfg.URL, Params: params, Header: s.cfg.Headers})
	if err != nil {
		return err
	}
	return res.Body.Close()
}

// Read implements Source.
func (s *jsonSource) Read(ctx context.Context, since string, size int) iter.Seq2[*entity.Batch, error] {
	return s.ReadFrom(ctx, since, size, "", func(Origin) {})
}

// ReadFrom implements Distant.
func (s *jsonSource) ReadFrom(ctx context.Context, since string, size int, was string, met func(Origin)) iter.Seq2[*entity.Batch, error] {
	first := since == ""
	if first {
		since, was = s.initial(), ""
	}
	return failIfEmpty(s.empty || since != "", func(yield func(*entity.Batch, error) bool) {
		p := &pull{s: s, since: since, first: first, size: size, was: was, met: met, yield: yield}
		p.batches[0].Arena, p.batches[1].Arena = entity.NewArena(), entity.NewArena()
		for more := true; more; {
			var err error
			if more, err = p.page(ctx); err != nil {
				yield(nil, fmt.Errorf("source %q: %w", s.cfg.URL, err))
				return
			}
		}
	})
}
