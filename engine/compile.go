package engine

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/sluiceio/sluice/config"
	"github.com/sluiceio/sluice/internal/diag"
	"github.com/sluiceio/sluice/internal/jsonpos"
	"github.com/sluiceio/sluice/internal/textdist"
	"github.com/sluiceio/sluice/pipes"
	"github.com/sluiceio/sluice/sources"
	"github.com/sluiceio/sluice/systems"
)

// graph is a compiled configuration.
type graph struct {
	pipes   []*pipes.Pipe
	byID    map[string]*pipes.Pipe
	systems map[string]systems.System
}

// compile builds all systems and pipes and checks how they fit together.
func compile(ctx context.Context, o Options) (*graph, diag.List) {
	g := &graph{byID: map[string]*pipes.Pipe{}, systems: map[string]systems.System{}}
	var finds diag.List
	defaults := metadata(o.Config).Defaults
	for _, c := range o.Config.Components {
		if strings.HasPrefix(c.Type, "system:") {
			finds.Add(g.addSystem(c, o, defaults)...)
		}
	}
	if o.Probes == nil {
		o.Probes = new(sources.Probes)
	}
	env := pipeEnv(ctx, g, o)
	for _, c := range o.Config.Components {
		switch {
		case c.Type == "pipe":
			p, more := pipes.Compile(c, env)
			finds.Add(more...)
			if p != nil {
				g.pipes = append(g.pipes, p)
				g.byID[p.ID()] = p
				if o.Sets.Kinds != nil {
					finds.Add(o.Sets.Kinds.Pipe(c.ID, c.Effective)...)
				}
			}
		case c.Type == "metadata":
			finds.Add(checkMetadata(c, o.Config.Metadata())...)
		case !strings.HasPrefix(c.Type, "system:"):
			finds.Add(unknownType(c))
		}
	}
	for _, p := range g.pipes {
		finds.Add(g.suggest(p.Link())...)
	}
	finds.Add(g.checkDatasets(o.Config)...)
	finds.Add(g.checkCycles()...)
	finds.Sort()
	return g, finds
}

func (g *graph) addSystem(c *config.Component, o Options, d pipes.Defaults) diag.List {
	s, finds := o.Sets.Systems.Build(systems.Env{
		ID: c.ID, Node: c.Effective, Transport: o.Transport, Now: o.Now, Unverified: !d.VerifySSL,
		Secret: func(name string) (string, bool) { return o.Config.Secrets.Lookup(c.ID, name) },
	})
	for i := range finds {
		finds[i].Pipe = c.ID
	}
	if s != nil {
		g.systems[c.ID] = s
	}
	return finds
}

func pipeEnv(ctx context.Context, g *graph, o Options) pipes.Env {
	var known *pipes.Completeness
	if o.Store != nil {
		known = o.completeness()
	}
	secret := func(name string) (string, bool) { return o.Config.Secrets.Lookup("", name) }
	return pipes.Env{
		Sources: o.Sets.Sources, Transforms: o.Sets.Transforms, Sinks: o.Sets.Sinks, Lib: o.Sets.Lib,
		Store: o.Store, Host: &host{store: o.Store, now: o.Now, secret: secret, ctx: ctx, known: known}, Completeness: known,
		System: func(id string) systems.System {
			if s, ok := g.systems[id]; ok {
				return s
			}
			return nil
		},
		Traffic: new(pipes.Traffic), Probes: o.Probes,
		Secret: secret, Metadata: metadata(o.Config), Now: o.Now, Sleep: systems.Sleep, Context: ctx,
		JWKS: systems.NewJWKS(o.Transport, o.Now), Transport: o.Transport,
	}
}

// suggest adds to findings about systems that there are none of what to do.
func (g *graph) suggest(finds diag.List) diag.List {
	for i := range finds {
		f := &finds[i]
		if f.Unknown == "" || f.Help != "" {
			continue
		}
		f.Help = "systems stand in systems/*.conf.json of the node"
		if near := textdist.Nearest(f.Unknown, slices.Sorted(maps.Keys(g.systems))); near != "" && near != f.Unknown {
			f.Help = fmt.Sprintf("did you mean %q?", near)
		}
	}
	return finds
}

func unknownType(c *config.Component) diag.Finding {
	known := []string{"pipe", "metadata", "system:rest", "system:url", "system:amqp"}
	help := `a component's type is "pipe", "metadata" or "system:…"`
	if near := textdist.Nearest(c.Type, known); near != "" {
		help = fmt.Sprintf("did you mean %q?", near)
	}
	return diag.Finding{Rule: "config/unknown-type", Severity: diag.Error, Span: c.Effective.Get("type").Span,
		Message: fmt.Sprintf("there is no component type %q", c.Type), Help: help}
}

