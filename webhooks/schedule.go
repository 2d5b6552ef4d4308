package webhooks

import (
	"math/rand/v2"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// StandardSchedule is how long to wait after each try that failed: with the
// first one ten tries, the last after more than three days.
func StandardSchedule() []time.Duration {
	return []time.Duration{5 * time.Second, 5 * time.Minute, 30 * time.Minute, 2 * time.Hour, 5 * time.Hour,
		10 * time.Hour, 14 * time.Hour, 20 * time.Hour, 24 * time.Hour}
}

const (
	// jitter is by how much of itself a wait is shorter or longer, so that what
	// failed together does not come back together.
	jitter = 0.2
	// overloaded is how long a receiver is left alone at least that took too long
	// or said that it has too much to do.
	overloaded = time.Minute
	// longestAsked bounds what a receiver may ask for.
	longestAsked = 24 * time.Hour
)

// pause is how long to wait after a try that failed, where the schedule says
// base. A 429 is obeyed; another Retry-After may ask for up to twice the base.
func pause(base time.Duration, a *Attempt) time.Duration {
	d := time.Duration(float64(base) * (1 - jitter + 2*jitter*rand.Float64()))
	switch {
	case a.Status == http.StatusTooManyRequests:
		return max(d, overloaded, min(a.retryAfter, longestAsked))
	case a.timeout:
		return max(d, overloaded)
	case a.retryAfter > 0:
		return max(d, min(max(a.retryAfter, base), 2*base))
	default:
		return d
	}
}

// retryAfter reads the header of that name: seconds, or a date. 0 if there is
// none that can be read.
func retryAfter(h http.Header, now time.Time) time.Duration {
	value := strings.TrimSpace(h.Get("Retry-After"))
	if n, err := strconv.ParseInt(value, 10, 64); err == nil {
		return time.Duration(min(max(n, 0), int64(longestAsked/time.Second))) * time.Second
	}
	at, err := http.ParseTime(value)
	if err != nil {
		return 0
	}
	return min(max(at.Sub(now), 0), longestAsked)
}
