package local

import "iter"

// keyRoom holds the keys of many versions in one piece of memory.
type keyRoom struct {
	text []byte
	ends []int // of the keys in text
}

// keySet is a run of keys in a keyRoom.
type keySet struct{ from, to int }

func (r *keyRoom) reset() { r.text, r.ends = r.text[:0], r.ends[:0] }

func (r *keyRoom) begin() keySet { return keySet{len(r.ends), len(r.ends)} }

// add adds a key to the set that was begun last, unless it has it.
func (r *keyRoom) add(set *keySet, key []byte) {
	if r.has(*set, key) {
		return
	}
	r.text = append(r.text, key...)
	r.ends = append(r.ends, len(r.text))
	set.to++
}

func (r *keyRoom) at(i int) []byte {
	from := 0
	if i > 0 {
		from = r.ends[i-1]
	}
	return r.text[from:r.ends[i]]
}

func (r *keyRoom) has(set keySet, key []byte) bool {
	for i := set.from; i < set.to; i++ {
		if string(r.at(i)) == string(key) {
			return true
		}
	}
	return false
}

// all yields the keys of a set.
func (r *keyRoom) all(set keySet) iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		for i := set.from; i < set.to && yield(r.at(i)); i++ {
		}
	}
}
