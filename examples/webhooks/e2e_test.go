package webhooks_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/sluiceio/sluice/examples/webhooks/vendorsim"
)

func TestTour(t *testing.T) {
	bin, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	out, err := exec.CommandContext(t.Context(), "go", "run", "./tour", "-sluice", bin, "-node", ".").CombinedOutput()
	if err != nil || !strings.Contains(string(out), "Everything was as told.") {
		t.Fatalf("%v\n%s", err, out)
	}
}

func TestSignatures(t *testing.T) {
	f := setUp(t)
	f.start()
	body := []byte(`{"_id":"s1","eventType":"order.creation"}`)
	good := vendorsim.Sign(secret, body)
	cases := []struct {
		name string
		head http.Header
		body string
		want int
	}{
		{"good", http.Header{"X-Cloverleaf-Signature": {good}}, string(body), 200},
		{"lower case header", http.Header{"x-cloverleaf-signature": {good}}, string(body), 200},
		{"upper case header", http.Header{"X-CLOVERLEAF-SIGNATURE": {good}}, string(body), 200},
		{"missing", nil, string(body), 403},
		{"empty", http.Header{"X-Cloverleaf-Signature": {""}}, string(body), 403},
		{"bad", http.Header{"X-Cloverleaf-Signature": {"AAAA" + good[4:]}}, string(body), 403},
		{"malformed", http.Header{"X-Cloverleaf-Signature": {"%%%"}}, string(body), 403},
		{"twice", http.Header{"X-Cloverleaf-Signature": {good, good}}, string(body), 403},
		{"of another body", http.Header{"X-Cloverleaf-Signature": {good}}, strings.Replace(string(body), "s1", "s2", 1), 403},
	}
	for _, c := range cases {
		status, err := vendorsim.Post(t.Context(), f.receiver(), []byte(c.body), c.head)
		if err != nil || status != c.want {
			t.Errorf("%s: %d %v, want %d", c.name, status, err, c.want)
		}
	}
	for _, bad := range []string{`{"eventType":"x"}`, `{"_id":1}`, `{"_id":"a",}`, `nonsense`, `{"_id":"a","_id":"b"}`, strings.Repeat("[", 1000)} {
		h := http.Header{"X-Cloverleaf-Signature": {vendorsim.Sign(secret, []byte(bad))}}
		if status, err := vendorsim.Post(t.Context(), f.receiver(), []byte(bad), h); err != nil || status != 400 {
			t.Errorf("signed %.30s: %d %v, want 400", bad, status, err)
		}
	}
	if all := f.entities("cloverleaf-order-event"); len(all) != 1 || all["s1"] == nil {
		t.Errorf("stored: %v", all)
	}
}

// TestKill kills the node right after an answer, at random moments, again and
// again: nothing acknowledged is lost, and the webhook is registered once.
func TestKill(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 1))
	f := setUp(t)
	rounds := 50
	if testing.Short() {
		rounds = 5
	}
	f.start()
	f.registered()
	acknowledged := map[string]bool{}
	for round := range rounds {
		for i := range 1 + random.IntN(5) {
			id := fmt.Sprintf("order-%d-%d", round, i)
			f.shop.SetOrder(vendorsim.Order{ID: id, Customer: "Eve", Total: float64(i), Status: "open"})
			f.deliver(id, "order.creation")
			acknowledged[id] = true
		}
		for range random.IntN(6) { // the kill falls somewhere in the work downstream
			f.entities("cloverleaf-order-event2")
		}
		f.kill()
		f.start()
	}
	f.eventually("every acknowledged event comes out at the end", func() bool {
		collected := f.entities("cloverleaf-order-collect")
		for id := range acknowledged {
			if collected[id]["customer"] != "Eve" {
				return false
			}
		}
		return true
	})
	events := f.entities("cloverleaf-order-event")
	for id := range acknowledged {
		if events[id] == nil {
			t.Errorf("%s was acknowledged and is gone", id)
		}
	}
	if _, n := f.shop.Webhooks(); n != 1 {
		t.Errorf("registered %d times", n)
	}
}

