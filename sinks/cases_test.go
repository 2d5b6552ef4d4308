package sinks

import (
	"context"
	"flag"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/sluiceio/sluice/entity"
	"github.com/sluiceio/sluice/store"
	"github.com/sluiceio/sluice/store/local"
	"github.com/sluiceio/sluice/systems"
	"github.com/sluiceio/sluice/systems/vendortest"
)

var update = flag.Bool("update", false, "rewrite the case files")

// TestCases runs the script of each case against the sink of its pipe:
//
//	load                       the pipe is loaded
//	run KIND [latest]          a run begins: full, incremental or request
//	run KIND from LOG [behind] … that reads a log, perhaps not from its beginning
//	write [entities]           a batch, with a state
//	finish [populated]         the run ends, or: incomplete
//	put [entities]             somebody else writes to the dataset "d"
//	dump                       the dataset "d" and the state
//	publish [entities]         a document of a publisher
//	file NAME                  how a publisher's document is called by that name
func TestCases(t *testing.T) {
	vendortest.Run(t, "../testdata/components/sinks", *update, func(c *vendortest.Case) string {
		return newScript(c).run(c.Text("script"))
	})
}

type script struct {
	t    *testing.T
	st   store.Store
	sink Sink
	w    Writer
	out  strings.Builder
	n    int
	ids  int
}

func newScript(c *vendortest.Case) *script {
	c.T.Helper()
	st, err := local.Open("mem", local.Options{InMemory: true, Clock: func() time.Time { return time.Unix(0, 0) }})
	if err != nil {
		c.T.Fatal(err)
	}
	c.T.Cleanup(func() {
		if err := st.Close(); err != nil {
			c.T.Error(err)
		}
	})
	lib, err := library()
	if err != nil {
		c.T.Fatal(err)
	}
	s := &script{t: c.T, st: st}
	pipe := c.Node("pipe.json")
	sys, found := c.System()
	kind, _ := pipe.Get("source").Get("type").Str()
	sink, diags := NewSet(Standard()...).Build(Env{
		PipeID: "d", Pipe: pipe, Node: pipe.Get("sink"), Store: st, Lib: lib, Endpoint: kind == "http_endpoint",
		System: func(string) systems.System { return sys },
		NewID:  func() string { s.ids++; return fmt.Sprint("sync", s.ids) },
	})
	s.out.WriteString(found + vendortest.Findings(diags))
	s.sink = sink
	return s
}

func (s *script) run(text string) string {
	if s.sink == nil {
		return s.out.String()
	}
	for line := range strings.SplitSeq(strings.TrimSpace(text), "\n") {
		command, rest, _ := strings.Cut(line, " ")
		fmt.Fprintf(&s.out, "> %s\n", line)
		if err := s.command(command, rest); err != nil {
			fmt.Fprintf(&s.out, "error: %v\n", err)
		}
	}
	return s.out.String()
}

func (s *script) command(name, rest string) (err error) {
	ctx := context.Background()
	switch name {
	case "load":
		return s.sink.(Loader).Load(ctx)
	case "run":
		kinds := map[string]RunKind{"full": Full, "incremental": Incremental, "partial": Partial, "request": Request}
		words := append(strings.Fields(rest), "", "", "")
		r := Run{Kind: kinds[words[0]], LatestOnly: words[1] == "latest"}
		if words[1] == "from" {
			r.Source = func() (string, bool) { return words[2], words[3] != "behind" }
		}
		s.w, err = s.sink.Start(ctx, r)
		return err
	case "write":
		s.n++
		return s.report(s.w.Write(ctx, s.batch(rest), s.state(fmt.Sprint("write ", s.n))))
	case "finish":
		return s.report(s.w.Finish(ctx, Finish{SourcePopulated: rest == "populated", Incomplete: rest == "incomplete"}, s.state("finished")))
	case "put":
		var ops []store.Op
		for _, e := range s.batch(rest).Entities {
			ops = append(ops, store.Op{Kind: store.Put, Entity: e})
		}
		if _, err := s.st.Create(ctx, "d"); err != nil {
			return err
		}
		_, err = commit(ctx, s.st, &store.Batch{Writes: []store.Write{{Dataset: "d", Ops: ops}}})
		return err
	case "publish":
		return s.publish(s.batch(rest).Entities)
	case "file":
		p := s.sink.(Publisher)
		fmt.Fprintf(&s.out, "%s at %s, %q\n", p.ContentType(), p.Route(), p.Disposition(rest))
		return nil
	case "dump":
		return s.dump(ctx)
	default:
		return fmt.Errorf("unknown command %q", name)
	}
}

func (s *script) batch(text string) *entity.Batch {
	a := entity.NewArena()
	v, err := entity.Decode(a, []byte(text), entity.DecodeOptions{})
	if err != nil {
		s.t.Fatalf("%s: %v", text, err)
	}
	return &entity.Batch{Arena: a, Entities: v.Elems()}
}

func (s *script) state(text string) []store.StateWrite {
	return []store.StateWrite{{Key: "pipe/d", Value: []byte(text), IfRev: store.AnyRev}}
}

func (s *script) report(w Written, err error) error {
	if err == nil {
		fmt.Fprintf(&s.out, "changed %d, deleted %d, states %d\n", w.Changed, w.Deleted, len(w.Revs))
	}
	return err
}

func (s *script) publish(entities []entity.Value) error {
	doc := s.sink.(Publisher).Document()
	text, err := doc.Begin(nil)
	for i, e := range entities {
		if err == nil {
			var wrote bool
			text, wrote, err = doc.Append(text, e)
			if err == nil && !wrote {
				fmt.Fprintf(&s.out, "entity %d does not appear\n", i+1)
			}
		}
	}
	if err == nil {
		text, err = doc.End(text)
	}
	for line := range strings.Lines(string(text)) {
		fmt.Fprintf(&s.out, "%q\n", line)
	}
	return err
}

func (s *script) dump(ctx context.Context) error {
	state, _, err := s.st.State(ctx, "pipe/d")
	if err != nil {
		return err
	}
	info, err := s.st.Info(ctx, "d")
	if err != nil {
		return err
	}
	page, err := s.st.Read(ctx, "d", store.Query{Since: store.Start, Limit: 1000}, nil)
	if err != nil {
		return err
	}
	for _, e := range page.Entities {
		var members []entity.Member
		for _, m := range e.Object().Members() {
			if m.Key != entity.TSKey && m.Key != entity.HashKey {
				members = append(members, m)
			}
		}
		fmt.Fprintf(&s.out, "%s\n", entity.NewDict(members...))
	}
	fmt.Fprintf(&s.out, "versions %d, populated %v, indexes %d, state %q\n", info.Versions, info.Populated, len(info.Indexes), state)
	return nil
}
