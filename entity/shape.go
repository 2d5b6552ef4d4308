package entity

import (
	"strings"
	"unique"
)

// shape is what the dict at one place of a text looked like last time. Texts
// that follow one another are mostly of one shape, and to see that the
// expected key comes takes a fraction of reading whatever key comes. A shape
// decides nothing: where it does not fit, keys are read.
type shape struct {
	keys   []shapeKey
	misses int // dicts that did not fit since one did
	learnt int // how often the keys were learnt: learning gets rarer
}

// shapeKey is one key as it stands in a text, with quotes and colon, and the
// shape of the dicts in its value.
type shapeKey struct {
	quoted string
	key    string
	bit    uint64
	inner  *shape
}

const (
	shapeAhead  = 4    // keys that may be missing in a row
	shapeWidth  = 64   // keys of a dict worth remembering
	shapeBudget = 2048 // keys that one decoder remembers in all
)

// Key returns the one copy of a property name that dicts of a familiar shape
// are read with. Who asks for it by that copy is spared comparing the letters.
func Key(name string) string { return unique.Make(name).Value() }

// key returns the key at *at or a little behind, if it comes next, and steps
// behind its colon: of the keys expected some may be missing, others come
// between.
func (s *shape) key(d *decoder, at *int) (k *shapeKey, key string) {
	if s == nil {
		return nil, ""
	}
	rest := d.src[d.pos:]
	for i := *at; i < len(s.keys) && i < *at+shapeAhead; i++ {
		if k = &s.keys[i]; strings.HasPrefix(rest, k.quoted) {
			*at = i + 1
			d.pos += len(k.quoted)
			return k, k.key
		}
	}
	return nil, ""
}

// noteShape notes how a dict compared with the shape in the slot. Keys it had
// less are no reason to learn anew.
func (d *decoder) noteShape(slot **shape, members []Member, fits bool) {
	if s := *slot; fits && s != nil && s.learnt > 0 {
		s.misses = 0
		return
	}
	d.learn(slot, members)
}

// learn takes the keys of a dict as what to expect. The first time it does so
// at once, then only after ever more dicts that did not fit.
func (d *decoder) learn(slot **shape, members []Member) {
	if *slot == nil {
		*slot = &shape{}
	}
	s := *slot
	if s.misses++; s.misses < 8<<min(s.learnt, 12) && s.learnt > 0 || len(members) > shapeWidth || d.shapes > shapeBudget {
		return
	}
	s.learnt++
	s.misses = 0
	s.keys = make([]shapeKey, 0, len(members))
	for _, m := range members {
		if end, _ := scanText(m.Key, 0); end < len(m.Key) {
			break // its text is escaped
		}
		s.keys = append(s.keys, shapeKey{quoted: `"` + m.Key + `":`, key: Key(m.Key), bit: keyBit(m.Key)})
	}
	d.shapes += len(s.keys)
}
