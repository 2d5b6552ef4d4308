package etlworks

import (
	"context"
	"strings"
	"testing"

	"github.com/sluiceio/sluice/entity"
	"github.com/sluiceio/sluice/sinks"
	"github.com/sluiceio/sluice/sources"
	"github.com/sluiceio/sluice/transforms"
)

// Whatever definition is accepted makes a pipe that can be built: a webhook must
// not keep its node from starting. And it never reads the node's own secrets.
func FuzzDefinition(f *testing.F) {
	for _, seed := range []string{
		`{"name": "a", "url": "https://a/"}`,
		`{"name": "a", "url": "https://a/", "events": ["Flow.Executed", "Connection.*"], "method": "GET", "headers": [{"key": "X-Key", "value": "v"}], "basicUser": "u", "basicPass": "p"}`,
		`{"name": "a", "url": "http://[::1]:80/$ENV(x)", "contentType": "application/x-www-form-urlencoded", "includeEntity": true, "secret": "s", "standardWebhooks": true, "signatureEncoding": "base64", "retry": "none"}`,
		`{"name": "a", "url": "https://a/", "headers": [{"key": "Webhook-Id", "value": "v"}, {"key": "a b", "value": "\n"}]}`,
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, body string) {
		w, err := readWebhook(strings.NewReader(body))
		if err != nil {
			return
		}
		d := &draft{stored: &stored{}, keys: []string{"a-secret-of-at-least-thirty-two-bytes"}}
		d.ID = 1
		if d.take(w) != nil {
			return
		}
		n, finds := d.component()
		if finds.HasErrors() {
			t.Fatal(finds)
		}
		find := func(name string) (string, bool) {
			if !strings.HasPrefix(name, secretPrefix) {
				t.Errorf("%q is asked for", name)
			}
			return "x", true
		}
		_, finds = sources.NewSet(sources.Standard()...).Build(sources.Env{PipeID: "p", Node: n.Get("source"), Secret: find, Context: context.Background()})
		_, more := transforms.NewSet(append(transforms.Standard(), eventType())...).Build(transforms.Env{PipeID: "p", Node: n.Get("transform"), Secret: find})
		finds.Add(more...)
		sink, more := sinks.NewSet(sinks.Standard()...).Build(sinks.Env{PipeID: "p", Node: n.Get("sink"), Pipe: n, Secret: find})
		finds.Add(more...)
		if finds.HasErrors() {
			t.Fatalf("%s\n%v", body, finds)
		}
		if q := sink.(sinks.Webhook).Webhook(); q.Target != nil {
			if _, err := q.Target(d.Created); err != nil {
				t.Logf("%s: %v", body, err) // said at each try, in the log
			}
		}
	})
}

// Whatever an event holds, its message is made.
func FuzzMessage(f *testing.F) {
	f.Add(`{"_id": "1", "number": 3, "eventType": "Pipe.Executed", "eventId": "e", "entityId": 4, "entity": {"a": 1}}`)
	f.Add(`{"_id": "1", "number": "3", "eventType": 7, "entity": null}`)
	f.Fuzz(func(t *testing.T, text string) {
		v, err := entity.DecodeString(text)
		if err != nil || v.Kind() != entity.Dict {
			return
		}
		for _, form := range []bool{false, true} {
			m := &message{webhook: 1, entity: true, form: form, since: -1}
			b := &entity.Batch{Entities: []entity.Value{v}}
			if err := m.Apply(context.Background(), b); err != nil {
				t.Fatal(err)
			}
			for _, e := range b.Entities {
				if id, ok := entity.ID(e); !ok || len(id) != 36 {
					t.Errorf("%q", id)
				}
			}
		}
	})
}
