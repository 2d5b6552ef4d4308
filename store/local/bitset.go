package local

import "math/bits"

// bitset is a set of offsets. Chunks without any are not kept, so a dataset
// that is only added to costs nothing, and whole ones share their memory.
type bitset struct{ chunks []*[chunkWords]uint64 }

// whole is a chunk with every number. Nothing is ever taken out of a chunk.
var whole = func() *[chunkWords]uint64 {
	c := new([chunkWords]uint64)
	for i := range c {
		c[i] = ^uint64(0)
	}
	return c
}()

const (
	chunkWords = 64
	chunkBits  = 64 * chunkWords
)

func (b *bitset) set(n int64) {
	c := b.grow(n)
	if b.chunks[c] == whole {
		return
	}
	if b.chunks[c] == nil {
		b.chunks[c] = new([chunkWords]uint64)
	}
	b.chunks[c][n%chunkBits/64] |= 1 << (n % 64)
}

// grow makes room for the chunk of a number and returns which it is.
func (b *bitset) grow(n int64) int {
	c := int(n / chunkBits)
	if c >= len(b.chunks) {
		b.chunks = append(b.chunks, make([]*[chunkWords]uint64, c+1-len(b.chunks))...)
	}
	return c
}

// setRun adds count numbers from first on.
func (b *bitset) setRun(first, count int64) {
	for n, end := first, first+count; n < end; {
		if n%chunkBits == 0 && end-n >= chunkBits {
			b.chunks[b.grow(n)] = whole
			n += chunkBits
			continue
		}
		b.set(n)
		n++
	}
}

// invert turns every number up to last around.
func (b *bitset) invert(last int64) {
	b.grow(max(last, 0))
	for c := range int(last/chunkBits + 1) {
		b.chunks[c] = inverted(b.chunks[c], last-int64(c)*chunkBits)
	}
}

// inverted returns the chunk with every number up to last turned around, nil if
// none is left.
func inverted(chunk *[chunkWords]uint64, last int64) *[chunkWords]uint64 {
	if chunk == nil && last >= chunkBits-1 {
		return whole
	}
	if chunk == nil {
		chunk = new([chunkWords]uint64)
	}
	left := uint64(0)
	for i := range chunk {
		mask := ^uint64(0)
		if end := last - int64(i)*64; end < 63 {
			mask = 1<<max(end+1, 0) - 1
		}
		chunk[i] = ^chunk[i] & mask
		left |= chunk[i]
	}
	if left == 0 {
		return nil
	}
	return chunk
}

// nextClear returns the least number from n on that is not in the set.
func (b *bitset) nextClear(n int64) int64 {
	for {
		c := int(n / chunkBits)
		if c >= len(b.chunks) || b.chunks[c] == nil {
			return n
		}
		if b.chunks[c] == whole {
			n = int64(c+1) * chunkBits
			continue
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
		if b.chunks[c] == whole {
			n = int64(c)*chunkBits - 1
			continue
		}
		word := ^b.chunks[c][n%chunkBits/64] << (63 - n%64)
		if word != 0 {
			return n - int64(bits.LeadingZeros64(word))
		}
		n = n&^63 - 1
	}
	return -1
}
