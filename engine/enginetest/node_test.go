// Package enginetest tests the node as its users see it: through package
// engine alone, against a store in memory.
package enginetest

import (
	"context"
	"errors"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/sluiceio/sluice/config"
	"github.com/sluiceio/sluice/engine"
	"github.com/sluiceio/sluice/entity"
	"github.com/sluiceio/sluice/store"
	"github.com/sluiceio/sluice/store/local"
	"github.com/sluiceio/sluice/systems"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// standard is made once: it is immutable, and making it takes longer than most
// tests.
var standard = sync.OnceValues(engine.Standard)

func sets(t testing.TB) engine.Sets {
	t.Helper()
	sets, err := standard()
	if err != nil {
		t.Fatal(err)
	}
	return sets
}

// noon is when tests take place; stores tick a second a version.
func noon() time.Time { return time.Date(2025, 3, 1, 12, 0, 0, 0, time.UTC) }

// memory opens a store in memory that is closed with the test.
func memory(t testing.TB) *local.Store {
	t.Helper()
	st, err := local.Open("mem", local.Options{InMemory: true, Clock: noon})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := st.Close(); err != nil {
			t.Error(err)
		}
	})
	return st
}

// parse reads a configuration that must be readable.
func parse(t testing.TB, text string, environ ...string) *config.Config {
	t.Helper()
	c, finds := config.Parse("conf.json", []byte(text), config.Options{Environ: environ})
	for _, f := range finds {
		if f.Severity.String() == "error" {
			t.Fatalf("%d:%d: %s", f.Span.Start.Line, f.Span.Start.Col, f.Message)
		}
	}
	return c
}

// open opens a node that is closed with the test.
func open(t testing.TB, st store.Store, c *config.Config) *engine.Engine {
	t.Helper()
	return openSets(t, st, c, sets(t))
}

// openSets is open with other types of components.
func openSets(t testing.TB, st store.Store, c *config.Config, with engine.Sets) *engine.Engine {
	t.Helper()
	e, err := engine.Open(t.Context(), engine.Options{Config: c, Store: st, Sets: with, Now: time.Now, Transport: transport()})
	if err != nil {
		var bad *engine.ConfigError
		if errors.As(err, &bad) {
			t.Fatalf("%+v", bad.Findings)
		}
		t.Fatal(err)
	}
	t.Cleanup(func() { e.Close() })
	return e
}

func transport() *systems.Transport {
	return systems.NewTransport(systems.GuardOptions{Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}})
}

// entities decodes a stream of entities.
func entities(t testing.TB, text string) []entity.Value {
	t.Helper()
	var out []entity.Value
	for line := range strings.Lines(text) {
		if line = strings.TrimSpace(line); line == "" {
			continue
		}
		v, err := entity.DecodeString(line)
		if err != nil {
			t.Fatalf("%v in %s", err, line)
		}
		if v.Kind() == entity.List {
			out = append(out, v.Elems()...)
			continue
		}
		out = append(out, v)
	}
	return out
}

// put writes entities to a dataset as some other program would.
func put(t testing.TB, st store.Store, dataset string, es []entity.Value, populate bool) {
	t.Helper()
	ctx := t.Context()
	if _, err := st.Create(ctx, dataset); err != nil {
		t.Fatal(err)
	}
	b := &store.Batch{}
	ops := make([]store.Op, len(es))
	for i, e := range es {
		ops[i] = store.Op{Kind: store.Put, Entity: e}
	}
	if len(ops) > 0 {
		b.Writes = []store.Write{{Dataset: dataset, Ops: ops}}
	}
	if populate {
		b.Populate = []string{dataset}
	}
	commit(t, st, b)
}

func commit(t testing.TB, st store.Store, b *store.Batch) {
	t.Helper()
	p, err := st.Append(context.WithoutCancel(t.Context()), b)
	if err == nil {
		_, err = p.Wait(context.WithoutCancel(t.Context()))
	}
	if err != nil {
		t.Fatal(err)
	}
}

// dump lists the versions of a dataset without what depends on time and place.
func dump(t testing.TB, st store.Store, dataset string, history bool) string {
	t.Helper()
	var b strings.Builder
	a := entity.NewArena()
	for q := (store.Query{Since: store.Start, Limit: 100, History: history}); ; {
		page, err := st.Read(t.Context(), dataset, q, a)
		if err != nil {
			return "error: " + err.Error() + "\n"
		}
		for _, e := range page.Entities {
			b.Write(entity.AppendJSON(nil, without(e, entity.UpdatedKey, entity.PreviousKey, entity.HashKey, entity.TSKey)))
			b.WriteByte('\n')
		}
		if page.End {
			return b.String()
		}
		q.Since = page.Next
	}
}

// without copies an entity but for some members, and those that say nothing.
func without(e entity.Value, keys ...string) entity.Value {
	var kept []entity.Member
	for _, m := range e.Object().Members() {
		skip := m.Key == entity.DeletedKey && !m.Value.Bool()
		for _, k := range keys {
			skip = skip || m.Key == k
		}
		if !skip {
			kept = append(kept, m)
		}
	}
	return entity.NewDict(kept...)
}
