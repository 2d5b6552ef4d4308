package pipes

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"math"
	"slices"
	"strconv"

	"github.com/sluiceio/sluice/entity"
	"github.com/sluiceio/sluice/sinks"
	"github.com/sluiceio/sluice/sources"
	"github.com/sluiceio/sluice/transforms"
)

// Publisher returns the sink as a publisher, if it is one.
func (p *Pipe) Publisher() (sinks.Publisher, bool) {
	s, ok := p.sink.(sinks.Publisher)
	return s, ok
}

// Pumped tells whether the pipe has runs of its own: receivers and publishers
// run when somebody posts or asks.
func (p *Pipe) Pumped() bool {
	_, receiver := p.Receiver()
	_, publisher := p.Publisher()
	return !receiver && !publisher
}

// Filters tells whether what the pipe makes may be another than what it reads.
func (p *Pipe) Filters() bool { return p.Def.Transform != nil || p.Def.Source.Get("subset") != nil }

// ErrNotPublisher is a pipe that has no document.
var ErrNotPublisher = errors.New("the pipe is no publisher")

// Asked is what somebody asks of a publisher.
type Asked struct {
	// Since is where to go on, "" for the beginning. Sources that cannot do so
	// are read from the beginning.
	Since string
	// Limit is the most entities to write, less than 0 for all. What comes of one
	// source entity is not cut.
	Limit int
	// Params is what "_B." reads.
	Params entity.Value
	// Form is the publisher of another form of the document; nil is the pipe's own.
	Form sinks.Publisher
	// From leaves out source entities that were written before it, in microseconds
	// since 1970; those whose time nobody knows stay.
	From int64
	// Of is the source entity that is wanted alone. Sources that cannot look up
	// entities are read whole.
	Of string
	// Origins gives what the transforms make the _ts of the source entity it comes
	// of, and its id as OriginKey, where that is known.
	Origins bool
}

// OriginKey is the property that names the source entity, see Asked.Origins.
const OriginKey = "_origin"

// Publish reads the source, transforms, and writes the document of a publisher
// to w as it is made. An error leaves it without its end.
func (p *Pipe) Publish(ctx context.Context, q Asked, w io.Writer) error {
	s, ok := p.Publisher()
	if !ok {
		return ErrNotPublisher
	}
	if err := p.ready(ctx); err != nil {
		return err
	}
	if q.Form != nil {
		s = q.Form
	}
	r := &edition{p: p, doc: s.Document(), w: w, left: q.Limit, asked: q}
	if p.transform != nil {
		r.step = p.transform.Start(transforms.Run{Host: p.host(), Params: q.Params})
	}
	if since := p.source.Since(); since.Supports {
		r.since, r.order = p.place(q.Since), since.Chronological
		r.single = r.step != nil && s.Continues()
	}
	return r.publish(ctx)
}

// place is where to go on from what a reader was given last. The _updated of an
// entity out of several datasets says nothing of where the others were: all is read.
func (p *Pipe) place(since string) string {
	if _, err := strconv.ParseInt(since, 10, 64); err == nil && len(p.Inputs()) > 1 {
		return ""
	}
	return since
}

// edition is a document on its way to one reader.
type edition struct {
	p    *Pipe
	doc  sinks.Document
	w    io.Writer
	step transforms.Step // nil without transforms
	left int             // entities that may be written yet; less than 0 is no limit
	buf  []byte
	// since is where reading begins. single sends source entities through the
	// transforms one by one, so that it is known which _updated what comes of
	// them has; at is the last one.
	since  string
	single bool
	order  bool // the source is chronological
	at     entity.Value
	one    entity.Batch
	turns  turns
	asked  Asked
}

// parent is what is known of the source entity that something comes of.
type parent struct{ updated, ts, id entity.Value }

func parentOf(e entity.Value) (o parent) {
	o.updated, _ = e.Get(entity.UpdatedKey)
	o.ts, _ = e.Get(entity.TSKey)
	o.id, _ = e.Get(entity.IDKey)
	return o
}

// latest is behind every offset.
var latest = strconv.FormatInt(math.MaxInt64, 10)

