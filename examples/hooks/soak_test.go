package hooks_test

import (
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sluiceio/sluice/examples/nodetest"
)

const (
	wells = 44
	tries = 3 // of what fails: at once, and twice a second after the one before
)

// ill are the receivers that something is wrong with. Six of fifty are.
func ill() []string { return []string{"dead", "slow", "broken", "busy", "gone", "inward"} }

// try is a request that came to a receiver.
type try struct {
	event string
	n     int
	at    time.Time
}

// soak is a node with fifty webhooks, and what came to their receivers.
type soak struct {
	*stage
	mended atomic.Bool // who was broken or gone is well again
	inward atomic.Int64
	kills  int
	mu     sync.Mutex
	got    map[string][]try
	count  int
}

func newSoak(t *testing.T) *soak {
	t.Helper()
	s := &soak{stage: &stage{Node: nodetest.New(t), t: t}, got: map[string][]try{}}
	hidden := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { s.inward.Add(1) }))
	t.Cleanup(hidden.Close)
	over := make(chan struct{})
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) { s.answer(w, q, hidden.URL, over) }))
	t.Cleanup(srv.Close)
	t.Cleanup(func() { close(over) })
	s.File("test-secrets.json", s.Read("test-secrets.json"))
	s.File("pipes/orders-in.conf.json", s.Read("pipes/orders-in.conf.json"))
	for _, name := range s.all() {
		address := srv.URL + "/" + name
		if name == "dead" {
			address = "http://" + nodetest.Address(t) + "/"
		}
		s.File("pipes/"+name+".conf.json", fmt.Sprintf(`{"_id": %q, "type": "pipe", "source": {"type": "dataset", "dataset": "orders-in"},
			"sink": {"type": "webhook", "url": %q, "secret": "$SECRET(warehouse)", "event_id_property": "_id", "attempt_header": "X-Try", "timeout": 60, "retry": [1, 1]}}`, name, address))
	}
	return s
}

func (s *soak) all() []string {
	names := ill()
	for i := range wells {
		names = append(names, fmt.Sprintf("well%02d", i))
	}
	return names
}

// answer notes a request, and answers as the receiver does that it is for.
func (s *soak) answer(w http.ResponseWriter, q *http.Request, hidden string, over chan struct{}) {
	name := strings.TrimPrefix(q.URL.Path, "/")
	n, err := strconv.Atoi(q.Header.Get("X-Try"))
	if _, readErr := io.Copy(io.Discard, q.Body); readErr != nil {
		return // the node was killed
	}
	if err != nil || q.Header.Get("Webhook-Signature") == "" {
		s.t.Errorf("%s got a request that is none: %v", name, q.Header)
	}
	s.mu.Lock()
	s.count++
	s.got[name] = append(s.got[name], try{q.Header.Get("Webhook-Id"), n, time.Now()})
	s.mu.Unlock()
	switch {
	case name == "slow":
		select {
		case <-q.Context().Done():
		case <-over:
		}
	case name == "broken" && !s.mended.Load():
		w.WriteHeader(http.StatusInternalServerError)
	case name == "busy":
		w.Header().Set("Retry-After", "120")
		w.WriteHeader(http.StatusTooManyRequests)
	case name == "gone" && !s.mended.Load():
		w.WriteHeader(http.StatusGone)
	case name == "inward":
		http.Redirect(w, q, hidden, http.StatusTemporaryRedirect)
	}
}

func (s *soak) of(name string) []try {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.got[name])
}

func (s *soak) requests() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.count
}

// first is when each event came first.
func (s *soak) first(name string) map[string]time.Time {
	first := map[string]time.Time{}
	for _, g := range s.of(name) {
		if _, known := first[g.event]; !known {
			first[g.event] = g.at
		}
	}
	return first
}

// until polls until something holds, and fails when it does not come to pass.
func (s *soak) until(what string, holds func() bool) {
	s.t.Helper()
	for end := time.Now().Add(3 * time.Minute); !holds(); <-time.After(10 * time.Millisecond) {
		if time.Now().After(end) || s.t.Failed() {
			s.t.Fatalf("it did not come to pass: %s", what)
		}
	}
}

// about is a webhook as the node tells of it.
type about struct {
	Enabled    bool
	Disabled   struct{ Why string }
	Deliveries struct{ Pending, Delivered, Failed int }
}

func (s *soak) about(name string) (a about) {
	s.t.Helper()
	resp, err := http.Get("http://" + s.Listen + "/api/webhooks/" + name)
	if err != nil {
		s.t.Fatal(err)
	}
	defer resp.Body.Close()
	if err := json.NewDecoder(resp.Body).Decode(&a); err != nil {
		s.t.Fatal(err)
	}
	return a
}

func (s *soak) operate(name, form string) {
	s.t.Helper()
	resp, err := http.Post("http://"+s.Listen+"/api/webhooks/"+name, "application/x-www-form-urlencoded", strings.NewReader(form))
	if err != nil {
		s.t.Fatal(err)
	}
	defer resp.Body.Close()
	if text, _ := io.ReadAll(resp.Body); resp.StatusCode/100 != 2 {
		s.t.Fatalf("%s %s: %s %s", name, form, resp.Status, text)
	}
}

