package membrane

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"

	"github.com/sluiceio/sluice/entity"
	"github.com/sluiceio/sluice/internal/diag"
	"github.com/sluiceio/sluice/internal/jsonpos"
	"github.com/sluiceio/sluice/internal/jsrun"
	"github.com/sluiceio/sluice/internal/spec"
	"github.com/sluiceio/sluice/transforms"
)

type scriptConfig struct {
	spec.Base
	Type    string        `spec:"type,required" doc:"js"`
	Comment *jsonpos.Node `spec:"comment" kind:"string|array" doc:"A remark for readers of the configuration."`
	Script  string        `spec:"script,required" doc:"A module in JavaScript or TypeScript that exports a function, which gets { entity } and returns an entity, or null to leave it out."`
}

func scriptType(pool *jsrun.Pool) transforms.Type {
	return transforms.Type{
		Name:   "js",
		Doc:    "Runs a function in JavaScript for each entity, bounded like the handlers of Membrane. It sees plain JSON: datetimes are texts, and numbers are doubles.",
		Config: func() any { return new(scriptConfig) },
		Build: func(c any, env transforms.Env) (transforms.Transform, diag.List) {
			cfg := c.(*scriptConfig)
			script, problems := jsrun.Bundle("script.ts", func(name string) ([]byte, error) {
				if name == "script.ts" {
					return []byte(cfg.Script), nil
				}
				return nil, fmt.Errorf("%s: %w", name, os.ErrNotExist)
			})
			var finds diag.List
			for _, p := range problems {
				f := diag.Finding{Rule: "transform/js", Severity: diag.Error, Span: cfg.At("script"), Message: fmt.Sprintf("line %d, column %d of the script: %s", p.Line, p.Col, p.Message)}
				if p.Warning {
					f.Severity = diag.Warning
				}
				finds.Add(f)
			}
			return &scriptStep{script: script, pool: pool, name: "pipe/" + env.PipeID}, finds
		},
	}
}

// scriptStep is a script that makes one entity of one. It is its own step: it
// remembers nothing.
type scriptStep struct {
	script, name string
	pool         *jsrun.Pool
}

// SideEffects implements transforms.Transform: scripts reach nobody.
func (t *scriptStep) SideEffects() bool { return false }

// Start implements transforms.Transform.
func (t *scriptStep) Start(transforms.Run) transforms.Step { return t }

// Apply implements transforms.Step.
func (t *scriptStep) Apply(ctx context.Context, b *entity.Batch) error {
	for i, e := range b.Entities {
		out, err := t.one(ctx, b.Arena, e)
		if err != nil {
			return transforms.NewEntityError(i, e, err)
		}
		b.Entities[i] = out
	}
	return nil
}

// one runs the function. What is deleted or filtered passes unchanged.
func (t *scriptStep) one(ctx context.Context, a *entity.Arena, e entity.Value) (entity.Value, error) {
	if entity.Deleted(e) || entity.Filtered(e) {
		return e, nil
	}
	args := entity.AppendPlain([]byte(`{"entity":`), e)
	r, err := t.pool.Call(ctx, jsrun.Call{For: t.name, Script: t.script, Names: []string{"transform"}, Args: append(args, '}')})
	if err != nil {
		return entity.Value{}, err
	}
	return t.returned(a, e, r.Value)
}

// returned reads what the function has returned; it keeps the _id unless it gives
// another.
func (t *scriptStep) returned(a *entity.Arena, e entity.Value, value json.RawMessage) (entity.Value, error) {
	if bytes.Equal(value, []byte("null")) {
		o := a.NewObject(e.Len() + 1)
		o.AddFrom(e.Object())
		o.Set(entity.FilteredKey, entity.NewBool(true))
		return o.Value(), nil
	}
	out, err := payloadOf(value, a)
	if err != nil || out.Kind() != entity.Dict {
		return entity.Value{}, fmt.Errorf("the script returned no entity: a dict or null is expected")
	}
	if _, has := out.Get(entity.IDKey); has {
		return out, nil
	}
	id, _ := e.Get(entity.IDKey)
	o := a.NewObject(out.Len() + 1)
	o.Add(entity.IDKey, id)
	o.AddFrom(out.Object())
	return o.Value(), nil
}
