package engine

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/sluiceio/sluice/dtl"
	"github.com/sluiceio/sluice/entity"
	"github.com/sluiceio/sluice/pipes"
	"github.com/sluiceio/sluice/store"
)

// host is how rules reach the node's datasets.
type host struct {
	store  store.Store
	now    func() time.Time
	secret func(name string) (string, bool)
	ctx    context.Context
	known  *pipes.Completeness // nil: nothing is
	names  namespaces
}

// Completeness implements dtl.Completeness.
func (h *host) Completeness(via, dataset string) (time.Time, bool) {
	if h.known == nil {
		return time.Time{}, false
	}
	at, ok, err := h.known.Of(h.ctx, via, dataset)
	return time.UnixMicro(at).UTC(), ok && err == nil
}

// Now is the node's clock.
func (h *host) Now() time.Time { return h.now() }

// Secret returns a secret of the node.
func (h *host) Secret(name string) (string, bool) { return h.secret(name) }

// Previous is answered by the pipe, which knows its source.
func (h *host) Previous(context.Context, entity.Value, *entity.Arena) (entity.Value, error) {
	return entity.Value{}, nil
}

// Dataset returns a dataset of the store.
func (h *host) Dataset(name string) (dtl.Dataset, error) {
	if h.store == nil {
		return nil, fmt.Errorf("there is no dataset %q", name)
	}
	return dataset{h.store, name}, nil
}

type dataset struct {
	store store.Store
	name  string
}

// Head implements dtl.Headed.
func (d dataset) Head(ctx context.Context) (dtl.Head, error) {
	generation, last, err := d.store.Head(ctx, d.name)
	return dtl.Head{Generation: generation, Last: int64(last)}, err
}

// Get returns the latest version of an id.
func (d dataset) Get(ctx context.Context, id string, a *entity.Arena) (entity.Value, bool, error) {
	found, err := d.store.Get(ctx, d.name, []string{id}, a)
	if err != nil || len(found) == 0 {
		return entity.Value{}, false, err
	}
	return found[0], !found[0].IsNull(), nil
}

// GetEach implements dtl.Bulk.
func (d dataset) GetEach(ctx context.Context, ids []string, a *entity.Arena) ([]entity.Value, error) {
	return d.store.Get(ctx, d.name, ids, a)
}

// FindEach implements dtl.Bulk. An index that nobody asked for before is built
// first.
func (d dataset) FindEach(ctx context.Context, ix *dtl.Index, keys [][]byte, a *entity.Arena, yield func(int, entity.Value) bool) error {
	err := d.store.Find(ctx, d.name, ix.Name, keys, a, yield)
	if errors.Is(err, store.ErrNoIndex) { // nothing has been yielded
		if err = d.store.EnsureIndex(ctx, d.name, store.Index{Name: ix.Name, Needs: ix.Needs, Keys: ix.Keys}); err == nil {
			err = d.store.Find(ctx, d.name, ix.Name, keys, a, yield)
		}
	}
	return err
}

// Find yields the live entities that have one of the keys, each once, in order
// of _id.
func (d dataset) Find(ctx context.Context, ix *dtl.Index, keys [][]byte, a *entity.Arena, yield func(entity.Value) bool) error {
	keys = slices.CompactFunc(slices.SortedFunc(slices.Values(keys), bytes.Compare), bytes.Equal)
	var found []entity.Value
	err := d.FindEach(ctx, ix, keys, a, func(_ int, e entity.Value) bool {
		found = append(found, e)
		return true
	})
	if err != nil {
		return err
	}
	for _, e := range eachOnce(found, len(keys) > 1) {
		if !yield(e) {
			break
		}
	}
	return nil
}

func eachOnce(found []entity.Value, several bool) []entity.Value {
	if !several {
		return found
	}
	byID := func(a, b entity.Value) int {
		x, _ := entity.ID(a)
		y, _ := entity.ID(b)
		return strings.Compare(x, y)
	}
	slices.SortFunc(found, byID)
	return slices.CompactFunc(found, func(a, b entity.Value) bool { return byID(a, b) == 0 })
}

// Scan yields all live entities in order of _id.
func (d dataset) Scan(ctx context.Context, a *entity.Arena, yield func(entity.Value) bool) error {
	var all []entity.Value
	for q := (store.Query{Since: store.Start, Limit: 1000}); ; {
		page, err := d.store.Read(ctx, d.name, q, a)
		if err != nil {
			return err
		}
		for _, e := range page.Entities {
			if !entity.Deleted(e) {
				all = append(all, e)
			}
		}
		if page.End {
			break
		}
		q.Since = page.Next
	}
	for _, e := range eachOnce(all, true) {
		if !yield(e) {
			break
		}
	}
	return nil
}
