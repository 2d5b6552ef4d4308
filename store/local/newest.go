package local

// How much of a dataset the table of newest versions knows. It can only say
// that an id is not there if it knows all, and once something was lost it never
// knows all again: a reader must not take what came back for what was there.
const (
	knownLittle int32 = iota
	knownSoon         // it is being filled
	knownWhole
	knownPartly
)

// fillAfter is how many ids are looked for in vain before a dataset is read
// into the table: few questions are answered faster by the index.
const fillAfter = 100

// fillSlice is how many rows are read while the writer waits.
const fillSlice = 250

// newest returns the newest version of an id. What was published is found, what
// is about to be may be.
func (s *Store) newest(d *dataset, id string) (l latest, ok bool, err error) {
	whole := d.known.Load() == knownWhole
	l, ok = s.table.get(s.table.keyOf(d.id, id))
	if ok && l.loc.size > 0 {
		return l, true, nil
	}
	if !ok && whole && d.known.Load() == knownWhole {
		return l, false, nil
	}
	if !ok && d.misses.Add(1) == fillAfter {
		s.askFill(d)
	}
	return s.findLatest(d, id)
}

// newestForWriter is newest for the writer. It alone may remember what it was
// told by the index, for nobody else changes it.
func (s *Store) newestForWriter(d *dataset, id string) (latest, bool, error) {
	l, ok, err := s.newest(d, id)
	if ok && err == nil && d.known.Load() != knownWhole {
		s.applyMu.Lock()
		defer s.applyMu.Unlock()
		s.table.put(s.table.keyOf(d.id, id), d, &l)
		err = s.late.err
	}
	return l, ok, err
}

// adopt has the table know all of a dataset from its beginning.
func (s *Store) adopt(d *dataset) {
	if s.table.own(d); d.slot != 0 {
		d.known.Store(knownWhole)
	}
}

// askFill has the filler read a dataset, unless it is busy.
func (s *Store) askFill(d *dataset) {
	select {
	case s.fills <- d:
	default:
		d.misses.Store(0)
	}
}

// runFiller reads datasets into the table until the store closes.
func (s *Store) runFiller() {
	defer close(s.fillerDone)
	for {
		select {
		case <-s.life.stop:
			return
		case d := <-s.fills:
			s.fill(d)
		}
	}
}

// fill reads a dataset into the table as long as there is room. A failure only
// means that more has to be asked of the index.
func (s *Store) fill(d *dataset) {
	if d.slot == 0 || !d.known.CompareAndSwap(knownLittle, knownSoon) {
		return
	}
	from, full := dsKey(nil, keyLatest, d.id), false
	for from != nil && !full && s.stopped() == nil {
		from, full = s.fillRows(d, from)
	}
}

// fillRows reads some rows; it returns where to go on, nil at the end, and
// whether the table is full. The writer waits meanwhile, so that what is read is
// true when it is remembered.
func (s *Store) fillRows(d *dataset, from []byte) (next []byte, full bool) {
	s.applyMu.Lock()
	defer s.applyMu.Unlock()
	prefix, n := dsKey(nil, keyLatest, d.id), 0
	err := eachFrom(s.db, prefix, from, func(key, row []byte) error {
		l, ok := parseLatest(row)
		if !ok {
			return s.indexDamaged("a latest version")
		}
		if n++; n > fillSlice {
			next = append([]byte{}, key...)
			return errEnough
		}
		if !s.table.add(s.table.key(d.id, key[len(prefix):]), d, &l) {
			full = true
			return errEnough
		}
		return nil
	})
	if err == nil && !d.dropped {
		d.known.CompareAndSwap(knownSoon, knownWhole)
	}
	return next, full
}