// checkDatasets looks for datasets that two pipes write, and for datasets that
// are read but written by no pipe.
func (g *graph) checkDatasets(c *config.Config) diag.List {
	var finds diag.List
	writers := map[string]*pipes.Pipe{}
	for _, p := range g.pipes {
		out := p.Output()
		if first := writers[out]; first != nil && out != "" {
			finds.Add(diag.Finding{Rule: "graph/two-writers", Severity: diag.Error, Pipe: p.ID(), Span: sinkSpan(p),
				Message: fmt.Sprintf("the dataset %q is written by the pipe %q already", out, first.ID()),
				Help:    "give the sink another dataset, and merge the two"})
			continue
		}
		writers[out] = p
	}
	finds.Add(g.checkLetters(writers)...)
	names := slices.Sorted(maps.Keys(writers))
	for _, p := range g.pipes {
		for _, d := range inputsOf(p) {
			// A pipe that did not compile has been reported; its dataset is not
			// missing.
			if writers[d] == nil && c.Get(d) == nil {
				finds.Add(unwritten(p, d, names))
			}
		}
	}
	return finds
}

func sinkSpan(p *pipes.Pipe) jsonpos.Span {
	if m := p.Def.Node.Member("sink"); m != nil {
		return m.KeySpan
	}
	return p.Def.At("_id")
}

func unwritten(p *pipes.Pipe, dataset string, names []string) diag.Finding {
	help := "a pipe with that id, or with that dataset in its sink, would write it"
	others := slices.DeleteFunc(slices.Clone(names), func(n string) bool { return n == p.Output() })
	if near := textdist.Nearest(dataset, others); near != "" {
		help = fmt.Sprintf("did you mean %q?", near)
	}
	return diag.Finding{Rule: "graph/unknown-dataset", Severity: diag.Warning, Pipe: p.ID(), Span: mention(p.Def.Node, dataset),
		Message: fmt.Sprintf("no pipe writes the dataset %q", dataset), Help: help}
}

// mention finds where a pipe names a dataset.
func mention(n *jsonpos.Node, dataset string) jsonpos.Span {
	var found jsonpos.Span
	var walk func(n *jsonpos.Node)
	walk = func(n *jsonpos.Node) {
		if n == nil || found.File != "" {
			return
		}
		if n.Kind == jsonpos.String && (n.Text == dataset || strings.HasPrefix(n.Text, dataset+" ")) {
			found = n.Span
		}
		for _, e := range n.Elems {
			walk(e)
		}
		for _, m := range n.Members {
			if m.Key != "_id" {
				walk(m.Value)
			}
		}
	}
	walk(n)
	if found.File == "" {
		return n.Span
	}
	return found
}

// writers are the pipes by the dataset they write.
func (g *graph) writers() map[string]*pipes.Pipe {
	all := map[string]*pipes.Pipe{}
	for _, p := range g.pipes {
		if p.Output() != "" {
			all[p.Output()] = p
		}
	}
	return all
}

// checkCycles names each loop of pipes that feed one another.
func (g *graph) checkCycles() diag.List {
	writer := g.writers()
	var finds diag.List
	done, path := map[*pipes.Pipe]bool{}, []*pipes.Pipe{}
	var visit func(p *pipes.Pipe)
	visit = func(p *pipes.Pipe) {
		if i := slices.Index(path, p); i >= 0 {
			finds.Add(cycle(path[i:]))
			return
		}
		if p == nil || done[p] {
			return
		}
		path = append(path, p)
		for _, d := range p.Inputs() {
			visit(writer[d])
		}
		path = path[:len(path)-1]
		done[p] = true
	}
	for _, p := range g.pipes {
		visit(p)
	}
	return finds
}

func cycle(loop []*pipes.Pipe) diag.Finding {
	var ids []string
	for _, p := range loop {
		ids = append(ids, p.ID())
	}
	// Reading goes against the flow: turn the loop to tell it downstream.
	slices.Reverse(ids)
	ids = append(ids, ids[0])
	return diag.Finding{Rule: "graph/cycle", Severity: diag.Error, Pipe: loop[0].ID(), Span: loop[0].Def.At("source"),
		Message: "pipes feed one another in a circle: " + strings.Join(ids, " → "),
		Help:    "break the circle; a pipe may look into its own dataset with hops instead"}
}