// TestDroppedAnswer: the shop registers, but its answer does not arrive. The
// node cannot know, and asks again; what it gets then it keeps, also when the
// node is restarted or the shop is told of by a reset pipe.
func TestDroppedAnswer(t *testing.T) {
	f := setUp(t)
	f.shop.Fail(vendorsim.Fault{Request: "POST /webhooks", Drop: true})
	f.start()
	f.registered()
	if _, n := f.shop.Webhooks(); n != 2 {
		t.Fatalf("registered %d times, want once more after the answer that was lost", n)
	}
	answer, _ := f.entities("cloverleaf-order-registerwebhook")["order-create"]["insert_response"].(map[string]any)
	if value, _ := answer["value"].(map[string]any); value["id"] != "wh-2" {
		t.Errorf("kept: %v, want the answer of the second", answer)
	}
	for range 3 {
		f.kill()
		f.start()
		f.operate("cloverleaf-order-registerwebhook", "start")
		f.deliver("order-1", "order.propertyChange")
		f.eventually("events are looked up", func() bool { return f.entities("cloverleaf-order-event2")["order-1"] != nil })
	}
	if _, n := f.shop.Webhooks(); n != 2 {
		t.Errorf("registered %d times after restarts", n)
	}
}

// TestKilledWhileRegistering: the node dies between the shop's answer and its
// own commit. That once it has to ask again.
func TestKilledWhileRegistering(t *testing.T) {
	f := setUp(t)
	handled, killed := make(chan struct{}), make(chan struct{})
	f.shop.Fail(vendorsim.Fault{Request: "POST /webhooks", Then: func() {
		close(handled)
		<-killed
	}})
	f.start()
	<-handled
	f.kill()
	close(killed)
	f.start()
	f.registered()
	if _, n := f.shop.Webhooks(); n != 2 {
		t.Errorf("registered %d times, want 2", n)
	}
}

// TestLookups: what event2 makes of events, and collect of what event2 and the
// full scan say, whichever is newer.
func TestLookups(t *testing.T) {
	f := setUp(t)
	f.start()
	f.registered()
	collected := func(id, key string) any { return f.entities("cloverleaf-order-collect")[id][key] }
	f.eventually("the scan is through", func() bool { return collected("order-2", "status") == "open" })

	f.shop.SetOrder(vendorsim.Order{ID: "order-2", Customer: "Bo", Total: 80, Status: "paid"})
	f.deliver("order-2", "order.propertyChange")
	f.eventually("the event is newer than the scan", func() bool { return collected("order-2", "status") == "paid" })

	f.shop.SetOrder(vendorsim.Order{ID: "order-2", Customer: "Bo", Total: 80, Status: "sent"})
	f.operate("cloverleaf-order-all", "start")
	f.eventually("the second scan is newer than the event", func() bool { return collected("order-2", "status") == "sent" })

	f.shop.DeleteOrder("order-3")
	f.deliver("unheard-of", "order.propertyChange") // found nowhere: discarded
	f.deliver("unknown", "order.deletion")          // a tombstone
	f.deliver("order-3", "order.deletion")
	f.eventually("the last event is through", func() bool { return collected("order-3", "_deleted") == true })
	looked := f.entities("cloverleaf-order-event2")
	if looked["unknown"]["_deleted"] != true {
		t.Errorf("the deletion of an unknown order came to %v, want a tombstone", looked["unknown"])
	}
	if e := looked["unheard-of"]; e != nil {
		t.Errorf("the change of an unknown order is kept: %v", e)
	}
}

