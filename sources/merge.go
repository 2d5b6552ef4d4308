package sources

import (
	"context"
	"errors"
	"fmt"
	"iter"

	"github.com/sluiceio/sluice/dtl"
	"github.com/sluiceio/sluice/entity"
	"github.com/sluiceio/sluice/internal/diag"
	"github.com/sluiceio/sluice/internal/jsonpos"
)

type mergeConfig struct {
	Type string `spec:"type,required" doc:"merge"`
	severalConfig
	Version         int           `spec:"version" default:"1" min:"1" max:"2" doc:"2 for new pipes. 1 is deprecated: it merges the same way, and knows no max_merged."`
	Equality        *jsonpos.Node `spec:"equality" kind:"array" doc:"Rules that say which entities are the same: [\"eq\", expression over one alias, expression over another]. They are if any of the values on both sides are equal."`
	EqualitySets    *jsonpos.Node `spec:"equality_sets" kind:"array" doc:"The same as lists of expressions that are equal to one another. Sets that have an expression in common are one."`
	Identity        string        `spec:"identity" enum:"composite,first" default:"composite" doc:"The _id of what is merged: composite is made of the place of each dataset and the _id of each entity, as in 0|a|1|b; first is the _id of the first one."`
	Strategy        string        `spec:"strategy" enum:"default,compact,list" default:"default" doc:"What becomes of the properties: default puts the values of all entities into one list, compact removes duplicates and empty lists from it and makes a single value of a single element, list keeps the entities as they are in $merged."`
	IncludeInternal bool          `spec:"include_internal_properties" doc:"Whether the entities in $merged keep properties such as _ts and _updated."`
	MaxMerged       int           `spec:"max_merged" min:"1" doc:"How many entities may be merged into one; more fail the pipe. Unless given the node decides, which allows 50000."`
}

// defaultMaxMerged is the node's max_merged unless it says otherwise.
const defaultMaxMerged = 50_000

func mergeType() Type {
	return Type{
		Name:   "merge",
		Doc:    "Finds out which entities of several datasets are the same, and reads each set of them as one entity.",
		Config: func() any { return new(mergeConfig) },
		Build:  buildMerge,
	}
}

// merge reads entities of several datasets that are the same as one.
//
// It keeps in a dataset of its own which entities it has put out, and what each
// was made of. When an entity has changed, everything it was merged with and
// everything it is the same as now is looked up as it is now, and put out anew;
// what was put out before and is no more, as deleted.
type merge struct {
	several
	cfg    *mergeConfig
	terms  []*term  // of all rules
	sides  [][]side // of the rules, of each dataset
	most   int      // entities merged into one
	memory string
	listed func(id string) entity.Value // an _id as an element of $ids
	turn   chan struct{}                // held from reading a batch until it was written
}

func buildMerge(c any, env Env) (Source, diag.List) {
	cfg := c.(*mergeConfig)
	aliases, diags := cfg.aliases()
	common := cfg.severalConfig
	common.Datasets = nil
	for _, a := range aliases {
		common.Datasets = append(common.Datasets, a.Dataset)
	}
	m := &merge{cfg: cfg, memory: "system:merge:" + env.PipeID, turn: make(chan struct{}, 1)}
	var more diag.List
	m.several, more = severalOf(&common, env)
	diags.Add(more...)
	o := env.DTL
	if o.Lib == nil {
		o.Lib = env.Lib
	}
	if m.most = cfg.MaxMerged; m.most == 0 || cfg.Version == 1 {
		m.most = env.MaxMerged
	}
	if m.most == 0 {
		m.most = defaultMaxMerged
	}
	m.listed = listing(o)
	if !diags.HasErrors() {
		diags.Add(m.compileRules(aliases, o)...)
	}
	diags.Add(cfg.advise()...)
	return m, diags
}

// aliases reads "dataset-id alias" pairs.
func (cfg *mergeConfig) aliases() (all []dtl.Alias, diags diag.List) {
	names := map[string]bool{}
	for i, text := range cfg.Datasets {
		a, ok := dtl.ParseAlias(text)
		problem, help := "", ""
		switch {
		case !ok:
			problem, help = fmt.Sprintf("%q is no dataset with an alias", text), `write it "dataset-id alias"`
		case names[a.Name]:
			problem = fmt.Sprintf("the alias %q stands twice in datasets", a.Name)
		}
		if problem != "" {
			diags.Add(diag.Finding{Rule: "source/datasets", Severity: diag.Error, Span: elemSpan(&cfg.Base, "datasets", i), Message: problem, Help: help})
			continue
		}
		names[a.Name] = true
		all = append(all, a)
	}
	return all, diags
}

// advise warns of what has no effect or is deprecated.
func (cfg *mergeConfig) advise() (diags diag.List) {
	warn := func(key, message, help string) {
		diags.Add(diag.Finding{Rule: "source/merge", Severity: diag.Warning, Span: cfg.At(key), Message: message, Help: help})
	}
	if cfg.Version == 1 {
		warn("version", "version 1 of the merge source is deprecated", `say "version": 2`)
		if cfg.MaxMerged > 0 {
			warn("max_merged", `"max_merged" has no effect in version 1`, `say "version": 2, or set max_merged in the node's global_defaults`)
		}
	}
	if cfg.IncludeInternal && cfg.Strategy != "list" {
		warn("include_internal_properties", `"include_internal_properties" has no effect: the strategy is "`+cfg.Strategy+`"`, `it is for "strategy": "list"`)
	}
	return diags
}

// listing is how an _id stands in $ids: as an identifier if those have
// namespaces, with the pipe's own one unless it has another.
func listing(o dtl.Options) func(id string) entity.Value {
	if !o.NamespacedIdentifiers {
		return entity.NewString
	}
	return func(id string) entity.Value { return entity.NewNI(dtl.Qualified(id, o.IdentityNS)) }
}

// Memory implements Remembering.
func (m *merge) Memory() string { return m.memory }

// Read implements Source.
func (m *merge) Read(ctx context.Context, since string, size int) iter.Seq2[*entity.Batch, error] {
	return m.read(ctx, since, size, false, nil)
}

// ReadWhole implements Whole.
func (m *merge) ReadWhole(ctx context.Context, since string, size int) iter.Seq2[*entity.Batch, error] {
	return m.read(ctx, since, size, true, nil)
}

// ReadShown implements Shown.
func (m *merge) ReadShown(ctx context.Context, size int) iter.Seq2[*entity.Batch, error] {
	return m.read(ctx, "", size, false, map[string]bool{})
}

func (m *merge) read(ctx context.Context, since string, size int, whole bool, shown map[string]bool) iter.Seq2[*entity.Batch, error] {
	return func(yield func(*entity.Batch, error) bool) {
		r, err := m.begin(ctx, since, size, whole)
		if err == nil {
			r.shown = shown
			err = r.run(ctx, yield)
		}
		switch {
		case errors.Is(err, ErrEmpty):
			yield(nil, err)
		case err != nil:
			yield(nil, fmt.Errorf("merge: %w", err))
		}
	}
}
