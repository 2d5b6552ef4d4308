package server

import (
	"slices"
	"strconv"

	"github.com/sluiceio/sluice/internal/jsonpos"
	"github.com/sluiceio/sluice/pipes"
)

// effective is the configuration that is in use: as it was read, with the sink and
// the schedule that a pipe has without saying so.
func effective(p *pipes.Pipe, read *jsonpos.Node) *jsonpos.Node {
	sink, pump := read.Get("sink"), read.Get("pump")
	if typ, _ := sink.Get("type").Str(); p.Output() != "" && (typ == "" || sink.Get("dataset") == nil && typ != "conditional") {
		if typ == "" {
			typ = "dataset"
		}
		sink = with(with(sink, "type", text(typ)), "dataset", text(p.Output()))
	}
	if pump == nil {
		pump = &jsonpos.Node{Kind: jsonpos.Object}
	}
	if p.Pumped() && pump.Get("schedule_interval") == nil && pump.Get("cron_expression") == nil {
		pump = with(pump, "schedule_interval", &jsonpos.Node{Kind: jsonpos.Number, Text: strconv.FormatFloat(p.Interval().Seconds(), 'f', -1, 64)})
	}
	if sink != nil {
		read = with(read, "sink", sink)
	}
	return with(read, "pump", pump)
}

func text(s string) *jsonpos.Node { return &jsonpos.Node{Kind: jsonpos.String, Text: s} }

// with is an object with a member set; the object itself stays as it is. What is no
// object yet becomes one.
func with(n *jsonpos.Node, key string, value *jsonpos.Node) *jsonpos.Node {
	out := &jsonpos.Node{Kind: jsonpos.Object}
	if n != nil {
		out.Members = slices.Clone(n.Members)
	}
	m := &jsonpos.Member{Key: key, Value: value}
	if i := slices.IndexFunc(out.Members, func(m *jsonpos.Member) bool { return m.Key == key }); i >= 0 {
		out.Members[i] = m
	} else {
		out.Members = append(out.Members, m)
	}
	return out
}

// dependsOn are the datasets that the rules of a pipe look into.
func dependsOn(p *pipes.Pipe) []string {
	all := []string{}
	for _, h := range p.Hops() {
		all = append(all, h.Dataset)
	}
	for _, l := range p.Lookups() {
		all = append(all, l.Name)
	}
	slices.Sort(all)
	return slices.Compact(all)
}