// Fifty receivers, six of them ill, and a node that is killed ten times at random
// moments while events come. Who is well gets every event, and does not wait for
// those who are not; nobody is tried more often than the schedule says; and what
// the ill did not take stands there until they are well.
func TestSoak(t *testing.T) {
	each, kills := 4, 10
	if testing.Short() {
		each, kills = 3, 5
	}
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 3))
	s := newSoak(t)
	begun := time.Now()
	var senders sync.WaitGroup
	for kill := range kills {
		if random.IntN(3) == 0 { // and once more while it starts
			s.Flash(time.Duration(random.IntN(200)) * time.Millisecond)
			s.kills++
		}
		s.Start()
		for n := range each {
			senders.Go(func() {
				if err := s.tell(kill*each + n); err != nil {
					t.Error(err)
				}
			})
		}
		most, end := s.requests()+random.IntN(each*(wells+20)), time.Now().Add(2*time.Second)
		for s.requests() < most && time.Now().Before(end) {
			<-time.After(time.Millisecond)
		}
		s.Kill()
		s.kills++
	}
	s.Start()
	senders.Wait()
	// The ill have all their backlogs now: the others notice nothing.
	events := kills * each
	told := map[string]time.Time{}
	for range 3 * each {
		if err := s.tell(events); err != nil {
			t.Fatal(err)
		}
		told[fmt.Sprintf("order-%d", events)] = time.Now()
		events++
	}
	s.untilSettled(events)
	s.judgeWells(events, told)
	s.judgeIll(events)
	s.judgeMended(begun, events)
	t.Logf("%d events, %d kills, %d requests in %s", events, s.kills, s.requests(), time.Since(begun))
}

// untilSettled waits until all that can arrive has, and all that is given up is.
func (s *soak) untilSettled(events int) {
	s.t.Helper()
	for _, name := range s.all()[len(ill()):] {
		s.until(name+" has every event", func() bool { return len(s.first(name)) == events })
		s.until(name+" has nothing pending", func() bool { return s.about(name).Deliveries.Pending == 0 })
	}
	for _, name := range []string{"dead", "broken", "inward"} {
		s.until(name+" is given up", func() bool { return s.about(name).Deliveries.Failed == events })
	}
	for _, name := range []string{"slow", "busy"} {
		s.until(name+" has it all queued", func() bool { d := s.about(name).Deliveries; return d.Pending+d.Delivered+d.Failed == events })
	}
	s.until("busy was asked", func() bool { return len(s.first("busy")) == events })
}

func (s *soak) judgeWells(events int, told map[string]time.Time) {
	s.t.Helper()
	var waits []time.Duration
	for _, name := range s.all()[len(ill()):] {
		all := s.of(name)
		// A kill may lose the records of tries that were under way, four at once.
		if len(all) > events+4*s.kills {
			s.t.Errorf("%s was asked %d times for %d events", name, len(all), events)
		}
		for _, g := range all {
			if g.n != 1 {
				s.t.Errorf("%s got %s at try %d", name, g.event, g.n)
			}
		}
		if d := s.about(name).Deliveries; d.Delivered != events || d.Failed != 0 {
			s.t.Errorf("%s: %+v of %d", name, d, events)
		}
		first := s.first(name)
		for event, at := range told {
			if first[event].IsZero() {
				s.t.Errorf("%s lacks %s", name, event)
			}
			waits = append(waits, first[event].Sub(at))
		}
	}
	slices.Sort(waits)
	s.t.Logf("who is well gets an event after %s, 99 of 100 times within %s", waits[len(waits)/2], waits[len(waits)*99/100])
	if a := s.about("slow").Deliveries; a.Delivered > 0 { // whoever waits for the slow one has got nothing yet
		s.t.Errorf("the slow one: %+v", a)
	}
}

func (s *soak) judgeIll(events int) {
	s.t.Helper()
	for name, most := range map[string]int{"slow": events, "broken": tries * events, "busy": events, "gone": 0, "inward": tries * events} {
		all := s.of(name)
		if len(all) == 0 || len(all) > most+4*(s.kills+1) {
			s.t.Errorf("%s was asked %d times for %d events", name, len(all), events)
		}
		s.judgeSchedule(name, all)
	}
	for _, name := range []string{"slow", "busy"} {
		if d := s.about(name).Deliveries; d.Failed > 0 || name == "busy" && d.Pending != events {
			s.t.Errorf("%s: %+v of %d", name, d, events)
		}
	}
	if a := s.about("gone"); a.Enabled || !strings.Contains(a.Disabled.Why, "410") {
		s.t.Errorf("who is gone: %+v", a)
	}
	if n := s.inward.Load(); n > 0 {
		s.t.Errorf("a redirect was followed inward %d times", n)
	}
}

// judgeSchedule looks at when each try of an event came: not before its time after
// the one before, and none beyond the schedule.
func (s *soak) judgeSchedule(name string, all []try) {
	s.t.Helper()
	at := map[string]time.Time{}
	for _, g := range all {
		key := fmt.Sprint(g.event, " ", g.n)
		if _, known := at[key]; known {
			continue // it was made again after a kill
		}
		at[key] = g.at
		before, there := at[fmt.Sprint(g.event, " ", g.n-1)]
		switch {
		case g.n > tries:
			s.t.Errorf("%s got %s at try %d", name, g.event, g.n)
		case g.n > 1 && (!there || g.at.Sub(before) < 700*time.Millisecond):
			s.t.Errorf("%s got %s at try %d %s after the one before", name, g.event, g.n, g.at.Sub(before))
		}
	}
}

// judgeMended has two of the ill get well: what they did not take comes then.
func (s *soak) judgeMended(begun time.Time, events int) {
	s.t.Helper()
	s.mended.Store(true)
	before := len(s.of("broken"))
	s.operate("broken", "operation=recover&since="+url.QueryEscape(begun.UTC().Add(-time.Second).Format(time.RFC3339)))
	s.operate("gone", "operation=enable")
	s.until("who was broken has it all", func() bool { return s.about("broken").Deliveries.Delivered == events })
	if n := len(s.of("broken")) - before; n != events {
		s.t.Errorf("%d events were recovered of %d", n, events)
	}
	s.until("who was gone has every event", func() bool { return len(s.first("gone")) == events })
}
