package local

import (
	"strings"
	"testing"
)

// TestRecent states what is remembered of states, and when it is not.
func TestRecent(t *testing.T) {
	r := &recent{}
	_, turn, ok := r.get("a")
	if ok {
		t.Error("it knows a state that nobody has read")
	}
	r.publish([]stateEntry{{key: "a", rev: 2, value: []byte("new")}})
	r.learn(stateEntry{key: "a", rev: 1, value: []byte("old")}, turn)
	if _, _, ok := r.get("a"); ok {
		t.Error("it remembers what was read before something newer was published")
	}
	_, turn, _ = r.get("a")
	r.learn(stateEntry{key: "a", rev: 2, value: []byte("new")}, turn)
	r.learn(stateEntry{key: "none"}, turn)
	r.publish([]stateEntry{{key: "a", rev: 3, value: []byte("newer")}, {key: "none", rev: 4, value: []byte{}}, {key: "c", rev: 5}})
	for key, want := range map[string]uint64{"a": 3, "none": 4} {
		if st, _, ok := r.get(key); !ok || st.revision() != want {
			t.Errorf("%s: %+v %v", key, st, ok)
		}
	}
	r.publish([]stateEntry{{key: "a", rev: 6, value: []byte(strings.Repeat("x", mostRecentState))}})
	if _, _, ok := r.get("a"); ok {
		t.Error("it keeps what is large, or what was there before")
	}
	_, turn, _ = r.get("x")
	for i := range 2 * mostRecent / 10_000 {
		r.learn(stateEntry{key: strings.Repeat("k", i%1000) + string(rune('a'+i/1000)), rev: 1, value: make([]byte, 10_000)}, turn)
	}
	if r.size > mostRecent || len(r.known) == 0 {
		t.Errorf("%d bytes of %d states", r.size, len(r.known))
	}
}
