package enginetest

import (
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sluiceio/sluice/engine"
	"github.com/sluiceio/sluice/entity"
	"github.com/sluiceio/sluice/pipes"
	"github.com/sluiceio/sluice/store"
)

// pushed is what a receiver's dataset must hold: a model of full syncs and
// requests beside them.
type pushed struct {
	live    map[string]int
	version map[string]int
	clock   int
	before  int             // the clock when the sync began
	seen    map[string]bool // by it
	active  string
	request string
}

// post notes entities; those of a full sync are seen.
func (m *pushed) post(of map[string]int, full bool) {
	for _, id := range slices.Sorted(maps.Keys(of)) {
		if n, ok := m.live[id]; !ok || n != of[id] {
			m.clock++
			m.live[id], m.version[id] = of[id], m.clock
		}
		if full {
			m.seen[id] = true
		}
	}
}

// take is a request of a full sync, and tells whether it conflicts.
func (m *pushed) take(p pipes.Push, of map[string]int) (conflict bool) {
	switch {
	case m.active == p.Sequence && (p.First || p.Previous != m.request):
		return true
	case m.active != p.Sequence && !p.First && p.Previous != "":
		return true
	case m.active != p.Sequence:
		m.active, m.before, m.seen = p.Sequence, m.clock, map[string]bool{}
	}
	m.request = p.Request
	m.post(of, true)
	if p.Last {
		for id := range m.live {
			if m.version[id] <= m.before && !m.seen[id] {
				delete(m.live, id)
			}
		}
		m.active, m.request = "", ""
	}
	return false
}

func (m *pushed) text() string {
	var b strings.Builder
	for _, id := range slices.Sorted(maps.Keys(m.live)) {
		fmt.Fprintf(&b, "%s=%d ", id, m.live[id])
	}
	parts := strings.Fields(b.String())
	slices.Sort(parts)
	return strings.Join(parts, " ")
}

// sender sends one full sync after the other.
type sender struct {
	name string
	runs int
	p    pipes.Push // the next request
}

func (s *sender) next(r *rand.Rand) pipes.Push {
	if s.p.Sequence == "" {
		s.runs++
		s.p = pipes.Push{Full: true, Sequence: s.name + strconv.Itoa(s.runs), Request: "1", First: r.IntN(2) == 0}
	}
	s.p.Last = r.IntN(4) == 0
	return s.p
}

func (s *sender) answered(conflict bool) {
	if conflict || s.p.Last {
		s.p = pipes.Push{}
		return
	}
	n, _ := strconv.Atoi(s.p.Request)
	s.p.Previous, s.p.Request, s.p.First = s.p.Request, strconv.Itoa(n+1), false
}

func batchOf(of map[string]int) *entity.Batch {
	b := &entity.Batch{Arena: entity.NewArena()}
	for _, id := range slices.Sorted(maps.Keys(of)) {
		b.Entities = append(b.Entities, entity.NewDict(entity.Member{Key: entity.IDKey, Value: entity.NewString(id)},
			entity.Member{Key: "n", Value: entity.NewInt(int64(of[id]))}))
	}
	return b
}

const receiverConf = `[{"_id": "in", "type": "pipe", "source": {"type": "http_endpoint"}%s}]`

// send posts until an answer comes, whatever fails on the way; an answer may be
// lost, and the request repeated.
func send(t *testing.T, e *engine.Engine, p pipes.Push, of map[string]int, repeat bool) error {
	in, err := e.Inlet(t.Context(), "in")
	for tries := 0; err == nil && (tries == 0 || repeat && tries < 2); tries++ {
		p.Body = fmt.Append(nil, of)
		_, err = in.ReceivePush(t.Context(), batchOf(of), p)
	}
	return err
}

