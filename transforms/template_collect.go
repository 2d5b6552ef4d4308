package transforms

import (
	"context"
	"fmt"

	"github.com/sluiceio/sluice/entity"
	"github.com/sluiceio/sluice/internal/diag"
	"github.com/sluiceio/sluice/internal/jsonpos"
	"github.com/sluiceio/sluice/internal/spec"
)

type collectConfig struct {
	spec.Base
	System           string        `spec:"rest_system" doc:"Id of the REST system; needed for look-ups."`
	Key              *jsonpos.Node `spec:"primary_key,required" kind:"string|array" doc:"Names of the properties of the primary key."`
	Share            string        `spec:"share_dataset" doc:"Dataset of the share pipe, whose $generated_id is the primary key; its $origin is added."`
	Lookup           string        `spec:"operation_lookup" doc:"Operation whose response takes the place of each entity that is not deleted."`
	LookupProps      *jsonpos.Node `spec:"operation_lookup_properties" kind:"object" doc:"Properties for that operation."`
	Original         string        `spec:"original_property" doc:"Property that keeps the entity as it was before the look-up."`
	LookupDelete     string        `spec:"operation_lookup_delete" doc:"Operation that looks up deleted entities which the pipe's dataset has: one that is found is not deleted. Goes before operation_lookup."`
	LookupDeleteProp *jsonpos.Node `spec:"operation_lookup_delete_properties" kind:"object" doc:"Properties for that operation."`
}

const (
	lookupAction       = "lookup"
	lookupDeleteAction = "lookup-delete"
)

// collectTemplate makes the chain of transform-collect-rest.
func collectTemplate(n *jsonpos.Node, env Env) ([]part, diag.List) {
	cfg := new(collectConfig)
	if n == nil {
		return nil, nil // its absence has been told
	}
	diags := spec.Decode(n, cfg)
	m, keys := maker{n.Span}, names(cfg.Key)
	if (cfg.Lookup != "" || cfg.LookupDelete != "") && cfg.System == "" {
		diags.Add(diag.Finding{Rule: "transform/template", Severity: diag.Error, Span: n.Span, Message: "a look-up needs rest_system"})
	}
	if cfg.Lookup != "" && cfg.LookupDelete != "" {
		diags.Add(diag.Finding{Rule: "transform/template", Severity: diag.Warning, Span: cfg.At("operation_lookup"),
			Message: "operation_lookup has no effect: operation_lookup_delete goes before it"})
	}
	var parts []part
	switch {
	case cfg.LookupDelete != "":
		parts = m.verifyDeletes(cfg, env.PipeID)
	case cfg.Lookup != "":
		parts = m.lookUp(cfg)
	}
	if cfg.Share != "" && len(keys) > 0 {
		origin := list{"first", list{"path", "$origin", stored(cfg.Share, sameKey(keys))}}
		parts = append(parts, m.rules("", nil, list{"add-if", "$origin", origin}))
	}
	return parts, diags
}

// sameKey joins the primary key with the $generated_id of what was written.
func sameKey(keys []string) list {
	if len(keys) == 1 {
		return list{"eq", "_S." + keys[0], "s.$generated_id"}
	}
	mine, theirs := list{"tuples"}, list{"tuples"}
	for i, k := range keys {
		mine = append(mine, "_S."+k)
		theirs = append(theirs, list{"nth", i, "s.$generated_id"})
	}
	return list{"eq", mine, theirs}
}

// verifyDeletes looks deleted entities up that the dataset has.
func (m maker) verifyDeletes(cfg *collectConfig, dataset string) []part {
	known := list{"is-not-empty", stored(dataset, list{"eq", "_S._id", "s._id"})}
	return []part{
		m.rules("", nil, list{"if", list{"and", list{"eq", "_S._deleted", true}, known}, list{"add", operationKey, lookupDeleteAction}}),
		m.call(cfg.System, cfg.LookupDelete, lookupDeleteAction, "200,404", cfg.LookupDeleteProp, false),
		{do: &each{do: func(_ context.Context, a *entity.Arena, e entity.Value) (entity.Value, error) {
			return undeleted(a, e), nil
		}}},
	}
}

// undeleted judges the look-up of a deleted entity.
func undeleted(a *entity.Arena, e entity.Value) entity.Value {
	if op, _ := e.Get(operationKey); op.Text() != lookupDeleteAction {
		return e
	}
	status, _ := e.Get(statusKey)
	o := a.NewObject(e.Len())
	for _, m := range e.Object().Members() {
		switch m.Key {
		case operationKey, bodyKey, statusKey:
			continue
		case entity.DeletedKey:
			if code, _ := status.Int64(); code == 200 {
				m.Value = entity.NewBool(false)
			}
		}
		o.Append(m.Key, m.Value)
	}
	return o.Value()
}

// lookUp replaces what is not deleted by what the system has.
func (m maker) lookUp(cfg *collectConfig) []part {
	call := m.call(cfg.System, cfg.Lookup, lookupAction, "", cfg.LookupProps, false)
	return []part{
		m.rules("", nil, list{"if", list{"neq", "_S._deleted", true}, list{"add", operationKey, lookupAction}}),
		call,
		{do: &each{do: func(_ context.Context, a *entity.Arena, e entity.Value) (entity.Value, error) {
			return lookedUp(a, e, cfg.Original)
		}}},
	}
}

