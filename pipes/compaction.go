package pipes

import (
	"context"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/sluiceio/sluice/internal/diag"
	"github.com/sluiceio/sluice/internal/jsonpos"
	"github.com/sluiceio/sluice/internal/spec"
	"github.com/sluiceio/sluice/sources"
	"github.com/sluiceio/sluice/store"
	"github.com/sluiceio/sluice/systems"
	"github.com/sluiceio/sluice/webhooks"
)

// compactionConfig is what the sink's dataset keeps, and when the rest goes.
type compactionConfig struct {
	spec.Base
	Automatic      bool    `spec:"automatic" default:"true" doc:"Whether old versions are removed once a day, if sink does not have it done as they come."`
	Sink           bool    `spec:"sink" default:"true" doc:"Whether old versions are removed as new ones come; unless given the node's default_compaction_type decides."`
	KeepVersions   int     `spec:"keep_versions" min:"0" doc:"How many versions of each entity stay; unless given the node's, else 2. 0 needs time_threshold_hours, and forgets entities whose latest version is that old. Less than 2 makes dependency tracking miss changes."`
	Hours          int     `spec:"time_threshold_hours" min:"0" doc:"How old a version must be before it may go; unless given the node's, else any age."`
	HoursPump      int     `spec:"time_threshold_hours_pump" min:"720" doc:"How long entries of the execution log stay; unless given the node's, else 720."`
	Growth         float64 `spec:"growth_threshold" min:"1" doc:"By which factor the dataset must have grown before the daily compaction looks at it; unless given the node's, else 1."`
	Interval       float64 `spec:"compaction_interval" min:"0" doc:"Least seconds between two compactions as versions come; unless given the node's, else 0."`
	TTLDeletes     float64 `spec:"ttl_deletes_hours" min:"0" doc:"Forgets entities that were deleted so many hours ago; unless given never. Readers that are further behind do not hear of the deletion."`
	TTLTimeout     float64 `spec:"ttl_deletes_timeout_seconds" default:"60" min:"0" doc:"Seconds that one compaction spends on looking for those; the next one goes on."`
	Retract        bool    `spec:"retract" doc:"Whether an entity with \"$retract\": true has all its earlier versions removed for good."`
	RetractTimeout float64 `spec:"retract_timeout_seconds" default:"60" min:"0" doc:"Seconds that one compaction spends on looking for those; the next one goes on."`
}

// Compaction is what a pipe's dataset keeps, and when it is compacted.
type Compaction struct {
	Dataset string
	Keep    store.Retention
	// AsItGrows has it compacted whenever enough has changed, at most once in
	// Interval; otherwise it is once a day, if it grew by the factor Growth.
	AsItGrows bool
	Interval  time.Duration
	Growth    float64
}

const minPumpHours = 720

// Compaction returns how the dataset that the pipe writes is compacted; false
// if it is not, or not while a circuit breaker has tripped.
func (p *Pipe) Compaction(ctx context.Context) (Compaction, bool, error) {
	c, asItGrows := &p.Def.Compaction, p.compactsAsItGrows()
	if p.Output() == "" || !c.Automatic && !asItGrows {
		return Compaction{}, false, nil
	}
	if err := p.tripped(ctx); err != nil {
		return Compaction{}, false, unlessWait(err)
	}
	keep := store.Retention{
		KeepVersions:  int(p.compacts("keep_versions", 2)),
		MinAge:        ofHours(p.compacts("time_threshold_hours", 0)),
		TTLDeletes:    ofHours(c.TTLDeletes),
		TTLBudget:     ofSeconds(c.TTLTimeout),
		Retract:       c.Retract,
		RetractBudget: ofSeconds(c.RetractTimeout),
	}
	if s, ok := p.source.(sources.Retaining); ok {
		least, most := s.Retains()
		keep = store.Retention{MinAge: least, MaxAge: most}
	}
	return Compaction{Dataset: p.Output(), Keep: keep, AsItGrows: asItGrows,
		Interval: ofSeconds(p.intervalOfCompaction()), Growth: max(1, p.compacts("growth_threshold", 1))}, true, nil
}

