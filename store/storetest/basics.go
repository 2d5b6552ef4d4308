package storetest

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/sluiceio/sluice/entity"
	"github.com/sluiceio/sluice/store"
)

func testDatasets(t *testing.T, s store.Store) {
	ctx := t.Context()
	if _, err := s.Info(ctx, "a"); !errors.Is(err, store.ErrNoDataset) {
		t.Errorf("info of nothing: %v", err)
	}
	b, a := create(t, s, "b"), create(t, s, "a")
	if a.Generation == b.Generation || len(a.Generation) != 36 || a.Populated || a.Last != store.Start || a.Versions != 0 {
		t.Errorf("new datasets: %+v %+v", a, b)
	}
	if again := create(t, s, "a"); again.Generation != a.Generation {
		t.Errorf("created again: %+v", again)
	}
	if _, err := s.Create(ctx, "x/y"); err == nil {
		t.Error("a slash was taken")
	}
	Write(t, s, "a", Puts(t, `{"_id":"1"}`, `{"_id":"2","_deleted":true}`, `{"_id":"1","x":1}`)...)
	if _, err := Commit(ctx, s, &store.Batch{Populate: []string{"a"}}); err != nil {
		t.Fatal(err)
	}
	infos, err := s.Datasets(ctx)
	if err != nil || strings.Join(names(infos), " ") != "a b" {
		t.Fatalf("datasets: %v %v", infos, err)
	}
	if i := infos[0]; !i.Populated || i.Versions != 3 || i.Live != 1 || i.Deleted != 1 || i.Bytes <= 0 || i.Generation != a.Generation {
		t.Errorf("info: %+v", i)
	}
	if err := errors.Join(s.Drop(ctx, "a"), s.Drop(ctx, "a"), s.Drop(ctx, "never")); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Read(ctx, "a", store.Query{}, nil); !errors.Is(err, store.ErrNoDataset) {
		t.Errorf("read after drop: %v", err)
	}
	anew := create(t, s, "a")
	if anew.Generation == a.Generation || anew.Populated || anew.Versions != 0 {
		t.Errorf("made anew: %+v", anew)
	}
	if got, _ := s.Get(ctx, "a", []string{"1"}, nil); !got[0].IsNull() {
		t.Errorf("a new generation knows %s", got[0])
	}
	_, err = Commit(ctx, s, &store.Batch{Writes: []store.Write{{Dataset: "none"}}})
	if !errors.Is(err, store.ErrNoDataset) {
		t.Errorf("write to nothing: %v", err)
	}
	if _, err = Commit(ctx, s, &store.Batch{Populate: []string{"none"}}); !errors.Is(err, store.ErrNoDataset) {
		t.Errorf("populate nothing: %v", err)
	}
}

func testOutcomes(t *testing.T, s store.Store) {
	for _, c := range []struct {
		op   store.Op
		want store.Outcome
	}{
		{put(t, `{"_id":"a","x":1}`), store.Added},
		{put(t, `{"_id":"a","x":1}`), store.Unchanged},
		{put(t, `{"x":1,"_id":"a","_updated":7,"_hash":"z","_other":1,"_deleted":false}`), store.Unchanged},
		{put(t, `{"_id":"a","x":2}`), store.Updated},
		{put(t, `{"_id":"a","x":1}`), store.Updated}, // content of before is a new version
		{put(t, `{"_id":"a","x":1,"_deleted":true}`), store.Removed},
		{put(t, `{"_id":"a","x":1,"_deleted":true}`), store.Unchanged},
		{store.Op{Kind: store.Delete, ID: "a"}, store.Unchanged},
		{put(t, `{"_id":"a","x":1}`), store.Updated},
		{put(t, `{"_id":"a","x":1.0}`), store.Updated},
		{store.Op{Kind: store.Delete, ID: "a"}, store.Removed},
		{store.Op{Kind: store.Delete, ID: "unknown"}, store.Unchanged},
		{put(t, `{"_id":"b","_deleted":true}`), store.Removed},
		{put(t, `{"_id":"","x":1}`), store.Added},
	} {
		r := Write(t, s, "d", c.op)
		changed := 1
		if c.want == store.Unchanged {
			changed = 0
		}
		if r.Outcomes[0][0] != c.want || r.Changed != changed {
			t.Errorf("%+v: outcome %d, changed %d, want outcome %d", c.op, r.Outcomes[0][0], r.Changed, c.want)
		}
	}
	for _, bad := range []string{`{}`, `{"_id":1}`, `[]`, `null`} {
		_, err := Commit(t.Context(), s, &store.Batch{Writes: []store.Write{{Dataset: "d", Ops: []store.Op{put(t, bad)}}}})
		if err == nil {
			t.Errorf("%s was taken", bad)
		}
	}
}

func put(t testing.TB, text string) store.Op { return store.Op{Entity: Parse(t, text)} }

