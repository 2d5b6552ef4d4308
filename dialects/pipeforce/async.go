package pipeforce

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/sluiceio/sluice/entity"
	"github.com/sluiceio/sluice/store"
)

// A result stands in several entities, so that pipelines that work for the same
// call do not write over one another: <id> says what is expected, <id>/<pipeline>
// what a pipeline came to, <id>! what async.complete or async.cancel said.

func asyncCommands() []command {
	id := param{name: "correlationId", required: true, doc: "Id of the result."}
	input := param{name: "input", raw: true, doc: "Expression of the value; else the body is it."}
	return []command{
		{name: "async.complete", aliases: []string{"result.complete"}, open: true, door: true, run: asyncComplete, doc: "Gives a result its value; the first one counts.",
			params: []param{id, input, {name: "value", doc: "The value."}}},
		{name: "async.cancel", open: true, door: true, run: asyncCancel, doc: "Ends a result without a value.", params: []param{id}},
		{name: "async.poll", open: true, door: true, result: true, run: asyncGet, doc: "Returns a result with its value.", params: []param{id}},
		{name: "async.get", aliases: []string{"result.get"}, open: true, door: true, result: true, run: asyncGet, doc: "Returns a result with its value.", params: []param{id}},
		{name: "async.list", aliases: []string{"result.list"}, door: true, result: true, run: asyncList, doc: "Returns the results there are, without values."},
		{name: "async.ping", open: true, door: true, run: asyncPing, doc: "Says that work on a result goes on.", params: []param{id}},
	}
}

// expected is the entity that a call begins with.
func expected(id string, now time.Time, trace string, redirect bool, pipelines []string) entity.Value {
	list := make([]entity.Value, len(pipelines))
	for i, p := range pipelines {
		list[i] = entity.NewString(p)
	}
	return entity.NewDict(text(entity.IDKey, id), at("created", now), text("traceId", trace),
		member("redirect", entity.NewBool(redirect)), member("pipelines", entity.NewList(list...)))
}

// result is what is known of one.
type result struct {
	id        string
	created   time.Time
	redirect  bool
	pinged    time.Time
	fetched   time.Time
	finished  time.Time // zero: it is not
	status    string    // ok, error, cancelled
	value     entity.Value
	pipelines []string
}

// result reads a result; nil if there is none, or none any more.
func (rt *runtime) result(ctx context.Context, id string) (*result, error) {
	if id == "" || len(id) > mostToken || strings.ContainsAny(id, "/!~") {
		return nil, nil
	}
	found, err := rt.get(ctx, resultsDataset, id, id+"!", id+"~ping", id+"~fetched")
	if err != nil || found[0].IsNull() {
		return nil, err
	}
	r := &result{id: id, created: moment(found[0], "created"), pinged: moment(found[2], "at"), fetched: moment(found[3], "at")}
	redirect, _ := found[0].Get("redirect")
	r.redirect = redirect.Bool()
	list, _ := found[0].Get("pipelines")
	for _, p := range list.Elems() {
		r.pipelines = append(r.pipelines, p.Text())
	}
	if !found[1].IsNull() {
		r.finish(found[1])
	} else if err := rt.ofPipelines(ctx, r); err != nil {
		return nil, err
	}
	if rt.gone(r) {
		return nil, nil
	}
	return r, nil
}

func (r *result) finish(v entity.Value) {
	r.finished, r.status = moment(v, "at"), str(v, "status")
	r.value, _ = v.Get("value")
}

// skipped is a pipeline whose selector does not choose the event.
const skipped = "skipped"

// ofPipelines finishes a result if all pipelines have come to their end: of one
// pipeline it is what that says, of several a list.
func (rt *runtime) ofPipelines(ctx context.Context, r *result) error {
	if len(r.pipelines) == 0 {
		return nil
	}
	ids := make([]string, len(r.pipelines))
	for i, p := range r.pipelines {
		ids[i] = r.id + "/" + p
	}
	found, err := rt.get(ctx, resultsDataset, ids...)
	if err != nil {
		return err
	}
	var all []entity.Value
	var last time.Time
	status := "ok"
	for i, v := range found {
		if v.IsNull() || str(v, "status") == "waiting" {
			return nil
		}
		if at := moment(v, "at"); at.After(last) {
			last = at
		}
		value, _ := v.Get("value")
		switch s := str(v, "status"); s {
		case "ok":
		case skipped:
			continue
		default:
			status = s
		}
		all = append(all, entity.NewDict(text("pipeline", r.pipelines[i]), text("status", str(v, "status")), member("value", value)))
	}
	r.finished, r.status, r.value = last, status, entity.NewList(all...)
	switch len(all) {
	case 0:
		r.value = entity.Value{}
	case 1:
		r.value, _ = all[0].Get("value")
	}
	return nil
}

