package sources

import (
	"context"
	"fmt"
	"math"
	"slices"

	"github.com/sluiceio/sluice/dtl"
	"github.com/sluiceio/sluice/entity"
	"github.com/sluiceio/sluice/internal/diag"
	"github.com/sluiceio/sluice/internal/jsonpos"
)

// holdBack is the `completeness` and `initial_completeness` of a dataset
// source: what is newer than the inputs are complete waits.
type holdBack struct {
	dataset string
	on      bool
	via     []string        // datasets upstream; none is the dataset's own value
	expr    *dtl.Expression // gives the time instead
	initial []string        // must have a value
	host    dtl.Host
	ask     CompleteFunc
}

func compileHoldBack(cfg *datasetConfig, env Env, o dtl.Options) (holdBack, diag.List) {
	h := holdBack{dataset: cfg.Dataset, host: env.Host, ask: env.Complete}
	var diags diag.List
	h.initial, diags = texts(cfg.InitialCompleteness, "initial_completeness")
	n := cfg.Completeness
	switch {
	case n == nil || n.Kind == jsonpos.Null:
	case n.Kind == jsonpos.Bool:
		h.on = n.Bool
	case n.Kind == jsonpos.Array:
		var more diag.List
		h.via, more = texts(n, "completeness")
		h.on = len(h.via) > 0
		diags.Add(more...)
	default:
		h.on = true
		e := n.Get("expression")
		if e == nil {
			diags.Add(diag.Finding{Rule: "source/completeness", Severity: diag.Error, Span: n.Span, Message: `completeness as a dict needs "expression"`,
				Help: `{"expression": ["datetime-plus", "day", -7, ["now"]]}`})
			break
		}
		expr, more := dtl.CompileExpr(e, nil, o)
		h.expr = expr
		diags.Add(more...)
	}
	return h, diags
}

// texts reads a list of dataset ids.
func texts(n *jsonpos.Node, key string) (ids []string, diags diag.List) {
	if n == nil {
		return nil, nil
	}
	for _, e := range n.Elems {
		id, ok := e.Str()
		if !ok {
			diags.Add(diag.Finding{Rule: "source/completeness", Severity: diag.Error, Span: e.Span, Message: fmt.Sprintf("%s lists ids of datasets, found a %s", key, e.Kind)})
			continue
		}
		ids = append(ids, id)
	}
	return ids, diags
}

// Completes implements Completing.
func (d *dataset) Completes() []string {
	ids := slices.Clone(d.hold.initial)
	if d.hold.on && !slices.Contains(ids, d.hold.dataset) {
		ids = append(ids, d.hold.dataset)
	}
	return ids
}

// Incomplete implements Completing. A pipe that waits deletes nothing, whereas
// a full run that may read nothing would.
func (d *dataset) Incomplete(ctx context.Context) (reason, dataset string, err error) {
	h := &d.hold
	if h.ask == nil {
		return "", "", nil
	}
	for _, id := range h.initial {
		if _, ok, err := h.ask(ctx, id, id); err != nil || !ok {
			return fmt.Sprintf("waits for dataset %q to have a completeness value", id), id, err
		}
	}
	if !h.on || h.expr != nil {
		return "", "", nil
	}
	for _, id := range h.upstream() {
		if _, ok, err := h.ask(ctx, h.dataset, id); err != nil || !ok {
			return fmt.Sprintf("waits until dataset %q has heard how complete %q is", h.dataset, id), h.dataset, err
		}
	}
	return "", "", nil
}

func (h *holdBack) upstream() []string {
	if len(h.via) > 0 {
		return h.via
	}
	return []string{h.dataset}
}

// until is the time stamp of the newest version that may be read.
func (h *holdBack) until(ctx context.Context) (int64, error) {
	if !h.on || h.ask == nil {
		return math.MaxInt64, nil
	}
	if h.expr != nil {
		a := entity.NewArena()
		v, err := dtl.NewRun(h.expr.Program(), h.host).Eval(ctx, h.expr, entity.NewDict(), entity.NewDict(), a)
		if err != nil {
			return 0, fmt.Errorf("completeness: %w", err)
		}
		if v.Kind() != entity.Datetime {
			return 0, nil
		}
		return v.Time().UnixMicro(), nil
	}
	least := int64(math.MaxInt64)
	for _, id := range h.upstream() {
		at, _, err := h.ask(ctx, h.dataset, id)
		if err != nil {
			return 0, err
		}
		least = min(least, at)
	}
	return least, nil
}

// cut ends a batch before the first version that is newer than until; those
// behind it are newer still. The next run goes on there.
func cut(b *entity.Batch, until int64, since string) {
	for i, e := range b.Entities {
		v, _ := e.Get(entity.TSKey)
		if ts, ok := v.Int64(); !ok || ts <= until {
			continue
		}
		b.Entities, b.Last, b.Since = b.Entities[:i], true, since
		if i > 0 {
			b.Since = Updated(b.Entities[i-1])
		}
		return
	}
}
