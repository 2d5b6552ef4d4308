package membrane_test

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// M-2, M-3, M-4, M-12, M-13: who gets what.
func TestRouting(t *testing.T) {
	n := newNode(t, "testdata/acme.txtar", asItIs)
	n.ready(8) // nine pipes, two of which share one
	mapped := n.subscribed("same42")
	if !strings.Contains(mapped, "task subscribed webhook-key user_id:42") || !strings.Contains(mapped, "mapped subscribed webhook-key user_id:42") {
		t.Errorf("the mapping and the script differ: %s", mapped)
	}
	body := `{"from_user_id":42,"n":1.25,"big":"å","list":[{"x":null}]}`
	if status, text := n.post(n.uri("acme", "webhook-key"), body); status != 201 || text != "Webhook received" {
		t.Errorf("%d %s", status, text)
	}
	for _, pipe := range []string{"p42", "p42-too", "p-same", "p-mapped"} {
		n.until(pipe, body, func() string { return n.payloads(pipe) })
	}
	for _, pipe := range []string{"p7", "p-all", "p-globex", "p-a"} {
		if _, err := n.engine.RunAll(t.Context(), []string{pipe}, nil); err != nil {
			t.Error(err)
		}
		if got := n.payloads(pipe); got != "" {
			t.Errorf("%s got %s", pipe, got)
		}
	}
	// The same selector by another webhook, and by that of another integration.
	n.post(n.uri("acme", "all"), `{"from_user_id":42,"by":"all"}`)
	n.until("by all", `{"from_user_id":42,"by":"all"}`, func() string { return n.payloads("p-all") })
	n.post(n.uri("globex", "webhook-key"), `{"from_user_id":42,"by":"globex"}`)
	n.until("by globex", `{"from_user_id":42,"by":"globex"}`, func() string { return n.payloads("p-globex") })
	n.post(n.uri("acme", "webhook-key"), `{"from_user_id":7}`)
	n.until("7", `{"from_user_id":7}`, func() string { return n.payloads("p7") })
	if got := n.payloads("p42"); got != body {
		t.Errorf("p42 has %s", got)
	}
	recs := asked[subscriptionPage](n, "GET", "/external-event-log-records?status=matched&connectionId=conn42").Items
	if len(recs) != 2 || fmt.Sprint(recs[1]["launchedFlowRunIds"]) != "[p42 p42-too]" {
		t.Errorf("records %v", recs)
	}
	one := asked[map[string]any](n, "GET", "/external-event-log-records/"+recs[0]["id"].(string))
	if one["globalWebhookKey"] != "all" || one["status"] != "matched" {
		t.Errorf("record %v", one)
	}
}

// M-5: several events, none, and some that cannot be routed.
func TestEvents(t *testing.T) {
	n := newNode(t, "testdata/acme.txtar", asItIs)
	n.ready(8)
	at := n.uri("acme", "all")
	if status, _ := n.post(at+"?do=several", `{}`); status != 200 {
		t.Error(status)
	}
	n.until("a", "1 3", func() string { return n.payloads("p-a") })
	n.until("b", "2", func() string { return n.payloads("p-b") })
	if got := n.last("system:webhook-requests:acme-all-events"); !strings.Contains(got, `"result":{"status":200,"events":3,"unmatched":0,"invalid_selector":2}`) {
		t.Errorf("the request says %s", got)
	}
	if status, text := n.post(at+"?do=none", `{"x":1}`); status != 200 || text != "" {
		t.Errorf("%d %s", status, text)
	}
	if got := n.payloads("acme-all-events"); got != "1 2 3" {
		t.Errorf("events %s", got)
	}
	// dedupKey: a repeated delivery is answered and has no effect.
	for range 2 {
		if status, _ := n.post(at+"?do=dedup", `{"id":"e1"}`); status != 200 {
			t.Error(status)
		}
	}
	if got := n.payloads("acme-all-events"); got != `1 2 3 {"id":"e1"}` {
		t.Errorf("events %s", got)
	}
	if got := n.last("system:webhook-requests:acme-all-events"); !strings.Contains(got, `"outcome":"duplicate"`) {
		t.Errorf("the request says %s", got)
	}
	// A key that read from a dataset would be no text is none.
	for range 2 {
		n.post(at+"?do=dedup", `{"id":"~rhttp://x"}`)
	}
	if got := n.payloads("acme-all-events"); got != `1 2 3 {"id":"e1"} {"id":"http://x"} {"id":"http://x"}` {
		t.Errorf("events %s", got)
	}
}

