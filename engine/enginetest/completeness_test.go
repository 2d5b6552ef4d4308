package enginetest

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/sluiceio/sluice/engine"
	"github.com/sluiceio/sluice/entity"
	"github.com/sluiceio/sluice/pipes"
	"github.com/sluiceio/sluice/store"
	"github.com/sluiceio/sluice/store/local"
)

// up to when the dataset is complete as via has heard.
func completeUntil(t *testing.T, e *engine.Engine, via, dataset string) int64 {
	t.Helper()
	at, _, err := e.Completeness().Of(t.Context(), via, dataset)
	if err != nil {
		t.Fatal(err)
	}
	return at
}

func runNamed(t *testing.T, e *engine.Engine, id string) pipes.Stats {
	t.Helper()
	p, _ := e.Pipe(id)
	stats, err := p.Run(t.Context(), false)
	var wait *pipes.WaitError
	if err != nil && !errors.As(err, &wait) {
		t.Fatal(err)
	}
	return stats
}

// How a and b are joined, or merged instead.
const (
	joining = `"source": {"type": "dataset", "dataset": "a"},
	  "transform": {"type": "dtl", "rules": {"default": [["copy", "*"], ["add", "b", ["hops", {"datasets": ["b b"], "where": ["eq", "_S.n", "b.n"]}]]]}}`
	mergingBoth = `"source": {"type": "merge", "version": 2, "datasets": ["a a", "b b"], "equality": [["eq", "a.n", "b.n"]]}`
)

// Two inbound pipes, one that joins them, one that reads what is complete.
const completing = `[
	{"_id": "a", "type": "pipe", "source": {"type": "embedded", "entities": [{"_id": "1", "n": 1}]}},
	{"_id": "b", "type": "pipe", "source": {"type": "embedded", "entities": [{"_id": "2", "n": 1}]}},
	{"_id": "c", "type": "pipe", %s ` + joining + `},
	{"_id": "d", "type": "pipe", "source": {"type": "dataset", "dataset": "c", %s}, "sink": {"deletion_tracking": false}}]`

func TestCompletenessIsInherited(t *testing.T) {
	cases := []struct{ pipe, from string }{
		{``, "a"}, // a ran first, so it is the least
		{`"exclude_completeness": ["a"],`, "b"},
		{`"include_completeness": ["b"],`, "b"},
		{`"include_completeness": ["a", "b"], "exclude_completeness": ["a"],`, "b"},
		{`"exclude_completeness": ["a", "b"],`, "now"},
	}
	for i, c := range append(cases, cases...) {
		st := memory(t)
		text := fmt.Sprintf(completing, c.pipe, `"completeness": true`)
		if i >= len(cases) {
			text = strings.Replace(text, joining, mergingBoth, 1)
		}
		conf := parse(t, text)
		e := open(t, st, conf)
		for _, id := range []string{"a", "b", "c"} {
			runNamed(t, e, id)
			time.Sleep(time.Millisecond)
		}
		a, b, is := completeUntil(t, e, "a", "a"), completeUntil(t, e, "b", "b"), completeUntil(t, e, "c", "c")
		if want := map[string]int64{"a": a, "b": b}[c.from]; a >= b || is != want && c.from != "now" || c.from == "now" && is <= b {
			t.Errorf("%s: c is complete until %d, a %d, b %d", c.pipe, is, a, b)
		}
		if completeUntil(t, e, "c", "a") != a || completeUntil(t, e, "c", "b") != b || completeUntil(t, e, "a", "c") != 0 {
			t.Errorf("%s: c has not heard of its inputs", c.pipe)
		}
		// Another node on the same store knows at least what was saved.
		e.Close()
		if again := open(t, st, conf); completeUntil(t, again, "c", "b") != b {
			t.Errorf("%s: it is forgotten", c.pipe)
		}
	}
}

// What is newer than the source is complete waits for it.
func TestCompletenessHoldsBack(t *testing.T) {
	for _, hold := range []string{`"completeness": true`, `"completeness": ["a", "b"]`} {
		st, err := local.Open("mem", local.Options{InMemory: true}) // with the clock of the node
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = st.Close() })
		e := open(t, st, parse(t, fmt.Sprintf(completing, ``, hold)))
		p, _ := e.Pipe("d")
		runNamed(t, e, "a")
		runNamed(t, e, "b")
		if err := p.Waits(t.Context()); err == nil || !strings.Contains(err.Error(), "has heard how complete") {
			t.Errorf("%s: it waits for %v", hold, err)
		}
		runNamed(t, e, "c")
		if got := runNamed(t, e, "d"); got.Read != 0 {
			t.Errorf("%s: %d were read, of what is newer than a and b are known to be complete", hold, got.Read)
		}
		for _, id := range []string{"a", "b", "c"} { // they find nothing, but at a later time
			time.Sleep(2 * time.Millisecond)
			runNamed(t, e, id)
		}
		if got := runNamed(t, e, "d"); got.Read != 1 {
			t.Errorf("%s: %d were read of what is complete", hold, got.Read)
		}
		if got := runNamed(t, e, "d"); got.Read != 0 {
			t.Errorf("%s: %d were read again", hold, got.Read)
		}
	}
}

