package enginetest

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/sluiceio/sluice/entity"
	"github.com/sluiceio/sluice/store"
)

// refusing is a store that loses the first batch of "out" after it was handed over.
type refusing struct {
	store.Store
	ready, done bool
}

func (r *refusing) Append(ctx context.Context, b *store.Batch) (store.Pending, error) {
	if r.ready && !r.done && len(b.Writes) > 0 && b.Writes[0].Dataset == "out" {
		r.done = true
		return lost{}, nil
	}
	return r.Store.Append(ctx, b)
}

// What tracking reads again is on its way while the next is read: it keeps its memory
// until then, also if what comes between is nothing to send.
func TestRereadKeepsItsMemory(t *testing.T) {
	base := memory(t)
	st := &refusing{Store: base}
	put(t, base, "in", entities(t, `{"_id": "1", "ref": "x"}
		{"_id": "2", "ref": "x"}
		{"_id": "3", "ref": "x"}
		{"_id": "4", "ref": "x"}
		{"_id": "5", "ref": "x"}
		{"_id": "6", "ref": "x"}`), true)
	put(t, base, "a", entities(t, `{"_id": "x", "n": 1}`), true)
	e := open(t, st, parse(t, `[{"_id": "out", "type": "pipe", "batch_size": 2, `+joined[0]+`}]`))
	runPipe(t, e, false)
	put(t, base, "a", entities(t, `{"_id": "x", "n": 2}`), true)
	put(t, base, "in", entities(t, `[{"_id": "3", "ref": "x", "n": 4}, {"_id": "4", "ref": "x", "n": 4}]`), true) // are read anyway
	st.ready = true
	if tracked := runPipe(t, e, false); tracked != 4 || !st.done {
		t.Errorf("%d entities were read again, a batch was lost: %v", tracked, st.done)
	}
	followed := live(t, base, "out")
	runPipe(t, e, true)
	if whole := live(t, base, "out"); followed != whole || strings.Count(whole, `"ref":`) != 6 {
		t.Errorf("followed\n%swhole\n%s", followed, whole)
	}
}

// Nor are those that are read garbled by what was made of those before: that may stand
// in the memory that serves again.
func TestRereadReadsWhatIsThere(t *testing.T) {
	for _, size := range []int{1, 2, 3} { // each longer than those before
		st := memory(t)
		var in []entity.Value
		for i := range 24 {
			in = append(in, entities(t, fmt.Sprintf(`{"_id": "%d", "ref": ["x"%s]}`, i, strings.Repeat(`, "y"`, i)))...)
		}
		put(t, st, "in", in, true)
		put(t, st, "a", entities(t, `{"_id": "x", "n": 1}`), true)
		e := open(t, st, parse(t, fmt.Sprintf(`[{"_id": "out", "type": "pipe", "batch_size": %d, %s}]`, size, joined[0])))
		runPipe(t, e, false)
		put(t, st, "a", entities(t, `{"_id": "x", "n": 2}`), true)
		if tracked := runPipe(t, e, false); tracked != len(in) {
			t.Errorf("%d entities were read again", tracked)
		}
		followed := live(t, st, "out")
		runPipe(t, e, true)
		if whole := live(t, st, "out"); followed != whole {
			t.Errorf("batches of %d: followed\n%swhole\n%s", size, followed, whole)
		}
	}
}

// What a union has read is on its way while it reads on, also where that begins with
// a dataset that has nothing.
func TestUnionKeepsItsMemory(t *testing.T) {
	base := memory(t)
	st := &refusing{Store: base, ready: true}
	put(t, base, "first", entities(t, `{"_id": "1", "n": "one"}`), true)
	put(t, base, "none", nil, true)
	put(t, base, "last", entities(t, `{"_id": "2", "n": "two"}`), true)
	e := open(t, st, parse(t, `[{"_id": "out", "type": "pipe", "source": {"type": "union_datasets", "datasets": ["first", "none", "last"], "prefix_ids": false}}]`))
	runPipe(t, e, false)
	if got := live(t, base, "out"); got != "{\"_id\":\"1\",\"n\":\"one\"}\n{\"_id\":\"2\",\"n\":\"two\"}\n" || !st.done {
		t.Errorf("a batch was lost: %t\n%s", st.done, got)
	}
}
