package storetest

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/sluiceio/sluice/entity"
	"github.com/sluiceio/sluice/store"
)

// Model is what a store should hold, in the simplest form that can say it.
type Model struct {
	Datasets map[string]*ModelDataset
	States   map[string]string
	// next is where the next version of a dataset with placed versions may stand;
	// clones share it, so that what is offered always rises.
	next map[string]int
}

// Copied is the dataset whose versions Generate places, with gaps between them.
const Copied = "c"

// ModelDataset is a dataset of a Model.
type ModelDataset struct {
	Log       []ModelVersion
	Populated bool
}

// ModelVersion is one version: its content as JSON. Without an ID it is an offset
// where nothing stands.
type ModelVersion struct {
	ID, Body string
	Deleted  bool
	Prev     int // place in the log, -1 if there is none
}

// NewModel returns an empty model.
func NewModel() *Model {
	return &Model{Datasets: map[string]*ModelDataset{}, States: map[string]string{}, next: map[string]int{}}
}

// Clone returns a model of its own with the same content.
func (m *Model) Clone() *Model {
	c := &Model{Datasets: map[string]*ModelDataset{}, States: maps.Clone(m.States), next: m.next}
	for n, d := range m.Datasets {
		c.Datasets[n] = &ModelDataset{Log: slices.Clone(d.Log), Populated: d.Populated}
	}
	return c
}

// Apply does what a batch does. All its datasets must exist, its entities are
// canonical and its states are written with AnyRev.
func (m *Model) Apply(b *store.Batch) {
	for _, w := range b.Writes {
		for _, op := range w.Ops {
			m.Datasets[w.Dataset].apply(op)
		}
	}
	for _, st := range b.State {
		if st.Value == nil {
			delete(m.States, st.Key)
			continue
		}
		m.States[st.Key] = string(st.Value)
	}
	for _, n := range b.Populate {
		m.Datasets[n].Populated = true
	}
}

func (d *ModelDataset) latest(id string) int {
	for i, v := range slices.Backward(d.Log) {
		if v.ID == id {
			return i
		}
	}
	return -1
}

func (d *ModelDataset) apply(op store.Op) {
	v := ModelVersion{ID: op.ID, Prev: d.latest(op.ID)}
	switch {
	case op.Kind == store.Put:
		v.ID, _ = entity.ID(op.Entity)
		v.Prev = d.latest(v.ID)
		v.Body, v.Deleted = op.Entity.String(), entity.Deleted(op.Entity)
		if v.Prev >= 0 && d.Log[v.Prev].Body == v.Body && (op.Place == nil || int(op.Place.Previous) <= v.Prev) {
			return
		}
		for op.Place != nil && len(d.Log) < int(op.Place.At) {
			d.Log = append(d.Log, ModelVersion{Prev: -1})
		}
	case v.Prev < 0 || d.Log[v.Prev].Deleted:
		return
	default:
		v.Deleted = true
		v.Body = strings.TrimSuffix(d.Log[v.Prev].Body, "}") + `,"_deleted":true}`
	}
	d.Log = append(d.Log, v)
}

// Generate makes a random batch for the datasets there are.
func (m *Model) Generate(t testing.TB, r *rand.Rand) *store.Batch {
	b := &store.Batch{}
	all := slices.Sorted(maps.Keys(m.Datasets))
	for range 1 + r.IntN(3) {
		w := store.Write{Dataset: all[r.IntN(len(all))]}
		for range r.IntN(8) {
			w.Ops = append(w.Ops, m.place(r, w.Dataset, randomOp(t, r)))
		}
		b.Writes = append(b.Writes, w)
	}
	for range r.IntN(3) {
		st := store.StateWrite{Key: fmt.Sprintf("state/%d", r.IntN(4)), IfRev: store.AnyRev}
		if r.IntN(4) > 0 {
			st.Value = fmt.Appendf(nil, "%d", r.IntN(100))
		}
		b.State = append(b.State, st)
	}
	if r.IntN(8) == 0 {
		b.Populate = []string{all[r.IntN(len(all))]}
	}
	return b
}

