package entity

import (
	"encoding/binary"
	"math"

	"github.com/zeebo/xxh3"
)

// Hash returns the content hash of an entity: 128 bits that are the same for
// the same content, whatever the order of members. Of the reserved members of
// the root only _id and _deleted count, and _deleted only when it is true.
// Values of different kinds differ: 1, 1.0 and the decimal 1 are three.
func Hash(v Value) [16]byte {
	if v.kind != Dict {
		return hashValue(v, 0).Bytes()
	}
	var sum xxh3.Uint128
	for _, m := range v.Object().Members() {
		if len(m.Key) > 0 && m.Key[0] == '_' && m.Key != IDKey && (m.Key != DeletedKey || !m.Value.Bool()) {
			continue
		}
		sum = add128(sum, hashMember(m))
	}
	return closeHash(sum, 0).Bytes()
}

// hashMember hashes a value with its key as the seed; the sum over members
// does not depend on their order.
func hashMember(m Member) xxh3.Uint128 { return hashValue(m.Value, xxh3.HashString(m.Key)) }

func add128(a, b xxh3.Uint128) xxh3.Uint128 {
	lo := a.Lo + b.Lo
	hi := a.Hi + b.Hi
	if lo < a.Lo {
		hi++
	}
	return xxh3.Uint128{Hi: hi, Lo: lo}
}

func hashValue(v Value, seed uint64) xxh3.Uint128 {
	seed += uint64(v.kind) * 0x9e3779b97f4a7c15
	switch v.kind {
	case Null:
		return hashWord(0, seed)
	case Bool:
		return hashWord(v.num, seed)
	case Int:
		if v.flags&flagBig != 0 {
			return xxh3.HashString128Seed(v.text(), seed)
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
		var sum xxh3.Uint128
		for _, m := range v.Object().Members() {
			sum = add128(sum, hashMember(m))
		}
		return closeHash(sum, seed)
	case List:
		return hashList(v, seed)
	default:
		return xxh3.HashString128Seed(v.text(), seed)
	}
}

func hashList(v Value, seed uint64) xxh3.Uint128 {
	h := hashWord(uint64(v.n), seed)
	for _, e := range v.Elems() {
		h = add128(h, hashValue(e, h.Lo))
	}
	return h
}

func hashWord(w, seed uint64) xxh3.Uint128 {
	var b [8]byte
	binary.LittleEndian.PutUint64(b[:], w)
	return xxh3.Hash128Seed(b[:], seed)
}

// closeHash scrambles a sum, so that sums of sums do not cancel out.
func closeHash(sum xxh3.Uint128, seed uint64) xxh3.Uint128 {
	b := sum.Bytes()
	return xxh3.Hash128Seed(b[:], seed)
}
