package transforms

import (
	"context"
	"errors"
	"strings"

	"github.com/sluiceio/sluice/dtl"
	"github.com/sluiceio/sluice/entity"
	"github.com/sluiceio/sluice/internal/diag"
	"github.com/sluiceio/sluice/internal/jsonpos"
	"github.com/sluiceio/sluice/internal/spec"
)

type shareConfig struct {
	spec.Base
	System        string        `spec:"rest_system,required" doc:"Id of the REST system."`
	Key           *jsonpos.Node `spec:"primary_key,required" kind:"string|array" doc:"Names of the properties of the primary key."`
	InsertKey     *jsonpos.Node `spec:"primary_key_insert" kind:"string|array" doc:"Their names in the response to an insert, if they are others."`
	Natural       bool          `spec:"is_natural_key" doc:"Whether the key is part of the entity, and not made by the system."`
	Share         string        `spec:"share_dataset,required" doc:"Dataset that keeps what became of each entity, usually the pipe's own."`
	Payload       string        `spec:"payload_property" default:"payload" doc:"Property that carries the body of inserts and updates."`
	Lookup        string        `spec:"operation_lookup" default:"lookup" doc:"Operation that looks an entity up."`
	Insert        string        `spec:"operation_insert" default:"insert" doc:"Operation that inserts one."`
	Update        string        `spec:"operation_update" default:"update" doc:"Operation that updates one."`
	Delete        string        `spec:"operation_delete" default:"delete" doc:"Operation that deletes one."`
	LookupProps   *jsonpos.Node `spec:"operation_lookup_properties" kind:"object" doc:"Properties for the look-up."`
	InsertProps   *jsonpos.Node `spec:"operation_insert_properties" kind:"object" doc:"Properties for the insert."`
	UpdateProps   *jsonpos.Node `spec:"operation_update_properties" kind:"object" doc:"Properties for the update."`
	DeleteProps   *jsonpos.Node `spec:"operation_delete_properties" kind:"object" doc:"Properties for the delete."`
	LookupAllowed string        `spec:"lookup_allowed_status_codes" default:"100-428,430-599" doc:"Status codes of a look-up that do not fail the run."`
	InsertAllowed string        `spec:"insert_allowed_status_codes" default:"100-428,430-599" doc:"The same of an insert."`
	UpdateAllowed string        `spec:"update_allowed_status_codes" default:"100-428,430-599" doc:"The same of an update."`
	DeleteAllowed string        `spec:"delete_allowed_status_codes" default:"100-428,430-599" doc:"The same of a delete."`
	EnableDeletes bool          `spec:"enable_deletes" doc:"Whether what is deleted here is deleted in the system, too."`
	Patching      bool          `spec:"client_side_patching" doc:"Whether an update sends what the look-up gave, changed by the payload, and not the payload alone."`
	Rules         *jsonpos.Node `spec:"rules" kind:"object" doc:"Rules lookup_rewrite, lookup_rewrite_based_on and lookup_rewrite_update, for what the look-up gave."`
	PayloadRules  *jsonpos.Node `spec:"rewrite_rules_payload" kind:"object" doc:"Rules rewrite_insert_payload, rewrite_update_payload and rewrite_update_payload_after_patch, whose $payload is sent."`
	LookupRules   *jsonpos.Node `spec:"rewrite_rules_lookup" kind:"object" doc:"Rule rewrite_lookup, for the response to a look-up."`
	MutationRules *jsonpos.Node `spec:"rewrite_rules_mutation" kind:"object" doc:"Rules rewrite_insert, rewrite_update and rewrite_delete, for the responses to these."`
}

// The members that the share template keeps while it works, and what it calls.
const (
	sourceKey    = "$source"
	previousKey  = "$previous"
	insertedKey  = "$inserted"
	rewrittenKey = "$rewritten"
	basedOnKey   = "$based_on_lookup"
	patchKey     = "$patched"
	insertAction = "insert"
	updateAction = "update"
	deleteAction = "delete"
)

// shareTemplate makes the chain of transform-share-rest: what is to be done is
// decided, looked up, compared with what it was based on, done and noted.
func shareTemplate(n *jsonpos.Node, _ Env) ([]part, diag.List) {
	cfg := new(shareConfig)
	if n == nil {
		return nil, nil
	}
	diags := spec.Decode(n, cfg)
	s := &share{cfg: cfg, keys: names(cfg.Key), made: names(cfg.InsertKey)}
	if len(s.made) == 0 {
		s.made = s.keys
	}
	if diags.HasErrors() {
		return nil, diags
	}
	m := maker{n.Span}
	parts := []part{s.find(m), native(s.classify), m.call(cfg.System, cfg.Lookup, lookupAction, cfg.LookupAllowed, cfg.LookupProps, false)}
	parts = append(parts, s.rewriteLookup(m)...)
	parts = append(parts, native(s.compare))
	parts = append(parts, s.rewritePayload(m)...)
	parts = append(parts,
		m.call(cfg.System, cfg.Update, updateAction, cfg.UpdateAllowed, cfg.UpdateProps, true),
		m.call(cfg.System, cfg.Insert, insertAction, cfg.InsertAllowed, cfg.InsertProps, true))
	if cfg.EnableDeletes {
		parts = append(parts, m.call(cfg.System, cfg.Delete, deleteAction, cfg.DeleteAllowed, cfg.DeleteProps, true))
	}
	for _, op := range []string{updateAction, insertAction, deleteAction} {
		if rule := "rewrite_" + op; cfg.MutationRules.Get(rule) != nil {
			parts = append(parts, m.rules(op, cfg.MutationRules, list{"add", bodyKey, list{"apply", rule, "_S." + bodyKey}}))
		}
	}
	return append(parts, native(s.record)), diags
}

