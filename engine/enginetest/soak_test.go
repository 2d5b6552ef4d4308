package enginetest

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sluiceio/sluice/engine"
	"github.com/sluiceio/sluice/webhooks"
)

// ill answers as receivers do that something is wrong with.
func ill(r *receivers) []string {
	r.answer["dead"] = func(*http.Request, int) (*http.Response, error) { return nil, errors.New("connection refused") }
	r.answer["slow"] = func(q *http.Request, _ int) (*http.Response, error) {
		select {
		case <-q.Context().Done():
			return nil, q.Context().Err()
		case <-time.After(15 * time.Second):
			return answer(200)
		}
	}
	r.answer["broken"] = func(*http.Request, int) (*http.Response, error) { return answer(500) }
	r.answer["busy"] = func(*http.Request, int) (*http.Response, error) { return answer(429, "Retry-After", "120") }
	r.answer["gone"] = func(*http.Request, int) (*http.Response, error) { return answer(410) }
	r.answer["inward"] = func(*http.Request, int) (*http.Response, error) {
		return answer(307, "Location", "http://169.254.169.254/secret")
	}
	return []string{"dead", "slow", "broken", "busy", "gone", "inward"}
}

// Fifty endpoints, six of them ill, ten minutes with events coming and ten power
// cuts, at any write: whoever is well gets every event, soon; whoever is slow
// gets them too; nobody is tried more often than the schedule and the cuts allow.
func TestSoakWebhooks(t *testing.T) {
	const each = 4
	kills := 10
	if testing.Short() {
		kills = 4
	}
	for seed := range uint64(2) {
		t.Logf("seed %d", seed)
		random := rand.New(rand.NewPCG(seed, 23))
		r := newReceivers()
		bad := ill(r)
		hosts := slices.Clone(bad)
		for i := range 44 {
			hosts = append(hosts, fmt.Sprintf("well%02d", i))
		}
		inHooks(t, `[]`, r, func(t *testing.T, w *world) {
			c := hookConfig(t, hookConf(`, "timeout": 30`, hosts...))
			w.e.Close()
			due := map[string]time.Time{} // for who is well: within the life it was said in, if the power stayed
			down := 0
			for kill := range kills {
				m := &mortal{Store: w.st, r: random, left: 30 + random.IntN(350)}
				by := time.Now().Add(time.Duration(kills-kill)*time.Minute + 10*time.Second)
				e, err := engine.Open(t.Context(), engine.Options{Config: c, Store: m, Sets: sets(t), Transport: r})
				if err == nil {
					e.Start()
					w.pass(time.Second)
				}
				say(t, w, kill*each, each)
				w.pass(59 * time.Second)
				if err == nil {
					e.Close()
				}
				if m.off() {
					down++
				} else {
					by = time.Now()
				}
				for n := range each {
					due[fmt.Sprintf("e%03d", kill*each+n)] = by
				}
				if err != nil {
					w.pass(time.Second)
				}
			}
			if down < kills/2 {
				t.Errorf("the power failed %d times only", down)
			}
			w.openWith(`[]`, func(o *engine.Options) { o.Config, o.Transport = c, r })
			w.e.Start()
			w.pass(10 * time.Minute)
			judgeSoak(t, w, r, hosts, bad, due, down)
		})
	}
}

func judgeSoak(t *testing.T, w *world, r *receivers, hosts, bad []string, due map[string]time.Time, down int) {
	t.Helper()
	for _, h := range hosts {
		all := r.of(h)
		first := map[string]time.Time{}
		for _, g := range all {
			event := g.body[len(`{"_id":"`):][:4]
			if _, known := first[event]; !known {
				first[event] = g.at
			}
		}
		well := !slices.Contains(bad, h)
		if (well || h == "slow") && len(first) != len(due) {
			t.Errorf("%s got %d of %d events", h, len(first), len(due))
		}
		for event, at := range first {
			if late := at.Sub(due[event]); well && late > 0 {
				t.Errorf("%s got %s late by %s", h, event, late)
			}
		}
		// In twenty minutes the schedule has three tries of an event, the busy one
		// is tried no sooner than it says. A cut may lose the records of tries that
		// were under way, four at once, which are made again.
		most := len(due)*map[bool]int{true: 1, false: 3}[well || h == "slow"] + 4*(down+1)
		if h == "gone" {
			most = 4 * (down + 1)
		}
		if h == "busy" {
			most = 4*len(due) + 4*(down+1)
		}
		if len(all) > most {
			t.Errorf("%s was asked %d times, more than %d", h, len(all), most)
		}
		if c := counts(t, w, h); well && !strings.HasPrefix(c, "0 pending") {
			t.Errorf("%s: %s", h, c)
		}
	}
	if n := len(r.of("169.254.169.254")); n > 0 {
		t.Error("a redirect was followed inward")
	}
}

// A receiver is sent nothing before it consents, and no faster than it allows;
// it is asked again the next day.
func TestWebhookConsent(t *testing.T) {
	r := newReceivers()
	var mu sync.Mutex
	var seen []string
	var at []time.Time
	r.answer["a"] = func(q *http.Request, _ int) (*http.Response, error) {
		mu.Lock()
		defer mu.Unlock()
		at = append(at, time.Now())
		if q.Method != http.MethodOptions {
			seen = append(seen, "event")
			return answer(200)
		}
		asked := slices.IndexFunc(seen, func(s string) bool { return s != "event" })
		seen = append(seen, q.Header.Get("WebHook-Request-Origin")+" "+q.Header.Get("WebHook-Request-Rate"))
		if asked < 0 {
			return answer(405)
		}
		return answer(200, "WebHook-Allowed-Origin", "EVENTS.example.com", "WebHook-Allowed-Rate", "30")
	}
	inHooks(t, hookConf(`, "handshake_origin": "events.example.com", "rate_limit": 2, "concurrency": 1`, "a"), r, func(t *testing.T, w *world) {
		w.e.Start()
		w.pass(time.Second)
		say(t, w, 0, 3)
		w.pass(time.Hour)
		list, err := queue(t, w, "a").List(t.Context(), "", 10)
		if err != nil || len(list) != 3 || !slices.ContainsFunc(list, func(d *webhooks.Delivery) bool {
			return strings.Contains(d.Attempts[0].Error, "does not consent to be sent to: asked by OPTIONS it answered 405")
		}) {
			t.Errorf("%+v %v", list, err)
		}
		w.pass(24 * time.Hour)
		say(t, w, 3, 1)
		w.pass(time.Minute)
		mu.Lock()
		defer mu.Unlock()
		if got := strings.Join(seen, ", "); got != "events.example.com 120, events.example.com 120, event, event, event, events.example.com 120, event" {
			t.Error(got)
		}
		if len(at) == 7 && (at[3].Sub(at[2]) < 2*time.Second || at[4].Sub(at[3]) < 2*time.Second) {
			t.Errorf("faster than it allows: %v", at)
		}
	})
}