func TestCompletenessExpression(t *testing.T) {
	st := memory(t)
	put(t, st, "in", entities(t, `{"_id": "1"}`), true)
	for expr, want := range map[string]int{
		`["datetime-plus", "day", -7, ["now"]]`: 1, // the store's clock stands at a time long ago
		`["datetime-parse", "%Y", "1999"]`:      0,
		`"no time"`:                             0,
		`["completeness", "in", "in"]`:          0,
	} {
		e := open(t, st, parse(t, `[{"_id": "out", "type": "pipe", "source": {"type": "dataset", "dataset": "in", "completeness": {"expression": `+expr+`}}, "sink": {"deletion_tracking": false}}]`))
		p, _ := e.Pipe("out")
		if stats, err := p.Run(t.Context(), true); err != nil || stats.Read != want {
			t.Errorf("%s: %d read: %v", expr, stats.Read, err)
		}
	}
}

func TestInitialCompleteness(t *testing.T) {
	st := memory(t)
	put(t, st, "in", entities(t, `{"_id": "1"}`), true)
	e := open(t, st, parse(t, `[{"_id": "x", "type": "pipe", "source": {"type": "empty"}},
		{"_id": "out", "type": "pipe", "source": {"type": "dataset", "dataset": "in", "initial_completeness": ["x"]}}]`))
	if p, _ := e.Pipe("out"); p.Waits(t.Context()) == nil {
		t.Error("it does not wait")
	}
	runNamed(t, e, "x")
	if got := runNamed(t, e, "out"); got.Read != 1 {
		t.Errorf("%d read", got.Read)
	}
}

// A receiver's dataset is complete until its last request, or until when the
// sender says.
func TestReceiverCompleteness(t *testing.T) {
	st := memory(t)
	conf := parse(t, `[{"_id": "in", "type": "pipe", "source": {"type": "http_endpoint"}}]`)
	e := open(t, st, conf)
	post := func(id string, micros int64) int64 {
		in, err := e.Inlet(t.Context(), "in")
		if err != nil {
			t.Fatal(err)
		}
		b := &entity.Batch{Arena: entity.NewArena(), Entities: entities(t, `{"_id": "`+id+`"}`)}
		if _, err := in.ReceiveComplete(t.Context(), b, micros); err != nil {
			t.Fatal(err)
		}
		return completeUntil(t, e, "in", "in")
	}
	before := time.Now().UnixMicro()
	if at := post("1", 0); at < before {
		t.Errorf("complete until %d, before the request at %d", at, before)
	}
	if at := post("2", 1633934725921188); at != 1633934725921188 {
		t.Errorf("complete until %d, not what the sender says", at)
	}
	e.Close()
	if e = open(t, st, conf); completeUntil(t, e, "in", "in") != 1633934725921188 {
		t.Error("what the sender has said is forgotten")
	}
	fresh := memory(t)
	e = open(t, fresh, conf)
	post("1", 0)
	e.Close()
	e = open(t, fresh, conf)
	page, err := fresh.Read(t.Context(), "in", store.Query{Since: store.Start}, entity.NewArena())
	if err != nil {
		t.Fatal(err)
	}
	ts, _ := page.Entities[0].Get(entity.TSKey)
	if n, _ := ts.Int64(); completeUntil(t, e, "in", "in") < n {
		t.Errorf("after a restart it is complete until %d, and its entity is of %d", completeUntil(t, e, "in", "in"), n)
	}
}

// A rise of completeness starts who waits for it, by itself.
func TestCompletenessIsSignalled(t *testing.T) {
	inWorld(t, fmt.Sprintf(completing, ``, `"completeness": true`), func(t *testing.T, w *world) {
		w.e.Start()
		w.pass(3 * time.Hour)
		if got := live(t, w.st, "d"); !strings.Contains(got, `"_id":"1"`) {
			t.Errorf("d holds\n%s", got)
		}
	})
}

// Rules are told up to when a dataset is complete, whatever the source of their pipe.
func TestCompletenessInRules(t *testing.T) {
	const rules = `"transform": {"type": "dtl", "rules": {"default": [["copy", "_id"], ["add", "known", ["is-datetime", ["completeness", "c", "a"]]]]}}}`
	st := memory(t)
	e := open(t, st, parse(t, strings.TrimSuffix(fmt.Sprintf(completing, "", `"require_populated_input": false`), "]")+`,
		{"_id": "dataset", "type": "pipe", "source": {"type": "dataset", "dataset": "d"}, `+rules+`,
		{"_id": "embedded", "type": "pipe", "source": {"type": "embedded", "entities": [{"_id": "1"}]}, `+rules+`]`))
	defer e.Close()
	for _, id := range []string{"a", "b", "c", "d", "dataset", "embedded"} {
		runNamed(t, e, id)
	}
	for _, id := range []string{"dataset", "embedded"} {
		if got := live(t, st, id); got != `{"_id":"1","known":true}`+"\n" {
			t.Errorf("%s: %s", id, got)
		}
	}
}
