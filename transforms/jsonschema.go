package transforms

import (
	"context"
	"fmt"
	"io"
	"sync"

	"github.com/sluiceio/sluice/entity"
	"github.com/sluiceio/sluice/internal/diag"
	"github.com/sluiceio/sluice/internal/jsonpos"
	"github.com/sluiceio/sluice/internal/schemacheck"
	"github.com/sluiceio/sluice/internal/spec"
	"github.com/sluiceio/sluice/systems"
)

type jsonSchemaConfig struct {
	spec.Base
	Type        string        `spec:"type,required" doc:"json_schema"`
	Comment     *jsonpos.Node `spec:"comment" kind:"string|array" doc:"A remark for readers of the configuration."`
	Schema      *jsonpos.Node `spec:"schema" kind:"object" doc:"The JSON Schema. It may refer to parts of itself, but to nothing elsewhere."`
	SchemaURL   string        `spec:"schema_url" doc:"Address of the JSON Schema instead. It is fetched once, when it is first needed after the configuration was loaded."`
	System      string        `spec:"system" doc:"Id of the URL system that schema_url is fetched from."`
	KeyValid    string        `spec:"key_valid" default:"valid" doc:"Property that says whether the entity is valid."`
	KeyErrors   string        `spec:"key_errors" default:"errors" doc:"Property for the list of what is wrong, which only invalid entities get."`
	TriggerOn   *jsonpos.Node `spec:"trigger_on" kind:"object" doc:"Transforms only entities whose property key, a path, is value, which may hold wildcards; the others pass unchanged."`
	SideEffects bool          `spec:"side_effects" doc:"Whether the transform changes something outside the node, so that previews stop before it."`
}

func jsonSchemaType() Type {
	return Type{
		Name:   "json_schema",
		Doc:    "Says of each entity whether it is valid by a JSON Schema, and what is wrong if not.",
		Config: func() any { return new(jsonSchemaConfig) },
		Build:  buildJSONSchema,
	}
}

type jsonSchema struct {
	*each
	cfg    *jsonSchemaConfig
	system func(id string) systems.System
	mu     struct {
		sync.Mutex
		schema *schemacheck.Schema // nil until it was fetched
	}
}

func buildJSONSchema(c any, env Env) (Transform, diag.List) {
	cfg := c.(*jsonSchemaConfig)
	each, diags := newEach(env, cfg.TriggerOn, cfg.SideEffects)
	t := &jsonSchema{each: each, cfg: cfg, system: env.System}
	t.do = t.judge
	wrong := func(key, msg string) {
		diags.Add(diag.Finding{Rule: "transform/schema", Severity: diag.Error, Span: cfg.At(key), Message: msg})
	}
	switch {
	case (cfg.Schema == nil) == (cfg.SchemaURL == ""):
		wrong("schema_url", "exactly one of schema and schema_url must be given")
	case cfg.SchemaURL != "" && cfg.System == "":
		wrong("schema_url", "schema_url needs system, the URL system it is fetched from")
	case cfg.Schema != nil:
		var more diag.List
		t.mu.schema, more = schemacheck.Compile(cfg.Schema)
		diags.Add(more...)
	}
	return t, diags
}

// Link implements systems.Linker.
func (t *jsonSchema) Link() diag.List {
	if t.cfg.SchemaURL == "" {
		return nil
	}
	return systems.LinkTo(t.cfg.System, t.cfg.At("system"), t.system)
}

// judge adds what the schema says of the entity.
func (t *jsonSchema) judge(ctx context.Context, a *entity.Arena, e entity.Value) (entity.Value, error) {
	schema, err := t.schema(ctx)
	if err != nil {
		return e, err
	}
	wrong, err := schema.Complaints(e)
	if err != nil {
		return e, err
	}
	o := a.NewObject(e.Len() + 2)
	o.AddFrom(e.Object())
	o.Delete(t.cfg.KeyErrors)
	o.Set(t.cfg.KeyValid, entity.NewBool(len(wrong) == 0))
	if len(wrong) > 0 {
		list := a.Values(len(wrong))
		for _, w := range wrong {
			list = append(list, entity.NewString(w))
		}
		o.Set(t.cfg.KeyErrors, entity.NewList(list...))
	}
	return o.Value(), nil
}

// mostSchema bounds the bytes of a schema that is fetched.
const mostSchema = 16 << 20

// schema returns the schema, which is fetched the first time.
func (t *jsonSchema) schema(ctx context.Context) (*schemacheck.Schema, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.mu.schema != nil {
		return t.mu.schema, nil
	}
	text, err := t.fetch(ctx)
	if err != nil {
		return nil, fmt.Errorf("schema_url: %w", err)
	}
	t.mu.schema, err = schemacheck.CompileText(text)
	return t.mu.schema, err
}

func (t *jsonSchema) fetch(ctx context.Context) ([]byte, error) {
	r, err := systems.RESTOf(t.cfg.System, t.system)
	if err != nil {
		return nil, err
	}
	res, err := r.Open(ctx, systems.Fetch{URL: t.cfg.SchemaURL})
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	text, err := io.ReadAll(io.LimitReader(res.Body, mostSchema+1))
	if err == nil && len(text) > mostSchema {
		err = fmt.Errorf("the schema is larger than %d bytes", mostSchema)
	}
	return text, err
}