// What receivers hold follows from what was sent, whatever is cut off, lost,
// repeated or mixed up on the way; power cuts at any write make no difference.
func TestPush(t *testing.T) {
	seeds := uint64(60)
	if testing.Short() {
		seeds = 15
	}
	cuts, conflicts := 0, 0
	for seed := range seeds {
		r := rand.New(rand.NewPCG(seed, 41))
		conf := fmt.Sprintf(receiverConf, []string{"", `, "transform": {"type": "dtl", "rules": {"default": [["copy", "*"]]}}`, `, "sink": {"mark_deletion_tracked": true}`}[r.IntN(3)])
		st := memory(t)
		var calm *engine.Engine // one that stays open
		if seed%2 == 0 {
			calm = open(t, st, parse(t, conf))
		}
		m := &pushed{live: map[string]int{}, version: map[string]int{}}
		senders := []*sender{{name: "a"}, {name: "b"}}
		for step := range 40 {
			of := map[string]int{}
			for range r.IntN(4) {
				of[strconv.Itoa(r.IntN(12))] = r.IntN(3)
			}
			var p pipes.Push
			var from *sender
			conflict := false
			if r.IntN(4) == 0 {
				m.post(of, false)
			} else {
				from = senders[min(r.IntN(8), 1)^1]
				p = from.next(r)
				conflict = m.take(p, of)
			}
			repeat := r.IntN(3) == 0
			answer := func(e *engine.Engine) error {
				err := send(t, e, p, of, repeat)
				var refused *pipes.SequenceError
				if conflict && errors.As(err, &refused) {
					return nil
				}
				if err == nil && conflict {
					return fmt.Errorf("seed %d, step %d: no conflict for %+v", seed, step, p)
				}
				return err
			}
			if calm != nil {
				must(t, answer(calm))
			} else {
				cuts += survive(t, st, conf, r, answer)
			}
			if conflict {
				conflicts++
			}
			if from != nil {
				from.answered(conflict)
			}
			if want, got := m.text(), pairs(t, st); want != got {
				t.Fatalf("seed %d, step %d, %+v of %v: the dataset holds\n%s\nnot\n%s", seed, step, p, of, got, want)
			}
		}
	}
	if !testing.Short() && (cuts < 60 || conflicts < 20) {
		t.Errorf("only %d cuts and %d conflicts", cuts, conflicts)
	}
}

// pairs are the live entities of the dataset.
func pairs(t *testing.T, st store.Store) string {
	t.Helper()
	var b strings.Builder
	for line := range strings.Lines(live(t, st, "in")) {
		e := entities(t, line)[0]
		id, _ := entity.ID(e)
		v, _ := e.Get("n")
		n, _ := v.Int64()
		fmt.Fprintf(&b, "%s=%d ", id, n)
	}
	parts := strings.Fields(b.String())
	slices.Sort(parts)
	return strings.Join(parts, " ")
}

// A full sync that has fallen silent keeps no memory. It goes on all the same,
// unless what it has sent is held back.
func TestPushFallsSilent(t *testing.T) {
	for sink, ends := range map[string]string{
		"": "2=0 after", `, "sink": {"circuit_breaker_threshold_count": 100}`: "begin the full sync anew",
	} {
		synctest.Test(t, func(t *testing.T) {
			st := memory(t)
			e := open(t, st, parse(t, fmt.Sprintf(receiverConf, sink)))
			for _, p := range []pipes.Push{{}, {Full: true, Sequence: "s", Request: "1"}} {
				must(t, send(t, e, p, map[string]int{"1": 0, "2": 0}, false))
			}
			must(t, send(t, e, pipes.Push{Full: true, Sequence: "t", Request: "1"}, map[string]int{"2": 0}, false))
			time.Sleep(time.Hour)
			got := ""
			if err := send(t, e, pipes.Push{Full: true, Sequence: "t", Request: "2", Previous: "1", Last: true}, nil, false); err != nil {
				got = err.Error()
			}
			if got += pairs(t, st) + " after"; !strings.Contains(got, ends) {
				t.Errorf("%s: %s", sink, got)
			}
			e.Close()
		})
	}
}
