package systems

import (
	"context"
	"fmt"
	"strings"

	"github.com/sluiceio/sluice/entity"
	"github.com/sluiceio/sluice/internal/jsonpos"
	"github.com/sluiceio/sluice/jinja"
)

// Markers that templates leave in what they render.
const (
	markSkip = "sesam:markskip" // leaves the property out
	markJSON = "sesam:markjson" // the rest of the text is JSON
)

// rendering renders trees with the variables of one request.
type rendering struct {
	ctx  context.Context
	vars jinja.Vars
	host *jinja.Host
}

// value renders a tree; skip tells that a marker leaves it out.
func (r *rendering) value(t *tree) (v entity.Value, skip bool, err error) {
	if t == nil {
		return entity.Value{}, true, nil
	}
	switch t.kind {
	case jsonpos.String:
		return r.text(t.text)
	case jsonpos.Array:
		v, err = r.list(t.elems)
	case jsonpos.Object:
		v, err = r.dict(t.members)
	default:
		v = t.leaf
	}
	return v, false, err
}

func (r *rendering) text(t *Template) (v entity.Value, skip bool, err error) {
	s, err := t.render(r.ctx, r.vars, r.host)
	switch {
	case err != nil:
		return v, false, err
	case strings.Contains(s, markSkip):
		return v, true, nil
	case !strings.Contains(s, markJSON):
		return entity.NewString(s), false, nil
	}
	v, err = decodePlain([]byte(strings.ReplaceAll(s, markJSON, "")))
	if err != nil {
		err = fmt.Errorf("%s:%d:%d: what %s marks is not JSON: %w",
			t.span.File, t.span.Start.Line, t.span.Start.Col, markJSON, err)
	}
	return v, false, err
}

func (r *rendering) list(elems []*tree) (entity.Value, error) {
	out := make([]entity.Value, 0, len(elems))
	for _, e := range elems {
		v, skip, err := r.value(e)
		if err != nil {
			return v, err
		}
		if !skip {
			out = append(out, v)
		}
	}
	return entity.NewList(out...), nil
}

func (r *rendering) dict(members []treeMember) (entity.Value, error) {
	var arena *entity.Arena
	out := arena.NewObject(len(members))
	for _, m := range members {
		key, err := m.key.render(r.ctx, r.vars, r.host)
		if err != nil {
			return entity.Value{}, err
		}
		if strings.Contains(key, markSkip) {
			continue
		}
		v, skip, err := r.value(m.value)
		if err != nil {
			return v, err
		}
		if !skip {
			out.Set(key, v)
		}
	}
	return out.Value(), nil
}
