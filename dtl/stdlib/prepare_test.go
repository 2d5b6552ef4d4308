package stdlib_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/sluiceio/sluice/dtl"
	"github.com/sluiceio/sluice/entity"
)

// counting is a host whose dataset has a head, answers for many keys at once
// and counts how it was asked.
type counting struct {
	*dtl.MemHost
	head         int64
	singly, bulk int
}

func (h *counting) Dataset(name string) (dtl.Dataset, error) {
	d, err := h.MemHost.Dataset(name)
	return &counted{d, h}, err
}

type counted struct {
	dtl.Dataset
	h *counting
}

func (d *counted) Head(context.Context) (dtl.Head, error) { return dtl.Head{Last: d.h.head}, nil }

func (d *counted) Get(ctx context.Context, id string, a *entity.Arena) (entity.Value, bool, error) {
	d.h.singly++
	return d.Dataset.Get(ctx, id, a)
}

func (d *counted) Find(ctx context.Context, ix *dtl.Index, keys [][]byte, a *entity.Arena, yield func(entity.Value) bool) error {
	d.h.singly++
	return d.Dataset.Find(ctx, ix, keys, a, yield)
}

func (d *counted) GetEach(ctx context.Context, ids []string, a *entity.Arena) ([]entity.Value, error) {
	d.h.bulk++
	all := make([]entity.Value, len(ids))
	for i, id := range ids {
		all[i], _, _ = d.Dataset.Get(ctx, id, a)
	}
	return all, nil
}

func (d *counted) FindEach(ctx context.Context, ix *dtl.Index, keys [][]byte, a *entity.Arena, yield func(int, entity.Value) bool) error {
	d.h.bulk++
	more := true
	for i := 0; i < len(keys) && more; i++ {
		err := d.Dataset.Find(ctx, ix, keys[i:i+1], a, func(e entity.Value) bool {
			more = yield(i, e)
			return more
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// What is looked up beforehand changes no result, and leaves next to nothing to
// be looked up one by one.
func TestPrepare(t *testing.T) {
	rules := map[string]bool{ // and whether it is looked up beforehand
		`["add", "x", ["path", "_id", ["hops", {"datasets": ["d d"], "where": [["eq", "_S.k", "d.k"]]}]]]`:                                          true,
		`["add", "x", ["path", "k", ["hops", {"datasets": ["d d"], "where": [["eq", "_S.ref", "d._id"]]}]]]`:                                        true,
		`["add", "x", ["map", ["hops", {"datasets": ["d d"], "where": [["eq", "_.k", "d.k"]]}], ["list", "_S."]]]`:                                  false,
		`["if", ["eq", "_S.k", 3], ["add", "x", ["path", "_id", ["hops", {"datasets": ["d d"], "where": [["eq", "_S.k", "d.k"]]}]]]]`:               false,
		`["add", "k", ["plus", 1, "_S.k"]], ["add", "x", ["path", "_id", ["hops", {"datasets": ["d d"], "where": [["eq", "_T.k", "d.k"]]}]]]`:       false,
		`["add", "x", ["path", "_id", ["hops", {"datasets": ["d d", "d e"], "where": [["eq", "_S.k", "d.k"], ["eq", "d.next", "e._id"]]}]]]`:        true,
		`["add", "x", ["path", "_id", ["hops", {"datasets": ["d d"], "where": [["eq", "_S.ks", "d.k"], ["eq", "_S.k", "d.k"]], "recurse": true}]]]`: false,
	}
	for rule, ahead := range rules {
		p, finds := dtl.CompileRules(node(t, "rules", []byte(`[`+rule+`]`)), dtl.Options{Lib: lib(t)})
		if p == nil {
			t.Fatal(rule, messages(finds))
		}
		plain, prepared := &counting{MemHost: &dtl.MemHost{}}, &counting{MemHost: &dtl.MemHost{}}
		a, b := dtl.NewRun(p, plain), dtl.NewRun(p, prepared)
		r := rand.New(rand.NewPCG(7, 7))
		for batch := range 20 {
			if batch%4 == 0 {
				data := map[string][]entity.Value{"d": customers(t, r)}
				plain.Datasets, prepared.Datasets = data, data
				plain.head, prepared.head = int64(batch), int64(batch)
			}
			entities := buyers(t, r)
			b.Prepare(t.Context(), entities)
			before := prepared.singly
			for _, e := range entities {
				want, errA := a.TransformOne(t.Context(), e, entity.NewDict(entity.Member{Key: "_id", Value: entity.NewString("x")}), entity.NewArena())
				got, errB := b.TransformOne(t.Context(), e, entity.NewDict(entity.Member{Key: "_id", Value: entity.NewString("x")}), entity.NewArena())
				if errA != nil || errB != nil || want[0].String() != got[0].String() {
					t.Fatalf("%s\nof %s\n got %v %v\nwant %v %v", rule, e, got, errB, want, errA)
				}
			}
			if ahead && batch > 0 && prepared.bulk > 0 && len(p.Facts().Hops) == 1 && prepared.singly > before {
				t.Errorf("%s: %d look-ups one by one in batch %d", rule, prepared.singly-before, batch)
			}
		}
		if ahead != (prepared.bulk > 0) {
			t.Errorf("%s: asked for many at once %d times", rule, prepared.bulk)
		}
	}
}

func customers(t *testing.T, r *rand.Rand) (all []entity.Value) {
	for i := range 50 {
		all = append(all, value(t, fmt.Appendf(nil, `{"_id":"c%d","k":[%d,"z"],"next":"c%d","_deleted":%t}`, i, r.IntN(30), r.IntN(60), r.IntN(9) == 0)))
	}
	return all
}

func buyers(t *testing.T, r *rand.Rand) (all []entity.Value) {
	for i := range 40 {
		all = append(all, value(t, fmt.Appendf(nil, `{"_id":"o%d","k":%d,"ref":"c%d","ks":[%d,%d]}`, i, r.IntN(40), r.IntN(60), r.IntN(30), r.IntN(30))))
	}
	return all
}
