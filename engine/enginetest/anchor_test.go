package enginetest

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/sluiceio/sluice/engine"
	"github.com/sluiceio/sluice/messages"
	"github.com/sluiceio/sluice/store"
)

// What an offset refers to is what the source asks for: where that is another, all is
// read again and nothing is deleted; where only the way of asking is, it goes on.
func TestOffsetOfAnotherSource(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		if r.URL.Query().Get("since") != "" {
			fmt.Fprint(w, "[]")
			return
		}
		fmt.Fprint(w, `[{"_id": "1", "_updated": 7, "at": 1}]`)
	}))
	defer srv.Close()
	const rest = `{"type": "rest", "system": "s", "operation": "list", "supports_since": true}`
	const json = `{"type": "json", "system": "s", "url": "/a", "supports_since": true}`
	op := func(more string) string {
		return `{"url": "/a", "method": "GET", "since_property_name": "since"` + more + `}`
	}
	for _, c := range []struct {
		what, before, after, opBefore, opAfter string
		anew                                   bool
	}{
		{"nothing", rest, rest, op(""), op(""), false},
		{"the type", rest, json, op(""), op(""), true},
		{"the url", json, `{"type": "json", "system": "s", "url": "/b", "supports_since": true}`, op(""), op(""), true},
		{"a header", json, `{"type": "json", "system": "s", "url": "/a", "supports_since": true, "headers": {"X": "1"}}`, op(""), op(""), false},
		{"the url of the operation", rest, rest, op(""), `{"url": "/b", "method": "GET", "since_property_name": "since"}`, true},
		{"a parameter", rest, rest, op(""), op(`, "params": {"of": "b"}`), true},
		{"updated_expression", rest, rest, op(""), op(`, "updated_expression": "{{ at }}"`), true},
		{"a property", rest, rest[:len(rest)-1] + `, "properties": {"of": "b"}}`, op(""), op(""), true},
		{"a header of the operation", rest, rest, op(""), op(`, "headers": {"X": "1"}`), false},
		{"the id of the system", rest, `{"type": "rest", "system": "other", "operation": "list", "supports_since": true}`, op(""), op(""), true},
	} {
		t.Run(c.what, func(t *testing.T) {
			st := memory(t)
			conf := func(source, op string) string {
				sys := func(id string) string {
					return fmt.Sprintf(`{"_id": %q, "type": "system:rest", "url_pattern": "%s%%s", "operations": {"list": %s}}`, id, srv.URL, op)
				}
				return fmt.Sprintf(`[{"_id": "p", "type": "pipe", "source": %s}, %s, %s]`, source, sys("s"), sys("other"))
			}
			run := func(conf string) (read int) {
				e := open(t, st, parse(t, conf))
				defer e.Close()
				p, _ := e.Pipe("p")
				stats, err := p.Run(t.Context(), false)
				if err != nil || stats.Deleted > 0 {
					t.Fatalf("%+v: %v", stats, err)
				}
				return stats.Read
			}
			if n := run(conf(c.before, c.opBefore)); n != 1 {
				t.Fatalf("%d entities were read first", n)
			}
			put(t, st, "p", entities(t, `{"_id": "elder"}`), false)
			if n := run(conf(c.after, c.opAfter)); n == 1 != c.anew {
				t.Errorf("%d entities were read then", n)
			}
			if n := run(conf(c.after, c.opAfter)); n != 0 {
				t.Errorf("%d entities were read at last", n)
			}
		})
	}
}

// Messages that a pipe has not read are kept, whatever the offset says that it has
// from the source before.
func TestOffsetOfAnotherSourceHoldsMessages(t *testing.T) {
	st := memory(t)
	put(t, st, "in", entities(t, `[{"_id": "1"}, {"_id": "2"}, {"_id": "3"}]`), true)
	runs := func(source string) map[string]store.Offset {
		e := open(t, st, parse(t, `[{"_id": "p", "type": "pipe", "source": `+source+`, "sink": {"type": "null"}}]`))
		defer e.Close()
		if _, err := e.RunAll(t.Context(), nil, nil); err != nil {
			t.Fatal(err)
		}
		floors, err := e.Floors(t.Context())
		check(t, err)
		return floors
	}
	runs(`{"type": "dataset", "dataset": "in"}`)
	topic := messages.Topic{Name: "x", Store: st}
	check(t, topic.Load(t.Context()))
	for range 5 {
		check(t, topic.Publish(t.Context(), messages.Message{Key: "k"}))
	}
	e := open(t, st, parse(t, `[{"_id": "p", "type": "pipe", "source": {"type": "message", "exchange": "x"}, "sink": {"type": "null"}}]`))
	floors, err := e.Floors(t.Context())
	check(t, err)
	e.Close()
	if at := floors[topic.Dataset()]; at != store.Start {
		t.Errorf("the topic is held from %d on; nothing of it was read", at)
	}
	if at := runs(`{"type": "message", "exchange": "x"}`)[topic.Dataset()]; at != 4 {
		t.Errorf("the topic is held from %d on; all of it was read", at)
	}
}

// A pipe that wants what is new in a topic begins where that stood when it was first
// loaded with it, not where another topic did.
func TestStartNewIsOfItsTopic(t *testing.T) {
	st := memory(t)
	publish := func(topic string, n int) {
		at := messages.Topic{Name: topic, Store: st}
		check(t, at.Load(t.Context()))
		for range n {
			check(t, at.Publish(t.Context(), messages.Message{Key: "k"}))
		}
	}
	load := func(topic string) *engine.Engine {
		return open(t, st, parse(t, `[{"_id": "p", "type": "pipe", "source": {"type": "message", "start": "new", "exchange": "`+topic+`"}, "sink": {"type": "null"}}]`))
	}
	publish("x", 1)
	load("x").Close()
	publish("y", 3)
	e := load("y")
	defer e.Close()
	publish("y", 1)
	p, _ := e.Pipe("p")
	if stats, err := p.Run(t.Context(), false); err != nil || stats.Read != 1 {
		t.Errorf("%d messages were read, 1 is new: %v", stats.Read, err)
	}
}
