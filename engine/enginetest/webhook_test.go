package enginetest

import (
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sluiceio/sluice/config"
	"github.com/sluiceio/sluice/engine"
	"github.com/sluiceio/sluice/entity"
	"github.com/sluiceio/sluice/webhooks"
)

// got is a request that a receiver got.
type got struct {
	at     time.Time
	id     string
	body   string
	header http.Header
}

// receivers answer by host; those that are not named answer 200. Nothing else
// is reachable through them.
type receivers struct {
	mu     sync.Mutex
	got    map[string][]got
	answer map[string]func(q *http.Request, n int) (*http.Response, error)
}

func newReceivers() *receivers {
	return &receivers{got: map[string][]got{}, answer: map[string]func(*http.Request, int) (*http.Response, error){}}
}

func answer(status int, header ...string) (*http.Response, error) {
	h := http.Header{}
	for i := 0; i+1 < len(header); i += 2 {
		h.Set(header[i], header[i+1])
	}
	return &http.Response{StatusCode: status, Header: h, Body: io.NopCloser(strings.NewReader("as you wish"))}, nil
}

func (r *receivers) RoundTrip(q *http.Request) (*http.Response, error) {
	var body []byte
	if q.Body != nil {
		var err error
		if body, err = io.ReadAll(q.Body); err != nil {
			return nil, err
		}
	}
	host := q.URL.Hostname()
	r.mu.Lock()
	r.got[host] = append(r.got[host], got{time.Now(), q.Header.Get("Webhook-Id"), string(body), q.Header.Clone()})
	n, f := len(r.got[host]), r.answer[host]
	r.mu.Unlock()
	if f == nil {
		return answer(200)
	}
	return f(q, n)
}

func (r *receivers) of(host string) []got {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.got[host])
}

// hookConf is a pipe from the dataset "in" to each of the hosts.
func hookConf(more string, hosts ...string) string {
	var all []string
	for _, h := range hosts {
		all = append(all, fmt.Sprintf(`{"_id": %q, "type": "pipe", "source": {"type": "dataset", "dataset": "in"},
			"pump": {"schedule_interval": 86400}, "sink": {"type": "webhook", "url": "https://%s/hook", "secret": "$SECRET(key)"%s}}`, h, h, more))
	}
	return "[" + strings.Join(all, ",\n") + "]"
}

const hookSecret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"

func hookConfig(t testing.TB, conf string) *config.Config {
	t.Helper()
	c, finds := config.Parse("test.conf.json", []byte(conf), config.Options{Environ: []string{"SLUICE_SECRET_key=" + hookSecret,
		"SLUICE_SECRET_old=whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYX"}})
	if finds.HasErrors() {
		t.Fatal(finds)
	}
	return c
}

// inHooks runs f with a node whose outgoing calls go to receivers.
func inHooks(t *testing.T, conf string, r *receivers, f func(t *testing.T, w *world)) {
	t.Helper()
	c := hookConfig(t, conf)
	inWorld(t, `[]`, func(t *testing.T, w *world) {
		w.e.Close()
		if _, err := w.st.Create(t.Context(), "in"); err != nil {
			t.Fatal(err)
		}
		w.openWith(`[]`, func(o *engine.Options) { o.Config, o.Transport = c, r })
		f(t, w)
	})
}

// say puts n events into the dataset "in".
func say(t *testing.T, w *world, from, n int) {
	t.Helper()
	var all []entity.Value
	for i := range n {
		all = append(all, entity.NewDict(entity.Member{Key: "_id", Value: entity.NewString(fmt.Sprintf("e%03d", from+i))},
			entity.Member{Key: "k", Value: entity.NewInt(int64((from + i) % 2))}))
	}
	put(t, w.st, "in", all, true)
}

func queue(t *testing.T, w *world, id string) *webhooks.Queue {
	t.Helper()
	q, err := w.e.Webhook(id)
	if err != nil {
		t.Fatal(err)
	}
	return q
}

