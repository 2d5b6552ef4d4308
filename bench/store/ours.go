package main

import (
	"context"
	"errors"

	"github.com/sluiceio/sluice/entity"
	"github.com/sluiceio/sluice/store"
	"github.com/sluiceio/sluice/store/local"
)

const dataset = "orders"

// ours is the store of Sluice.
type ours struct {
	ctx   context.Context
	s     *local.Store
	arena *entity.Arena
	ops   []store.Op
}

func openOurs(ctx context.Context, dir string) (side, error) {
	s, err := local.Open(dir, local.Options{})
	if err != nil {
		return nil, err
	}
	o := &ours{ctx: ctx, s: s, arena: entity.NewArena()}
	_, err = s.Create(ctx, dataset)
	if err == nil {
		err = s.EnsureIndex(ctx, dataset, byCustomer())
	}
	if err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return o, nil
}

func byCustomer() store.Index {
	var key []byte
	return store.Index{Name: "customer", Needs: []string{"customer"}, Keys: func(e entity.Value, emit func([]byte)) {
		key = customerKey(key[:0], e)
		emit(key)
	}}
}

func (o *ours) append(list []entity.Value) (func() (int, error), error) {
	o.ops = o.ops[:0]
	for _, e := range list {
		o.ops = append(o.ops, store.Op{Entity: e})
	}
	p, err := o.s.Append(o.ctx, &store.Batch{Writes: []store.Write{{Dataset: dataset, Ops: o.ops}}})
	if err != nil {
		return nil, err
	}
	return func() (int, error) {
		r, err := p.Wait(o.ctx)
		return r.Changed, err
	}, nil
}

func (o *ours) scan(entities bool) (n int, err error) {
	q := store.Query{Since: store.Start, Limit: 1000, History: true}
	for end := false; !end; {
		o.arena.Reset()
		if !entities {
			q.Since, end, err = o.s.Versions(o.ctx, dataset, q, o.arena, func(*local.Version) error { n++; return nil })
		} else {
			var p store.Page
			p, err = o.s.Read(o.ctx, dataset, q, o.arena)
			n, q.Since, end = n+len(p.Entities), p.Next, p.End
		}
		if err != nil {
			return n, err
		}
	}
	return n, nil
}

func (o *ours) get(ids []string) (n int, err error) {
	o.arena.Reset()
	list, err := o.s.Get(o.ctx, dataset, ids, o.arena)
	for _, e := range list {
		if e.Object() != nil {
			n++
		}
	}
	return n, err
}

func (o *ours) find(key []byte) (n int, err error) {
	o.arena.Reset()
	err = o.s.Find(o.ctx, dataset, "customer", [][]byte{key}, o.arena, func(int, entity.Value) bool { n++; return true })
	return n, err
}

// settle waits for the index, which follows the log at its own pace.
func (o *ours) settle() error {
	_, err := o.find([]byte("none"))
	return err
}

func (o *ours) compact() (int, error) {
	keep := store.CompactOptions{Datasets: map[string]store.Retention{dataset: {KeepVersions: 1}}, Seal: true}
	done, err := o.s.Compact(o.ctx, keep)
	return int(done.Versions), err
}

func (o *ours) close() error { return o.s.Close() }
