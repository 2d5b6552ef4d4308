package entity

import "unsafe"

// Arena owns the memory of the values of one batch. [Arena.Reset] takes it all
// back for the next batch, so steady work allocates nothing. An arena belongs
// to one goroutine at a time; the values it holds may be read by many.
//
// A nil *Arena is valid everywhere and means the heap.
type Arena struct {
	objects slab[Object]
	members slab[Member]
	values  slab[Value]
	text    slab[byte]
	decoder decoder
}

// NewArena returns an empty arena.
func NewArena() *Arena { return &Arena{} }

// Reset forgets every value of the arena and keeps its memory. Values made
// from it must not be used any more.
func (a *Arena) Reset() {
	a.objects.reset()
	a.members.reset()
	a.values.reset()
	a.text.reset()
}

// Bytes is the memory that the arena has, in use or not.
func (a *Arena) Bytes() int64 {
	if a == nil {
		return 0
	}
	return a.objects.bytes() + a.members.bytes() + a.values.bytes() + a.text.bytes()
}

// Values returns an empty slice with room for n values, to be filled with
// append and made a List.
func (a *Arena) Values(n int) []Value {
	if a == nil {
		return make([]Value, 0, n)
	}
	return a.values.take(n)[:0]
}

// Text returns an empty byte slice with room for n bytes, to be filled with
// append and made text with [Arena.String] or NewBytes.
func (a *Arena) Text(n int) []byte {
	if a == nil {
		return make([]byte, 0, n)
	}
	return a.text.take(n)[:0]
}

// String returns b as a string without copying; b must come from
// [Arena.Text] of the same arena and must not change any more.
func (a *Arena) String(b []byte) string {
	return StringIn(b)
}

// CopyString returns a copy of s that lives in the arena.
func (a *Arena) CopyString(s string) string {
	return a.String(append(a.Text(len(s)), s...))
}

// slab hands out pieces of chunks that grow with use. After reset the chunks
// serve again, the pieces with what they held last: takers overwrite.
type slab[T any] struct {
	chunks [][]T
	chunk  int
	used   int
}

const slabFirst, slabMost = 256, 1 << 16

func (s *slab[T]) bytes() (n int64) {
	var one T
	for _, c := range s.chunks {
		n += int64(len(c)) * int64(unsafe.Sizeof(one))
	}
	return n
}

func (s *slab[T]) reset() { s.chunk, s.used = 0, 0 }

func (s *slab[T]) next() *T { return &s.take(1)[:1][0] }

// take returns a slice of length and capacity n.
func (s *slab[T]) take(n int) []T {
	if s.chunk < len(s.chunks) {
		c := s.chunks[s.chunk]
		if s.used+n <= len(c) {
			piece := c[s.used : s.used+n : s.used+n]
			s.used += n
			return piece
		}
	}
	return s.refill(n)
}

func (s *slab[T]) refill(n int) []T {
	for s.chunk+1 < len(s.chunks) {
		s.chunk, s.used = s.chunk+1, 0
		if n <= len(s.chunks[s.chunk]) {
			return s.take(n)
		}
	}
	size := slabFirst << min(len(s.chunks), 16)
	s.chunks = append(s.chunks, make([]T, max(n, min(size, slabMost))))
	s.chunk, s.used = len(s.chunks)-1, 0
	return s.take(n)
}
