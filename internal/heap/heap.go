// Package heap keeps things in a heap and lets each know its place, so that one
// that has changed, or goes, is found at once.
package heap

import "container/heap"

// Outside is the place of what is in no heap.
const Outside = -1

// Placed is a thing that can be in a heap: it keeps its place there, and is Outside
// to begin with. Nobody else changes it.
type Placed interface {
	comparable
	Place() *int
}

// Heap has whatever comes before all others at hand. A Heap is made by New and
// serves one goroutine at a time.
type Heap[T Placed] struct{ all order[T] }

// New returns an empty heap in which things come in the given order.
func New[T Placed](before func(a, b T) bool) *Heap[T] { return &Heap[T]{order[T]{before: before}} }

// First returns what comes before all others; false if there is nothing.
func (h *Heap[T]) First() (first T, ok bool) {
	if len(h.all.list) == 0 {
		return first, false
	}
	return h.all.list[0], true
}

// All are the things in the heap, in no order. The slice is the heap's own.
func (h *Heap[T]) All() []T { return h.all.list }

// Put takes a thing in, or puts it where it belongs by now.
func (h *Heap[T]) Put(x T) {
	if at := *x.Place(); at != Outside {
		heap.Fix(&h.all, at)
		return
	}
	heap.Push(&h.all, x)
}

// Remove takes a thing out; it need not be in.
func (h *Heap[T]) Remove(x T) {
	if at := *x.Place(); at != Outside {
		heap.Remove(&h.all, at)
	}
}

// order implements heap.Interface.
type order[T Placed] struct {
	list   []T
	before func(a, b T) bool
}

// Len implements heap.Interface.
func (o *order[T]) Len() int { return len(o.list) }

// Less implements heap.Interface.
func (o *order[T]) Less(i, j int) bool { return o.before(o.list[i], o.list[j]) }

// Swap implements heap.Interface.
func (o *order[T]) Swap(i, j int) {
	o.list[i], o.list[j] = o.list[j], o.list[i]
	*o.list[i].Place(), *o.list[j].Place() = i, j
}

// Push implements heap.Interface.
func (o *order[T]) Push(x any) {
	t := x.(T)
	*t.Place() = len(o.list)
	o.list = append(o.list, t)
}

// Pop implements heap.Interface.
func (o *order[T]) Pop() any {
	var none T
	last := len(o.list) - 1
	t := o.list[last]
	o.list[last] = none
	o.list = o.list[:last]
	*t.Place() = Outside
	return t
}
