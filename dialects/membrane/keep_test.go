package membrane_test

import (
	"strings"
	"testing"
	"time"

	"github.com/sluiceio/sluice/engine"
	"github.com/sluiceio/sluice/store"
)

// compact removes the events of a webhook that may go after days more.
func (n *node) compact(dataset string, days int) {
	n.t.Helper()
	n.ahead.Add(int64(days) * int64(24*time.Hour))
	p, _ := n.engine.Pipe(dataset)
	c, on, err := p.Compaction(n.t.Context())
	if err != nil || !on || c.Dataset != dataset {
		n.t.Fatalf("%+v %v %v", c, on, err)
	}
	floors, err := n.engine.Floors(n.t.Context())
	if err == nil {
		_, err = n.store.(store.Compacter).Compact(n.t.Context(), store.CompactOptions{Datasets: map[string]store.Retention{dataset: c.Keep}, Floors: floors, Seal: true})
	}
	if err != nil {
		n.t.Fatal(err)
	}
}

// Events go when they are old and every subscription has had those that are for it,
// whatever came for others; and when they are far too old in any case.
func TestEventsAreForgotten(t *testing.T) {
	const events, a, b, c, d, e = "acme-webhook-key-events", `{"from_user_id":42,"n":"a"}`, `{"from_user_id":7,"n":"b"}`, `{"from_user_id":7,"n":"c"}`,
		`{"from_user_id":42,"n":"d"}`, `{"from_user_id":7,"n":"e"}`
	n := newNode(t, "testdata/acme.txtar", asItIs)
	n.ready(8)
	enable := func(on bool) {
		t.Helper()
		if err := n.engine.SetEnabled(t.Context(), "p7", on, engine.Switch{}); err != nil {
			t.Fatal(err)
		}
	}
	post := func(bodies ...string) {
		t.Helper()
		for _, body := range bodies {
			if status, text := n.post(n.uri("acme", "webhook-key"), body); status != 201 {
				t.Fatal(status, text)
			}
		}
	}
	left := func(what, want string) {
		t.Helper()
		if got := n.payloads(events); got != want {
			t.Errorf("%s: %q is left, not %q", what, got, want)
		}
	}
	reads := func(want7, want42 string) {
		t.Helper()
		n.until("p7", want7, func() string { return n.payloads("p7") })
		for _, pipe := range []string{"p42", "p42-too", "p-same", "p-mapped"} {
			n.until(pipe, want42, func() string { return n.payloads(pipe) })
		}
	}
	post(a, b)
	reads(b, a)
	enable(false)
	post(c, d)
	reads(b, a+" "+d)
	n.compact(events, 29)
	left("after 29 days", strings.Join([]string{a, b, c, d}, " "))
	n.compact(events, 2)
	left("after 31 days", c+" "+d)
	enable(true)
	reads(b+" "+c, a+" "+d)
	n.compact(events, 0)
	left("when all were read", "")
	enable(false)
	post(e)
	n.compact(events, 364)
	left("unread, after 364 days", e)
	n.compact(events, 2)
	left("unread, after 366 days", "")
	enable(true)
	post(a)
	n.until("after that", a+" "+d+" "+a, func() string { return n.payloads("p42") })
}

// Subscriptions whose function fails hold everything; pipes that were not subscribed
// ever hold what they want to have from the beginning.
func TestEventsAreHeld(t *testing.T) {
	const events = "acme-webhook-key-events"
	n := newNode(t, "testdata/acme.txtar", func(name, text string) string {
		if strings.HasSuffix(name, "get-event-selector.js") && strings.Contains(text, "apiClient") {
			return "export default () => { throw new Error('not now') }"
		}
		return text
	})
	n.until("p7", "error", func() string {
		for _, s := range asked[subscriptionPage](n, "GET", "/external-event-subscriptions?connectionId=conn7").Items {
			return s["status"].(string)
		}
		return ""
	})
	const body = `{"from_user_id":42}`
	if status, text := n.post(n.uri("acme", "webhook-key"), body); status != 201 {
		t.Fatal(status, text)
	}
	n.compact(events, 100)
	if got := n.payloads(events); got != body {
		t.Errorf("%q is left", got)
	}
}

func TestKeepDays(t *testing.T) {
	const day = 24 * time.Hour
	for text, want := range map[string]store.Retention{
		"":                      {MinAge: 30 * day, MaxAge: 365 * day},
		"keepEventsDays: 2\n":   {MinAge: 2 * day, MaxAge: 365 * day},
		"keepEventsDays: 999\n": {MinAge: 999 * day, MaxAge: 999 * day},
		"keepEventsDays: 5\nkeepUnreadEventsDays: 7\n": {MinAge: 5 * day, MaxAge: 7 * day},
	} {
		n := newNode(t, "testdata/acme.txtar", func(name, file string) string {
			if name == "integrations/acme.yml" {
				return text + file
			}
			return file
		})
		p, _ := n.engine.Pipe("acme-webhook-key-events")
		if c, _, err := p.Compaction(t.Context()); err != nil || c.Keep != want {
			t.Errorf("%q: %+v %v", text, c.Keep, err)
		}
	}
}
