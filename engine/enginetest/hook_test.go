package enginetest

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sluiceio/sluice/engine"
	"github.com/sluiceio/sluice/entity"
	"github.com/sluiceio/sluice/sources"
	"github.com/sluiceio/sluice/webhooks"
)

// deliver posts event n, as its sender would, and returns an error if that was
// not answered.
func deliver(t *testing.T, e *engine.Engine, n int) error {
	t.Helper()
	in, err := e.Inlet(t.Context(), "in")
	if err != nil {
		return err
	}
	p, _ := e.Pipe("in")
	hook, _ := p.Hook()
	body := []byte(fmt.Sprintf(`{"n": %d}`, n))
	s, err := webhooks.New("standard", "")
	must(t, err)
	h, err := s.Sign(&webhooks.Message{ID: fmt.Sprintf("e%03d", n), Time: time.Now(), Body: body}, webhooks.Keys{hookSecret})
	must(t, err)
	h.Set("Content-Type", "application/json")
	return in.ReceiveHook(t.Context(), hook, sources.Request{Header: h, Body: body, Method: http.MethodPost}, entity.NewArena())
}

// M-11, fault-injected: the power fails at any write, again and again; a sender
// that repeats what was not answered finds each event taken in, once.
func TestCrashWithReceivedWebhooks(t *testing.T) {
	const conf = `[{"_id": "in", "type": "pipe", "source": {"type": "webhook", "signature": "standard", "secret": "$SECRET(key)"}}]`
	c := hookConfig(t, conf)
	for seed := range uint64(20) {
		t.Logf("seed %d", seed)
		r, st, cuts := rand.New(rand.NewPCG(seed, 11)), memory(t), 0
		open := func() (*engine.Engine, *mortal) {
			for {
				m := &mortal{Store: st, r: r, left: r.IntN(20)}
				if cuts > 8 {
					m.left = 1 << 30
				}
				e, err := engine.Open(t.Context(), engine.Options{Config: c, Store: m, Sets: sets(t)})
				if err == nil {
					return e, m
				}
				if cuts++; !m.off() {
					t.Fatal(err)
				}
			}
		}
		e, m := open()
		for n := range 30 {
			for deliver(t, e, n) != nil {
				if cuts++; !m.off() {
					t.Fatalf("event %d was refused", n)
				}
				e.Close()
				e, m = open()
			}
		}
		e.Close()
		info, err := st.Info(t.Context(), "in")
		if err != nil || info.Live != 30 || info.Versions != 30 {
			t.Errorf("%d events in %d versions after %d cuts: %v", info.Live, info.Versions, cuts, err)
		}
	}
}

// A configuration that is taken up anew delivers what waits to where it says
// now; nothing is lost with the one before, and nothing secret is said of it.
func TestWebhookReload(t *testing.T) {
	r := newReceivers()
	r.answer["a"] = func(*http.Request, int) (*http.Response, error) { return answer(500) }
	inHooks(t, hookConf("", "a"), r, func(t *testing.T, w *world) {
		w.e.Start()
		w.pass(time.Second)
		say(t, w, 0, 5)
		w.pass(time.Minute)
		w.e.Close()
		c := hookConfig(t, strings.Replace(hookConf("", "a"), "https://a/", "https://elsewhere/", 1))
		before := w.e
		w.openWith(`[]`, func(o *engine.Options) { o.Config, o.Transport, o.After = c, r, before })
		w.e.Start()
		w.pass(10 * time.Minute)
		if n := len(r.of("elsewhere")); n != 5 {
			t.Errorf("%d events arrived elsewhere", n)
		}
		if c := counts(t, w, "a"); c != "0 pending, 5 delivered, 0 failed" {
			t.Error(c)
		}
	})
}

// A full queue holds its pipe back until there is room, and loses nothing.
func TestWebhookQueueIsFull(t *testing.T) {
	r := newReceivers()
	var well atomic.Bool
	r.answer["a"] = func(*http.Request, int) (*http.Response, error) {
		if well.Load() {
			return answer(200)
		}
		return answer(500)
	}
	conf := strings.Replace(hookConf(`, "queue_limit": 10, "log_limit": 1, "retry": [60, 60, 60, 60, 60]`, "a"), `"source"`, `"batch_size": 5, "source"`, 1)
	inHooks(t, conf, r, func(t *testing.T, w *world) {
		w.e.Start()
		w.pass(time.Second)
		say(t, w, 0, 100)
		w.pass(30 * time.Second)
		if why := w.why("a"); !strings.Contains(why, "queue is full") {
			t.Error(why)
		}
		if c := counts(t, w, "a"); c != "10 pending, 0 delivered, 0 failed" {
			t.Error(c)
		}
		well.Store(true)
		w.pass(24 * time.Hour)
		if n := len(tries(r.of("a"))); n != 100 {
			t.Errorf("%d events arrived; %s; %s", n, counts(t, w, "a"), w.why("a"))
		}
	})
}

