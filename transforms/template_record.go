package transforms

import (
	"slices"
	"strings"

	"github.com/sluiceio/sluice/entity"
)

// record notes what became of an entity. The dataset never holds tombstones: what
// was done in the system stays known.
func (s *share) record(a *entity.Arena, e entity.Value) (entity.Value, error) {
	op, _ := e.Get(operationKey)
	before, _ := e.Get(previousKey)
	o := leave(a, e, operationKey, previousKey, bodyKey, statusKey, s.cfg.Payload, rewrittenKey).Object()
	o.Set("$last_operation", op)
	failed := false
	if status, called := e.Get(statusKey); called {
		body, _ := e.Get(bodyKey)
		o.Set("$trace_"+op.Text(), trace(a, status, body))
		if failed = !succeeded(op.Text(), status); failed {
			o.Set("$error", entity.NewString("error-"+op.Text()))
		} else if op.Text() == insertAction {
			key, ok := s.generated(first(body), e)
			if !ok {
				id, _ := entity.ID(e)
				return e, errNoKey(id)
			}
			o.Set("$generated_id", key)
		}
	}
	for _, k := range []string{"$generated_id", "$origin", "$truncation"} {
		if v, ok := before.Get(k); ok && !has(o, k) {
			o.Set(k, v)
		}
	}
	o.Set("$success", entity.NewBool(success(op.Text(), failed, before)))
	if entity.Deleted(e) {
		o.Set("$deleted", entity.NewBool(true))
		o.Set(entity.DeletedKey, entity.NewBool(false))
	}
	return o.Value(), nil
}

func has(o *entity.Object, key string) bool {
	v, ok := o.Get(key)
	return ok && !v.IsNull()
}

// success is that of the operation; what is discarded leaves things as they were.
func success(op string, failed bool, before entity.Value) bool {
	if !strings.HasPrefix(op, "discard-") {
		return !failed
	}
	was, known := before.Get("$success")
	return !known || was.Bool()
}

func succeeded(op string, status entity.Value) bool {
	code, _ := status.Int64()
	switch op {
	case lookupAction:
		return code == 200
	case deleteAction:
		return code == 200 || code == 204
	default:
		return code == 200 || code == 201 || code == 204
	}
}

// generated is the primary key in the response to an insert, a list if it has
// several parts. A natural key needs no response.
func (s *share) generated(body, e entity.Value) (entity.Value, bool) {
	parts := make([]entity.Value, len(s.made))
	for i, k := range s.made {
		if parts[i], _ = body.Get(k); absent(parts[i]) && s.cfg.Natural {
			parts[i], _ = e.Get(s.keys[min(i, len(s.keys)-1)])
		}
		if absent(parts[i]) {
			return entity.Value{}, false
		}
	}
	if len(parts) == 1 {
		return parts[0], true
	}
	return entity.NewList(parts...), true
}

// scope are the properties, with dots, that a change is based on.
type scope []string

func scopeOf(source entity.Value) (s scope) {
	list, _ := source.Get("$based_on_properties")
	for _, e := range list.Elems() {
		if e.Kind() == entity.String {
			s = append(s, e.Text())
		}
	}
	return s
}

// of restricts a value to the scope, without empty members, and with what is alone
// in a list by itself: systems give the same thing in many ways.
func (s scope) of(a *entity.Arena, v entity.Value) entity.Value {
	v = s.restrict(a, v, "")
	if v.IsNull() {
		return a.NewObject(0).Value()
	}
	return v
}

func (s scope) restrict(a *entity.Arena, v entity.Value, path string) entity.Value {
	switch v.Kind() {
	case entity.Dict:
		o := a.NewObject(v.Len())
		for _, m := range v.Object().Members() {
			name := m.Key[strings.LastIndexByte(m.Key, ':')+1:]
			at := strings.TrimPrefix(path+"."+name, ".")
			if kept := s.restrict(a, m.Value, at); s.covers(at) && !empty(kept) {
				o.Set(name, kept)
			}
		}
		return o.Value()
	case entity.List:
		var kept []entity.Value
		for _, e := range v.Elems() {
			if e = s.restrict(a, e, path); !empty(e) {
				kept = append(kept, e)
			}
		}
		if len(kept) == 1 {
			return kept[0]
		}
		return entity.NewList(kept...)
	default:
		return v
	}
}

// covers tells whether a path is one of the scope, leads to one or comes from one.
func (s scope) covers(path string) bool {
	return slices.ContainsFunc(s, func(p string) bool {
		return p == path || strings.HasPrefix(p, path+".") || strings.HasPrefix(path, p+".")
	})
}

func empty(v entity.Value) bool {
	return absent(v) || (v.Kind() == entity.Dict || v.Kind() == entity.List) && v.Len() == 0
}

// isOwn tells names that a connector has added to what the system has.
func isOwn(key string) bool {
	return strings.HasPrefix(key[strings.LastIndexByte(key, ':')+1:], "sesam_")
}

// ownless copies a dict without such members; of what is no dict nothing is left.
func ownless(a *entity.Arena, e entity.Value) entity.Value {
	o := a.NewObject(e.Len())
	for _, m := range e.Object().Members() {
		if !isOwn(m.Key) {
			o.Append(m.Key, m.Value)
		}
	}
	return o.Value()
}
