package etlworks_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sluiceio/sluice/dialects/etlworks"
	"github.com/sluiceio/sluice/engine"
	"github.com/sluiceio/sluice/entity"
	"github.com/sluiceio/sluice/pipes"
	"github.com/sluiceio/sluice/store"
)

const (
	failing = `{"_id": "failing", "type": "pipe", "source": {"type": "json", "system": "shop", "url": "/list"}, "pump": {"mode": "manual"}}`
	slow    = `{"_id": "slow", "type": "pipe", "source": {"type": "json", "system": "shop", "url": "/slow"}, "pump": {"mode": "manual"}}`
	timed   = `{"_id": "timed", "type": "pipe", "source": {"type": "embedded", "entities": []}, "pump": {"schedule_interval": %d}}`
)

func shop(host string) string {
	return fmt.Sprintf(`{"_id": "shop", "type": "system:url", "url_pattern": "https://%s%%s", "password": "in-the-open"}`, host)
}

func conf(parts ...string) string { return "[" + strings.Join(parts, ",") + "]" }

// E-8: of all that happens, "all" hears everything in the catalogue, and who chose
// some events hears of those and no other, by the name that was chosen.
func TestCatalogue(t *testing.T) {
	system := strings.Replace(shop("one"), `, "password": "in-the-open"`, "", 1)
	inNode(t, conf(orders, failing, slow, system, fmt.Sprintf(timed, 3600)), func(t *testing.T, n *node, r *receivers) {
		r.answer["one"] = func(q *http.Request, _ int) (*http.Response, error) {
			if q.URL.Path == "/slow" {
				<-q.Context().Done()
				return nil, q.Context().Err()
			}
			return answer(404)
		}
		n.hook("all", "")
		n.hook("some", `, "events": ["Pipe.*", "Connection.Updated"]`)
		gone := n.hook("gone", `, "events": ["Flow.Executed"]`)
		r.answer["gone"] = func(*http.Request, int) (*http.Response, error) { return answer(410) }
		n.runs("orders", 1)
		n.runs("failing", 1)
		if err := n.StartPump("slow", false); err != nil {
			t.Fatal(err)
		}
		pass(time.Second)
		if err := n.StopPump("slow"); err != nil {
			t.Fatal(err)
		}
		pass(time.Minute)
		for _, on := range []bool{false, true} {
			if err := n.SetEnabled(t.Context(), "timed", on, engine.Switch{}); err != nil {
				t.Fatal(err)
			}
		}
		n.must(200, "PUT", fmt.Sprintf("/rest/v1/webhooks/%d", gone), `{"name": "gone", "url": "https://gone/other", "enabled": true}`)
		pass(tick) // what is changed and deleted at once is told as deleted only
		n.call("GET", "/rest/v1/webhooks", "nonsense", "")
		n.must(204, "DELETE", fmt.Sprintf("/rest/v1/webhooks/%d", gone), "")
		pass(time.Second)
		n.restart(conf(strings.Replace(orders, "manual", "off", 1), strings.Replace(system, "one", "two", 1), fmt.Sprintf(timed, 7200)))
		pass(time.Second)
		n.restart(conf(orders))
		pass(time.Minute)
		heard := map[string]bool{}
		for _, q := range r.of("all") {
			heard[q.event()] = true
		}
		for _, name := range etlworks.Catalogue() {
			if !heard[name] && name != "Flow.Created" && name != "Connection.Created" && name != "Schedule.Created" {
				t.Errorf("all did not hear of %s", name)
			}
		}
		n.restart(conf(orders, shop("three"), `{"_id": "new", "type": "pipe", "source": {"type": "embedded", "entities": []}, "pump": {"cron_expression": "0 0 * * ?"}}`))
		pass(time.Minute)
		var some []string
		for _, q := range r.of("some") {
			some = append(some, q.event())
		}
		slices.Sort(some)
		want := []string{"Connection.Updated", "Pipe.Created", "Pipe.Deleted", "Pipe.Executed", "Pipe.Failed", "Pipe.Stopped", "Pipe.Updated"}
		if got := slices.Compact(some); !slices.Equal(got, want) {
			t.Errorf("some heard of %v", got)
		}
		for _, q := range r.of("all") {
			if strings.Contains(q.body, "in-the-open") {
				t.Error("a password is told")
			}
			heard[q.event()] = true
		}
		if len(heard) != len(etlworks.Catalogue()) {
			t.Errorf("%d kinds of events of %d were heard of", len(heard), len(etlworks.Catalogue()))
		}
	})
}

// What changed while the node was down is told when it starts, once; what did not
// change is not told at all.
func TestChangedWhileDown(t *testing.T) {
	inNode(t, conf(orders, fmt.Sprintf(timed, 3600)), func(t *testing.T, n *node, r *receivers) {
		n.hook("a", `, "events": ["Flow.*", "Connection.*", "Schedule.*", "Configuration.*"], "includeEntity": true`)
		if all := r.of("a"); len(all) != 0 {
			t.Fatalf("told of what was there before: %v", all[0].body)
		}
		changed := conf(strings.Replace(orders, `"a"`, `"b"`, 1), shop("one"))
		n.restart(changed)
		pass(time.Second)
		n.restart(changed)
		pass(time.Hour)
		var told []string
		for _, q := range r.of("a") {
			var p struct {
				EventType, EntityURL string
				Entity               json.RawMessage
			}
			if err := json.Unmarshal([]byte(q.body), &p); err != nil {
				t.Fatal(err)
			}
			told = append(told, p.EventType)
			if text := strings.TrimSpace(n.must(200, "GET", strings.TrimPrefix(p.EntityURL, address), "")); text != string(p.Entity) {
				t.Errorf("%s: %s\n%s answers %s", p.EventType, p.Entity, p.EntityURL, text)
			}
		}
		slices.Sort(told)
		if want := "[Configuration.Updated Connection.Created Flow.Deleted Flow.Updated Schedule.Deleted]"; fmt.Sprint(told) != want {
			t.Errorf("%v", told)
		}
		if text := n.must(200, "GET", "/rest/v1/connections/shop", ""); strings.Contains(text, "in-the-open") || !strings.Contains(text, `"***"`) {
			t.Error(text)
		}
	})
}

