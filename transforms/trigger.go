package transforms

import (
	"context"
	"strings"

	"github.com/sluiceio/sluice/dtl"
	"github.com/sluiceio/sluice/entity"
	"github.com/sluiceio/sluice/internal/diag"
	"github.com/sluiceio/sluice/internal/jsonpos"
	"github.com/sluiceio/sluice/internal/spec"
)

type triggerConfig struct {
	spec.Base
	Key   string        `spec:"key" default:"_trigger" doc:"Path of the property to look at."`
	Value *jsonpos.Node `spec:"value,required" kind:"any" doc:"What the property must be; * in a text stands for any characters."`
}

// trigger decides which entities a transform is for.
type trigger struct {
	key  string
	path *dtl.Expression
	want entity.Value
}

// compileTrigger compiles `trigger_on`; nil is for all entities.
func compileTrigger(n *jsonpos.Node, o dtl.Options) (*trigger, diag.List) {
	if n == nil {
		return nil, nil
	}
	var cfg triggerConfig
	diags := spec.Decode(n, &cfg)
	if diags.HasErrors() {
		return nil, diags
	}
	path, more := dtl.CompileExpr(&jsonpos.Node{Kind: jsonpos.String, Text: "_S." + cfg.Key, Span: cfg.At("key")}, nil, o)
	diags.Add(more...)
	want, err := entity.Decode(nil, cfg.Value.AppendJSON(nil), entity.DecodeOptions{})
	if err != nil {
		diags.Add(diag.Finding{Rule: "transform/trigger", Severity: diag.Error, Span: cfg.Value.Span, Message: err.Error()})
	}
	return &trigger{cfg.Key, path, want}, diags
}

// triggerRun is a trigger in one run; nil fires always.
type triggerRun struct {
	t   *trigger
	run *dtl.Run
}

func (t *trigger) start(r Run) *triggerRun {
	if t == nil {
		return nil
	}
	return &triggerRun{t, dtl.NewRun(t.path.Program(), r.Host)}
}

// fires tells whether the transform is for the entity. A live entity counts
// as one whose _deleted is false, whether it says so or not.
func (t *triggerRun) fires(ctx context.Context, e entity.Value, a *entity.Arena) (bool, error) {
	if t == nil {
		return true, nil
	}
	if t.t.key == entity.DeletedKey {
		return matches(t.t.want, entity.NewBool(entity.Deleted(e))), nil
	}
	v, err := t.run.Eval(ctx, t.t.path, e, entity.Value{}, a)
	if err != nil {
		return false, err
	}
	if v.Kind() == entity.List && t.t.want.Kind() != entity.List {
		for _, elem := range v.Elems() {
			if matches(t.t.want, elem) {
				return true, nil
			}
		}
		return false, nil
	}
	return matches(t.t.want, v), nil
}

// matches compares with type; a text may hold wildcards. What is missing is
// null and matches nothing.
func matches(want, v entity.Value) bool {
	switch {
	case v.IsNull():
		return false
	case want.Kind() == entity.String && v.Kind() == entity.String:
		return wildcard(want.Text(), v.Text())
	default:
		return entity.Equal(want, v)
	}
}

// wildcard matches text against a pattern in which * stands for any
// characters; nothing else is special.
func wildcard(pattern, s string) bool {
	parts := strings.Split(pattern, "*")
	if len(parts) == 1 {
		return pattern == s
	}
	first, last := parts[0], parts[len(parts)-1]
	if !strings.HasPrefix(s, first) || !strings.HasSuffix(s[len(first):], last) {
		return false
	}
	s = s[len(first) : len(s)-len(last)]
	for _, p := range parts[1 : len(parts)-1] {
		_, rest, ok := strings.Cut(s, p)
		if !ok {
			return false
		}
		s = rest
	}
	return true
}
