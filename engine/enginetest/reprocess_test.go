package enginetest

import (
	"strings"
	"testing"

	"github.com/sluiceio/sluice/store"
)

// A pipe whose basis has changed makes a full run by itself if that is its
// policy, and remembers why it should otherwise.
func TestReprocessing(t *testing.T) {
	hop := `{"type": "dtl", "rules": {"default": [["copy", "*"], ["add", "f", ["hops", {"datasets": ["a a"], "where": ["eq", "_S.n", "a.n"]}]]]}}`
	plain := `{"type": "dtl", "rules": {"default": [["copy", "*"], ["add", "f", 1]]}}`
	other := `{"type": "dtl", "rules": {"default": [["copy", "*"], ["add", "f", 2]]}}`
	again := func(d string) func(*testing.T, store.Store) {
		return func(t *testing.T, st store.Store) {
			if err := st.Drop(t.Context(), d); err != nil {
				t.Fatal(err)
			}
			put(t, st, d, entities(t, `[{"_id": "2", "n": 2}, {"_id": "3", "n": 3}]`), true)
		}
	}
	nothing := func(*testing.T, store.Store) {}
	for _, c := range []struct {
		name, before, after, more string
		change                    func(*testing.T, store.Store)
		why                       string // "" is in sync
	}{
		{"nothing", plain, plain, ``, nothing, ""},
		{"the source is made anew", plain, plain, ``, again("in"), `dataset "in" was deleted and made anew`},
		{"a hopped dataset is made anew", hop, hop, ``, again("a"), `dataset "a" was deleted and made anew`},
		{"a hop is new", plain, hop, ``, nothing, `dataset "a" is new to the pipe`},
		{"a rule is another", plain, other, `"rescan_when_config_changes": true,`, nothing, "the configuration of the pipe has changed"},
		{"a remark is another", plain, strings.Replace(plain, `"dtl"`, `"dtl", "comment": "x"`, 1), `"rescan_when_config_changes": true, "description": "new",`, nothing, ""},
		{"a rule is another, and nobody minds", plain, other, ``, nothing, ""},
	} {
		for _, policy := range []string{"automatic", "continue"} {
			conf := func(transform string) string {
				return `[{"_id": "node", "type": "metadata", "global_defaults": {"reprocessing_policy": "` + policy + `"}},
					{"_id": "out", "type": "pipe", ` + c.more + ` "source": {"type": "dataset", "dataset": "in"}, "transform": ` + transform + `}]`
			}
			st := memory(t)
			put(t, st, "in", entities(t, `[{"_id": "1", "n": 1}, {"_id": "2", "n": 2}]`), true)
			put(t, st, "a", entities(t, `{"_id": "a1", "n": 1}`), true)
			e := open(t, st, parse(t, conf(c.before)))
			runPipe(t, e, false)
			c.change(t, st)
			e = open(t, st, parse(t, conf(c.after)))
			p, _ := e.Pipe("out")
			stats, err := p.Run(t.Context(), false)
			if err != nil {
				t.Fatal(err)
			}
			reset := policy == "automatic" && c.why != ""
			if (stats.Kind == "full") != reset {
				t.Errorf("%s, %s: a %s run", c.name, policy, stats.Kind)
			}
			known, err := p.OutOfSync(t.Context())
			if remembers := strings.Join(known, "; "); err != nil || policy == "continue" && remembers != c.why || reset && remembers != "" {
				t.Errorf("%s, %s: known is %q: %v", c.name, policy, remembers, err)
			}
			if again, err := p.Run(t.Context(), false); err != nil || again.Kind == "full" || again.Read != 0 {
				t.Errorf("%s, %s: the next run is %+v: %v", c.name, policy, again, err)
			}
			before := live(t, st, "out")
			runPipe(t, e, true)
			if known, _ := p.OutOfSync(t.Context()); len(known) > 0 || reset && live(t, st, "out") != before {
				t.Errorf("%s, %s: after a full run known is %v, and \n%s became\n%s", c.name, policy, known, before, live(t, st, "out"))
			}
		}
	}
}

// With the policy to go on, a dataset that was made anew and is not full again yet
// deletes nothing, also where the other ones have nothing to go on from.
func TestRemadeAmongSeveralDeletesNothing(t *testing.T) {
	for _, source := range []string{`"union_datasets", "prefix_ids": false`, `"merge_datasets"`} {
		st := memory(t)
		put(t, st, "a", entities(t, `[{"_id": "1"}, {"_id": "2"}]`), true)
		put(t, st, "b", nil, true)
		e := open(t, st, parse(t, `[{"_id": "out", "type": "pipe", "source": {"type": `+source+`, "datasets": ["a", "b"]}}]`))
		runPipe(t, e, false)
		if err := st.Drop(t.Context(), "a"); err != nil {
			t.Fatal(err)
		}
		put(t, st, "a", entities(t, `{"_id": "3"}`), false)
		p, _ := e.Pipe("out")
		stats, err := p.Run(t.Context(), false)
		if err != nil || stats.Kind != "incremental" || stats.Deleted != 0 || stats.Read != 1 {
			t.Errorf("%s: %+v: %v", source, stats, err)
		}
	}
}

