package enginetest

import (
	"errors"
	"flag"
	"fmt"
	"strings"
	"testing"

	"github.com/sluiceio/sluice/config"
	"github.com/sluiceio/sluice/engine"
	"github.com/sluiceio/sluice/entity"
	"github.com/sluiceio/sluice/pipes"
	"github.com/sluiceio/sluice/store"
	"github.com/sluiceio/sluice/store/local"
	"github.com/sluiceio/sluice/systems/vendortest"
)

var update = flag.Bool("update", false, "rewrite the case files")

// TestScenarios runs the script of each case on a node with conf.json:
//
//	check                 the findings of the configuration
//	run [PIPE…]           runs pumps until nothing is left to do
//	full PIPE             a full run of one pipe
//	post PIPE ENTITIES    posts to a receiver
//	put DATASET ENTITIES  somebody else writes to a dataset
//	populate DATASET      … and has finished
//	drop DATASET          removes a dataset
//	reset PIPE [OFFSET]   moves the place where the next run continues
//	failures PIPE         how many entities wait and were given up
//	discard PIPE          gives up waiting
//	repost PIPE [ID…]     has what was given up tried again
//	rollback DATASET      drops what a circuit breaker holds back
//	load NAME             another configuration takes the place of this one
//	restart               the node is closed and opened again
//	dump DATASET          the latest versions of a dataset
//	history DATASET       all versions
//	log PIPE              the execution log, without times
//	status PIPE           why the pipe is not running
func TestScenarios(t *testing.T) {
	vendortest.Run(t, "../../testdata/engine", *update, func(c *vendortest.Case) string {
		s := &scenario{c: c, t: c.T, st: memory(c.T), name: "conf.json"}
		return s.run(c.Text("script"))
	})
}

type scenario struct {
	c    *vendortest.Case
	t    *testing.T
	st   *local.Store
	e    *engine.Engine
	name string // of the configuration in use
	out  strings.Builder
}

func (s *scenario) run(script string) string {
	defer s.close()
	for line := range strings.Lines(script) {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		fmt.Fprintf(&s.out, "> %s\n", line)
		verb, rest, _ := strings.Cut(line, " ")
		s.step(verb, strings.TrimSpace(rest))
	}
	return s.out.String()
}

func (s *scenario) step(verb, rest string) {
	arg, more, _ := strings.Cut(rest, " ")
	switch verb {
	case "check":
		s.out.WriteString(vendortest.Findings(engine.Check(s.t.Context(), s.conf(), sets(s.t))))
	case "put":
		put(s.t, s.st, arg, entities(s.t, more), false)
	case "populate":
		put(s.t, s.st, arg, nil, true)
	case "drop":
		s.fail(s.st.Drop(s.t.Context(), arg))
	case "dump", "history":
		s.out.WriteString(dump(s.t, s.st, arg, verb == "history"))
	case "load":
		s.close()
		s.name = arg
	case "restart":
		s.close()
	default:
		s.nodeStep(verb, rest, arg, more)
	}
}

// nodeStep is a step that needs the node open.
func (s *scenario) nodeStep(verb, rest, arg, more string) {
	if s.e == nil && !s.open() {
		return
	}
	switch verb {
	case "run":
		results, err := s.e.RunAll(s.t.Context(), strings.Fields(rest), nil)
		for _, r := range results {
			s.result(r.Pipe, r.Stats, r.Err)
		}
		s.fail(err)
	case "full":
		p, _ := s.e.Pipe(arg)
		stats, err := p.Run(s.t.Context(), true)
		s.result(arg, stats, err)
	case "post":
		s.post(arg, more)
	case "reset":
		p, _ := s.e.Pipe(arg)
		s.fail(p.SetOffset(s.t.Context(), more))
	case "rollback":
		s.fail(s.e.ResolveTrip(s.t.Context(), arg, false))
	case "failures", "discard", "repost":
		s.failures(verb, arg, more)
	case "log":
		s.log(arg)
	case "status":
		st, err := s.e.Status(s.t.Context(), arg)
		s.fail(err)
		fmt.Fprintf(&s.out, "%s\n", st.Why.Text)
	default:
		s.t.Fatalf("the script has no step %q", verb)
	}
}

func (s *scenario) failures(verb, pipe, more string) {
	p, _ := s.e.Pipe(pipe)
	var n, dead int
	var err error
	switch verb {
	case "failures":
		n, dead, err = p.Failures(s.t.Context())
		fmt.Fprintf(&s.out, "%d wait, %d were given up\n", n, dead)
	case "discard":
		n, err = p.DiscardRetries(s.t.Context())
		fmt.Fprintf(&s.out, "%d\n", n)
	default:
		n, err = p.Repost(s.t.Context(), strings.Fields(more))
		fmt.Fprintf(&s.out, "%d\n", n)
	}
	s.fail(err)
}

func (s *scenario) fail(err error) {
	if err != nil {
		fmt.Fprintf(&s.out, "error: %v\n", err)
	}
}

func (s *scenario) result(pipe string, st pipes.Stats, err error) {
	var wait *pipes.WaitError
	switch {
	case errors.As(err, &wait):
		fmt.Fprintf(&s.out, "%s: %s\n", pipe, wait.Reason)
	case err != nil:
		fmt.Fprintf(&s.out, "%s: error: %v\n", pipe, err)
	default:
		fmt.Fprintf(&s.out, "%s: %s, read %d, changed %d, deleted %d\n", pipe, st.Kind, st.Read, st.Changed, st.Deleted)
	}
}

func (s *scenario) post(pipe, body string) {
	in, err := s.e.Inlet(s.t.Context(), pipe)
	if err == nil {
		b := &entity.Batch{Arena: entity.NewArena(), Entities: entities(s.t, body)}
		_, err = in.Receive(s.t.Context(), b)
	}
	s.fail(err)
}

// log lists events without times and without what follows from them.
func (s *scenario) log(pipe string) {
	// Runs do not wait for their records, but whoever commits does.
	commit(s.t, s.st, &store.Batch{State: []store.StateWrite{{Key: "test", Value: []byte{1}, IfRev: store.AnyRev}}})
	times := []string{"start_time", "end_time", "total_time", "event_time", "next_interval", "node_build_info"}
	for line := range strings.Lines(dump(s.t, s.st, pipes.LogDataset(pipe), true)) {
		if strings.HasPrefix(line, "error:") {
			s.out.WriteString(line)
			continue
		}
		for _, e := range entities(s.t, line) {
			if m, ok := e.Get("metrics"); ok {
				e.Object().Set("metrics", without(m, "memory")) // it depends on how values are kept
			}
			s.out.Write(entity.AppendJSON(nil, without(e, times...)))
			s.out.WriteByte('\n')
		}
	}
}

func (s *scenario) open() bool {
	e, err := engine.Open(s.t.Context(), engine.Options{
		Config: s.conf(), Store: s.st, Sets: sets(s.t), Now: noon, Transport: s.c.Env().Transport,
	})
	var bad *engine.ConfigError
	if errors.As(err, &bad) {
		s.out.WriteString(vendortest.Findings(bad.Findings))
		return false
	}
	if err != nil {
		s.t.Fatal(err)
	}
	s.e = e
	return true
}

func (s *scenario) close() {
	if s.e != nil {
		s.e.Close()
		s.e = nil
	}
}

func (s *scenario) conf() *config.Config {
	var environ []string
	for name, value := range s.c.Secrets {
		environ = append(environ, "SLUICE_SECRET_"+name+"="+value)
	}
	return parse(s.t, s.c.Text(s.name), environ...)
}
