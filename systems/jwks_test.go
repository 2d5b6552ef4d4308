package systems

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"
)

func TestJWKS(t *testing.T) {
	var asked int
	fail := false
	s := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		asked++
		if fail {
			w.WriteHeader(http.StatusBadGateway)
		}
		fmt.Fprintf(w, "set %d", asked)
	}))
	defer s.Close()
	now := time.Date(2025, 1, 1, 0, 0, 0, 0, time.UTC)
	get := NewJWKS(s.Client().Transport, func() time.Time { return now })
	steps := []struct {
		after time.Duration
		fail  bool
		want  string
	}{
		{0, false, "set 1"}, {time.Minute, false, "set 1"}, {5 * time.Minute, false, "set 2"},
		{6 * time.Minute, true, "set 2"}, {5 * time.Second, false, "set 2"}, {6 * time.Second, false, "set 4"},
		{2 * time.Hour, true, "error: the key set answered 502"}, {time.Second, false, "error: the key set answered 502"},
		{10 * time.Second, false, "set 6"},
	}
	for i, step := range steps {
		now, fail = now.Add(step.after), step.fail
		body, err := get(context.Background(), s.URL)
		got := string(body)
		if err != nil {
			got = "error: " + err.Error()
		}
		if got != step.want {
			t.Errorf("step %d: %s, want %s", i, got, step.want)
		}
	}
	if _, err := get(context.Background(), "http://x/"); err == nil {
		t.Error("a key set over http was fetched")
	}
}

func TestJWKSOnceAtATime(t *testing.T) {
	var mu sync.Mutex
	asked := 0
	s := httptest.NewTLSServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		asked++
	}))
	defer s.Close()
	get := NewJWKS(s.Client().Transport, time.Now)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			if _, err := get(context.Background(), s.URL); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if asked != 1 {
		t.Errorf("asked %d times", asked)
	}
}
