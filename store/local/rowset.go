package local

import (
	"bytes"
	"cmp"
	"slices"

	"github.com/cockroachdb/pebble/v2"
)

// rowSet gathers rows for the index, which takes many in the order of their keys
// several times faster than as they come. Of a key the row that was set last
// counts. Its memory serves again.
type rowSet struct {
	rows []rowPlace
	text []byte // keys, each with its row behind it
}

type rowPlace struct{ key, row, end int }

func (s *rowSet) set(key, row []byte) {
	at := len(s.text)
	s.text = append(append(s.text, key...), row...)
	s.rows = append(s.rows, rowPlace{key: at, row: at + len(key), end: len(s.text)})
}

func (s *rowSet) empty() bool { return len(s.rows) == 0 }

// drop takes out the rows whose keys have a prefix.
func (s *rowSet) drop(prefix []byte) {
	s.rows = slices.DeleteFunc(s.rows, func(p rowPlace) bool { return bytes.HasPrefix(s.key(p), prefix) })
}

func (s *rowSet) key(p rowPlace) []byte { return s.text[p.key:p.row] }

// write puts the rows into a batch.
func (s *rowSet) write(to *pebble.Batch) error {
	slices.SortFunc(s.rows, func(a, b rowPlace) int {
		return cmp.Or(bytes.Compare(s.key(a), s.key(b)), cmp.Compare(a.key, b.key))
	})
	for i, p := range s.rows {
		if i+1 < len(s.rows) && bytes.Equal(s.key(p), s.key(s.rows[i+1])) {
			continue
		}
		if err := to.Set(s.key(p), s.text[p.row:p.end], nil); err != nil {
			return err
		}
	}
	return nil
}

// mostRowText bounds the memory that is kept.
const mostRowText = 4 << 20

func (s *rowSet) reset() {
	if s.rows, s.text = s.rows[:0], s.text[:0]; cap(s.text) > mostRowText {
		*s = rowSet{}
	}
}
