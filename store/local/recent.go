package local

import (
	"bytes"
	"sync"
)

// recent remembers states that were asked for, since pipes ask for the same ones in
// every run, also those that are not there. What is there is replaced when a frame
// with a newer one is published.
type recent struct {
	mu    sync.RWMutex
	known map[string]stateEntry // without a value: there is none
	size  int
	turn  uint64 // counts frames with states: what was read before one may be stale behind it
}

const (
	mostRecent      = 8 << 20 // bytes
	mostRecentState = 64 << 10
	recentOverhead  = 96 // bytes a state takes besides, about
)

// get returns a state if it is remembered, and else the turn in which it is read.
func (r *recent) get(key string) (st stateEntry, turn uint64, ok bool) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	st, ok = r.known[key]
	return st, r.turn, ok
}

// learn remembers what was read, unless something has been published since.
func (r *recent) learn(st stateEntry, turn uint64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.turn == turn {
		r.put(st)
	}
}

// publish replaces what is remembered of states that have changed.
func (r *recent) publish(list []stateEntry) {
	if len(list) == 0 {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.turn++
	for _, st := range list {
		if _, ok := r.known[st.key]; ok {
			r.put(st)
		}
	}
}

// put remembers a state if it is small; what is too much together is forgotten all.
func (r *recent) put(st stateEntry) {
	if old, ok := r.known[st.key]; ok {
		r.size -= old.room()
		delete(r.known, st.key)
	}
	if st.room() > mostRecentState {
		return
	}
	if r.size+st.room() > mostRecent || r.known == nil {
		r.known, r.size = map[string]stateEntry{}, 0
	}
	st.value = bytes.Clone(st.value)
	r.known[st.key] = st
	r.size += st.room()
}

// room is about how much memory a state takes.
func (s *stateEntry) room() int { return len(s.key) + len(s.value) + recentOverhead }