// place gives an op a place if the dataset is the copied one.
func (m *Model) place(r *rand.Rand, dataset string, op store.Op) store.Op {
	if dataset != Copied || op.Kind != store.Put {
		if dataset == Copied {
			op.ID = "none" // its tombstones have places, too
		}
		return op
	}
	from := m.next[dataset]
	at := from + max(0, r.IntN(6)-3)
	if r.IntN(100) == 0 {
		at += r.IntN(10000)
	}
	m.next[dataset] = at + 1
	op.Place = &store.Place{At: store.Offset(at), Previous: store.Start}
	if at > from { // where nothing ever stands, as it was removed before it could be copied
		op.Place.Previous = store.Offset(at - 1)
	}
	return op
}

func randomOp(t testing.TB, r *rand.Rand) store.Op {
	id := fmt.Sprintf("id-%d", r.IntN(12))
	if r.IntN(5) == 0 {
		return store.Op{Kind: store.Delete, ID: id}
	}
	pad := ""
	if r.IntN(20) == 0 {
		pad = strings.Repeat("long ", r.IntN(2000))
	}
	text := fmt.Sprintf(`{"_id":"%s","n":%d,"k":["%d","%d"],"pad":"%s"`, id, r.IntN(3), r.IntN(3), r.IntN(3), pad)
	if r.IntN(10) == 0 {
		text += `,"_deleted":true`
	}
	return put(t, text+"}")
}

// Dump tells what the model holds, without its indexes.
func (m *Model) Dump() string {
	var out strings.Builder
	for _, n := range slices.Sorted(maps.Keys(m.Datasets)) {
		d := m.Datasets[n]
		fmt.Fprintf(&out, "%s %v\n", n, d.Populated)
		for at, v := range d.Log {
			if v.ID != "" {
				fmt.Fprintln(&out, at, v.Body)
			}
		}
	}
	for _, k := range slices.Sorted(maps.Keys(m.States)) {
		fmt.Fprintf(&out, "%s=%s\n", k, m.States[k])
	}
	return out.String()
}

// DumpLatest tells what readers of latest versions find in the model.
func (m *Model) DumpLatest() string {
	c := m.Clone()
	for _, d := range c.Datasets {
		var left []ModelVersion
		for i, v := range d.Log {
			if d.latest(v.ID) != i {
				v = ModelVersion{}
			}
			left = append(left, v)
		}
		d.Log = left
	}
	return c.Dump()
}

// Dump tells what a store holds as Model.Dump does.
func Dump(t testing.TB, s store.Store) string {
	t.Helper()
	return dump(t, s, true)
}

// DumpLatest tells what readers of latest versions find, as Model.DumpLatest
// does.
func DumpLatest(t testing.TB, s store.Store) string {
	t.Helper()
	return dump(t, s, false)
}

func dump(t testing.TB, s store.Store, history bool) string {
	t.Helper()
	infos, err := s.Datasets(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	for _, info := range infos {
		fmt.Fprintf(&out, "%s %v\n", info.Name, info.Populated)
		all, _ := ReadAll(t, s, info.Name, store.Query{Since: store.Start, History: history})
		for _, e := range all {
			fmt.Fprintln(&out, number(t, e, "_updated"), plain(e))
		}
	}
	keys, err := s.States(t.Context(), "")
	for _, k := range keys {
		v, _, err := s.State(t.Context(), k)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&out, "%s=%s\n", k, v)
	}
	if err != nil {
		t.Fatal(err)
	}
	return out.String()
}

