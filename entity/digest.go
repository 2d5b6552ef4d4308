package entity

import (
	"encoding/binary"
	"math/bits"

	"github.com/zeebo/xxh3"
)

// digest is a hash in the making. An entity is some sixty short texts and
// numbers, and xxh3 spends most of its time on getting going: so what fits two
// words is mixed here, each half of the digest with a multiplication of its own.
// The constants are the fractions of square roots of primes.
type digest struct{ lo, hi uint64 }

const (
	mixA     = 0x6a09e667f3bcc909
	mixB     = 0xbb67ae8584caa73b
	mixC     = 0x3c6ef372fe94f82b
	mixD     = 0xa54ff53a5f1d36f1
	mixE     = 0x510e527fade682d1
	kindStep = 0x9b05688c2b3e6c1f

	// seededUpTo is the length from which xxh3 makes itself a new secret for a
	// seed, which costs more than the text.
	seededUpTo = 240
)

func (d digest) add(o digest) digest {
	lo, carry := bits.Add64(d.lo, o.lo, 0)
	hi, _ := bits.Add64(d.hi, o.hi, carry)
	return digest{lo, hi}
}

// close scrambles a sum, so that sums of sums do not cancel out.
func (d digest) close(seed uint64) digest { return mixWords(d.lo, d.hi, seed) }

func (d digest) bytes() (b [16]byte) {
	binary.BigEndian.PutUint64(b[:], d.hi)
	binary.BigEndian.PutUint64(b[8:], d.lo)
	return b
}

// fold multiplies to 128 bits and folds them together.
func fold(a, b uint64) uint64 {
	hi, lo := bits.Mul64(a, b)
	return hi ^ lo
}

func mixWords(a, b, seed uint64) digest {
	return digest{
		lo: fold(a^mixA, b^mixB^seed) ^ fold(seed^mixC, a^mixD),
		hi: fold(a^mixC^seed, b^mixD) ^ fold(seed^mixA, b^mixE),
	}
}

func hashWord(w, seed uint64) digest {
	return digest{lo: fold(w^mixA, seed^mixB), hi: fold(w^mixC, seed^mixD)}
}

// hashText hashes a text of any length.
func hashText(s string, seed uint64) digest {
	switch {
	case len(s) <= 16:
		a, b := twoWords(s)
		return mixWords(a, b, seed+uint64(len(s))*mixE)
	case len(s) <= seededUpTo:
		h := xxh3.HashString128Seed(s, seed)
		return digest{h.Lo, h.Hi}
	default:
		h := xxh3.HashString128(s)
		return mixWords(h.Lo, h.Hi, seed)
	}
}

// hashKey hashes the key of a member.
func hashKey(s string) uint64 {
	if len(s) > 16 {
		return xxh3.HashString(s)
	}
	a, b := twoWords(s)
	return fold(a^mixA, b^mixB) + uint64(len(s))*mixE
}

// twoWords are the octets of a text of 16 at the most; of short ones some stand
// in both. With the length they say what the text was.
func twoWords(s string) (a, b uint64) {
	p := BytesIn(s)
	switch n := len(p); {
	case n >= 8:
		return binary.LittleEndian.Uint64(p), binary.LittleEndian.Uint64(p[n-8:])
	case n >= 4:
		return uint64(binary.LittleEndian.Uint32(p)), uint64(binary.LittleEndian.Uint32(p[n-4:]))
	case n > 0:
		return uint64(p[0])<<16 | uint64(p[n/2])<<8 | uint64(p[n-1]), 0
	default:
		return 0, 0
	}
}