// gone tells whether a result is kept no longer, or nobody has worked on it for
// too long.
func (rt *runtime) gone(r *result) bool {
	now := rt.now()
	keep, fetched := rt.hub.keeps()
	if r.finished.IsZero() {
		since := r.created
		if r.pinged.After(since) {
			since = r.pinged
		}
		return now.Sub(since) > keep
	}
	return now.Sub(r.finished) > keep || !r.fetched.IsZero() && now.Sub(r.fetched) > fetched
}

// complete says how a result ends, unless it has ended.
func (rt *runtime) complete(ctx context.Context, id, status string, v entity.Value) error {
	r, err := rt.result(ctx, id)
	if err != nil || r == nil || !r.finished.IsZero() {
		return err
	}
	ended := entity.NewDict(text(entity.IDKey, id+"!"), at("at", rt.now()), text("status", status), member("value", v))
	// Whoever comes second finds the state there, and is too late.
	p, err := rt.store.Append(ctx, &store.Batch{Writes: []store.Write{change(resultsDataset, putOp(ended))},
		State: []store.StateWrite{{Key: completionKey(id), Value: []byte{1}, IfRev: 0}}})
	if err == nil {
		_, err = p.Wait(ctx)
	}
	if errors.Is(err, store.ErrConflict) {
		return nil
	}
	return err
}

func completionKey(id string) string { return "pipeforce-completed/" + id }

func asyncComplete(ctx context.Context, x *exec, a args) (entity.Value, error) {
	v, ok := a.values["value"]
	if !ok {
		var err error
		if v, err = a.input(x); err != nil {
			return v, err
		}
	}
	return entity.Value{}, x.rt.complete(ctx, a.text("correlationId"), "ok", v)
}

func asyncCancel(ctx context.Context, x *exec, a args) (entity.Value, error) {
	return entity.Value{}, x.rt.complete(ctx, a.text("correlationId"), "cancelled", entity.Value{})
}

func asyncPing(ctx context.Context, x *exec, a args) (entity.Value, error) {
	id := a.text("correlationId")
	r, err := x.rt.result(ctx, id)
	if err != nil || r == nil {
		return entity.Value{}, err
	}
	return entity.Value{}, x.rt.mark(ctx, id+"~ping")
}

// mark notes the present time under an id.
func (rt *runtime) mark(ctx context.Context, id string) error {
	return rt.commit(ctx, store.Batch{Writes: []store.Write{change(resultsDataset,
		putOp(entity.NewDict(text(entity.IDKey, id), at("at", rt.now()))))}})
}

func asyncGet(ctx context.Context, x *exec, a args) (entity.Value, error) {
	r, err := x.rt.result(ctx, a.text("correlationId"))
	switch {
	case err != nil:
		return entity.Value{}, err
	case r == nil:
		return entity.Value{}, problemf(410, "GoneException", "there is no result of that correlationId, or none any more")
	}
	return r.shown(true), nil
}

// shown is a result as callers see it.
func (r *result) shown(whole bool) entity.Value {
	status, code := "processing", int64(202)
	if !r.finished.IsZero() {
		status, code = r.status, 200
		if r.status == "error" {
			code = 500
		}
	}
	all := []entity.Member{member("statusCode", entity.NewInt(code)), text("status", status)}
	if whole {
		all = append(all, member("value", r.value))
	}
	return entity.NewDict(append(all, member("pollingRedirectEnabled", entity.NewBool(r.redirect)), text("correlationId", r.id),
		member("created", entity.NewInt(r.created.UnixMilli())))...)
}

// mostListed bounds what async.list returns.
const mostListed = 1000

func asyncList(ctx context.Context, x *exec, _ args) (entity.Value, error) {
	var all []entity.Value
	err := x.rt.each(ctx, resultsDataset, func(v entity.Value) error {
		id := str(v, entity.IDKey)
		if strings.ContainsAny(id, "/!~") || len(all) == mostListed {
			return nil
		}
		r, err := x.rt.result(ctx, id)
		if err == nil && r != nil {
			all = append(all, r.shown(false))
		}
		return err
	})
	return entity.NewList(all...), err
}

// ended says what a pipeline came to for a call, to be committed.
func ended(id, pipeline, status string, v entity.Value, now time.Time, attempts int64) store.Write {
	return change(resultsDataset, putOp(entity.NewDict(text(entity.IDKey, id+"/"+pipeline), at("at", now), text("status", status),
		member("value", v), member("attempts", entity.NewInt(attempts)))))
}