// Check compares every answer of the store with the model.
func (m *Model) Check(t testing.TB, s store.Store) {
	t.Helper()
	infos, err := s.Datasets(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	want(t, "datasets", fmt.Sprint(names(infos)), fmt.Sprint(slices.Sorted(maps.Keys(m.Datasets))))
	for _, info := range infos {
		if d := m.Datasets[info.Name]; d != nil {
			d.check(t, s, info)
		}
	}
	keys, err := s.States(t.Context(), "")
	want(t, "states", fmt.Sprint(keys, err), fmt.Sprint(slices.Sorted(maps.Keys(m.States)), error(nil)))
	for k, wanted := range m.States {
		got, _, err := s.State(t.Context(), k)
		if err != nil || string(got) != wanted {
			t.Errorf("state %s: %q %v, want %q", k, got, err, wanted)
		}
	}
}

func (d *ModelDataset) check(t testing.TB, s store.Store, info store.Info) {
	t.Helper()
	var all, latest, live []string
	byKey := map[string][]string{}
	deleted := 0
	for i, v := range d.Log {
		if v.ID == "" {
			continue
		}
		all = append(all, v.Body)
		if d.latest(v.ID) != i {
			continue
		}
		latest = append(latest, v.Body)
		if v.Deleted {
			deleted++
			continue
		}
		live = append(live, v.ID)
		ByKey().Keys(Parse(t, v.Body), func(key []byte) { byKey[string(key)] = append(byKey[string(key)], v.ID) })
	}
	got, _ := ReadAll(t, s, info.Name, store.Query{Since: store.Start, History: true, Limit: 7})
	want(t, "log of "+info.Name, plains(got), strings.Join(all, "\n"))
	for _, e := range got {
		at := int(number(t, e, "_updated"))
		if at >= len(d.Log) || plain(e) != d.Log[at].Body {
			t.Errorf("%s does not stand at %d", e, at)
			continue
		}
		if before := d.Log[at].Prev; before >= 0 && int(number(t, e, "_previous")) != before {
			t.Errorf("%s: previous is not %d", e, before)
		}
	}
	got, _ = ReadAll(t, s, info.Name, store.Query{Since: store.Start, Limit: 3})
	want(t, "latest of "+info.Name, plains(got), strings.Join(latest, "\n"))
	if info.Versions != int64(len(all)) || info.Live != int64(len(live)) || info.Deleted != int64(deleted) || info.Populated != d.Populated {
		t.Errorf("info %+v, want %d versions, %d live, %d deleted, populated %v", info, len(all), len(live), deleted, d.Populated)
	}
	ensure(t, s, info.Name)
	for _, k := range []string{"0", "1", "2"} {
		var found []string
		for _, id := range slices.Compact(slices.Sorted(slices.Values(byKey[k]))) {
			found = append(found, k+":"+id)
		}
		want(t, "index of "+info.Name, find(t, s, info.Name, k), strings.Join(found, " "))
	}
}

// Follower reads a subset step by step, as a pipe does, and keeps what it
// holds.
type Follower struct {
	Dataset, Key string
	Since        store.Offset
	Holds        map[string]bool
}

// NewFollower returns a follower at the beginning of a subset.
func NewFollower(dataset, key string) *Follower {
	return &Follower{Dataset: dataset, Key: key, Since: store.Start, Holds: map[string]bool{}}
}

// Follow reads on to the end and compares with the model.
func (f *Follower) Follow(t testing.TB, s store.Store, m *Model) {
	t.Helper()
	ensure(t, s, f.Dataset)
	got, next := ReadAll(t, s, f.Dataset, store.Query{Since: f.Since, Index: "k", Key: []byte(f.Key), Limit: 5})
	f.Since = next
	for _, e := range got {
		id, _ := entity.ID(e)
		if delete(f.Holds, id); !entity.Deleted(e) {
			f.Holds[id] = true
		}
	}
	wanted := map[string]bool{}
	d := m.Datasets[f.Dataset]
	for i, v := range d.Log {
		if d.latest(v.ID) == i && !v.Deleted {
			ByKey().Keys(Parse(t, v.Body), func(key []byte) {
				if string(key) == f.Key {
					wanted[v.ID] = true
				}
			})
		}
	}
	if !maps.Equal(f.Holds, wanted) {
		t.Errorf("subset %s of %s: follower holds %v, want %v", f.Key, f.Dataset, f.Holds, wanted)
	}
}

func testModel(t *testing.T, s store.Store) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 0))
	m := NewModel()
	followers := []*Follower{NewFollower("a", "0"), NewFollower("b", "1")}
	for _, n := range []string{"a", "b", "c"} {
		create(t, s, n)
		m.Datasets[n] = &ModelDataset{}
	}
	for i := range 60 {
		b := m.Generate(t, r)
		if _, err := Commit(t.Context(), s, b); err != nil {
			t.Fatal(err)
		}
		m.Apply(b)
		if i%7 == 0 {
			followers[r.IntN(2)].Follow(t, s, m)
		}
	}
	m.Check(t, s)
	for _, f := range followers {
		f.Follow(t, s, m)
	}
}