// TestWipe: it deletes by hand only, and only webhooks whose address matches.
func TestWipe(t *testing.T) {
	f := setUp(t)
	f.start()
	f.registered()
	f.operate("cloverleaf-webhook-collect", "start")
	f.eventually("the webhooks are collected", func() bool {
		return f.entities("cloverleaf-webhook-collect")[vendorsim.OldWebhook] != nil
	})
	f.kill()
	f.start()
	f.deliver("order-1", "order.propertyChange")
	f.eventually("the node is at work", func() bool { return f.entities("cloverleaf-order-event2")["order-1"] != nil })
	if deletions := f.shop.Requests("DELETE"); len(deletions) != 0 {
		t.Fatalf("deleted without being told: %v", deletions)
	}
	f.operate("cloverleaf-webhook-wipe", "start")
	f.eventually("the old webhook is deleted", func() bool { return len(f.shop.Requests("DELETE")) > 0 })
	f.eventually("the answer is stored", func() bool {
		return f.entities("cloverleaf-webhook-wipe")[vendorsim.OldWebhook]["status_code"] != nil
	})
	if got := f.shop.Requests("DELETE"); len(got) != 1 || got[0] != "DELETE /webhooks/"+vendorsim.OldWebhook+" 204" {
		t.Errorf("deleted: %v", got)
	}
}

// TestReload: changed files are taken up by a node that runs, whole or not at
// all, and without starting over.
func TestReload(t *testing.T) {
	f := setUp(t)
	f.start()
	f.registered()
	f.file("pipes/more.conf.json", `{"_id": "more", "type": "pipe", "source": {"type": "embedded", "entities": [{"_id": "a"}]}, "pump": {"run_at_startup": true}}`)
	f.hears("the configuration was reloaded: 9 pipes")
	f.eventually("the new pipe runs", func() bool { return f.entities("more")["a"] != nil })
	f.file("pipes/more.conf.json", `{"_id": "more", "type": "pipe", "source": {"type": "embeded"}}`)
	f.hears("did you mean \"embedded\"?")
	f.hears("the node goes on with the configuration it has")
	f.deliver("order-1", "order.propertyChange")
	f.eventually("the node works as before", func() bool { return f.entities("cloverleaf-order-event2")["order-1"] != nil })
	if scans := f.shop.Requests("GET /orders 200"); len(scans) != 1 {
		t.Errorf("scanned %d times; a reload is no start-up", len(scans))
	}
	if _, n := f.shop.Webhooks(); n != 1 {
		t.Errorf("registered %d times", n)
	}
}

// TestLargeEntity: 10 MB come through, and what is over the limit is refused.
func TestLargeEntity(t *testing.T) {
	f := setUp(t)
	f.start()
	post := func(id string, size int) int {
		body := fmt.Appendf(nil, `{"_id":%q,"eventType":"order.creation","text":%q}`, id, strings.Repeat("x", size))
		status, err := vendorsim.Post(t.Context(), f.receiver(), body,
			http.Header{vendorsim.SignatureHeader: {vendorsim.Sign(secret, body)}})
		if err != nil {
			t.Fatal(err)
		}
		return status
	}
	if status := post("large", 10<<20); status != http.StatusOK {
		t.Fatalf("10 MB: %d", status)
	}
	if text, _ := f.entities("cloverleaf-order-event")["large"]["text"].(string); len(text) != 10<<20 {
		t.Errorf("%d bytes came out", len(text))
	}
	if status := post("too-large", 100<<20); status != http.StatusRequestEntityTooLarge {
		t.Errorf("over 100 MB: %d", status)
	}
}

// TestTwoNodes: a second node on the same address or data folder says so and
// leaves the first alone.
func TestTwoNodes(t *testing.T) {
	f := setUp(t)
	f.start()
	bin, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ name, listen, want string }{
		{"port in use", f.listen, "is another node running? choose another address with --listen"},
		{"folder in use", "127.0.0.1:0", "another sluice is using it"},
	} {
		out, err := exec.Command(bin, "serve", f.dir, "--listen", c.listen).CombinedOutput()
		var exit *exec.ExitError
		if !errors.As(err, &exit) || exit.ExitCode() != 2 || !strings.Contains(string(out), c.want) {
			t.Errorf("%s: %v\n%s", c.name, err, out)
		}
	}
	f.registered()
}
