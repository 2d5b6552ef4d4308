package sources

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"testing"
)

func TestUnion(t *testing.T) {
	w := newWorld(t)
	w.put("men", `{"_id":"dave","n":1}`, `{"_id":"carl","n":1}`)
	s := w.source(`{"type":"union_datasets","datasets":["men","women","none"]}`)
	got, since := w.take(s, "", 1)
	wantLines(t, "a dataset that does not exist is empty", got, `{"_id":"men:dave","n":1}`, `{"_id":"men:carl","n":1}`)
	w.put("women", `{"_id":"claire","n":1}`)
	w.put("men", `{"_id":"dave","n":2}`, `{"_id":"ærlig:x","n":1}`)
	got, since = w.take(s, since, 10)
	wantLines(t, "in the order of the list", got, `{"_id":"men:dave","n":2}`, `{"_id":"men:ærlig:x","n":1}`, `{"_id":"women:claire","n":1}`)
	w.put("women", `{"_id":"claire","n":1,"_deleted":true}`)
	got, since = w.take(s, since, 10)
	wantLines(t, "a tombstone", got, `{"_id":"women:claire","n":1,"_deleted":true}`)
	if since != `{"men":3,"women":1}` {
		t.Errorf("offset %s", since)
	}
	plain := w.source(`{"type":"union_datasets","datasets":["women","men"],"prefix_ids":false,"include_previous_versions":true}`)
	got, _ = w.take(plain, "", 10)
	wantLines(t, "all versions, ids as they are", got, `{"_id":"claire","n":1}`, `{"_id":"claire","n":1,"_deleted":true}`,
		`{"_id":"dave","n":1}`, `{"_id":"carl","n":1}`, `{"_id":"dave","n":2}`, `{"_id":"ærlig:x","n":1}`)
}

// TestUnionAgreement: following the datasets, whatever is written to which, leads
// to the same as reading them afresh, in batches of any size.
func TestUnionAgreement(t *testing.T) {
	names := []string{"a", "b", "c"}
	for seed := range uint64(40) {
		w := newWorld(t)
		r := rand.New(rand.NewPCG(seed, 9))
		s := w.source(`{"type":"union_datasets","datasets":["a","b","c"]}`)
		followed, since := map[string]string{}, ""
		for step := range 30 {
			var batch []string
			for id := range 4 {
				if r.IntN(3) == 0 {
					batch = append(batch, fmt.Sprintf(`{"_id":"%d","v":%d,"_deleted":%v}`, id, r.IntN(3), r.IntN(4) == 0))
				}
			}
			if len(batch) > 0 {
				w.put(names[r.IntN(len(names))], batch...)
			}
			if r.IntN(3) == 0 || step == 29 {
				since = w.follow(s, since, 1+r.IntN(4), followed)
			}
		}
		for _, size := range []int{1, 1000} {
			afresh := map[string]string{}
			w.follow(s, "", size, afresh)
			if !maps.Equal(followed, afresh) {
				t.Errorf("seed %d: followed: %v\nafresh:   %v", seed, followed, afresh)
			}
		}
	}
}