// lookedUp puts the response in the place of the entity, which keeps its _id.
func lookedUp(a *entity.Arena, e entity.Value, original string) (entity.Value, error) {
	if op, _ := e.Get(operationKey); op.Text() != lookupAction {
		return e, nil
	}
	body, _ := e.Get(bodyKey)
	found := first(body)
	if found.Kind() != entity.Dict {
		return e, fmt.Errorf("the look-up gave a %s, not an entity", found.Kind())
	}
	id, _ := e.Get(entity.IDKey)
	o := a.NewObject(found.Len() + 3)
	o.Append(entity.IDKey, id)
	for _, m := range found.Object().Members() {
		if m.Key != entity.IDKey {
			o.Append(m.Key, m.Value)
		}
	}
	if original != "" {
		o.Set(original, written(a, leave(a, e, operationKey, bodyKey, statusKey)))
	}
	return o.Value(), nil
}

// first is the first element of a list, or a value that is no list.
func first(v entity.Value) entity.Value {
	if v.Kind() != entity.List {
		return v
	}
	if len(v.Elems()) == 0 {
		return entity.Value{}
	}
	return v.Elems()[0]
}

// leave copies a dict but for some members.
func leave(a *entity.Arena, e entity.Value, keys ...string) entity.Value {
	o := a.NewObject(e.Len())
next:
	for _, m := range e.Object().Members() {
		for _, k := range keys {
			if m.Key == k {
				continue next
			}
		}
		o.Append(m.Key, m.Value)
	}
	return o.Value()
}

// written copies an entity without what a dataset has added to it.
func written(a *entity.Arena, e entity.Value) entity.Value {
	return leave(a, e, entity.UpdatedKey, entity.PreviousKey, entity.TSKey, entity.HashKey)
}

type defaultsConfig struct {
	spec.Base
	System    string        `spec:"rest_system,required" doc:"Id of the REST system."`
	Key       *jsonpos.Node `spec:"primary_key,required" kind:"string|array" doc:"Names of the properties of the primary key."`
	Operation string        `spec:"operation" doc:"Operation that gives the default values; unless given the transform does nothing."`
	Props     *jsonpos.Node `spec:"operation_properties" kind:"object" doc:"Properties for that operation."`
}

const defaultsAction = "lookup-defaults"

// defaultsTemplate makes the chain of transform-defaults-rest.
func defaultsTemplate(n *jsonpos.Node, _ Env) ([]part, diag.List) {
	cfg := new(defaultsConfig)
	if n == nil {
		return nil, nil
	}
	diags := spec.Decode(n, cfg)
	keys := names(cfg.Key)
	if cfg.Operation == "" || diags.HasErrors() {
		return nil, diags
	}
	m := maker{n.Span}
	mark := func(_ context.Context, a *entity.Arena, e entity.Value) (entity.Value, error) {
		if discard, _ := e.Get("$discard"); entity.Deleted(e) || !discard.IsNull() || whole(e, keys) {
			return e, nil
		}
		o := leave(a, e).Object()
		o.Set(operationKey, entity.NewString(defaultsAction))
		return o.Value(), nil
	}
	merge := func(_ context.Context, a *entity.Arena, e entity.Value) (entity.Value, error) {
		if op, _ := e.Get(operationKey); op.Text() != defaultsAction {
			return e, nil
		}
		body, _ := e.Get(bodyKey)
		source, defaults := leave(a, e, operationKey, bodyKey, statusKey), first(body)
		if defaults.Kind() != entity.Dict {
			return e, fmt.Errorf("the defaults are a %s, not a dict", defaults.Kind())
		}
		o := over(a, source, leave(a, defaults, append([]string{entity.IDKey}, keys...)...)).Object()
		o.Set("$original_source", written(a, source))
		return o.Value(), nil
	}
	return []part{{do: &each{do: mark}}, m.call(cfg.System, cfg.Operation, defaultsAction, "", cfg.Props, false), {do: &each{do: merge}}}, diags
}

// whole tells whether all parts of a key have a value.
func whole(e entity.Value, keys []string) bool {
	for _, k := range keys {
		if v, _ := e.Get(k); absent(v) {
			return false
		}
	}
	return true
}

func absent(v entity.Value) bool { return v.IsNull() || v.Kind() == entity.String && v.Text() == "" }

// over lays one value over another: dicts member by member, lists element by
// element where both are dicts; else the upper one counts.
func over(a *entity.Arena, upper, lower entity.Value) entity.Value {
	switch {
	case upper.Kind() == entity.Dict && lower.Kind() == entity.Dict:
		o := a.NewObject(upper.Len() + lower.Len())
		for _, m := range upper.Object().Members() {
			if below, ok := lower.Get(m.Key); ok {
				m.Value = over(a, m.Value, below)
			}
			o.Append(m.Key, m.Value)
		}
		for _, m := range lower.Object().Members() {
			if _, ok := upper.Get(m.Key); !ok {
				o.Append(m.Key, m.Value)
			}
		}
		return o.Value()
	case upper.Kind() == entity.List && lower.Kind() == entity.List:
		elems := append([]entity.Value(nil), upper.Elems()...)
		for i, below := range lower.Elems() {
			if i < len(elems) && elems[i].Kind() == entity.Dict && below.Kind() == entity.Dict {
				elems[i] = over(a, elems[i], below)
			}
		}
		return entity.NewList(elems...)
	default:
		return upper
	}
}
