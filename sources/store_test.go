package sources

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sluiceio/sluice/entity"
	"github.com/sluiceio/sluice/internal/jsonpos"
	"github.com/sluiceio/sluice/store"
	"github.com/sluiceio/sluice/store/local"
)

// world is a store in memory whose clock the test moves.
type world struct {
	t     *testing.T
	store store.Store
	now   time.Time
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{t: t, now: time.Date(2025, 1, 1, 0, 0, 0, 0, time.UTC)}
	s, err := local.Open("mem", local.Options{InMemory: true, Clock: func() time.Time { return w.now }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	w.store = s
	return w
}

// put writes entities, given as JSON, in one batch.
func (w *world) put(dataset string, entities ...string) {
	w.t.Helper()
	w.create(dataset)
	var ops []store.Op
	for _, text := range entities {
		e, err := entity.DecodeString(text)
		if err != nil {
			w.t.Fatal(err)
		}
		ops = append(ops, store.Op{Kind: store.Put, Entity: e})
	}
	w.commit(&store.Batch{Writes: []store.Write{{Dataset: dataset, Ops: ops}}})
}

func (w *world) commit(b *store.Batch) {
	w.t.Helper()
	p, err := w.store.Append(context.Background(), b)
	if err == nil {
		_, err = p.Wait(context.Background())
	}
	if err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) create(names ...string) {
	w.t.Helper()
	for _, n := range names {
		if _, err := w.store.Create(context.Background(), n); err != nil {
			w.t.Fatal(err)
		}
	}
}

func (w *world) source(config string) Source {
	w.t.Helper()
	n, errs := jsonpos.Parse("source.json", []byte(config))
	if len(errs) > 0 {
		w.t.Fatal(errs[0])
	}
	lib, err := library()
	if err != nil {
		w.t.Fatal(err)
	}
	return mustBuild(w.t, Env{Node: n, Store: w.store, Lib: lib, Context: context.Background()})
}

// take reads on from since, and returns what came, as text without the store's
// own members, and the new offset.
func (w *world) take(s Source, since string, size int) (lines []string, next string) {
	w.t.Helper()
	next = since
	for b, err := range s.Read(context.Background(), since, size) {
		if err != nil {
			w.t.Fatal(err)
		}
		if len(b.Entities) > size {
			w.t.Fatalf("a batch of %d entities, more than %d", len(b.Entities), size)
		}
		for _, e := range b.Entities {
			lines = append(lines, bare(e).String())
		}
		next = b.Since
	}
	return lines, next
}

// bare takes the store's members off an entity, at any depth.
func bare(v entity.Value) entity.Value {
	if v.Kind() != entity.Dict {
		return v
	}
	var members []entity.Member
	for _, m := range v.Object().Members() {
		if !slices.Contains([]string{"_updated", "_previous", "_ts", "_hash"}, m.Key) {
			members = append(members, entity.Member{Key: strings.Clone(m.Key), Value: bare(m.Value)})
		}
	}
	return entity.NewDict(members...)
}

func wantLines(t *testing.T, what string, got []string, want ...string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("%s: %q, want %q", what, got, want)
	}
}

func TestDataset(t *testing.T) {
	w := newWorld(t)
	s := w.source(`{"type":"dataset","dataset":"d"}`)
	got, since := w.take(s, "", 2)
	wantLines(t, "no dataset", got)
	w.put("d", `{"_id":"a","x":1}`, `{"_id":"b","x":1}`)
	w.put("d", `{"_id":"a","x":2}`, `{"_id":"c","$replaced":true}`, `{"_id":"b","x":1,"_deleted":true}`)
	got, since = w.take(s, since, 2)
	wantLines(t, "latest", got, `{"_id":"a","x":2}`, `{"_id":"c","$replaced":true}`, `{"_id":"b","x":1,"_deleted":true}`)
	got, _ = w.take(s, since, 2)
	wantLines(t, "nothing new", got)
	w.put("d", `{"_id":"a","x":3}`)
	got, _ = w.take(s, since, 2)
	wantLines(t, "what is new", got, `{"_id":"a","x":3}`)
	got, _ = w.take(w.source(`{"type":"dataset","dataset":"d","include_previous_versions":true,"include_replaced":false}`), "", 3)
	wantLines(t, "history", got, `{"_id":"a","x":1}`, `{"_id":"b","x":1}`, `{"_id":"a","x":2}`, `{"_id":"b","x":1,"_deleted":true}`, `{"_id":"a","x":3}`)
	got, _ = w.take(s, "1000", 5)
	if len(got) != 3 {
		t.Errorf("an offset past the end belongs to a dataset made anew, which is read whole; got %q", got)
	}
}

func TestDatasetPrevious(t *testing.T) {
	w := newWorld(t)
	w.put("d", `{"_id":"a","x":1}`)
	w.put("d", `{"_id":"a","x":2}`, `{"_id":"b","x":1}`)
	s := w.source(`{"type":"dataset","dataset":"d"}`)
	for b, err := range s.Read(context.Background(), "", 10) {
		if err != nil {
			t.Fatal(err)
		}
		for i, want := range []string{`{"_id":"a","x":1}`, `null`} {
			v, err := s.(Previous).Previous(context.Background(), b.Entities[i], b.Arena)
			if err != nil || bare(v).String() != want {
				t.Errorf("before %s stood %s, %v", b.Entities[i], v, err)
			}
		}
	}
}

func TestDatasetPopulated(t *testing.T) {
	w := newWorld(t)
	w.create("a", "b")
	w.commit(&store.Batch{Populate: []string{"a"}})
	for config, want := range map[string]bool{
		`{"type":"dataset","dataset":"a"}`:                                                                                    true,
		`{"type":"dataset","dataset":"b"}`:                                                                                    false,
		`{"type":"dataset","dataset":"none"}`:                                                                                 false,
		`{"type":"merge_datasets","datasets":["a","b"]}`:                                                                      false,
		`{"type":"merge_datasets","datasets":["a","b"],"initial_datasets":["a"]}`:                                             true,
		`{"type":"merge_datasets","datasets":["a","b"],"initial_datasets":["a","none"]}`:                                      true,
		`{"type":"merge_datasets","datasets":["a","b"],"initial_datasets":["a","none"],"ignore_non_existent_datasets":false}`: false,
		`{"type":"merge_datasets","datasets":["a","none"]}`:                                                                   true,
		`{"type":"merge_datasets","datasets":["a","none"],"ignore_non_existent_datasets":false}`:                              false,
	} {
		got, err := w.source(config).(Populator).Populated(context.Background())
		if err != nil || got != want {
			t.Errorf("%s: %v, %v", config, got, err)
		}
	}
}

func TestSubset(t *testing.T) {
	w := newWorld(t)
	s := w.source(`{"type":"dataset","dataset":"d","subset":["eq","_S.kind","cat"]}`)
	w.put("d", `{"_id":"a","kind":"cat"}`, `{"_id":"b","kind":"dog"}`, `{"_id":"c","kind":["cat","pet"]}`)
	got, since := w.take(s, "", 2)
	wantLines(t, "first", got, `{"_id":"a","kind":"cat"}`, `{"_id":"c","kind":["cat","pet"]}`)
	w.put("d", `{"_id":"a","kind":"dog"}`, `{"_id":"b","kind":"cat"}`, `{"_id":"e","kind":"dog"}`)
	got, since = w.take(s, since, 2)
	if len(got) != 2 || !strings.Contains(got[0], `"_deleted":true`) || !strings.Contains(got[0], `"_id":"a"`) {
		t.Errorf("what has left the subset is read as deleted; got %q", got)
	}
	w.put("d", `{"_id":"c","kind":"cat","_deleted":true}`)
	got, since = w.take(s, since, 2)
	if len(got) != 1 || !strings.Contains(got[0], `"_deleted":true`) {
		t.Errorf("what is deleted is read as deleted; got %q", got)
	}
	got, _ = w.take(s, since, 2)
	wantLines(t, "nothing new", got)
}

func TestIfSourceEmpty(t *testing.T) {
	w := newWorld(t)
	w.create("d")
	for _, config := range []string{
		`{"type":"dataset","dataset":"d","if_source_empty":"fail"}`, `{"type":"merge_datasets","datasets":["d"],"if_source_empty":"fail"}`,
		`{"type":"embedded","entities":[],"if_source_empty":"fail"}`,
	} {
		var last error
		for _, err := range w.source(config).Read(context.Background(), "", 10) {
			last = err
		}
		if last != ErrEmpty {
			t.Errorf("%s: %v", config, last)
		}
	}
}

// TestMergeAgreement: whatever is written in whatever order, and wherever the
// clock goes, following the datasets leads to the same as reading them afresh,
// and both to what the newest versions say.
func TestMergeAgreement(t *testing.T) {
	for _, strategy := range []string{"latest", "all"} {
		for seed := range uint64(12) {
			t.Run(fmt.Sprintf("%s/%d", strategy, seed), func(t *testing.T) { mergeHistory(t, strategy, seed) })
		}
	}
}

func mergeHistory(t *testing.T, strategy string, seed uint64) {
	w := newWorld(t)
	r := rand.New(rand.NewPCG(seed, 1))
	names := []string{"a", "b", "c"}
	w.create(names[:2]...) // the third comes into being later
	s := w.source(`{"type":"merge_datasets","datasets":["a","b","c"],"strategy":"` + strategy + `"}`)
	followed, since := map[string]string{}, ""
	for step := range 60 {
		w.now = w.now.Add(time.Duration(r.IntN(8)-2) * time.Second)
		var batch []string
		for id := range 5 {
			if r.IntN(4) == 0 {
				batch = append(batch, fmt.Sprintf(`{"_id":"%d","v":%d,"_deleted":%v}`, id, r.IntN(3), r.IntN(4) == 0))
			}
		}
		if len(batch) > 0 {
			w.put(names[r.IntN(len(names))], batch...)
		}
		if r.IntN(3) == 0 || step == 59 {
			since = w.follow(s, since, 1+r.IntN(4), followed)
		}
	}
	afresh := map[string]string{}
	w.follow(s, "", 1+r.IntN(4), afresh)
	if !maps.Equal(followed, afresh) {
		t.Errorf("followed: %v\nafresh:   %v", followed, afresh)
	}
	if strategy == "latest" {
		if want := w.newest(names); !maps.Equal(afresh, want) {
			t.Errorf("afresh: %v\nnewest: %v", afresh, want)
		}
	}
}

// follow applies what is read to a map, as a dataset sink would.
func (w *world) follow(s Source, since string, size int, into map[string]string) string {
	w.t.Helper()
	lines, next := w.take(s, since, size)
	for _, l := range lines {
		e, err := entity.DecodeString(l)
		if err != nil {
			w.t.Fatal(err)
		}
		id, _ := entity.ID(e)
		into[id] = l
	}
	return next
}

// newest finds the newest versions the slow way.
func (w *world) newest(names []string) map[string]string {
	w.t.Helper()
	ts, out := map[string]int64{}, map[string]string{}
	for _, name := range names {
		if _, err := w.store.Info(context.Background(), name); err != nil {
			continue
		}
		page, err := w.store.Read(context.Background(), name, store.Query{Since: store.Start, Limit: 1000}, nil)
		if err != nil {
			w.t.Fatal(err)
		}
		for _, e := range page.Entities {
			id, _ := entity.ID(e)
			at, _ := e.Get(entity.TSKey)
			n, _ := at.Int64()
			if have, ok := ts[id]; !ok || n >= have {
				ts[id], out[id] = n, bare(e).String()
			}
		}
	}
	return out
}

func TestMergeOrder(t *testing.T) {
	w := newWorld(t)
	s := w.source(`{"type":"merge_datasets","datasets":["a","b"]}`)
	w.put("a", `{"_id":"1","from":"a"}`)
	w.now = w.now.Add(time.Second)
	w.put("b", `{"_id":"2","from":"b"}`, `{"_id":"1","from":"b"}`)
	w.put("a", `{"_id":"3","from":"a"}`)
	w.put("b", `{"_id":"3","from":"b"}`)
	got, since := w.take(s, "", 10)
	wantLines(t, "by time, then by place", got, `{"_id":"2","from":"b"}`, `{"_id":"1","from":"b"}`, `{"_id":"3","from":"b"}`)
	if since != `{"a":1,"b":2}` {
		t.Errorf("offset %s", since)
	}
	w.now = w.now.Add(time.Second)
	w.put("a", `{"_id":"2","_deleted":true}`)
	got, since = w.take(s, since, 10)
	wantLines(t, "a tombstone can be the newest", got, `{"_id":"2","_deleted":true}`)
	got, _ = w.take(s, since, 10)
	wantLines(t, "nothing new", got)
	got, _ = w.take(s, "0,2", 10)
	wantLines(t, "offsets as a list", got, `{"_id":"3","from":"b"}`, `{"_id":"2","_deleted":true}`)
}

func TestMergeAll(t *testing.T) {
	w := newWorld(t)
	s := w.source(`{"type":"merge_datasets","datasets":["a","b"],"strategy":"all"}`)
	w.put("a", `{"_id":"1","x":1}`, `{"_id":"2","x":1}`)
	w.now = w.now.Add(time.Second)
	w.put("b", `{"_id":"1","_deleted":true}`)
	got, since := w.take(s, "", 10)
	wantLines(t, "all", got, `{"_id":"2","a":{"_id":"2","x":1}}`, `{"_id":"1","a":{"_id":"1","x":1},"b":{"_id":"1","_deleted":true}}`)
	w.put("a", `{"_id":"1","x":1,"_deleted":true}`)
	got, _ = w.take(s, since, 10)
	wantLines(t, "all are gone", got, `{"_id":"1","a":{"_id":"1","x":1,"_deleted":true},"b":{"_id":"1","_deleted":true},"_deleted":true}`)
}

func TestMergeOffsets(t *testing.T) {
	for in, want := range map[string]string{
		"": "", `{"a":3}`: `{"a":3}`, "1,2": `{"a":1,"b":2}`, `{"b":2,"gone":9}`: `{"b":2}`,
		"1": `error: the offset "1" has 1 parts for 2 datasets`, "x,1": `error: the offset "x" is no place in a dataset, which is the _updated of an entity`,
	} {
		o, err := parseOffsets(in, []string{"a", "b"})
		got := o.format([]string{"a", "b"})
		if err != nil {
			got = "error: " + err.Error()
		}
		if got != want {
			t.Errorf("%q: %s, want %s", in, got, want)
		}
	}
}
