package webhooks

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/sluiceio/sluice/entity"
	"github.com/sluiceio/sluice/store"
)

// RefusedDataset holds the last requests that proved nothing. Anybody who can
// reach the node can make them, so that there are few of them, and little of
// each.
func RefusedDataset(pipe string) string { return "system:webhook-refused:" + pipe }

const (
	// refusedKept is how many are kept; each new one takes the place of the oldest.
	refusedKept = 100
	// refusedBytes is how much is kept of a body, and of all headers.
	refusedBytes = 4 << 10
	// refusedEvery is how often one is kept, once refusedKept were at once.
	refusedEvery = 10 * time.Second
)

// ring is that of the requests that proved nothing.
type ring struct {
	mu      sync.Mutex
	started bool
	slot    int
	allowed float64 // how many may be kept now
	last    time.Time
	missed  int64 // since the last that was kept
}

// take returns the place for a request, and how many were not kept before it;
// false if this one is not kept either.
func (r *ring) take(now time.Time) (slot int, missed int64, ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.started {
		r.started, r.allowed, r.slot = true, refusedKept, rand.IntN(refusedKept)
	} else if passed := now.Sub(r.last); passed > 0 {
		r.allowed = min(refusedKept, r.allowed+passed.Seconds()/refusedEvery.Seconds())
	}
	r.last = now
	if r.allowed < 1 {
		r.missed++
		return 0, 0, false
	}
	r.allowed--
	r.slot = (r.slot + 1) % refusedKept
	missed, r.missed = r.missed, 0
	return r.slot, missed, true
}

// KeepRefused keeps the beginning of a request that proved nothing, unless there
// were too many of late. Nothing else is written of it.
func (b *Inbox) KeepRefused(ctx context.Context, r *Request, reason string) error {
	slot, missed, ok := b.refused.take(r.At)
	if !ok {
		return nil
	}
	few := *r
	few.Headers = beginning(r.Headers)
	few.Body = r.Body[:min(len(r.Body), refusedBytes)]
	few.URL = r.URL[:min(len(r.URL), refusedBytes)]
	members := []entity.Member{text(entity.IDKey, fmt.Sprintf("%02d", slot)), text("request", r.ID)}
	for _, m := range few.value(Refused, "", reason).Object().Members() {
		if m.Key != entity.IDKey {
			members = append(members, m)
		}
	}
	members = append(members, number("body_bytes", int64(len(r.Body))), number("not_kept_before", missed))
	return b.Commit(ctx, store.Write{Dataset: RefusedDataset(b.Pipe), Ops: []store.Op{{Kind: store.Put, Entity: entity.NewDict(members...)}}})
}

// beginning is as many headers as there is room for.
func beginning(h http.Header) http.Header {
	few, size := http.Header{}, 0
	for name, values := range h {
		v := strings.Join(values, ", ")
		if size += len(name) + len(v); size > refusedBytes {
			size -= len(name) + len(v)
			continue
		}
		few[name] = []string{v}
	}
	return few
}