// share is the share template with its properties.
type share struct {
	cfg  *shareConfig
	keys []string // primary key
	made []string // its names in the response to an insert
}

func native(do func(a *entity.Arena, e entity.Value) (entity.Value, error)) part {
	return part{do: &each{do: func(_ context.Context, a *entity.Arena, e entity.Value) (entity.Value, error) { return do(a, e) }}}
}

// find gets what became of the entity before, and whether one of the entities that
// it is the same as was inserted.
func (s *share) find(m maker) part {
	same := stored(s.cfg.Share, list{"eq", list{"string", "_S.$ids"}, list{"string", "s._id"}}, list{"is-not-null", "s.$generated_id"})
	return m.rules("", nil,
		list{"add", previousKey, list{"first", stored(s.cfg.Share, list{"eq", "_S._id", "s._id"})}},
		list{"add", insertedKey, list{"is-not-empty", same}})
}

// rewriteLookup applies the user's rules to what a look-up gave.
func (s *share) rewriteLookup(m maker) (parts []part) {
	found := list{"eq", "_S." + statusKey, 200}
	if s.cfg.LookupRules.Get("rewrite_lookup") != nil {
		parts = append(parts, m.rules(lookupAction, s.cfg.LookupRules,
			list{"if", found, list{"add", bodyKey, list{"apply", "rewrite_lookup", "_S." + bodyKey}}}))
	}
	for key, rule := range map[string]string{basedOnKey: "lookup_rewrite_based_on", patchKey: "lookup_rewrite_update"} {
		if s.cfg.Rules.Get(rule) == nil {
			rule = "lookup_rewrite"
		}
		if s.cfg.Rules.Get(rule) != nil {
			parts = append(parts, m.rules(lookupAction, s.cfg.Rules,
				list{"if", found, list{"add", key, list{"first", list{"apply", rule, list{"first", "_S." + bodyKey}}}}}))
		}
	}
	return parts
}

// rewritePayload makes the bodies of inserts and updates.
func (s *share) rewritePayload(m maker) (parts []part) {
	rules := s.cfg.PayloadRules
	for _, op := range []string{insertAction, updateAction} {
		if rule := "rewrite_" + op + "_payload"; rules.Get(rule) != nil {
			parts = append(parts, m.rules(op, rules, list{"add", rewrittenKey, list{"first", list{"apply", rule, "_S."}}}))
		}
	}
	parts = append(parts, native(s.payload))
	if rule := "rewrite_update_payload_after_patch"; rules.Get(rule) != nil {
		parts = append(parts,
			m.rules(updateAction, rules, list{"add", rewrittenKey, list{"first", list{"apply", rule, list{"dict", "_payload", "_S." + s.cfg.Payload}}}}),
			native(s.rewritten))
	}
	return parts
}

// classify decides what is to be done with an entity.
func (s *share) classify(a *entity.Arena, e entity.Value) (entity.Value, error) {
	o := a.NewObject(len(s.keys) + 10)
	source := written(a, leave(a, e, previousKey, insertedKey))
	for _, k := range append([]string{entity.IDKey, entity.DeletedKey, "$origin", "$replaced", previousKey}, s.keys...) {
		if v, ok := e.Get(k); ok && !v.IsNull() {
			o.Set(k, v)
		}
	}
	o.Set(sourceKey, source)
	op, err := s.operation(e)
	o.Set(operationKey, entity.NewString(op))
	if reason, _ := e.Get("$discard"); op == "discard-by-connector" {
		o.Set("$reason", reason)
	}
	return o.Value(), err
}

