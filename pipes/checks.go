package pipes

import (
	"fmt"

	"github.com/sluiceio/sluice/internal/diag"
	"github.com/sluiceio/sluice/sinks"
	"github.com/sluiceio/sluice/sources"
)

// checkPump checks schedules, and settings that mean nothing without others.
func (p *Pipe) checkPump() diag.List {
	var finds diag.List
	pump := &p.Def.Pump
	finds.Add(p.checkPublisher()...)
	finds.Add(p.checkBreaker()...)
	for key, expr := range map[string]string{"cron_expression": pump.Cron, "rescan_cron_expression": pump.RescanCron} {
		if expr == "" {
			continue
		}
		c, err := ParseCron(expr)
		switch {
		case err != nil:
			finds.Add(diag.Finding{Rule: "pump/cron", Severity: diag.Error, Span: pump.At(key), Message: err.Error(),
				Help: "minute, hour, day of month, month, day of week and perhaps a year, for example 0 6 * * MON-FRI"})
		case c.warning != "":
			finds.Add(diag.Finding{Rule: "pump/cron", Severity: diag.Warning, Span: pump.At(key), Message: c.warning,
				Help: "names of days, such as FRIL and FRI#3, are read by everybody in one way"})
		}
	}
	finds.Add(p.checkRescans()...)
	finds.Add(p.checkLetters()...)
	finds.Add(p.checkCopy()...)
	finds.Add(withoutEffect(&p.Def.Base, []idleProperty{
		{"infer_pipe_entity_types", p.Def.InferTypes.IsTrue(), noTypes},
		{"symmetric_namespace_collapse", p.Def.SymmetricCollapse.IsTrue(), noCollapse},
	})...)
	return finds
}

// checkCopy looks for what a sink that keeps the order of its source cannot take.
func (p *Pipe) checkCopy() diag.List {
	if !p.Copies() {
		return nil
	}
	var finds diag.List
	if _, ok := p.Receiver(); ok {
		finds.Add(diag.Finding{Rule: "sink/replicated-receiver", Severity: diag.Error, Span: p.span("sink"),
			Message: "what is posted has no offsets that a copy could keep", Help: `use the sink "dataset"`})
	}
	if p.keepsFailed() {
		finds.Add(diag.Finding{Rule: "sink/replicated-retries", Severity: diag.Error, Span: p.Def.Pump.At("max_write_errors_in_retry_dataset"),
			Message: "a copy takes entities in the order of its source: none can be delivered later", Help: "leave it out; the run stops at an entity that fails, and the next one begins with it"})
	}
	if p.Def.Transform != nil {
		finds.Add(diag.Finding{Rule: "sink/replicated-transform", Severity: diag.Warning, Span: p.span("transform"),
			Message: "a copy keeps the _updated of its source, which most transforms drop: the run fails at an entity that has none", Help: "copy first, and transform in a pipe of its own"})
	}
	return finds
}

// acknowledges tells whether the source tells others that a batch is safe.
func (p *Pipe) acknowledges() bool {
	s, ok := p.source.(sources.Acknowledging)
	return ok && s.Acknowledges()
}

// checkBreaker refuses a circuit breaker where what it holds back would have
// been acknowledged.
func (p *Pipe) checkBreaker() diag.List {
	if s, ok := p.sink.(sinks.Sider); !ok || s.Side() != nil || !p.acknowledges() {
		return nil
	}
	return diag.List{{Rule: "sink/circuit-breaker", Severity: diag.Error, Span: p.span("sink"),
		Message: "a circuit breaker would hold back what the source has acknowledged already",
		Help:    "leave it out, and put it into a pipe that reads this one's dataset"}}
}

// checkPublisher looks for what a pipe that runs on demand has no use for.
func (p *Pipe) checkPublisher() diag.List {
	if _, ok := p.Publisher(); !ok {
		return nil
	}
	var finds diag.List
	if p.Def.Pump.Node != nil {
		finds.Add(diag.Finding{Rule: "pump/ignored", Severity: diag.Warning, Span: p.span("pump"),
			Message: `"pump" has no effect: a publisher runs when its document is asked for`, Help: "leave it out"})
	}
	if _, ok := p.Receiver(); ok {
		finds.Add(diag.Finding{Rule: "sink/publisher", Severity: diag.Error, Span: p.span("sink"),
			Message: "what is posted to the pipe would be lost: its sink keeps nothing, but is read itself",
			Help:    "receive into a dataset, and publish that with another pipe"})
	}
	return finds
}

