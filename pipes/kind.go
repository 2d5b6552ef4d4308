package pipes

import (
	"fmt"

	"github.com/sluiceio/sluice/internal/diag"
	"github.com/sluiceio/sluice/internal/jsonpos"
	"github.com/sluiceio/sluice/internal/schemacheck"
)

// Rule is one thing a kind of pipe must or should do.
type Rule struct {
	ID       string
	Severity diag.Severity
	// Help says what to do, and why.
	Help string
	// kinds it holds for; none means every pipe.
	kinds []string
	// broken returns the place and the message if the pipe breaks the rule.
	broken func(p *Pipe) (jsonpos.Span, string, bool)
}

// Kind is what the pipe's id says it is for: event, event2, collect …; "" if it
// says nothing.
func (p *Pipe) Kind() string { return schemacheck.KindOf(p.ID(), p.Def.Node) }

func (p *Pipe) checkKind() diag.List {
	var finds diag.List
	for _, r := range Rules() {
		if len(r.kinds) > 0 && !contains(r.kinds, p.Kind()) {
			continue
		}
		if at, msg, broken := r.broken(p); broken {
			finds.Add(diag.Finding{Rule: r.ID, Severity: r.Severity, Span: at, Message: msg, Help: r.Help})
		}
	}
	return finds
}

func contains(all []string, s string) bool {
	for _, x := range all {
		if x == s {
			return true
		}
	}
	return false
}

// Rules are all rules of the kinds, for checks, `explain` and the reference.
func Rules() []Rule {
	return []Rule{
		{"kind/event-unverified", diag.Error, "check a signature over request_body with secret(), or at least a secret header: anybody on the network can post here otherwise",
			[]string{"event"}, func(p *Pipe) (jsonpos.Span, string, bool) {
				_, receiver := p.Receiver()
				lacks := "there is no validation_expression"
				if p.text("source", "type") == "webhook" {
					lacks = `its signature is "none"`
				}
				return p.span("source"), "an event receiver must verify its caller: " + lacks,
					receiver && p.text("source", "validation_expression") == "" && !p.signed()
			}},
		{"kind/event-looks-up", diag.Error, "look things up in a pipe of its own, called -event2: a slow vendor would block the receiver",
			[]string{"event"}, func(p *Pipe) (jsonpos.Span, string, bool) {
				_, receiver := p.Receiver()
				at, rest := p.restTransform()
				return at, "a receiver must not call a system while its caller waits", receiver && rest
			}},
		{"kind/event-source", diag.Error, "receive with http_endpoint, or read a subset of a dataset of events",
			[]string{"event"}, func(p *Pipe) (jsonpos.Span, string, bool) {
				typ := p.text("source", "type")
				return p.span("source"), "an event pipe receives events or reads them from a dataset",
					typ != "http_endpoint" && typ != "webhook" && typ != "dataset" && typ != "conditional"
			}},
		{"kind/event-not-onload", diag.Warning, `set "set_initial_offset": "onload" in the sink: events come before anything is complete, and pipes downstream would wait`,
			[]string{"event", "event2"}, func(p *Pipe) (jsonpos.Span, string, bool) {
				return p.span("sink"), "the dataset of events is not populated when the pipe is loaded", !p.populatedOnLoad()
			}},
		{"kind/tracks-deletions", diag.Error, `set "deletion_tracking": false in the sink: an event that is not there any more is no deletion, and a full run would delete good data`,
			[]string{"event2", "share", "registerwebhook"}, func(p *Pipe) (jsonpos.Span, string, bool) {
				return p.span("sink"), "this kind of pipe must not track deletions", p.tracksDeletions()
			}},
		{"kind/event2-source", diag.Warning, "read the dataset of the -event pipe",
			[]string{"event2"}, func(p *Pipe) (jsonpos.Span, string, bool) {
				return p.span("source"), "an event2 pipe completes the events of a dataset", p.text("source", "type") != "dataset"
			}},
		{"kind/collect-source", diag.Warning, `use "type": "merge_datasets" with the -all dataset and the -event2 dataset`,
			[]string{"collect"}, func(p *Pipe) (jsonpos.Span, string, bool) {
				typ := p.text("source", "type")
				return p.span("source"), "a collect pipe merges datasets or reads a system", contains([]string{"http_endpoint", "embedded"}, typ)
			}},
		{"kind/register-repeats", diag.Error, `set "supports_since": true in the source: otherwise every run registers again`,
			[]string{"registerwebhook"}, func(p *Pipe) (jsonpos.Span, string, bool) {
				return p.span("source"), "a registration must be made once only", !p.source.Since().Supports
			}},
		{"kind/wipe-by-itself", diag.Error, `set "mode": "manual" in the pump: the pipe deletes`,
			[]string{"wipe"}, func(p *Pipe) (jsonpos.Span, string, bool) {
				return p.span("pump"), "a wipe pipe must run by hand only", p.Def.Pump.Mode == "scheduled"
			}},
		{"completeness/deletion-tracking", diag.Warning, `set "deletion_tracking": false in the sink`, nil,
			func(p *Pipe) (jsonpos.Span, string, bool) {
				holds := p.text("source", "type") == "dataset" && len(p.Completes()) > 0
				return p.span("sink"), "a full run deletes what completeness holds back, as if it were gone", holds && p.tracksDeletions()
			}},
		{"pump/manual-at-startup", diag.Warning, "remove it: a manual pipe is started only by the API or the command line", nil,
			func(p *Pipe) (jsonpos.Span, string, bool) {
				at := p.Def.Pump.At("run_at_startup_if_not_populated")
				starts := p.Def.Pump.RunAtStartup || p.Def.Pump.RunIfNotPopulated != nil && *p.Def.Pump.RunIfNotPopulated
				return at, fmt.Sprintf("mode %q wins: the pipe does not run at start-up", p.Def.Pump.Mode), starts && p.Def.Pump.Mode != "scheduled"
			}},
		{"hops/own-sink-batch", diag.Warning, `set "batch_size": 1: entities of the batch in hand cannot be found by hops`, nil,
			func(p *Pipe) (jsonpos.Span, string, bool) {
				at, own := p.hopsToSink()
				return at, "a pipe that hops to its own sink sees only what earlier batches wrote", own && p.batchSize() != 1
			}},
		{"hops/own-sink-populated", diag.Error, `set "set_initial_offset": "onload" in the sink: the pipe waits for its own dataset otherwise`, nil,
			func(p *Pipe) (jsonpos.Span, string, bool) {
				at, own := p.hopsToSink()
				return at, "a pipe that hops to its own sink never starts", own && !p.populatedOnLoad()
			}},
	}
}

