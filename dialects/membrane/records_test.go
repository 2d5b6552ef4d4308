package membrane_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

// However large events are, a list of them is not: what it has no room for comes
// with the next page.
func TestRecordsInPages(t *testing.T) {
	n := newNode(t, "testdata/acme.txtar", asItIs)
	// Not as large as they may be: the race detector needs a worker's memory, too.
	at, large := n.uri("acme", "all"), strings.Repeat("x", 1<<20)
	for i := range 18 {
		if status, text := n.post(at+"?do=dedup", fmt.Sprintf(`{"n":%d,"x":%q}`, i, large)); status != 200 {
			t.Fatal(status, text)
		}
	}
	pages, seen := 0, 0
	for cursor := ""; pages == 0 || cursor != ""; pages++ {
		_, text := n.call("GET", "/external-event-log-records?limit=1000&cursor="+cursor, "")
		var p struct {
			Items  []struct{ Payload struct{ N int } }
			Cursor string
		}
		if err := json.Unmarshal([]byte(text), &p); err != nil || len(p.Items) == 0 || len(text) > 20<<20 {
			t.Fatalf("%d records in %d bytes, %v", len(p.Items), len(text), err)
		}
		for _, item := range p.Items {
			if seen++; item.Payload.N != 18-seen {
				t.Errorf("record %d is of event %d", seen, item.Payload.N)
			}
		}
		cursor = p.Cursor
	}
	if pages != 2 || seen != 18 {
		t.Errorf("%d records in %d pages", seen, pages)
	}
}

// Each record is on one page of a list, also if the clock was set back between events;
// what comes while the pages are read is on none of them.
func TestRecordsInPagesByPlace(t *testing.T) {
	n := newNode(t, "testdata/acme.txtar", asItIs)
	var want []string
	for i, back := range []time.Duration{0, time.Hour, 2 * time.Hour, 0, 3 * time.Hour, time.Minute, 0} {
		n.back.Store(int64(back))
		if status, text := n.post(n.uri("acme", "all")+"?do=dedup", fmt.Sprintf(`{"n":%d}`, i)); status != 200 {
			t.Fatal(status, text)
		}
		want = append(want, fmt.Sprint(i))
	}
	slices.Reverse(want)
	for limit := 1; limit <= 8; limit++ {
		var seen []string
		for cursor, pages := "", 0; pages == 0 || cursor != ""; pages++ {
			p := asked[struct {
				Items  []struct{ Payload struct{ N int } }
				Cursor string
			}](n, "GET", fmt.Sprintf("/external-event-log-records?limit=%d&cursor=%s", limit, cursor))
			for _, item := range p.Items {
				seen = append(seen, fmt.Sprint(item.Payload.N))
			}
			if cursor = p.Cursor; pages > 8 {
				t.Fatal("the pages do not end")
			}
			if pages == 0 && limit == 3 {
				if status, text := n.post(n.uri("acme", "all")+"?do=dedup", `{"n":7}`); status != 200 {
					t.Fatal(status, text)
				}
			}
		}
		if got := strings.Join(seen, " "); got != strings.Join(want, " ") {
			t.Errorf("limit %d: %s, want %s", limit, got, strings.Join(want, " "))
		}
		if limit == 3 {
			want = append([]string{"7"}, want...)
		}
	}
	for _, cursor := range []string{"x", "bm90IGpzb24", "bnVsbA", "eyJhIjp7ImF0IjotMX19"} {
		if status, text := n.call("GET", "/external-event-log-records?cursor="+cursor, ""); status != 400 {
			t.Errorf("%s: %d %s", cursor, status, text)
		}
	}
}
