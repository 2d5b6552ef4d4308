package local

import (
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/cockroachdb/pebble/v2"

	"github.com/sluiceio/sluice/entity"
	"github.com/sluiceio/sluice/store"
)

// dataset returns the dataset that has the name now.
func (s *Store) dataset(name string) (*dataset, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	d := s.datasets[name]
	if d == nil {
		return nil, fmt.Errorf("%w: %q", store.ErrNoDataset, name)
	}
	return d, nil
}

// findLatest returns the newest version of an id.
func (s *Store) findLatest(d *dataset, id string) (l latest, ok bool, err error) {
	var room [128]byte
	ok, err = value(s.db, latestKey(room[:0], d.id, id), func(b []byte) (ok bool) {
		l, ok = parseLatest(b)
		return ok
	})
	return l, ok, err
}

// readAt fills b from a segment.
func (s *Store) readAt(d *dataset, at location, b []byte) error {
	f := s.log.file(at.seg)
	if f == nil && s.log.moved(at.seg) {
		return errMoved
	}
	if f == nil {
		return fmt.Errorf("dataset %q: %w", d.name, s.log.corrupt(at.seg, int64(at.pos), "a missing segment"))
	}
	n, err := f.ReadAt(b, int64(at.pos))
	if n == len(b) {
		return nil
	}
	if err == io.EOF {
		return s.damaged(d, at)
	}
	if errors.Is(err, os.ErrClosed) && s.log.moved(at.seg) {
		return errMoved
	}
	return fmt.Errorf("dataset %q: reading the log: %w", d.name, err)
}

// readRecord reads the version with the offset, in memory of the arena, and
// tells where it stands by now. If the caller does not know where it stood, it is
// searched for.
func (s *Store) readRecord(d *dataset, at location, offset int64, a *entity.Arena) (record, location, error) {
	b, err := a.Text(int(at.size))[:at.size], errMoved
	if at != (location{}) {
		err = s.readAt(d, at, b)
	}
	if errors.Is(err, errMoved) {
		at, b, err = s.readMoved(d, offset, a)
	}
	if err != nil {
		return record{}, at, err
	}
	r, ok := parseRecord(b, s.log.salt)
	if !ok || r.ds != d.id || r.offset != offset {
		return r, at, s.damaged(d, at)
	}
	return r, at, nil
}

// sections moves over the sections of a dataset.
type sections struct {
	d  *dataset
	it *pebble.Iterator
	section
	ok bool
}

func (s *Store) newSections(d *dataset) (*sections, error) {
	prefix := dsKey(nil, keySection, d.id)
	it, err := s.db.NewIter(&pebble.IterOptions{LowerBound: prefix, UpperBound: after(prefix)})
	return &sections{d: d, it: it}, err
}

// seek moves to the section that holds the offset; false if there is none.
func (x *sections) seek(offset int64) bool {
	if x.ok && offset >= x.first && offset < x.first+int64(x.count) {
		return true
	}
	if x.ok && offset == x.first+int64(x.count) {
		x.load(x.it.Next())
	} else {
		x.load(x.it.SeekLT(offsetKey(nil, keySection, x.d.id, offset+1)))
	}
	return x.ok && offset >= x.first && offset < x.first+int64(x.count)
}

func (x *sections) load(there bool) {
	if x.ok = there; there {
		x.section, x.ok = parseSection(x.it.Key(), x.it.Value())
	}
}

// locate returns where the records of n consecutive offsets stand: n+1
// positions, the last one is the end.
func (s *Store) locate(x *sections, offset int64, n int) ([]uint32, error) {
	i := int(offset - x.first)
	table := make([]byte, 4*(n+1))
	entries := table
	if i+n == int(x.count) {
		entries = table[:4*n]
	}
	at := location{seg: x.seg, pos: x.table + 4*uint32(i)}
	if err := s.readAt(x.d, at, entries); err != nil {
		return nil, err
	}
	pos, least := make([]uint32, n+1), uint32(recordHead)
	if rewritten(x.seg) {
		least = 0 // of removed versions
	}
	for j := range pos {
		end := x.size
		if 4*j < len(entries) {
			end = binary.LittleEndian.Uint32(table[4*j:])
		}
		if end > x.size || j > 0 && x.records+end < pos[j-1]+least {
			return nil, s.damaged(x.d, at)
		}
		pos[j] = x.records + end
	}
	return pos, nil
}

// shown makes the entity of a record as readers see it.
func (s *Store) shown(d *dataset, r *record, at location, a *entity.Arena) (entity.Value, error) {
	v, err := entity.Decode(a, r.body, storedForm())
	o := v.Object()
	if err != nil || o == nil {
		return entity.Value{}, s.damaged(d, at)
	}
	prev := entity.Value{}
	if r.prev >= 0 {
		prev = entity.NewInt(r.prev)
	}
	hash := hex.AppendEncode(a.Text(32), r.hash[:])
	o.Set(entity.UpdatedKey, entity.NewInt(r.offset))
	o.Set(entity.PreviousKey, prev)
	o.Set(entity.TSKey, entity.NewInt(r.ts))
	o.Set(entity.HashKey, entity.NewString(a.String(hash)))
	return v, nil
}

func offsetOf(key []byte) int64 { return int64(binary.BigEndian.Uint64(key[len(key)-8:])) }

func numberOf(key []byte) uint32 { return binary.BigEndian.Uint32(key[1:5]) }