// Nor does one that is empty for a while.
func TestRemadeAndEmptyDeletesNothing(t *testing.T) {
	for _, source := range []string{`"dataset", "dataset": "a"`, `"union_datasets", "prefix_ids": false, "datasets": ["a", "b"]`, `"merge_datasets", "datasets": ["a", "b"]`} {
		st := memory(t)
		put(t, st, "a", entities(t, `[{"_id": "1"}, {"_id": "2"}]`), true)
		put(t, st, "b", nil, true)
		e := open(t, st, parse(t, `[{"_id": "out", "type": "pipe", "source": {"type": `+source+`}}]`))
		runPipe(t, e, false)
		if err := st.Drop(t.Context(), "a"); err != nil {
			t.Fatal(err)
		}
		put(t, st, "a", nil, false)
		p, _ := e.Pipe("out")
		for run, fill := range []string{``, ``, `{"_id": "3"}`, ``} {
			if fill != "" {
				put(t, st, "a", entities(t, fill), false)
			}
			if stats, err := p.Run(t.Context(), false); err != nil || stats.Kind != "incremental" || stats.Deleted != 0 {
				t.Errorf("%s, run %d: %+v: %v", source, run, stats, err)
			}
		}
		if got := live(t, st, "out"); strings.Count(got, "_id") != 3 {
			t.Errorf("%s: %s", source, got)
		}
	}
}

// A source whose name is misspelt is no source that lost all it had.
func TestMisspeltSourceDeletesNothing(t *testing.T) {
	for _, source := range []string{`"dataset", "dataset": "in"`, `"union_datasets", "prefix_ids": false, "datasets": ["in", "more"]`,
		`"merge_datasets", "datasets": ["in", "more"]`, `"merge", "version": 2, "identity": "first", "datasets": ["in i", "more m"]`} {
		st := memory(t)
		put(t, st, "in", entities(t, `[{"_id": "1"}, {"_id": "2"}]`), true)
		put(t, st, "more", entities(t, `{"_id": "3"}`), true)
		conf := `[{"_id": "out", "type": "pipe", "source": {"type": ` + source + `}}]`
		runPipe(t, open(t, st, parse(t, conf)), false)
		before := strings.Count(live(t, st, "out"), "\n")
		e := open(t, st, parse(t, strings.NewReplacer(`"in"`, `"inn"`, `"in i"`, `"inn i"`).Replace(conf)))
		p, _ := e.Pipe("out")
		if stats, err := p.Run(t.Context(), true); err != nil || strings.Count(live(t, st, "out"), "\n") != before || !stats.Kept {
			t.Errorf("%s: %+v: %v", source, stats, err)
		}
		put(t, st, "inn", entities(t, `{"_id": "1"}`), true)
		if stats, err := p.Run(t.Context(), true); err != nil || strings.Count(live(t, st, "out"), "\n") != before-1 || stats.Kept {
			t.Errorf("%s: %+v: %v", source, stats, err)
		}
	}
}

// With automatic reprocessing the full run for a source that was made anew deletes
// only when that is populated again; until then it may be filled.
func TestRemadeIsReprocessedWhenPopulated(t *testing.T) {
	st := memory(t)
	put(t, st, "in", entities(t, `[{"_id": "1"}, {"_id": "2"}]`), true)
	e := open(t, st, parse(t, `[{"_id": "out", "type": "pipe", "reprocessing_policy": "automatic", "source": {"type": "dataset", "dataset": "in"}}]`))
	runPipe(t, e, false)
	if err := st.Drop(t.Context(), "in"); err != nil {
		t.Fatal(err)
	}
	p, _ := e.Pipe("out")
	for i, step := range []struct {
		fill      string
		populated bool
		kind      string
		deleted   int
	}{
		{`{"_id": "3"}`, false, "full", 0},
		{`{"_id": "1"}`, false, "incremental", 0},
		{`{"_id": "4"}`, true, "full", 1},
		{`{"_id": "5"}`, true, "incremental", 0},
	} {
		put(t, st, "in", entities(t, step.fill), step.populated)
		stats, err := p.Run(t.Context(), false)
		if err != nil || stats.Kind != step.kind || stats.Deleted != step.deleted {
			t.Errorf("step %d: %+v: %v", i+1, stats, err)
		}
	}
	if got := live(t, st, "out"); strings.Count(got, "_id") != 4 || strings.Contains(got, `"2"`) {
		t.Error(got)
	}
}

// The same rescan in the background is made once, not again after each run.
func TestRemadeIsRescannedOnce(t *testing.T) {
	st := memory(t)
	put(t, st, "in", entities(t, `[{"_id": "1"}, {"_id": "2"}]`), true)
	e := open(t, st, parse(t, `[{"_id": "out", "type": "pipe", "reprocessing_policy": "automatic", "enable_background_rescan": true, "source": {"type": "dataset", "dataset": "in"}}]`))
	runPipe(t, e, false)
	must(t, st.Drop(t.Context(), "in"))
	put(t, st, "in", entities(t, `{"_id": "3"}`), false)
	runPipe(t, e, false)
	put(t, st, "in", entities(t, `{"_id": "4"}`), true)
	p, _ := e.Pipe("out")
	for i, want := range []bool{true, false} {
		runPipe(t, e, false)
		wanted, err := p.RescanWanted(t.Context())
		if err != nil || wanted != want {
			t.Errorf("run %d: a rescan is wanted: %t, %v", i+1, wanted, err)
		}
		if wanted {
			_, err := p.Rescan(t.Context())
			must(t, err)
		}
	}
	if got := live(t, st, "out"); got != "{\"_id\":\"3\"}\n{\"_id\":\"4\"}\n" {
		t.Error(got)
	}
}