// Own is how the datasets are compacted that the pipe keeps for itself: its log
// by age; of what its source remembers nothing is asked but what is so.
func (p *Pipe) Own() []Compaction {
	own := []Compaction{{Dataset: LogDataset(p.ID()), Keep: p.logRetention(), Growth: 1}}
	if m := p.Memory(); m != "" {
		c := latestOnly(m)
		if s, ok := p.source.(sources.Forgetting); ok {
			c.Keep = store.Retention{MinAge: s.Forgets()}
		}
		own = append(own, c)
	}
	if q := p.Webhook(); q != nil {
		own = append(own, latestOnly(webhooks.Dataset(q.ID)))
	}
	if _, ok := p.Hook(); ok {
		own = append(own, latestOnly(webhooks.RequestsDataset(p.ID())), latestOnly(webhooks.EventsDataset(p.ID())),
			latestOnly(webhooks.RefusedDataset(p.ID())))
	}
	return own
}

// latestOnly keeps what a dataset holds now, and nothing of what it held.
func latestOnly(dataset string) Compaction {
	return Compaction{Dataset: dataset, Keep: store.Retention{KeepVersions: 1, TTLDeletes: time.Second}, AsItGrows: true, Growth: 1}
}

func (p *Pipe) logRetention() store.Retention {
	return store.Retention{MinAge: ofHours(max(minPumpHours, p.compacts("time_threshold_hours_pump", minPumpHours)))}
}

func ofHours(n float64) time.Duration   { return systems.Duration(n, time.Hour) }
func ofSeconds(n float64) time.Duration { return systems.Duration(n, time.Second) }

// unlessWait returns an error that is no reason to wait.
func unlessWait(err error) error {
	if _, waits := err.(*WaitError); waits {
		return nil
	}
	return err
}

// compacts is the pipe's own number, else the node's, else the default.
func (p *Pipe) compacts(key string, def float64) float64 {
	return firstNumber(def, p.Def.Compaction.Node.Get(key), p.env.Metadata.Defaults.compaction(key))
}

// intervalOfCompaction has the same name in both places.
func (p *Pipe) intervalOfCompaction() float64 {
	return firstNumber(p.env.Metadata.Defaults.Interval, p.Def.Compaction.Node.Get("compaction_interval"))
}

func firstNumber(def float64, from ...*jsonpos.Node) float64 {
	for _, n := range from {
		if n == nil || n.Kind != jsonpos.Number {
			continue
		}
		if v, err := strconv.ParseFloat(n.Text, 64); err == nil && v >= 0 {
			return v
		}
	}
	return def
}

func (p *Pipe) checkCompaction() diag.List {
	var finds diag.List
	if p.compacts("keep_versions", 2) == 0 && p.compacts("time_threshold_hours", 0) == 0 {
		finds.Add(diag.Finding{Rule: "compaction/none-kept", Severity: diag.Error, Span: p.Def.Compaction.At("keep_versions"),
			Message: `"keep_versions": 0 needs "time_threshold_hours"`, Help: "without an age every entity would be forgotten at once"})
	}
	c := &p.Def.Compaction
	ignored := func(key, why string) {
		if n := c.Node.Get(key); n != nil && n.Kind != jsonpos.Null {
			finds.Add(diag.Finding{Rule: "compaction/ignored", Severity: diag.Warning, Span: c.At(key), Message: fmt.Sprintf("%q has no effect: %s", key, why)})
		}
	}
	if p.Output() == "" {
		for _, key := range []string{"automatic", "sink", "keep_versions", "time_threshold_hours", "growth_threshold", "compaction_interval", "ttl_deletes_hours", "retract"} {
			ignored(key, "the sink writes no dataset")
		}
		return finds
	}
	if c.TTLDeletes == 0 {
		ignored("ttl_deletes_timeout_seconds", `there is no "ttl_deletes_hours"`)
	}
	if !c.Retract {
		ignored("retract_timeout_seconds", `"retract" is not true`)
	}
	if !p.compactsAsItGrows() {
		ignored("compaction_interval", `"sink" is false`)
	}
	if !c.Automatic && !p.compactsAsItGrows() {
		for _, key := range []string{"keep_versions", "time_threshold_hours", "growth_threshold", "ttl_deletes_hours", "retract"} {
			ignored(key, `"automatic" and "sink" are false, so that nothing is removed`)
		}
	}
	return finds
}

