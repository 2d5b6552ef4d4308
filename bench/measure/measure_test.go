package measure

import (
	"os"
	"strings"
	"testing"
	"time"
)

func TestFindEvent(t *testing.T) {
	for _, c := range []struct {
		body       string
		round, nth int
		ok         bool
	}{
		{`{"_id":"evt-3-14","type":"order.paid"}`, 3, 14, true},
		{`{"data": {"type": "x", "_id": "evt-0-7"}}`, 0, 7, true},
		{`{"_id":"evt--1-7"}`, 0, 0, false},
		{`{"_id":"evt-3"}`, 0, 0, false},
		{`{"_id":"evt-3-14`, 0, 0, false},
		{`{}`, 0, 0, false},
	} {
		round, nth, ok := FindEvent([]byte(c.body))
		if ok != c.ok || ok && (round != c.round || nth != c.nth) {
			t.Errorf("%s: %d %d %v, want %d %d %v", c.body, round, nth, ok, c.round, c.nth, c.ok)
		}
	}
}

func TestEventsAreFound(t *testing.T) {
	for i, e := range Events(5, 3, 11) {
		if round, nth, ok := FindEvent(e); !ok || round != 5 || nth != i {
			t.Errorf("event %d is found as %d %d %v", i, round, nth, ok)
		}
		if len(e) < 1050 || len(e) > 1250 {
			t.Errorf("an event of 11 lines has %d bytes, want about 1.1 KB", len(e))
		}
	}
}

func TestSpread(t *testing.T) {
	for _, c := range []struct {
		list []float64
		want string
	}{
		{nil, "–"}, {[]float64{2}, "2.0 (2.0-2.0)"}, {[]float64{5, 1, 3, 2, 4}, "3.0 (2.0-4.0)"},
	} {
		if got := Spread(c.list, 1); got != c.want {
			t.Errorf("%v: %s, want %s", c.list, got, c.want)
		}
	}
	if got := Percentile([]time.Duration{time.Millisecond, time.Second}, 99); got != 1000 {
		t.Errorf("the 99th percentile is %v ms, want 1000", got)
	}
}

// The tree of the process that started this one holds this one as well.
func TestTree(t *testing.T) {
	mine, err := Tree(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	all, err := Tree(os.Getppid())
	if err != nil {
		t.Fatal(err)
	}
	if mine.Own <= 0 || all.RSS <= mine.RSS/2 || all.Threads <= mine.Threads {
		t.Errorf("this process uses %+v, those of its parent's tree %+v", mine, all)
	}
	if _, err := Process(1 << 30); err == nil || !strings.Contains(err.Error(), "no such") {
		t.Errorf("a process that is not there: %v", err)
	}
}