func (s *share) operation(e entity.Value) (string, error) {
	deleted := entity.Deleted(e)
	replaced, _ := e.Get("$replaced")
	discard, _ := e.Get("$discard")
	inserted, _ := e.Get(insertedKey)
	some := false
	for _, k := range s.keys {
		some = some || whole(e, []string{k})
	}
	switch {
	case replaced.Bool() && deleted:
		return "discard-replaced", nil
	case !discard.IsNull():
		return "discard-by-connector", nil
	case whole(e, s.keys) && deleted && s.cfg.EnableDeletes:
		return deleteAction, nil
	case whole(e, s.keys) && deleted:
		return "discard-deletes-not-enabled", nil
	case whole(e, s.keys):
		return lookupAction, nil
	case deleted:
		return "discard-delete-non-existent", nil
	case s.cfg.Natural && some:
		return "discard-partial-natural-key", nil
	case inserted.Bool():
		return "discard-already-inserted", nil
	}
	if origin, _ := e.Get("$origin"); origin.IsNull() {
		return "", errors.New("it has no $origin, without which it must not be inserted: nobody would know later where it came from, and it would be inserted again")
	}
	return insertAction, nil
}

// compare decides about an entity that was looked up: it is updated if the system
// has what the change was based on, and the change is one.
func (s *share) compare(a *entity.Arena, e entity.Value) (entity.Value, error) {
	op, _ := e.Get(operationKey)
	status, _ := e.Get(statusKey)
	body, _ := e.Get(bodyKey)
	if op.Text() != lookupAction {
		return e, nil
	}
	code, _ := status.Int64()
	found := first(body)
	if s.cfg.Natural && (code == 404 || code == 200 && found.Kind() != entity.Dict) {
		o := leave(a, e, bodyKey, statusKey).Object()
		o.Set(operationKey, entity.NewString(insertAction))
		return o.Value(), nil
	}
	if code != 200 {
		return e, nil
	}
	o := leave(a, e, bodyKey, statusKey).Object()
	o.Set("$trace_lookup", trace(a, status, body))
	if rewritten, ok := e.Get(basedOnKey); ok {
		found = rewritten
	}
	source, _ := e.Get(sourceKey)
	base, _ := source.Get("$based_on")
	scope := scopeOf(source)
	based := scope.of(a, found)
	o.Set(basedOnKey, based)
	o.Set(operationKey, entity.NewString(s.verdict(a, scope, source, based, ownless(a, base))))
	if _, ok := o.Get(patchKey); !ok {
		o.Set(patchKey, first(body))
	}
	return o.Value(), nil
}

func (s *share) verdict(a *entity.Arena, scope scope, source, based, base entity.Value) string {
	unsafe, _ := source.Get("$unsafe_skip_optimistic_locking")
	switch {
	case !entity.Equal(based, base) && unsafe.Bool():
		return updateAction
	case !entity.Equal(based, base):
		return "discard-modified-in-system"
	case !entity.Equal(scope.of(a, ownless(a, source)), base):
		return updateAction
	default:
		return "discard-entity-not-changed"
	}
}

// payload makes the body of an insert or update: what a rule says, or the entity,
// or the entity itself without what is not the system's.
func (s *share) payload(a *entity.Arena, e entity.Value) (entity.Value, error) {
	op, _ := e.Get(operationKey)
	if op.Text() != insertAction && op.Text() != updateAction {
		return leave(a, e, patchKey), nil
	}
	source, _ := e.Get(sourceKey)
	body := payloadOf(a, source)
	if given, ok := source.Get("$payload"); ok && !given.IsNull() {
		body = given
	}
	if rewritten, ok := e.Get(rewrittenKey); ok {
		body, _ = rewritten.Get("$payload")
	}
	if patched, ok := e.Get(patchKey); ok && s.cfg.Patching && op.Text() == updateAction {
		body = over(a, body, patched)
	}
	o := leave(a, e, patchKey, rewrittenKey).Object()
	o.Set(s.cfg.Payload, body)
	return o.Value(), nil
}

// rewritten takes over the payload that a rule has made of the patched one.
func (s *share) rewritten(a *entity.Arena, e entity.Value) (entity.Value, error) {
	made, ok := e.Get(rewrittenKey)
	if !ok {
		return e, nil
	}
	body, _ := made.Get("$payload")
	o := leave(a, e, rewrittenKey).Object()
	o.Set(s.cfg.Payload, body)
	return o.Value(), nil
}

// payloadOf is an entity without what is Sluice's, a template's or a connector's.
func payloadOf(a *entity.Arena, e entity.Value) entity.Value {
	o := a.NewObject(e.Len())
	for _, m := range e.Object().Members() {
		if !strings.HasPrefix(m.Key, "_") && !strings.HasPrefix(m.Key, "$") && !isOwn(m.Key) {
			o.Append(m.Key, m.Value)
		}
	}
	return o.Value()
}

// trace is what a system answered.
func trace(a *entity.Arena, status, body entity.Value) entity.Value {
	o := a.NewObject(2)
	o.Append(statusKey, status)
	o.Append(bodyKey, body)
	return o.Value()
}

// errNoKey trips: the entity was inserted, and nobody knows as what.
func errNoKey(id string) error {
	return &dtl.RunError{Code: "dtl/trip", Rule: "transform-share-rest", EntityID: id,
		Msg: "the response to the insert lacks the primary key, or a part of it"}
}
