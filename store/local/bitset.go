package local

import "math/bits"

// bitset is a set of offsets. Chunks without any are not kept, so a dataset
// that is only added to costs nothing.
type bitset struct{ chunks []*[chunkWords]uint64 }

const (
	chunkWords = 64
	chunkBits  = 64 * chunkWords
)

func (b *bitset) set(n int64) {
	c := int(n / chunkBits)
	for len(b.chunks) <= c {
		b.chunks = append(b.chunks, nil)
	}
	if b.chunks[c] == nil {
		b.chunks[c] = new([chunkWords]uint64)
	}
	b.chunks[c][n%chunkBits/64] |= 1 << (n % 64)
}

// nextClear returns the least number from n on that is not in the set.
func (b *bitset) nextClear(n int64) int64 {
	for {
		c := int(n / chunkBits)
		if c >= len(b.chunks) || b.chunks[c] == nil {
			return n
		}
		word := ^b.chunks[c][n%chunkBits/64] >> (n % 64)
		if word != 0 {
			return n + int64(bits.TrailingZeros64(word))
		}
		n = n&^63 + 64
	}
}

// prevClear returns the greatest number up to n that is not in the set, or -1.
func (b *bitset) prevClear(n int64) int64 {
	for n >= 0 {
		c := int(n / chunkBits)
		if c >= len(b.chunks) || b.chunks[c] == nil {
			return n
		}
		word := ^b.chunks[c][n%chunkBits/64] << (63 - n%64)
		if word != 0 {
			return n - int64(bits.LeadingZeros64(word))
		}
		n = n&^63 - 1
	}
	return -1
}
