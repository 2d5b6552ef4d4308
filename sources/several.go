package sources

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/sluiceio/sluice/internal/diag"
	"github.com/sluiceio/sluice/internal/jsonpos"
	"github.com/sluiceio/sluice/internal/spec"
	"github.com/sluiceio/sluice/internal/textdist"
	"github.com/sluiceio/sluice/store"
)

// severalConfig are their options in common.
type severalConfig struct {
	spec.Base
	Comment               *jsonpos.Node `spec:"comment" kind:"string|array" doc:"A remark for readers of the configuration."`
	Datasets              []string      `spec:"datasets,required" doc:"Ids of the datasets read."`
	InitialDatasets       []string      `spec:"initial_datasets" doc:"Datasets that must be populated for the source to count as populated. Unless given: all."`
	IgnoreNonExistent     bool          `spec:"ignore_non_existent_datasets" default:"true" doc:"Whether initial_datasets, or datasets if they are not given, that do not exist are left out of account. False keeps the pipe from running while one of datasets does not exist."`
	RequirePopulatedInput bool          `spec:"require_populated_input" doc:"Whether the pipe waits until the datasets are populated."`
	SupportsSignalling    bool          `spec:"supports_signalling" doc:"Whether a change of a dataset starts the pipe. Unless given the node decides."`
	IfSourceEmpty         string        `spec:"if_source_empty" enum:"accept,fail" doc:"Whether a full run that reads nothing fails, so that it does not delete everything. Unless given the node decides, which accepts."`
}

// several is what sources that read several datasets have in common.
type several struct {
	signals
	store   store.Store
	ids     []string
	initial []string // nil: all of ids
	lenient bool     // initial ones that do not exist are left out of account
	empty   bool     // a full run may read nothing
}

func severalOf(cfg *severalConfig, env Env) (several, diag.List) {
	var diags diag.List
	complain := func(at jsonpos.Span, format string, args ...any) {
		diags.Add(diag.Finding{Rule: "source/datasets", Severity: diag.Error, Span: at, Message: fmt.Sprintf(format, args...)})
	}
	if len(cfg.Datasets) == 0 {
		complain(cfg.At("datasets"), "datasets is empty")
	}
	for i, id := range cfg.Datasets {
		if slices.Contains(cfg.Datasets[:i], id) {
			complain(elemSpan(&cfg.Base, "datasets", i), "dataset %q stands twice in datasets", id)
		}
	}
	for i, id := range cfg.InitialDatasets {
		if !slices.Contains(cfg.Datasets, id) {
			help := ""
			if near := textdist.Nearest(id, cfg.Datasets); near != "" {
				help = fmt.Sprintf("did you mean %q?", near)
			}
			diags.Add(diag.Finding{Rule: "source/datasets", Severity: diag.Warning, Span: elemSpan(&cfg.Base, "initial_datasets", i),
				Message: fmt.Sprintf("dataset %q is not among those in datasets", id), Help: help})
		}
	}
	return several{signalsOf(cfg.Node, cfg.SupportsSignalling, cfg.RequirePopulatedInput), env.Store,
		cfg.Datasets, cfg.InitialDatasets, cfg.IgnoreNonExistent, env.acceptsEmpty(cfg.IfSourceEmpty)}, diags
}

// elemSpan is the place of an element of a list.
func elemSpan(b *spec.Base, key string, i int) jsonpos.Span {
	if n := b.Node.Get(key); n != nil && i < len(n.Elems) {
		return n.Elems[i].Span
	}
	return b.At(key)
}

// Since implements Source.
func (s *several) Since() Since { return Since{true, true, true} }

// CheckOffset implements Placed.
func (s *several) CheckOffset(since string) error {
	_, err := parseOffsets(since, s.ids)
	return err
}

// Datasets implements Inputs.
func (s *several) Datasets() []string { return slices.Clone(s.ids) }

// Initial implements Initial.
func (s *several) Initial() (ids []string, lenient bool) {
	if s.initial == nil {
		return s.ids, s.lenient
	}
	return s.initial, s.lenient
}

// Populated implements Populator: all of initial_datasets are, or of datasets
// if there are none.
func (s *several) Populated(ctx context.Context) (bool, error) {
	ids, lenient := s.Initial()
	for _, id := range ids {
		info, err := s.store.Info(ctx, id)
		if errors.Is(err, store.ErrNoDataset) && lenient {
			continue
		}
		if errors.Is(err, store.ErrNoDataset) {
			return false, nil
		}
		if err != nil || !info.Populated {
			return false, err
		}
	}
	return true, nil
}

// offsets are where a run stands in each dataset, by id. Written as JSON so
// that they survive a change of the list.
type offsets map[string]store.Offset

// parseOffsets reads offsets, or a list of numbers in the order of the
// datasets as the node API takes it.
func parseOffsets(s string, datasets []string) (offsets, error) {
	at := offsets{}
	switch {
	case s == "":
		return at, nil
	case strings.HasPrefix(s, "{"):
		if err := json.Unmarshal([]byte(s), &at); err != nil {
			return nil, &OffsetError{fmt.Sprintf("the offset %q is not readable: %v", s, err)}
		}
		return at, nil
	}
	parts := strings.Split(s, ",")
	if len(parts) != len(datasets) {
		return nil, &OffsetError{fmt.Sprintf("the offset %q has %d parts for %d datasets", s, len(parts), len(datasets))}
	}
	for i, p := range parts {
		n, err := parseOffset(strings.TrimSpace(p))
		if err != nil {
			return nil, err
		}
		at[datasets[i]] = n
	}
	return at, nil
}

// format writes the offsets in the order of the datasets; those at the
// beginning are left out, and nothing read at all is "".
func (o offsets) format(datasets []string) string {
	var b strings.Builder
	for _, id := range datasets {
		at, ok := o[id]
		if !ok || at == store.Start {
			continue
		}
		if b.Len() > 0 {
			b.WriteByte(',')
		}
		key, _ := json.Marshal(id) // text always has a JSON form
		b.Write(key)
		b.WriteString(":" + strconv.FormatInt(int64(at), 10))
	}
	if b.Len() == 0 {
		return ""
	}
	return "{" + b.String() + "}"
}
