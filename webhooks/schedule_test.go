package webhooks

import (
	"net/http"
	"testing"
	"time"
)

func TestRetryAfter(t *testing.T) {
	now := time.Date(2027, 1, 31, 12, 0, 0, 0, time.UTC)
	for value, want := range map[string]time.Duration{
		"": 0, "7": 7 * time.Second, " 7 ": 7 * time.Second, "-7": 0, "7.5": 0, "soon": 0, "99999999999": 24 * time.Hour,
		"Sun, 31 Jan 2027 12:01:00 GMT": time.Minute, "Sun, 31 Jan 2027 11:00:00 GMT": 0, "Mon, 31 Jan 2028 12:00:00 GMT": 24 * time.Hour,
	} {
		if got := retryAfter(http.Header{"Retry-After": {value}}, now); got != want {
			t.Errorf("%q: %s, want %s", value, got, want)
		}
	}
}

// E-10: how long to wait after a failure, with the least and the most that
// chance may make of it.
func TestPause(t *testing.T) {
	const s, h = time.Second, time.Hour
	for _, c := range []struct {
		name           string
		base           time.Duration
		a              Attempt
		shortest, most time.Duration
	}{
		{"plain", 100 * s, Attempt{Status: 500}, 80 * s, 120 * s},
		{"429", 5 * s, Attempt{Status: 429}, 60 * s, 60 * s},
		{"429 that asks for 7 s", 5 * s, Attempt{Status: 429, retryAfter: 7 * s}, 60 * s, 60 * s},
		{"429 that asks for an hour", 5 * s, Attempt{Status: 429, retryAfter: h}, h, h},
		{"429 late in the schedule", 10 * h, Attempt{Status: 429, retryAfter: h}, 8 * h, 12 * h},
		{"a timeout", 5 * s, Attempt{timeout: true}, 60 * s, 60 * s},
		{"503 that asks for less", 100 * s, Attempt{Status: 503, retryAfter: s}, 100 * s, 120 * s},
		{"503 that asks for more", 100 * s, Attempt{Status: 503, retryAfter: 150 * s}, 150 * s, 150 * s},
		{"503 that asks for too much", 100 * s, Attempt{Status: 503, retryAfter: h}, 200 * s, 200 * s},
	} {
		for range 200 {
			if d := pause(c.base, &c.a); d < c.shortest || d > c.most {
				t.Errorf("%s: %s, want from %s to %s", c.name, d, c.shortest, c.most)
			}
		}
	}
	sum := time.Duration(0)
	for _, d := range StandardSchedule() {
		sum += d
	}
	if want := 75*h + 35*time.Minute + 5*s; sum != want {
		t.Errorf("the schedule takes %s, want %s", sum, want)
	}
}

// What stands in the queue is read as it was written.
func TestDeliveryRoundTrip(t *testing.T) {
	at := time.Date(2027, 1, 31, 12, 0, 0, 123456789, time.UTC)
	d := &Delivery{ID: "msg_1", Seq: 7, Status: Pending, Created: at, Due: at.Add(1), Entity: "~e", Key: "k", Tries: 3, Manual: true, Before: Failed,
		Body: `{"a": "~t2020"}`, Attempts: []Attempt{{At: at, Took: time.Second, Manual: true, Method: "POST", URL: "https://x/",
			Request: http.Header{"A": {"b"}}, Status: 500, Response: http.Header{"C": {"~d"}}, Body: "~body", Truncated: true, Blocked: true, Error: "no"}}}
	got := deliveryOf(d.value())
	if a, b := string(got.AppendJSON(nil, false)), string(d.AppendJSON(nil, false)); a != b || got.Attempts[0].Body != "~body" || !got.Due.Equal(d.Due) {
		t.Errorf("%s\n%s", a, b)
	}
}
