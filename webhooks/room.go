package webhooks

import "sync/atomic"

// Room is the memory for events that wait to be sent. Dispatchers may share one. An
// event that finds no room is read from the store when its turn comes. The zero value
// is ready to use.
type Room struct{ taken atomic.Int64 }

const (
	// mostHeld is how many bytes of events are held for all dispatchers of a Room,
	// mostHeldEach for one of them: one whose receiver is slow leaves room to others.
	mostHeld, mostHeldEach = 16 << 20, 4 << 20
)

// share is what one queue has of a Room.
type share struct {
	of    *Room
	taken int
}

// take makes room for a delivery; false if there is none.
func (s *share) take(d *Delivery) bool {
	n := d.size()
	if s.of == nil || s.taken+n > mostHeldEach {
		return false
	}
	if s.of.taken.Add(int64(n)) > mostHeld {
		s.of.taken.Add(int64(-n))
		return false
	}
	s.taken += n
	return true
}

// give gives the room of a delivery back.
func (s *share) give(d *Delivery) {
	n := d.size()
	s.taken -= n
	s.of.taken.Add(int64(-n))
}

// giveAll gives all of it back.
func (s *share) giveAll() {
	if s.of != nil {
		s.of.taken.Add(int64(-s.taken))
	}
	*s = share{}
}

// size is about how much memory a delivery takes that was never tried.
func (d *Delivery) size() int {
	n := len(d.ID) + len(d.Entity) + len(d.Key) + len(d.Body)
	for name, values := range d.Header {
		n += len(name)
		for _, v := range values {
			n += len(v)
		}
	}
	return n
}
