package transforms

import (
	"context"
	"strings"

	"github.com/sluiceio/sluice/entity"
	"github.com/sluiceio/sluice/internal/diag"
	"github.com/sluiceio/sluice/internal/jsonpos"
	"github.com/sluiceio/sluice/internal/spec"
)

type keysConfig struct {
	spec.Base
	Type        string        `spec:"type,required" doc:"lower_keys or upper_keys"`
	Comment     *jsonpos.Node `spec:"comment" kind:"string|array" doc:"A remark for readers of the configuration."`
	Recurse     bool          `spec:"recurse" doc:"Whether keys of dicts inside the entity are changed too, also of those in lists."`
	SideEffects bool          `spec:"side_effects" doc:"Whether the transform changes something outside the node, so that previews stop before it."`
}

func lowerKeysType() Type {
	return keysType("lower_keys", "Writes keys in lower case, but for those that begin with an underscore. Of keys that become the same the last one counts. Older configurations have it; DTL does the same.", strings.ToLower)
}

func upperKeysType() Type {
	return keysType("upper_keys", "Writes keys in upper case, but for those that begin with an underscore. Of keys that become the same the last one counts. Older configurations have it; DTL does the same.", strings.ToUpper)
}

func keysType(name, doc string, to func(string) string) Type {
	return Type{
		Name: name, Doc: doc,
		Config: func() any { return new(keysConfig) },
		Build: func(c any, _ Env) (Transform, diag.List) {
			cfg := c.(*keysConfig)
			k := keys{to, cfg.Recurse}
			return &each{effects: cfg.SideEffects, do: func(_ context.Context, a *entity.Arena, e entity.Value) (entity.Value, error) {
				return k.dict(a, e), nil
			}}, nil
		},
	}
}

// keys renames the keys of dicts.
type keys struct {
	to      func(string) string
	recurse bool
}

// dict leaves alone what Sluice itself reads: an _ID would be no identity.
func (k keys) dict(a *entity.Arena, d entity.Value) entity.Value {
	o := a.NewObject(d.Len())
	for _, m := range d.Object().Members() {
		key := m.Key
		if !strings.HasPrefix(key, "_") {
			key = k.to(key)
		}
		o.Set(key, k.value(a, m.Value))
	}
	return o.Value()
}

func (k keys) value(a *entity.Arena, v entity.Value) entity.Value {
	switch {
	case !k.recurse:
		return v
	case v.Kind() == entity.Dict:
		return k.dict(a, v)
	case v.Kind() == entity.List:
		out := a.Values(v.Len())
		for _, e := range v.Elems() {
			out = append(out, k.value(a, e))
		}
		return entity.NewList(out...)
	default:
		return v
	}
}
