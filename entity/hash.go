package entity

import (
	"math"
)

// Hash returns the content hash of an entity: 128 bits that are the same for
// the same content, whatever the order of members. Of the reserved members of
// the root only _id and _deleted count, and _deleted only when it is true.
// Values of different kinds differ: 1, 1.0 and the decimal 1 are three.
func Hash(v Value) [16]byte {
	if v.kind != Dict {
		return hashValue(v, 0).bytes()
	}
	var sum digest
	members := v.Object().Members()
	for i := range members {
		m := &members[i]
		if len(m.Key) > 0 && m.Key[0] == '_' && m.Key != IDKey && (m.Key != DeletedKey || !m.Value.Bool()) {
			continue
		}
		sum = sum.add(hashMember(m))
	}
	return sum.close(0).bytes()
}

// hashMember hashes a value with its key as the seed; the sum over members
// does not depend on their order.
func hashMember(m *Member) digest { return hashValue(m.Value, hashKey(m.Key)) }

func hashValue(v Value, seed uint64) digest {
	seed += uint64(v.kind) * kindStep
	switch v.kind {
	case Null:
		return hashWord(0, seed)
	case Bool:
		return hashWord(v.num, seed)
	case Int:
		if v.flags&flagBig != 0 {
			return hashText(v.text(), seed)
		}
		return hashWord(v.num, seed)
	case Float:
		f := v.Float64()
		if f == 0 {
			f = 0 // the negative zero too
		}
		return hashWord(math.Float64bits(f), seed)
	case Date, Datetime:
		return hashWord(v.num, seed+uint64(v.n))
	case Dict:
		var sum digest
		members := v.Object().Members()
		for i := range members {
			sum = sum.add(hashMember(&members[i]))
		}
		return sum.close(seed)
	case List:
		return hashList(v, seed)
	default:
		return hashText(v.text(), seed)
	}
}

func hashList(v Value, seed uint64) digest {
	h := hashWord(uint64(v.n), seed)
	for _, e := range v.Elems() {
		h = h.add(hashValue(e, h.lo))
	}
	return h
}