// ignored warns of a setting that has no effect.
func (p *Pipe) ignored(finds *diag.List, key, why, help string) {
	if p.Def.Pump.Node.Get(key) != nil {
		finds.Add(diag.Finding{Rule: "pump/ignored", Severity: diag.Warning, Span: p.Def.Pump.At(key),
			Message: fmt.Sprintf("%q has no effect: %s", key, why), Help: help})
	}
}

func (p *Pipe) checkRescans() diag.List {
	var finds diag.List
	pump := &p.Def.Pump
	since := p.source.Since()
	if p.passing() {
		for _, key := range []string{"rescan_run_count", "rescan_cron_expression", "partial_rescan_run_count", "partial_rescan_delta"} {
			p.ignored(&finds, key, "what the source had once may be gone, so that there is nothing to read again", "")
		}
		return append(finds, p.checkSchedule()...)
	}
	switch {
	case !continues(since):
		p.ignored(&finds, "partial_rescan_run_count", "the source cannot be read on from where it was, so that every run is a full one", "")
	case pump.PartialCount > 0 && pump.PartialDelta == 0:
		finds.Add(diag.Finding{Rule: "pump/partial-rescan", Severity: diag.Error, Span: pump.At("partial_rescan_run_count"),
			Message: `"partial_rescan_run_count" needs "partial_rescan_delta"`, Help: "how far to go back: a number to subtract from the offset, or seconds if it is a time"})
	case pump.PartialCount == 0:
		p.ignored(&finds, "partial_rescan_delta", `there is no "partial_rescan_run_count"`, "")
	}
	if pump.RescanCount > 0 && pump.RescanCron != "" {
		finds.Add(diag.Finding{Rule: "pump/two-rescans", Severity: diag.Warning, Span: pump.At("rescan_cron_expression"),
			Message: `"rescan_run_count" and "rescan_cron_expression" both make full rescans`, Help: "one of them is enough"})
	}
	return append(finds, p.checkSchedule()...)
}

// checkSchedule looks for times that are not asked.
func (p *Pipe) checkSchedule() diag.List {
	var finds diag.List
	pump := &p.Def.Pump
	if pump.Cron != "" {
		p.ignored(&finds, "schedule_interval", `"cron_expression" goes before it`, "leave one of them out")
	}
	if pump.Mode != "scheduled" {
		for _, key := range []string{"run_at_startup", "run_at_startup_if_not_populated", "cron_expression", "schedule_interval", "rescan_cron_expression"} {
			p.ignored(&finds, key, fmt.Sprintf("the mode is %q", pump.Mode), "")
		}
	}
	return finds
}

// checkLetters looks for what takes a retry queue to work.
func (p *Pipe) checkLetters() diag.List {
	var finds diag.List
	pump := &p.Def.Pump
	if !p.keepsFailed() {
		for _, key := range []string{"dead_letter_dataset", "use_dead_letter_dataset", "track_dead_letters", "max_retries_per_entity"} {
			p.ignored(&finds, key, "without a retry dataset a failed entity ends the run, and the next run begins with it", `give the number of entities that may wait in "max_write_errors_in_retry_dataset"`)
		}
		return finds
	}
	if pump.TrackDeadLetters && p.Letters() == "" {
		p.ignored(&finds, "track_dead_letters", `there is no "dead_letter_dataset"`, "")
	}
	if name := pump.DeadLetter; name != "" && !validLetters(name) {
		finds.Add(diag.Finding{Rule: "pump/dead-letter-dataset", Severity: diag.Error, Span: pump.At("dead_letter_dataset"),
			Message: fmt.Sprintf("%q cannot be written: ids of datasets have no slash and do not begin with system:", name)})
	}
	return finds
}