// What happened just before a pipe went is told, and before that it went; and
// nothing that was before anybody was told of anything.
func TestLastWords(t *testing.T) {
	inNode(t, conf(orders, fmt.Sprintf(timed, 3600)), func(t *testing.T, n *node, r *receivers) {
		n.runs("orders", 2)
		n.restart(conf(fmt.Sprintf(timed, 3600)))
		id := n.hook("a", `, "events": ["Flow.*"]`)
		n.restart(conf(orders, fmt.Sprintf(timed, 3600)))
		if err := n.StartPump("orders", false); err != nil { // before anybody looks
			t.Fatal(err)
		}
		synctest.Wait()
		n.restart(conf(fmt.Sprintf(timed, 3600)))
		pass(time.Minute)
		var told []string
		for _, e := range n.view(id) { // the newest first; they arrive in any order
			told = append(told, e.EventType)
		}
		if want := "[Flow.Deleted Flow.Executed Flow.Created]"; fmt.Sprint(told) != want || len(r.of("a")) != 3 {
			t.Errorf("%v", told)
		}
	})
}

// Pipes that events start, by whatever way, are not told of: they would go on for
// ever. And any pipe may read events.
func TestNoEcho(t *testing.T) {
	inNode(t, conf(orders, `{"_id": "copied", "type": "pipe", "source": {"type": "dataset", "dataset": "system:events"}}`,
		`{"_id": "copied-again", "type": "pipe", "source": {"type": "dataset", "dataset": "copied"}}`), func(t *testing.T, n *node, r *receivers) {
		n.hook("a", "")
		before := len(r.of("a"))
		n.runs("orders", 1)
		pass(24 * time.Hour)
		if k := len(r.of("a")) - before; k != 1 {
			t.Errorf("%d events of one run", k)
		}
		if info, err := n.st.Info(t.Context(), "copied-again"); err != nil || info.Live < 2 {
			t.Errorf("%+v %v", info, err)
		}
	})
}

// A node where nobody reads events writes none, and nothing else for them, also
// when the last webhook is gone; a webhook made later begins anew.
func TestNobodyReads(t *testing.T) {
	inNode(t, conf(orders), func(t *testing.T, n *node, r *receivers) {
		written := func() (all []string) {
			infos, err := n.st.Datasets(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			for _, i := range infos {
				all = append(all, fmt.Sprintf("%s %d", i.Name, i.Versions))
			}
			for _, prefix := range []string{"etlworks/feed", "etlworks/log", "etlworks/events", "etlworks/secret", "webhook/"} {
				keys, err := n.st.States(t.Context(), prefix)
				if err != nil {
					t.Fatal(err)
				}
				all = append(all, keys...)
			}
			return all
		}
		n.runs("orders", 3)
		pass(time.Hour)
		if got := fmt.Sprint(written()); got != "[orders 1 system:pump:orders 6]" {
			t.Error(got)
		}
		id := n.hook("a", `, "secret": "s", "events": ["Flow.Executed"]`)
		n.runs("orders", 1)
		n.must(204, "DELETE", fmt.Sprintf("/rest/v1/webhooks/%d", id), "")
		n.runs("orders", 3)
		if got := fmt.Sprint(written()); got != "[orders 1 system:events 2 system:pump:orders 14 etlworks/events]" {
			t.Error(got)
		}
		if second := n.hook("a", `, "events": ["Flow.Executed"]`); second == id {
			t.Error("a number is given twice")
		}
		n.runs("orders", 1)
		if k := len(r.of("a")); k != 2 {
			t.Errorf("%d requests", k)
		}
	})
}

// However many events come at once, every one arrives, and no more than ten
// thousand are kept.
func TestBurst(t *testing.T) {
	burst := 12_000
	if testing.Short() {
		burst = 11_000
	}
	inNode(t, conf(orders), func(t *testing.T, n *node, r *receivers) {
		n.hook("a", `, "events": ["Flow.Executed"]`)
		var ops []store.Op
		for i := range burst {
			ops = append(ops, store.Op{Kind: store.Put, Entity: entity.NewDict(entity.Member{Key: "_id", Value: entity.NewString("pump-completed")},
				entity.Member{Key: "number", Value: entity.NewInt(int64(i))}, entity.Member{Key: "event_time", Value: entity.NewDatetime(time.Now())})})
		}
		p, err := n.st.Append(t.Context(), &store.Batch{Writes: []store.Write{{Dataset: pipes.LogDataset("orders"), Ops: ops}}})
		if err == nil {
			_, err = p.Wait(t.Context())
		}
		if err != nil {
			t.Fatal(err)
		}
		pass(10 * time.Minute)
		ids := map[string]bool{}
		for _, q := range r.of("a") {
			ids[q.id()] = true
		}
		info, err := n.st.Info(t.Context(), etlworks.EventsDataset)
		if err != nil || len(ids) != burst || info.Live != etlworks.Kept {
			t.Errorf("%d events arrived, %d are kept, %v", len(ids), info.Live, err)
		}
	})
}
