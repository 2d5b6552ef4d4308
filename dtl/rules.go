package dtl

import (
	"fmt"
	"time"

	"github.com/sluiceio/sluice/entity"
	"github.com/sluiceio/sluice/internal/jsonpos"
	"github.com/sluiceio/sluice/internal/textdist"
)

// Apply compiles the application of a named rule to values: each dict becomes
// the source of the rule, and its target the result. What the rule filters or
// discards is dropped. The rule may not use hops, see [Builder.ApplyHops].
func (b *Builder) Apply(name *jsonpos.Node, values Eval) Eval {
	r, eval := b.applied(name, values)
	if r != nil {
		b.applies = append(b.applies, application{name, b.rule, r})
	}
	return eval
}

// application is a use of apply.
type application struct {
	name *jsonpos.Node
	by   string // the rule it is used in
	rule *rule
}

// checkApplications refuses apply on rules with hops: dependencies could not
// be followed through it.
func (b *Builder) checkApplications() {
	for _, a := range b.applies {
		if a.rule.hops {
			b.rule = a.by
			b.Errorf(a.name, "dtl/apply-hops", "use apply-hops, which takes the rule and the hops", "the rule %q uses hops and cannot be used with apply", a.rule.name)
		}
	}
	b.rule = ""
}

func (b *Builder) applied(name *jsonpos.Node, values Eval) (*rule, Eval) {
	text, ok := name.Str()
	if !ok {
		b.Errorf(name, "dtl/rule-name", "", "the name of a rule is expected, found a %s", name.Kind)
		return nil, nil
	}
	r := b.rules[text]
	if r == nil {
		help := ""
		if near := textdist.Nearest(text, b.names); near != "" {
			help = fmt.Sprintf("did you mean %q?", near)
		}
		b.Errorf(name, "dtl/unknown-rule", help, "there is no rule %q", text)
		return nil, nil
	}
	return r, func(c *Ctx) entity.Value {
		return c.Map(values(c), func(v entity.Value) (entity.Value, bool) {
			if v.Kind() != entity.Dict {
				return entity.Value{}, false
			}
			return c.applyRule(r, v)
		})
	}
}

// applyRule runs a rule with an empty target; false if it stopped the value.
func (c *Ctx) applyRule(r *rule, source entity.Value) (entity.Value, bool) {
	if c.depth++; c.depth > c.limits.Depth {
		c.Fail("dtl/recursion", fmt.Sprintf("rules are applied within rules deeper than %d levels", c.limits.Depth))
		c.depth--
		return entity.Value{}, false
	}
	f := frame{source: source, target: c.arena.NewObject(8), parent: c.frame, root: c.frame.root}
	outer, this := c.frame, c.this
	c.frame, c.this = &f, entity.Value{}
	flow := RunSteps(c, r.steps)
	c.frame, c.this = outer, this
	c.depth--
	return f.target.Value(), flow == Continue && c.err == nil
}

// WithSource evaluates f as if source were _S.
func (c *Ctx) WithSource(source entity.Value, f Eval) entity.Value {
	outer := c.frame
	fr := *outer
	fr.source = source
	c.frame = &fr
	v := f(c)
	c.frame = outer
	return v
}

// Emit adds an entity to what comes out of the transform.
func (c *Ctx) Emit(v entity.Value) {
	if c.out == nil {
		c.Fail("dtl/create", "entities can only be created in a transform")
		return
	}
	if c.weigh(v); c.Room(len(c.out.Entities)) {
		c.out.Entities = append(c.out.Entities, v)
	}
}

// weigh counts what the entity emits.
func (c *Ctx) weigh(v entity.Value) {
	c.emitted += uint64(v.Weight())
	c.room(c.emitted)
}

// Sleep waits, and fails if the run is stopped meanwhile. The time does not
// count against the entity's.
func (c *Ctx) Sleep(d time.Duration) {
	if c.ctx == nil {
		return
	}
	if !c.deadline.IsZero() {
		c.deadline = c.deadline.Add(d)
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-c.ctx.Done():
		c.fail("dtl/stopped", "the run was stopped", c.ctx.Err())
	}
}

// IDRequired tells whether entities must have a string _id.
func (b *Builder) IDRequired() bool { return b.o.IDRequired }

// MarkChildren notes that the program makes $children.
func (b *Builder) MarkChildren() { b.facts.Children = true }

// copyCache remembers, for each place in a dict, which key stood there last
// and what the patterns said of it: entities of a pipe look alike.
type copyCache struct {
	keys []string
	keep []bool
}

// Copier compiles include and exclude patterns into a copy of source members
// to a target.
func (b *Builder) Copier(include, exclude []string) func(c *Ctx, src, dst *entity.Object) {
	slot := b.copies
	b.copies++
	matches := func(key string) bool {
		return b.anyMatch(include, key) && !b.anyMatch(exclude, key)
	}
	return func(c *Ctx, src, dst *entity.Object) {
		cache := &c.copies[slot]
		dst.AddSome(src, func(i int, key string) bool {
			if i < len(cache.keys) {
				if cache.keys[i] == key {
					return cache.keep[i]
				}
				return matches(key)
			}
			keep := matches(key)
			if i == len(cache.keys) && i < 256 {
				cache.keys = append(cache.keys, string(append([]byte(nil), key...)))
				cache.keep = append(cache.keep, keep)
			}
			return keep
		})
	}
}

func (b *Builder) anyMatch(patterns []string, key string) bool {
	for _, p := range patterns {
		if b.matchName(p, key) {
			return true
		}
	}
	return false
}

// MatchName matches a property name against a wildcard, minding namespaces.
func (b *Builder) MatchName(pattern, key string) bool { return b.matchName(pattern, key) }

// ReadAll returns the values of all properties of o that name stands for.
func (b *Builder) ReadAll(name string, o *entity.Object) []entity.Value {
	return b.nameMatch(name).values(o, nil)
}