// E-7: what comes while a webhook that skips is disabled is never sent; one that
// waits sends it later.
func TestWebhookWhileDisabled(t *testing.T) {
	for more, want := range map[string]int{`, "while_disabled": "skip"`: 2, "": 4} {
		r := newReceivers()
		inHooks(t, hookConf(more, "a"), r, func(t *testing.T, w *world) {
			w.e.Start()
			w.pass(time.Second)
			say(t, w, 0, 1)
			w.pass(time.Second)
			must(t, w.e.EnableWebhook(t.Context(), "a", false, engine.Switch{By: "me", Comment: "moving"}))
			say(t, w, 1, 2)
			w.pass(time.Hour)
			if n, why := len(r.of("a")), w.why("a"); n != 1 || want == 4 && !strings.Contains(why, "disabled: by me") {
				t.Errorf("%d requests while disabled; %s", n, why)
			}
			must(t, w.e.EnableWebhook(t.Context(), "a", true, engine.Switch{}))
			w.pass(time.Second)
			say(t, w, 3, 1)
			w.pass(time.Hour)
			if n := len(r.of("a")); n != want {
				t.Errorf("%d requests, want %d", n, want)
			}
		})
	}
}

// A failure now and then, with nothing to send in between, disables nobody.
func TestWebhookFailsNowAndThen(t *testing.T) {
	t.Parallel()
	r := newReceivers()
	r.answer["a"] = func(*http.Request, int) (*http.Response, error) { return answer(500) }
	inHooks(t, hookConf(`, "retry": [60]`, "a"), r, func(t *testing.T, w *world) {
		w.e.Start()
		for i := range 3 {
			w.pass(6 * 24 * time.Hour)
			say(t, w, i, 1)
		}
		w.pass(time.Hour)
		if h, err := queue(t, w, "a").Health(t.Context()); err != nil || h.Disabled || len(r.of("a")) != 6 {
			t.Errorf("%+v %v, %d requests", h, err, len(r.of("a")))
		}
	})
}

// Where a time is signed and no id, a request that comes again as it was has no
// effect, whatever is written beside its signature; one that is signed anew has.
func TestReplayWithoutID(t *testing.T) {
	for scheme, header := range map[string]string{"stripe": "Stripe-Signature", "slack": "X-Slack-Signature"} {
		c := hookConfig(t, fmt.Sprintf(`[{"_id": "in", "type": "pipe", "source": {"type": "webhook", "signature": %q, "secret": "$SECRET(key)"}}]`, scheme))
		st := memory(t)
		e, err := engine.Open(t.Context(), engine.Options{Config: c, Store: st, Sets: sets(t)})
		must(t, err)
		in, err := e.Inlet(t.Context(), "in")
		must(t, err)
		p, _ := e.Pipe("in")
		hook, _ := p.Hook()
		s, err := webhooks.New(scheme, "")
		must(t, err)
		now, body := time.Now(), []byte(`{"n": 1}`)
		post := func(at time.Time, beside string) {
			t.Helper()
			h, err := s.Sign(&webhooks.Message{Time: at, Body: body}, webhooks.Keys{hookSecret})
			must(t, err)
			h.Set("Content-Type", "application/json")
			h.Set(header, h.Get(header)+beside)
			must(t, in.ReceiveHook(t.Context(), hook, sources.Request{Header: h, Body: body, Method: http.MethodPost}, entity.NewArena()))
		}
		live := func() int64 {
			info, err := st.Info(t.Context(), "in")
			must(t, err)
			return info.Live
		}
		post(now, "")
		post(now, "")
		if scheme == "stripe" {
			post(now, ",v1=00,v0=x")
		}
		if n := live(); n != 1 {
			t.Errorf("%s: %d events of one", scheme, n)
		}
		post(now.Add(time.Second), "")
		if n := live(); n != 2 {
			t.Errorf("%s: %d events of two", scheme, n)
		}
		e.Close()
	}
}