// entities reads what was asked for.
func (r *edition) entities(ctx context.Context) iter.Seq2[*entity.Batch, error] {
	if s, ok := r.p.source.(sources.Shown); ok {
		return s.ReadShown(ctx, r.p.batchSize())
	}
	t, ok := r.p.source.(sources.Tracked)
	if r.asked.Of == "" || !ok {
		return r.p.source.Read(ctx, r.since, r.p.batchSize())
	}
	return func(yield func(*entity.Batch, error) bool) {
		b := &entity.Batch{Arena: entity.NewArena()}
		yield(b, t.Again(ctx, []string{r.asked.Of}, latest, b))
	}
}

// Old tells whether an entity is from before the time asked for.
func (q Asked) Old(e entity.Value) bool {
	ts, _ := e.Get(entity.TSKey)
	micros, ok := ts.Int64()
	return ok && micros < q.From
}

// InOrder tells whether readers of a publisher can go on from any entity.
func (p *Pipe) InOrder() bool {
	s := p.source.Since()
	return s.Supports && s.Chronological
}

func (r *edition) publish(ctx context.Context) (err error) {
	if r.buf, err = r.doc.Begin(nil); err != nil {
		return err
	}
	for b, err := range r.entities(ctx) {
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			return &readError{err}
		}
		if r.left == 0 {
			break
		}
		r.turns.take(ctx, &r.p.env, false)
		if err := r.batch(ctx, b); err != nil {
			return err
		}
		if r.left == 0 {
			break
		}
	}
	if r.buf, err = r.doc.End(r.buf); err != nil {
		return err
	}
	return r.flush()
}

// batch writes what comes of a batch of the source.
func (r *edition) batch(ctx context.Context, b *entity.Batch) error {
	if r.asked.From != 0 {
		b.Entities = slices.DeleteFunc(b.Entities, r.asked.Old)
	}
	if !r.single {
		return r.deliver(ctx, b)
	}
	r.one.Arena = b.Arena
	for _, e := range b.Entities {
		if r.left == 0 {
			return nil
		}
		r.one.Entities = append(r.one.Entities[:0], e)
		if err := r.deliver(ctx, &r.one); err != nil {
			return err
		}
		if u, ok := e.Get(entity.UpdatedKey); ok {
			r.at = u.Clone()
		}
	}
	return nil
}

func (r *edition) deliver(ctx context.Context, b *entity.Batch) error {
	var from parent
	if r.single {
		from = parentOf(b.Entities[0])
	}
	if r.step != nil {
		if err := r.step.Apply(ctx, b); err != nil {
			return err
		}
	}
	b.Entities = slices.DeleteFunc(b.Entities, entity.Filtered) // those are for datasets only
	for i, e := range b.Entities {
		if r.left == 0 && !r.single {
			break
		}
		if r.single {
			e = r.stamped(b.Arena, e, i == len(b.Entities)-1, from)
		}
		if err := r.write(e); err != nil {
			return err
		}
	}
	return nil
}

// stamped gives an entity the _updated to go on from. Only the last one of
// those that come of one source entity leads past it: whoever has not got that
// one gets all of them again. Where entities come in no order readers can go on
// from a whole document only, and all have that of their source entity.
func (r *edition) stamped(a *entity.Arena, e entity.Value, last bool, from parent) entity.Value {
	updated := from.updated
	if !last && r.order {
		updated = r.at
	}
	o := a.NewObject(e.Len() + 3)
	o.AddFrom(e.Object())
	set(o, entity.UpdatedKey, updated)
	if r.asked.Origins {
		set(o, entity.TSKey, from.ts)
		set(o, OriginKey, from.id)
	}
	return o.Value()
}

// set gives a property its value; one that is not known is left out.
func set(o *entity.Object, key string, v entity.Value) {
	if v.IsNull() {
		o.Delete(key)
		return
	}
	o.Set(key, v)
}

// write writes an entity.
func (r *edition) write(e entity.Value) error {
	var wrote bool
	var err error
	if r.buf, wrote, err = r.doc.Append(r.buf, e); err != nil {
		return err
	}
	if wrote && r.left > 0 {
		r.left--
	}
	return r.flush()
}

// flush hands over what was made.
func (r *edition) flush() error {
	if len(r.buf) == 0 {
		return nil
	}
	_, err := r.w.Write(r.buf)
	r.buf = r.buf[:0]
	if err != nil {
		return fmt.Errorf("the reader has gone away: %w", err)
	}
	return nil
}
