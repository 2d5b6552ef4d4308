package webhooks

import (
	"strings"
	"testing"
)

// One queue gets a part of the room, all together get all of it, and what is given
// back can be taken again.
func TestRoom(t *testing.T) {
	d := &Delivery{Body: strings.Repeat("x", mostHeldEach)}
	room := new(Room)
	shares := make([]share, mostHeld/mostHeldEach+1)
	for i := range shares {
		shares[i].of = room
		if got, want := shares[i].take(d), i < len(shares)-1; got != want {
			t.Errorf("share %d: %v", i, got)
		}
	}
	if shares[0].take(&Delivery{Body: "x"}) {
		t.Error("a share took more than its part")
	}
	shares[0].give(d)
	shares[1].giveAll()
	if last := &shares[len(shares)-1]; !last.take(d) || room.taken.Load() != mostHeld-mostHeldEach {
		t.Errorf("%d are taken", room.taken.Load())
	}
}