func counts(t *testing.T, w *world, id string) string {
	t.Helper()
	c, err := queue(t, w, id).Counts(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("%d pending, %d delivered, %d failed", c[webhooks.Pending], c[webhooks.Delivered], c[webhooks.Failed])
}

// E-10, E-11, E-13 and the rules of the dispatcher: of fifty endpoints one is
// dead, one slow, one broken, one busy, one gone and one sends its callers
// inward. The others get everything at once, and nobody more than the schedule
// allows.
func TestFiftyWebhooks(t *testing.T) {
	r := newReceivers()
	r.answer["dead"] = func(*http.Request, int) (*http.Response, error) { return nil, errors.New("connection refused") }
	r.answer["slow"] = func(q *http.Request, _ int) (*http.Response, error) {
		select {
		case <-q.Context().Done():
			return nil, q.Context().Err()
		case <-time.After(20 * time.Second):
			return answer(200)
		}
	}
	r.answer["broken"] = func(*http.Request, int) (*http.Response, error) { return answer(500) }
	r.answer["busy"] = func(*http.Request, int) (*http.Response, error) { return answer(429, "Retry-After", "400") }
	r.answer["gone"] = func(*http.Request, int) (*http.Response, error) { return answer(410) }
	r.answer["inward"] = func(*http.Request, int) (*http.Response, error) {
		return answer(302, "Location", "http://169.254.169.254/secret")
	}
	ill := []string{"dead", "slow", "broken", "busy", "gone", "inward"}
	hosts := slices.Clone(ill)
	for i := range 44 {
		hosts = append(hosts, fmt.Sprintf("well%02d", i))
	}
	const events = 8
	inHooks(t, hookConf("", hosts...), r, func(t *testing.T, w *world) {
		w.e.Start()
		w.pass(time.Second)
		begun := time.Now()
		say(t, w, 0, events)
		w.pass(10 * time.Second)
		if n := queue(t, w, "slow").Standing().UnderWay; n != 4 {
			t.Errorf("to the slow one there are %d tries under way", n)
		}
		w.pass(50 * time.Second)
		for _, h := range hosts[len(ill):] {
			all := r.of(h)
			if len(all) != events || all[events-1].at.Sub(begun) > time.Second {
				t.Errorf("%s got %d events, the last after %s", h, len(all), all[len(all)-1].at.Sub(begun))
			}
		}
		for id, want := range map[string]webhooks.Standing{"slow": {Next: nextTry(t, w, "slow")}, "broken": {Next: nextTry(t, w, "broken")}, "gone": {}, "well00": {}} {
			if got := queue(t, w, id).Standing(); got.UnderWay != want.UnderWay || !got.Next.Equal(want.Next) {
				t.Errorf("%s: %+v, want %+v", id, got, want)
			}
		}
		w.pass(5 * 24 * time.Hour)
		for _, h := range []string{"dead", "slow", "broken", "inward"} {
			checkSchedule(t, h, r.of(h), webhooks.StandardSchedule(), events)
			if c := counts(t, w, h); c != "0 pending, 0 delivered, 8 failed" {
				t.Errorf("%s: %s", h, c)
			}
		}
		for id, at := range tries(r.of("busy")) {
			if len(at) != 10 || at[1].Sub(at[0]) < 400*time.Second {
				t.Errorf("busy, %s: %v", id, at)
			}
		}
		if n := len(r.of("gone")); n > 4 {
			t.Errorf("what is gone was asked %d times", n)
		}
		if h, err := queue(t, w, "gone").Health(t.Context()); err != nil || !h.Disabled || !strings.Contains(h.Why, "410") {
			t.Errorf("gone: %+v %v", h, err)
		}
		if n := len(r.of("169.254.169.254")); n > 0 {
			t.Error("a redirect was followed inward")
		}
	})
}

// nextTry is when, by the queue, the next delivery is due.
func nextTry(t *testing.T, w *world, id string) (next time.Time) {
	t.Helper()
	list, err := queue(t, w, id).List(t.Context(), webhooks.Pending, 100)
	if err != nil || len(list) == 0 {
		t.Fatal(len(list), err)
	}
	for _, d := range list {
		if next.IsZero() || d.Due.Before(next) {
			next = d.Due
		}
	}
	return next
}

func tries(all []got) map[string][]time.Time {
	by := map[string][]time.Time{}
	for _, g := range all {
		by[g.id] = append(by[g.id], g.at)
	}
	return by
}

// checkSchedule looks at when each event was tried: not sooner than the
// schedule less its jitter, and not more often.
func checkSchedule(t *testing.T, host string, all []got, schedule []time.Duration, events int) {
	t.Helper()
	by := tries(all)
	if len(by) != events {
		t.Errorf("%s heard of %d events", host, len(by))
	}
	for id, at := range by {
		if len(at) != len(schedule)+1 {
			t.Errorf("%s, %s: %d tries", host, id, len(at))
			continue
		}
		for i, base := range schedule {
			if d := at[i+1].Sub(at[i]); d < base*8/10 || d > base*12/10+2*time.Minute {
				t.Errorf("%s, %s: try %d came after %s, not %s", host, id, i+2, d, base)
			}
		}
	}
}

// E-9, E-10: 500, 500, 200 are three tries of one event, all in the log; of many
// deliveries the newest are kept.
func TestWebhookLog(t *testing.T) {
	r := newReceivers()
	r.answer["a"] = func(_ *http.Request, n int) (*http.Response, error) {
		if n <= 2 {
			return answer(500, "X-Echo", hookSecret)
		}
		return answer(204)
	}
	inHooks(t, hookConf(`, "headers": {"X-Token": "$SECRET(old)", "X-Custom-Header": "some value"}, "concurrency": 1`, "a", "b"), r, func(t *testing.T, w *world) {
		w.e.Start()
		w.pass(time.Second)
		say(t, w, 0, 1)
		w.pass(10 * time.Minute)
		list, err := queue(t, w, "a").List(t.Context(), "", 100)
		if err != nil || len(list) != 1 || list[0].Status != webhooks.Delivered || len(list[0].Attempts) != 3 {
			t.Fatalf("%+v %v", list, err)
		}
		first, last := list[0].Attempts[0], list[0].Attempts[2]
		if first.Status != 500 || first.Error == "" || first.Body != "as you wish" || last.Status != 204 || last.Error != "" {
			t.Errorf("%+v\n%+v", first, last)
		}
		if first.Request.Get("X-Token") != "***" || first.Request.Get("X-Custom-Header") != "some value" || first.Response.Get("X-Echo") != "***" {
			t.Errorf("%v %v", first.Request, first.Response)
		}
		if g := r.of("a")[0]; g.header.Get("X-Token") == "***" || g.header.Get("Webhook-Signature") == "" {
			t.Errorf("what was sent: %v", g.header)
		}
		say(t, w, 1, 149)
		w.pass(time.Minute)
		list, err = queue(t, w, "b").List(t.Context(), webhooks.Delivered, 1000)
		if err != nil || len(list) != 100 || slices.ContainsFunc(list, func(d *webhooks.Delivery) bool { return d.Entity < "e050" }) {
			t.Errorf("%d in the log, the oldest %s, %v", len(list), slices.MinFunc(list, func(a, b *webhooks.Delivery) int { return strings.Compare(a.Entity, b.Entity) }).Entity, err)
		}
		if c := counts(t, w, "b"); c != "0 pending, 100 delivered, 0 failed" {
			t.Error(c)
		}
		for _, d := range []string{"system:webhook:a", "system:webhook:b", "system:pump:a"} {
			if text := live(t, w.st, d); strings.Contains(text, "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw") || strings.Contains(text, "AAECAwQF") {
				t.Errorf("%s tells a secret", d)
			}
		}
	})
}

// An endpoint where everything fails for five days is disabled, and nobody is
// asked any more; when it is enabled again, what has waited goes in its order,
// and what was given up is recovered.
func TestWebhookIsDisabled(t *testing.T) {
	t.Parallel()
	r := newReceivers()
	var well atomic.Bool
	r.answer["a"] = func(*http.Request, int) (*http.Response, error) {
		if well.Load() {
			return answer(200)
		}
		return answer(503, "Retry-After", "100000")
	}
	inHooks(t, hookConf(`, "concurrency": 1`, "a"), r, func(t *testing.T, w *world) {
		w.e.Start()
		w.pass(time.Second)
		begun := time.Now()
		say(t, w, 0, 3)
		w.pass(110 * time.Hour)
		say(t, w, 3, 3)
		w.pass(4 * 24 * time.Hour)
		n := len(r.of("a"))
		say(t, w, 6, 3)
		w.pass(24 * time.Hour)
		h, err := queue(t, w, "a").Health(t.Context())
		if err != nil || !h.Disabled || len(r.of("a")) != n || h.At.Sub(begun) < 120*time.Hour || h.At.Sub(begun) > 240*time.Hour {
			t.Fatalf("%+v, %d requests more, %v", h, len(r.of("a"))-n, err)
		}
		if why := w.why("a"); !strings.Contains(why, "disabled") || !strings.Contains(why, "503") {
			t.Error(why)
		}
		if text := live(t, w.st, "system:pump:a"); !strings.Contains(text, "webhook-disabled") {
			t.Error("the execution log does not tell")
		}
		if c := counts(t, w, "a"); c != "3 pending, 0 delivered, 3 failed" {
			t.Error(c)
		}
		well.Store(true)
		id, err := queue(t, w, "a").Test(t.Context(), time.Now())
		w.pass(time.Second)
		if d, getErr := queue(t, w, "a").Get(t.Context(), id); err != nil || getErr != nil || d.Status != webhooks.Delivered {
			t.Errorf("a test by hand of what is disabled: %+v %v %v", d, err, getErr)
		}
		must(t, w.e.EnableWebhook(t.Context(), "a", true, engine.Switch{By: "me"}))
		w.pass(time.Minute)
		back, err := queue(t, w, "a").Recover(t.Context(), begun, time.Time{}, time.Now())
		w.pass(time.Minute)
		var order []string
		for _, g := range r.of("a")[n+1:] {
			order = append(order, g.body[len(`{"_id":"`):][:4])
		}
		if want := "[e003 e004 e005 e006 e007 e008 e000 e001 e002]"; back != 3 || err != nil || fmt.Sprint(order) != want {
			t.Errorf("%d came back, %v: %v", back, err, order)
		}
	})
}

// What somebody sends again by hand is tried once, whatever comes of it.
func TestWebhookByHand(t *testing.T) {
	r := newReceivers()
	r.answer["a"] = func(_ *http.Request, n int) (*http.Response, error) {
		if n == 2 {
			return answer(500)
		}
		return answer(200)
	}
	inHooks(t, hookConf(``, "a"), r, func(t *testing.T, w *world) {
		w.e.Start()
		w.pass(time.Second)
		say(t, w, 0, 1)
		w.pass(time.Second)
		q := queue(t, w, "a")
		list, err := q.List(t.Context(), webhooks.Delivered, 1)
		if err != nil || len(list) != 1 {
			t.Fatal(list, err)
		}
		for range 2 {
			must(t, q.Redeliver(t.Context(), list[0].ID, time.Now()))
			w.pass(time.Hour)
		}
		d, err := q.Get(t.Context(), list[0].ID)
		if err != nil || d.Status != webhooks.Delivered || len(d.Attempts) != 3 || !d.Attempts[1].Manual || d.Attempts[1].Status != 500 || len(r.of("a")) != 3 {
			t.Errorf("%+v %v", d, err)
		}
		if err := q.Redeliver(t.Context(), "none", time.Now()); !errors.Is(err, webhooks.ErrNoDelivery) {
			t.Error(err)
		}
	})
}

// In order, an event waits for the one before it that has its key, and for no
// other; and events by their own ids are sent once.
func TestWebhookOrder(t *testing.T) {
	r := newReceivers()
	r.answer["a"] = func(q *http.Request, n int) (*http.Response, error) {
		if n <= 3 {
			return answer(500)
		}
		return answer(200)
	}
	inHooks(t, hookConf(`, "ordered": true, "order_by": "k", "rate_limit": 2, "event_id_property": "_id", "retry": [10, 10, 10]`, "a"), r, func(t *testing.T, w *world) {
		w.e.Start()
		w.pass(time.Second)
		say(t, w, 0, 10)
		w.pass(5 * time.Minute)
		last, at := map[bool]string{}, time.Time{}
		for _, g := range r.of("a") {
			odd := strings.Contains(g.body, `"k":1`)
			if g.id < last[odd] {
				t.Errorf("%s came after %s", g.id, last[odd])
			}
			if g.at.Sub(at) < 500*time.Millisecond {
				t.Errorf("%s came %s after the one before", g.id, g.at.Sub(at))
			}
			last[odd], at = g.id, g.at
		}
		if n := len(r.of("a")); n != 13 {
			t.Errorf("%d requests", n)
		}
		p, _ := w.e.Pipe("a")
		if _, err := p.Run(t.Context(), true); err != nil {
			t.Error(err)
		}
		w.pass(time.Minute)
		if n := len(r.of("a")); n != 13 {
			t.Errorf("%d requests after a rescan of what was sent", n)
		}
	})
}

// E-14: while both secrets live, either verifies; afterwards only the new one.
func TestWebhookRotation(t *testing.T) {
	r := newReceivers()
	until := time.Date(2000, 1, 1, 1, 0, 0, 0, time.UTC) // synctest begins an hour before
	inHooks(t, hookConf(`, "previous_secret": "$SECRET(old)", "previous_secret_until": "`+until.Format(time.RFC3339)+`"`, "a"), r, func(t *testing.T, w *world) {
		w.e.Start()
		w.pass(time.Second)
		say(t, w, 0, 1)
		w.pass(2 * time.Hour)
		say(t, w, 1, 1)
		w.pass(time.Second)
		s, err := webhooks.New("standard", "")
		all := r.of("a")
		if err != nil || len(all) != 2 {
			t.Fatal(len(all), err)
		}
		for i, g := range all {
			m := &webhooks.Message{ID: g.id, Header: g.header, Body: []byte(g.body)}
			young := s.Verify(m, webhooks.Keys{hookSecret}, g.at)
			old := s.Verify(m, webhooks.Keys{"whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYX"}, g.at)
			if young != nil || (old == nil) != (i == 0) {
				t.Errorf("event %d: %v, %v", i, young, old)
			}
		}
	})
}

// E-12, fault-injected: the power fails at any write, again and again, and no
// event is lost.
func TestCrashWithWebhooks(t *testing.T) {
	for seed := range uint64(12) {
		t.Logf("seed %d", seed)
		r := rand.New(rand.NewPCG(seed, 7))
		rc := newReceivers()
		rc.answer["a"] = func(_ *http.Request, n int) (*http.Response, error) { return answer([]int{200, 200, 503}[n%3]) }
		inHooks(t, `[]`, rc, func(t *testing.T, w *world) {
			say(t, w, 0, 40)
			c := hookConfig(t, strings.Replace(hookConf(`, "retry": [1, 1, 1, 1, 1, 1, 1, 1]`, "a"), `"source"`, `"batch_size": 7, "source"`, 1))
			w.e.Close()
			for cuts := 0; cuts < 8; cuts++ {
				m := &mortal{Store: w.st, r: r, left: r.IntN(25)}
				e, err := engine.Open(t.Context(), engine.Options{Config: c, Store: m, Sets: sets(t), Transport: rc})
				if err != nil {
					continue
				}
				e.Start()
				w.pass(20 * time.Second)
				e.Close()
			}
			w.openWith(`[]`, func(o *engine.Options) { o.Config, o.Transport = c, rc })
			w.e.Start()
			w.pass(10 * time.Minute)
			seen := map[string]bool{}
			for _, g := range rc.of("a") {
				seen[g.body] = true
			}
			if c := counts(t, w, "a"); len(seen) != 40 || len(tries(rc.of("a"))) != 40 || c != "0 pending, 40 delivered, 0 failed" {
				t.Errorf("%d of 40 events arrived: %s", len(seen), c)
			}
		})
	}
}
