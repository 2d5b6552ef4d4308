package local

import (
	"fmt"
	"math/rand/v2"
	"testing"
)

// TestTable fills tables of several sizes, beyond what they hold: what they
// answer is right, what they lost they have admitted, and they take no more
// memory than they say.
func TestTable(t *testing.T) {
	for _, most := range []int{1, 8, 100, 1 << 12, 1 << 17} {
		for _, ids := range []int{most / 2, most, 2 * most} {
			t.Run(fmt.Sprintf("%d of %d", ids, most), func(t *testing.T) { fillTable(t, most, ids) })
		}
	}
}

func fillTable(t *testing.T, most, ids int) {
	table := newTable(most)
	owners := []*dataset{newDataset(1, "a", [16]byte{}), newDataset(2, "b", [16]byte{}), newDataset(3, "c", [16]byte{})}
	for _, d := range owners {
		table.own(d)
		d.known.Store(knownWhole)
	}
	r := rand.New(rand.NewPCG(uint64(most), uint64(ids)))
	want := make([]latest, ids)
	key := func(n int) idKey { return table.keyOf(owners[n%3].id, fmt.Sprint("id-", n/3)) }
	put := func(n int) {
		want[n] = latest{offset: r.Int64N(mostOffset), deleted: r.IntN(2) == 0,
			loc: location{seg: r.Uint32(), pos: r.Uint32(), size: r.Uint32N(mostSize) + 1}}
		want[n].hash, want[n].text = r.Uint64(), r.Uint64()
		table.put(key(n), owners[n%3], &want[n])
	}
	for n := range ids {
		put(n)
		put(r.IntN(n + 1))
	}
	missing := make([]int, 3)
	for n := range ids {
		switch l, ok := table.get(key(n)); {
		case !ok:
			missing[n%3]++
		case l != want[n]:
			t.Fatalf("entry %d is %+v, want %+v", n, l, want[n])
		}
	}
	for i, d := range owners {
		if missing[i] > 0 && d.known.Load() == knownWhole {
			t.Errorf("dataset %d misses %d entries and did not say so", i, missing[i])
		}
	}
	size, entries := table.bytes()
	if size > 43*max(most, bucketSize) {
		t.Errorf("%d bytes for at most %d entries", size, most)
	}
	if lost := missing[0] + missing[1] + missing[2]; lost+entries != ids {
		t.Errorf("%d entries, %d missing, of %d", entries, lost, ids)
	}
	if perEntry := float64(size) / float64(max(entries, 1)); ids >= 1<<15 && perEntry > 48 {
		t.Errorf("%.1f bytes an entry, want at most 48", perEntry)
	}
}

// TestTableForgetsDropped lets the room of dropped datasets serve again.
func TestTableForgetsDropped(t *testing.T) {
	table := newTable(1 << 12)
	for round := range 20 {
		d := newDataset(uint32(round+1), "d", [16]byte{})
		table.own(d)
		d.known.Store(knownWhole)
		for n := range 3000 {
			table.put(table.keyOf(d.id, fmt.Sprint(n)), d, &latest{offset: int64(n)})
		}
		if n := 3000; d.slot != 1 {
			t.Fatalf("dataset %d has slot %d after %d entries", round, d.slot, n)
		}
		table.disown(d)
	}
}

// TestTableMoves moves and forgets entries, and adds only what is not there.
func TestTableMoves(t *testing.T) {
	table, d := newTable(100), newDataset(1, "d", [16]byte{})
	table.own(d)
	k := table.keyOf(1, "x")
	table.put(k, d, &latest{offset: 7, loc: location{seg: 1, pos: 2, size: 3}})
	table.move(k, 6, location{seg: 9, pos: 9, size: 9})
	if !table.add(k, d, &latest{offset: 1}) {
		t.Error("a known id finds no room")
	}
	table.move(k, 7, location{seg: 2, pos: 4, size: 3})
	if l, ok := table.get(k); !ok || l.offset != 7 || l.loc != (location{seg: 2, pos: 4, size: 3}) {
		t.Errorf("moved to %+v", l)
	}
	table.forget(k)
	if _, ok := table.get(k); ok {
		t.Error("a forgotten id is known")
	}
}
