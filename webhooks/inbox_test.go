package webhooks_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/sluiceio/sluice/store"
	"github.com/sluiceio/sluice/store/local"
	"github.com/sluiceio/sluice/webhooks"
)

// full is a store that takes nothing for a while.
type full struct {
	store.Store
	is bool
}

func (s *full) Append(ctx context.Context, b *store.Batch) (store.Pending, error) {
	if s.is {
		return nil, errors.New("no space left on device")
	}
	return s.Store.Append(ctx, b)
}

// The bodies of the requests that are kept have a bound together; those that could
// not be kept take none of it. What was there before counts after a restart.
func TestInboxBytes(t *testing.T) {
	base, err := local.Open("mem", local.Options{InMemory: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = base.Close() })
	st, sent := &full{Store: base}, 0
	open := func() *webhooks.Inbox {
		box := &webhooks.Inbox{Pipe: "p", Store: st, Window: time.Hour, MostRequests: 1000, MostEvents: 1000, MostBytes: 10_000}
		if err := box.Load(t.Context()); err != nil {
			t.Fatal(err)
		}
		return box
	}
	keep := func(box *webhooks.Inbox, n int) {
		t.Helper()
		for range n {
			sent++
			r := &webhooks.Request{ID: fmt.Sprintf("r%06d", sent), At: time.Unix(0, 0), Body: make([]byte, 1000)}
			p, err := box.Keep(t.Context(), r)
			if err == nil {
				_, err = p.Wait(t.Context())
			}
			if (err != nil) != st.is {
				t.Fatal(err)
			}
			if err := box.Tidy(t.Context(), r.At); err != nil && !st.is {
				t.Fatal(err)
			}
		}
	}
	live := func() int64 {
		t.Helper()
		info, err := base.Info(t.Context(), webhooks.RequestsDataset("p"))
		if err != nil {
			t.Fatal(err)
		}
		return info.Live
	}
	box := open()
	keep(box, 128)
	if n := live(); n != 10 {
		t.Errorf("%d requests are kept, want 10", n)
	}
	st.is = true
	keep(box, 128)
	st.is = false
	keep(box, 128)
	if n := live(); n != 10 {
		t.Errorf("%d requests are kept after the store was full, want 10", n)
	}
	keep(open(), 64)
	if n := live(); n != 10 {
		t.Errorf("%d requests are kept after a restart, want 10", n)
	}
}
