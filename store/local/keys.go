package local

import (
	"crypto/sha256"
	"encoding/binary"
)

// Keys of the index. Numbers are big-endian, so that they sort.
//
//	m                       applied log position
//	d  dataset              dataset
//	l  dataset  id          latest version of an id
//	p  dataset  offset      section that begins with the offset
//	h  dataset  offset      versions that were removed from the offset on
//	g  place                number of the file at a place of the log, if rewritten
//	s  state key            state
//	i  dataset  index name  secondary index
//	e  index  key  id       version with which the id got the key, or lost it
//	o  index  key  offset   version that has the key, or lost it
const (
	keyMeta    = 'm'
	keyDataset = 'd'
	keyLatest  = 'l'
	keySection = 'p'
	keyHole    = 'h'
	keyFile    = 'g'
	keyState   = 's'
	keyIndex   = 'i'
	keyEntry   = 'e'
	keyOrder   = 'o'
)

func metaKey() []byte { return []byte{keyMeta} }

func dsKey(dst []byte, kind byte, ds uint32) []byte {
	return binary.BigEndian.AppendUint32(append(dst, kind), ds)
}

func latestKey[T string | []byte](dst []byte, ds uint32, id T) []byte {
	return append(dsKey(dst, keyLatest, ds), id...)
}

func offsetKey(dst []byte, kind byte, ds uint32, offset int64) []byte {
	return binary.BigEndian.AppendUint64(dsKey(dst, kind, ds), uint64(offset))
}

func stateKey(key string) []byte { return append([]byte{keyState}, key...) }

func indexKey(ds uint32, name string) []byte { return append(dsKey(nil, keyIndex, ds), name...) }

// maxIndexKey is the longest key that stands in the index as it is.
const maxIndexKey = 200

// entryPrefix begins the keys of one index key. A longer one is represented by
// a digest nobody can make collide: index keys come from outside.
func entryPrefix(dst []byte, kind byte, index uint32, key []byte) []byte {
	dst = dsKey(dst, kind, index)
	if len(key) > maxIndexKey {
		sum := sha256.Sum256(key)
		return append(append(dst, maxIndexKey+1), sum[:]...)
	}
	return append(append(dst, byte(len(key))), key...)
}

// after returns the least key that is greater than all with the prefix.
func after(prefix []byte) []byte {
	end := append([]byte(nil), prefix...)
	for i := len(end) - 1; i >= 0; i-- {
		if end[i]++; end[i] != 0 {
			return end[:i+1]
		}
	}
	return nil
}

func orderKey(dst []byte, index uint32, key []byte, offset int64) []byte {
	return binary.BigEndian.AppendUint64(entryPrefix(dst, keyOrder, index, key), uint64(offset))
}