// compactsAsItGrows resolves compaction.sink.
func (p *Pipe) compactsAsItGrows() bool {
	if p.Def.Compaction.Node.Get("sink") == nil {
		return p.env.Metadata.Defaults.Compaction != "background"
	}
	return p.Def.Compaction.Sink
}

// checkTracking looks for limits of dependency tracking that mean nothing.
func (p *Pipe) checkTracking() diag.List {
	t := &p.Def.Tracking
	if t.Node == nil {
		return nil
	}
	var finds diag.List
	if len(p.tracks) == 0 && !p.limitsHops() {
		finds.Add(diag.Finding{Rule: "tracking/ignored", Severity: diag.Warning, Span: p.span("dependency_tracking"),
			Message: `"dependency_tracking" has no effect: the pipe has no hops whose changes it follows`})
	}
	for _, keys := range [][2]string{{"dependency_warning_threshold", "dependency_error_threshold"},
		{"dependency_warning_threshold_total_bytes", "dependency_error_threshold_total_bytes"}} {
		if t.Node.Get(keys[0]) != nil && p.trackingLimit(keys[0], 0) > p.trackingLimit(keys[1], math.MaxInt) {
			finds.Add(diag.Finding{Rule: "tracking/threshold", Severity: diag.Warning, Span: t.At(keys[0]),
				Message: fmt.Sprintf("%q is more than %q: the run fails before it warns", keys[0], keys[1])})
		}
	}
	return finds
}

// SubsetRead is the dataset of which the pipe reads a subset, and how far it
// has come: what has left the subset behind that place must be there to be
// read as deleted. A pipe that begins anew has nothing to delete.
func (p *Pipe) SubsetRead(ctx context.Context) (dataset string, at store.Offset, reads bool, err error) {
	dataset = p.subsetOf()
	if dataset == "" {
		return "", 0, false, nil
	}
	s, err := p.loadState(ctx)
	if err != nil || p.goesOn(s) == "" {
		return "", 0, false, err
	}
	return dataset, s.place(), true, nil
}

// subsetOf is the dataset of which the source reads a subset, "" if it reads none.
func (p *Pipe) subsetOf() string {
	if p.source == nil || chosen(p.Def.Source).Get("subset") == nil || len(p.Inputs()) != 1 {
		return ""
	}
	return p.Inputs()[0]
}

// place is how far the pipe has come in the one dataset it reads.
func (s *state) place() store.Offset {
	n, err := strconv.ParseInt(s.Offset, 10, 64)
	if err != nil {
		return store.Start
	}
	return store.Offset(n)
}

// Consumed are the datasets that the source consumes, and how far it has come:
// what is behind those places must be there.
func (p *Pipe) Consumed(ctx context.Context) (map[string]store.Offset, error) {
	c, ok := p.source.(sources.Consuming)
	if !ok {
		return nil, nil
	}
	s, err := p.loadState(ctx)
	if err != nil {
		return nil, err
	}
	return c.Consumes(ctx, p.goesOn(s))
}

// StoredFloors are the floors of compaction as far as the store knows them,
// without any configuration: how far pipes have followed the datasets that they
// track, and have read those of which they read a subset. Pipes that are gone hold
// their datasets too.
func StoredFloors(ctx context.Context, st store.Store) (map[string]store.Offset, error) {
	const prefix = "pipe/"
	keys, err := st.States(ctx, prefix)
	if err != nil {
		return nil, err
	}
	floors := map[string]store.Offset{}
	for _, key := range keys {
		p := Pipe{Def: Definition{ID: strings.TrimPrefix(key, prefix)}, env: Env{Store: st}}
		s, err := p.loadState(ctx)
		if err != nil {
			return nil, err
		}
		lower := func(dataset string, at store.Offset) {
			if floor, known := floors[dataset]; !known || at < floor {
				floors[dataset] = at
			}
		}
		for d, at := range s.Tracking {
			lower(d, at.Offset)
		}
		if s.Subset != "" && s.Offset != "" {
			lower(s.Subset, s.place())
		}
	}
	return floors, nil
}
