package local

import (
	"slices"
	"sync"
)

// hints tell indexes where versions stand that have just been replaced: the
// writer knew it, and finding it out again takes longer than reading them.
type hints struct {
	mu   sync.Mutex
	list []hint
}

type hint struct {
	by  int64 // the version that replaced it
	loc location
}

// mostHints bounds how far indexes may be behind and still be told.
const mostHints = 1 << 14

// add takes over what a group has replaced. Those that nobody came for are
// dropped.
func (h *hints) add(list []hint) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if over := len(h.list) + len(list) - mostHints; over > 0 {
		h.list = append(h.list[:0], h.list[min(over, len(h.list)):]...)
	}
	h.list = append(h.list, list...)
}

// take copies what is known of the versions from first to last.
func (h *hints) take(to []hint, first, last int64) []hint {
	h.mu.Lock()
	defer h.mu.Unlock()
	from, _ := h.at(first)
	end, _ := h.at(last + 1)
	return append(to, h.list[from:end]...)
}

// done drops what is known up to an offset that all indexes have passed.
func (h *hints) done(upTo int64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	end, _ := h.at(upTo + 1)
	if h.list = append(h.list[:0], h.list[end:]...); len(h.list) == 0 {
		h.list = nil
	}
}

func (h *hints) at(offset int64) (int, bool) { return findHint(h.list, offset) }

func findHint(list []hint, offset int64) (int, bool) {
	return slices.BinarySearchFunc(list, offset, func(h hint, o int64) int { return int(min(max(h.by-o, -1), 1)) })
}