// text is a text property of a part of the pipe.
func (p *Pipe) text(part, key string) string {
	s, _ := p.Def.Node.Get(part).Get(key).Str()
	return s
}

// span points at a part's key, or at the pipe's id if it has no such part.
func (p *Pipe) span(part string) jsonpos.Span {
	if m := p.Def.Node.Member(part); m != nil {
		return m.KeySpan
	}
	return p.Def.At("_id")
}

func (p *Pipe) populatedOnLoad() bool {
	_, receiver := p.Receiver()
	return p.text("sink", "set_initial_offset") == "onload" || receiver || p.Output() == ""
}

func (p *Pipe) tracksDeletions() bool {
	v := p.Def.Sink.Get("deletion_tracking")
	return p.Output() != "" && (v == nil || v.Kind != jsonpos.Bool || v.Bool)
}

func (p *Pipe) hopsToSink() (jsonpos.Span, bool) {
	for _, h := range p.facts.Hops {
		if h.Dataset == p.Output() {
			return h.Span, true
		}
	}
	return jsonpos.Span{}, false
}

// restTransform finds a transform that calls a system.
func (p *Pipe) restTransform() (jsonpos.Span, bool) {
	return findRest(p.Def.Transform)
}

func findRest(n *jsonpos.Node) (jsonpos.Span, bool) {
	if n == nil {
		return jsonpos.Span{}, false
	}
	if typ, _ := n.Get("type").Str(); typ == "rest" || typ == "http" {
		return n.Get("type").Span, true
	}
	nested := n.Elems
	if t := n.Get("transforms"); t != nil {
		nested = t.Elems
	}
	for _, e := range nested {
		if at, ok := findRest(e); ok {
			return at, true
		}
	}
	return jsonpos.Span{}, false
}