// M-10: a selector that cannot be made is an error, and is tried again.
func TestSelectorFails(t *testing.T) {
	n := newNode(t, "testdata/acme.txtar", func(name, text string) string {
		if strings.HasSuffix(name, "task/get-event-selector.js") {
			return "export default function getEventSelector() { throw new Error('not today') }"
		}
		return text
	})
	n.until("state", "task error <nil> <nil>", func() string { return n.subscribed("conn7") })
	sub := asked[subscriptionPage](n, "GET", "/external-event-subscriptions?connectionId=conn7").Items[0]
	if text := fmt.Sprint(sub["error"]); text != "getEventSelector: events/task/get-event-selector.js:1:51: Error: not today" {
		t.Errorf("error %q", text)
	}
	n.post(n.uri("acme", "webhook-key"), `{"from_user_id":7,"n":"while it failed"}`)
	n.close()
	write(t, n.dir, "connectors/tracker/events/task/get-event-selector.js", "export default async ({ apiClient }) => ({ globalWebhookKey: 'webhook-key', globalWebhookEventSelector: `user_id:${(await apiClient.get('users/me')).id}` })")
	n.broken.Store(true)
	n.open()
	n.until("the other side fails", "true", func() string {
		sub := asked[subscriptionPage](n, "GET", "/external-event-subscriptions?connectionId=conn7").Items[0]
		return fmt.Sprint(strings.Contains(fmt.Sprint(sub["error"]), "500"))
	})
	n.broken.Store(false)
	if got := asked[map[string]any](n, "POST", "/external-event-subscriptions/"+sub["id"].(string)+"/resubscribe"); got["status"] != "subscribed" ||
		got["globalWebhookKey"] != "webhook-key" || got["globalWebhookEventSelector"] != "user_id:7" || got["error"] != nil {
		t.Errorf("resubscribed %v", got)
	}
	n.until("nothing is lost", `{"from_user_id":7,"n":"while it failed"}`, func() string { return n.payloads("p7") })
}

// M-13 and the life of a subscription: shared, put away by hand, forgotten,
// archived with its last pipe.
func TestSubscriptions(t *testing.T) {
	n := newNode(t, "testdata/acme.txtar", asItIs)
	n.ready(8)
	all := asked[subscriptionPage](n, "GET", "/external-event-subscriptions?integrationId=acme&connectionId=conn42&search=task%20").Items
	if len(all) != 1 {
		t.Fatalf("two pipes with one need have %d subscriptions", len(all))
	}
	at, hook := "/external-event-subscriptions/"+all[0]["id"].(string), n.uri("acme", "webhook-key")
	if got := asked[map[string]any](n, "POST", at+"/unsubscribe"); got["status"] != "unsubscribed" {
		t.Errorf("%v", got)
	}
	n.post(hook, `{"from_user_id":42,"n":"unsubscribed"}`)
	n.until("others", `{"from_user_id":42,"n":"unsubscribed"}`, func() string { return n.payloads("p-same") })
	if got := asked[map[string]any](n, "POST", at+"/subscribe"); got["status"] != "subscribed" {
		t.Errorf("%v", got)
	}
	n.post(hook, `{"from_user_id":42,"n":"again"}`)
	n.until("again", `{"from_user_id":42,"n":"again"}`, func() string { return n.payloads("p42") })
	if status, text := n.call("GET", "/external-event-log-records?status=unmached", ""); status != 400 || !strings.Contains(text, "matched or unmatched") {
		t.Errorf("%d %s", status, text)
	}
	for path, want := range map[string]int{at + "/pull-events": 409, at + "/nonsense": 404, "/external-event-subscriptions/none/subscribe": 404} {
		if status, _ := n.call("POST", path, ""); status != want {
			t.Errorf("%s: %d", path, status)
		}
	}
	if status, _ := n.call("DELETE", at, ""); status != 204 {
		t.Error(status)
	}
	if status, _ := n.call("GET", at, ""); status != 404 {
		t.Error(status)
	}
	n.close()
	write(t, n.dir, "pipes/in.conf.json", `{"_id": "p7", "type": "pipe", "source": {"type": "external_event", "event": "task", "connection": "conn7"}}`)
	n.open()
	n.until("archived", "1", func() string {
		live := 0
		for _, s := range asked[subscriptionPage](n, "GET", "/external-event-subscriptions").Items {
			if s["archivedAt"] == nil {
				live++
			}
		}
		return fmt.Sprint(live)
	})
	first := asked[map[string]any](n, "GET", "/external-event-subscriptions?limit=2")
	rest := asked[subscriptionPage](n, "GET", fmt.Sprintf("/external-event-subscriptions?limit=1000&cursor=%s", first["cursor"]))
	if len(rest.Items)+2 != 7 {
		t.Errorf("pages of 2 and %d", len(rest.Items))
	}
}

// What comes after a subscription comes after it, also if the clock is set back
// meanwhile; what came before it does not, whatever the clock said then.
func TestClockSetBack(t *testing.T) {
	n := newNode(t, "testdata/acme.txtar", asItIs)
	n.ready(8)
	hook := n.uri("acme", "webhook-key")
	n.post(hook, `{"from_user_id":7,"n":"first"}`)
	n.until("p7", `{"from_user_id":7,"n":"first"}`, func() string { return n.payloads("p7") })
	n.back.Store(int64(24 * time.Hour))
	n.post(hook, `{"from_user_id":7,"n":"second"}`)
	n.until("p7", `{"from_user_id":7,"n":"first"} {"from_user_id":7,"n":"second"}`, func() string { return n.payloads("p7") })
	at := "/external-event-subscriptions/" + asked[subscriptionPage](n, "GET", "/external-event-subscriptions?connectionId=conn7").Items[0]["id"].(string)
	asked[map[string]any](n, "POST", at+"/unsubscribe")
	n.back.Store(0)
	n.post(hook, `{"from_user_id":7,"n":"missed"}`)
	n.back.Store(int64(24 * time.Hour))
	asked[map[string]any](n, "POST", at+"/subscribe")
	n.post(hook, `{"from_user_id":7,"n":"third"}`)
	n.until("p7", `{"from_user_id":7,"n":"first"} {"from_user_id":7,"n":"second"} {"from_user_id":7,"n":"third"}`, func() string { return n.payloads("p7") })
}
