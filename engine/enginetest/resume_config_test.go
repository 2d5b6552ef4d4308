package enginetest

import (
	"strings"
	"testing"
	"time"

	"github.com/sluiceio/sluice/engine"
	"github.com/sluiceio/sluice/entity"
	"github.com/sluiceio/sluice/pipes"
)

// A full run that was cut short by another configuration begins anew: what it had seen
// under the one before says nothing of what this one makes.
func TestFullRunDoesNotGoOnWithOtherRules(t *testing.T) {
	const nap = `{"type": "nap", "seconds": 5}`
	conf := func(rules string) string {
		return `[{"_id": "p", "type": "pipe", "batch_size": 1, "source": {"type": "dataset", "dataset": "in"}, "transform": [` + nap + rules + `]}]`
	}
	renamed := `, {"type": "dtl", "rules": {"default": [["copy", "*"], ["add", "_id", ["concat", "x-", "_S._id"]]]}}`
	inWorld(t, conf(""), func(t *testing.T, w *world) {
		put(t, w.st, "in", entities(t, `[{"_id": "1"}, {"_id": "2"}, {"_id": "3"}, {"_id": "4"}]`), true)
		w.e.Start()
		w.pass(time.Minute)
		reload := func(c string) {
			before := w.e
			before.Close()
			w.openWith(c, func(o *engine.Options) { o.After = before })
			w.e.Start()
		}
		reload(conf(renamed))
		w.pass(time.Second) // what starts by itself has ended
		check(t, w.e.StartPump("p", true))
		w.pass(12 * time.Second) // two of four
		reload(conf(""))
		w.pass(time.Minute)
		if got := live(t, w.st, "p"); got != "{\"_id\":\"1\"}\n{\"_id\":\"2\"}\n{\"_id\":\"3\"}\n{\"_id\":\"4\"}\n" {
			t.Errorf("it holds\n%s", got)
		}
	})
}

// Nor does a full sync that others push.
func TestPushDoesNotGoOnWithOtherRules(t *testing.T) {
	conf := func(id string) string {
		return `[{"_id": "in", "type": "pipe", "source": {"type": "http_endpoint"}, "transform": {"type": "dtl", "rules": {"default": [["copy", "*"], ["add", "_id", ` + id + `]]}}}]`
	}
	st := memory(t)
	post := func(e *engine.Engine, p pipes.Push, body string) error {
		in, err := e.Inlet(t.Context(), "in")
		if err != nil {
			t.Fatal(err)
		}
		p.Full, p.Body = true, []byte(body)
		_, err = in.ReceivePush(t.Context(), &entity.Batch{Arena: entity.NewArena(), Entities: entities(t, body)}, p)
		return err
	}
	plain, renamed := conf(`"_S._id"`), conf(`["concat", "x-", "_S._id"]`)
	e := open(t, st, parse(t, plain))
	check(t, post(e, pipes.Push{Sequence: "1", Request: "1", First: true, Last: true}, `[{"_id": "1"}, {"_id": "2"}]`))
	e = open(t, st, parse(t, renamed))
	check(t, post(e, pipes.Push{Sequence: "2", Request: "1", First: true}, `{"_id": "1"}`))
	e = open(t, st, parse(t, plain))
	err := post(e, pipes.Push{Sequence: "2", Request: "2", Previous: "1", Last: true}, `{"_id": "2"}`)
	if err == nil || !strings.Contains(err.Error(), "the configuration of the pipe has changed since sequence") {
		t.Errorf("it went on: %v", err)
	}
	if got := live(t, st, "in"); !strings.Contains(got, `{"_id":"1"}`) {
		t.Errorf("it holds\n%s", got)
	}
}
