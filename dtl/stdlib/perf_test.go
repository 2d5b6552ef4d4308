package stdlib_test

import (
	"bytes"
	"fmt"
	"math"
	"os"
	"testing"

	"github.com/sluiceio/sluice/dtl"
	"github.com/sluiceio/sluice/entity"
	"github.com/sluiceio/sluice/internal/jsonpos"
)

// task is one mapping task of testdata/perf with its own run.
type task struct {
	run     *dtl.Run
	in, out entity.Batch
}

func newTask(t testing.TB, name string) *task {
	t.Helper()
	data, err := os.ReadFile("../../testdata/perf/" + name + ".dtl.json")
	if err != nil {
		t.Fatal(err)
	}
	n, errs := jsonpos.Parse(name, data)
	if errs != nil {
		t.Fatal(errs[0])
	}
	p, finds := dtl.CompileRules(n, dtl.Options{Lib: lib(t)})
	if p == nil {
		t.Fatal(messages(finds))
	}
	return &task{run: dtl.NewRun(p, &dtl.MemHost{}), in: entity.Batch{Arena: entity.NewArena()}}
}

// line appends the JSON of what comes out for one order.
func (k *task) line(t testing.TB, dst, line []byte) []byte {
	k.in.Arena.Reset()
	v, err := entity.Decode(k.in.Arena, line, entity.DecodeOptions{})
	if err != nil {
		t.Fatal(err)
	}
	k.in.Entities, k.out.Entities = append(k.in.Entities[:0], v), k.out.Entities[:0]
	if err := k.run.Transform(t.Context(), &k.in, &k.out); err != nil {
		t.Fatal(err)
	}
	for _, e := range k.out.Entities {
		dst = entity.AppendJSON(dst, e)
	}
	return dst
}

func orders(t testing.TB, name string) [][]byte {
	t.Helper()
	data, err := os.ReadFile("../../testdata/perf/" + name + ".ndjson")
	if err != nil {
		t.Fatal(err)
	}
	return bytes.Split(bytes.TrimSpace(data), []byte("\n"))
}

var tasks = []string{"t1", "t2", "t3", "t4"}

// TestTasks runs the mapping tasks over all orders. In steady state nothing is
// allocated for an order.
func TestTasks(t *testing.T) {
	in := orders(t, "orders")
	for _, name := range tasks {
		k, want := newTask(t, name), orders(t, name+".expected")
		dst := make([]byte, 0, 1<<16)
		for i, line := range in {
			dst = k.line(t, dst[:0], line)
			if err := near(string(dst), string(want[i])); err != nil {
				t.Fatalf("%s, line %d: %v\n got %s\nwant %s", name, i+1, err, dst, want[i])
			}
		}
		if n := testing.AllocsPerRun(3, func() {
			for _, line := range in {
				dst = k.line(t, dst[:0], line)
			}
		}); n > 3 {
			t.Errorf("%s: %v allocations for %d orders", name, n, len(in))
		}
	}
}

// near compares JSON: members in any order, numbers within 1e-9.
func near(got, want string) error {
	g, err := entity.DecodeString(got)
	if err != nil {
		return err
	}
	w, err := entity.DecodeString(want)
	if err != nil {
		return err
	}
	return nearValue(g, w)
}

func nearValue(g, w entity.Value) error {
	switch {
	case g.IsNumber() && w.IsNumber():
		if math.Abs(g.Float64()-w.Float64()) > 1e-9*max(1, math.Abs(w.Float64())) {
			return fmt.Errorf("%v is not %v", g, w)
		}
		return nil
	case g.Kind() != w.Kind() || g.Len() != w.Len():
		return fmt.Errorf("%v is not %v", g, w)
	}
	for i, e := range w.Elems() {
		if err := nearValue(g.Elems()[i], e); err != nil {
			return err
		}
	}
	for _, m := range w.Object().Members() {
		v, ok := g.Get(m.Key)
		if !ok {
			return fmt.Errorf("%q is missing", m.Key)
		}
		if err := nearValue(v, m.Value); err != nil {
			return err
		}
	}
	if w.Len() == 0 && !entity.Equal(g, w) {
		return fmt.Errorf("%v is not %v", g, w)
	}
	return nil
}

func BenchmarkTasks(b *testing.B) {
	in := orders(b, "orders")
	for _, name := range tasks {
		b.Run(name, func(b *testing.B) {
			k, dst, i := newTask(b, name), make([]byte, 0, 1<<16), 0
			b.ReportAllocs()
			for b.Loop() {
				dst = k.line(b, dst[:0], in[i%len(in)])
				i++
			}
		})
	}
}

// TestBatchesAgree: a batch comes out as its entities do one by one, whatever
// the run has remembered of entities before.
func TestBatchesAgree(t *testing.T) {
	in := orders(t, "orders")
	for _, name := range tasks {
		one, whole := newTask(t, name), newTask(t, name)
		for _, line := range in {
			v, err := entity.Decode(whole.in.Arena, line, entity.DecodeOptions{})
			if err != nil {
				t.Fatal(err)
			}
			whole.in.Entities = append(whole.in.Entities, v)
		}
		if err := whole.run.Transform(t.Context(), &whole.in, &whole.out); err != nil {
			t.Fatal(err)
		}
		for i, line := range in {
			if got, want := whole.out.Entities[i].String(), string(one.line(t, nil, line)); got != want {
				t.Fatalf("%s, line %d: %s in the batch, %s alone", name, i+1, got, want)
			}
		}
	}
}