func testTombstones(t *testing.T, s store.Store) {
	Write(t, s, "d", Puts(t, `{"_id":"a","n":{"x":[1]},"t":"~t2020-01-01"}`, `{"_id":"b"}`)...)
	Write(t, s, "d", store.Op{Kind: store.Delete, ID: "a"}, store.Op{Kind: store.Delete, ID: "b", Mark: true})
	got, err := s.Get(t.Context(), "d", []string{"a", "b"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	want(t, "tombstones", plains(got), `{"_id":"a","n":{"x":[1]},"t":"~t2020-01-01","_deleted":true}
{"_id":"b","_deleted":true,"$deletion_tracked":true}`)
	if number(t, got[0], "_previous") != 0 || number(t, got[1], "_previous") != 1 {
		t.Errorf("previous: %s", got)
	}
}

func testStoredForm(t *testing.T, s store.Store) {
	in := `{"_ts":1,"_id":"æ\"\\","_deleted":"yes","$ids":["~:a:b"],"n":1,"f":1.0,"big":123456789012345678901234567890,` +
		`"nested":{"_id":1,"_x":2},"d":"~f1.50","b":"~bAAEC","_filtered":true,"":null}`
	Write(t, s, "d", put(t, in))
	got, _ := ReadAll(t, s, "d", store.Query{Since: store.Start})
	want(t, "stored", plains(got), `{"_id":"æ\"\\","$ids":["~:a:b"],"n":1,"f":1.0,"big":123456789012345678901234567890,`+
		`"nested":{"_id":1,"_x":2},"d":"~f1.50","b":"~bAAEC","":null}`)
	h, _ := got[0].Get(entity.HashKey)
	hash := entity.Hash(Parse(t, in))
	want(t, "hash", h.Text(), fmt.Sprintf("%x", hash[:]))
	if prev, there := got[0].Get(entity.PreviousKey); !there || !prev.IsNull() {
		t.Errorf("_previous of a first version is %s", prev)
	}
}

func testSameBatch(t *testing.T, s store.Store) {
	create(t, s, "e")
	create(t, s, "d")
	r, err := Commit(t.Context(), s, &store.Batch{Writes: []store.Write{
		{Dataset: "d", Ops: append(Puts(t, `{"_id":"a"}`, `{"_id":"a"}`, `{"_id":"a","x":1}`),
			store.Op{Kind: store.Delete, ID: "a"}, store.Op{Kind: store.Delete, ID: "a"}, put(t, `{"_id":"a","x":1}`))},
		{Dataset: "e", Ops: Puts(t, `{"_id":"a"}`)},
		{Dataset: "d", Ops: Puts(t, `{"_id":"a","x":1}`, `{"_id":"b"}`)},
	}})
	if err != nil {
		t.Fatal(err)
	}
	want(t, "outcomes", fmt.Sprint(r.Outcomes, r.Changed), "[[1 0 2 3 0 2] [1] [0 1]] 6")
	got, _ := ReadAll(t, s, "d", store.Query{Since: store.Start, History: true})
	want(t, "log", plains(got), `{"_id":"a"}
{"_id":"a","x":1}
{"_id":"a","x":1,"_deleted":true}
{"_id":"a","x":1}
{"_id":"b"}`)
	for i := 1; i < 4; i++ {
		if number(t, got[i], "_previous") != number(t, got[i-1], "_updated") {
			t.Errorf("previous of %s", got[i])
		}
	}
}

func testArena(t *testing.T, s store.Store) {
	create(t, s, "d")
	a := entity.NewArena()
	src := []byte(`{"_id":"first","x":"first"}`)
	v, err := entity.Decode(a, src, entity.DecodeOptions{})
	if err != nil {
		t.Fatal(err)
	}
	p, err := s.Append(t.Context(), &store.Batch{Writes: []store.Write{{Dataset: "d", Ops: []store.Op{{Entity: v}}}}})
	if err != nil {
		t.Fatal(err)
	}
	a.Reset()
	copy(src, `{"_id":"XXXXX","x":"XXXXX"}`)
	if _, err := p.Wait(t.Context()); err != nil {
		t.Fatal(err)
	}
	got, _ := ReadAll(t, s, "d", store.Query{Since: store.Start})
	want(t, "stored", plains(got), `{"_id":"first","x":"first"}`)
}

func testConcurrent(t *testing.T, s store.Store) {
	create(t, s, "d")
	var wg sync.WaitGroup
	for g := range 8 {
		wg.Go(func() {
			for i := range 20 {
				Write(t, s, "d", put(t, fmt.Sprintf(`{"_id":"%d","n":%d}`, g, i)))
				if _, err := s.Read(t.Context(), "d", store.Query{Since: store.Start}, entity.NewArena()); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	all, _ := ReadAll(t, s, "d", store.Query{Since: store.Start, History: true})
	if len(all) != 160 {
		t.Errorf("%d versions", len(all))
	}
	latest, _ := ReadAll(t, s, "d", store.Query{Since: store.Start})
	for _, e := range latest {
		if number(t, e, "n") != 19 {
			t.Errorf("latest is %s", e)
		}
	}
	if len(latest) != 8 {
		t.Errorf("%d latest", len(latest))
	}
}

func testClosed(t *testing.T, s store.Store) {
	create(t, s, "d")
	w := s.Watch()
	p, err := s.Append(t.Context(), &store.Batch{Writes: []store.Write{{Dataset: "d", Ops: Puts(t, `{"_id":"a"}`)}}})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if r, err := p.Wait(t.Context()); err != nil || r.Changed != 1 {
		t.Errorf("handed over before closing: %+v %v", r, err)
	}
	_, read := s.Read(t.Context(), "d", store.Query{}, nil)
	_, wrote := s.Append(t.Context(), &store.Batch{})
	for {
		if _, err = w.Next(t.Context()); err != nil {
			break
		}
	}
	for i, err := range []error{read, wrote, err} {
		if !errors.Is(err, store.ErrClosed) {
			t.Errorf("call %d after closing: %v", i, err)
		}
	}
}
