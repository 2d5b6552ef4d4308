package local

import (
	"bytes"
	"context"
	"encoding/binary"
	"slices"
	"strings"

	"github.com/sluiceio/sluice/store"
)

// State implements store.Store.
func (s *Store) State(_ context.Context, key string) ([]byte, uint64, error) {
	if err := s.enter(); err != nil {
		return nil, 0, err
	}
	defer s.leave()
	return s.readState(key)
}

// readState returns a state and its revision; nil and 0 if there is none.
func (s *Store) readState(key string) (val []byte, rev uint64, err error) {
	st, turn, ok := s.recent.get(key)
	if !ok {
		if st, err = s.storedState(key); err != nil {
			return nil, 0, err
		}
		s.recent.learn(st, turn)
	}
	return bytes.Clone(st.value), st.revision(), nil
}

func (s *Store) storedState(key string) (st stateEntry, err error) {
	st.key = key
	_, err = value(s.db, stateKey(key), func(b []byte) bool {
		n := 0
		if st.rev, n = binary.Uvarint(b); n <= 0 {
			return false
		}
		st.value = append([]byte{}, b[n:]...)
		return true
	})
	return st, err
}

// States implements store.Store.
func (s *Store) States(_ context.Context, prefix string) ([]string, error) {
	if err := s.enter(); err != nil {
		return nil, err
	}
	defer s.leave()
	var keys []string
	err := each(s.db, stateKey(prefix), func(key, _ []byte) error {
		keys = append(keys, string(key[1:]))
		return nil
	})
	return keys, err
}

// Datasets implements store.Store.
func (s *Store) Datasets(context.Context) ([]store.Info, error) {
	if err := s.enter(); err != nil {
		return nil, err
	}
	defer s.leave()
	s.mu.RLock()
	list := make([]*dataset, 0, len(s.datasets))
	infos := make([]store.Info, 0, len(s.datasets))
	for _, d := range s.datasets {
		list = append(list, d)
	}
	slices.SortFunc(list, func(a, b *dataset) int { return strings.Compare(a.name, b.name) })
	for _, d := range list {
		infos = append(infos, s.infoOf(d))
	}
	s.mu.RUnlock()
	for i, d := range list {
		var err error
		if infos[i].Indexes, err = s.indexNames(d); err != nil {
			return nil, err
		}
	}
	return infos, nil
}

// Head implements store.Store.
func (s *Store) Head(_ context.Context, name string) (generation [16]byte, last store.Offset, err error) {
	if err := s.enter(); err != nil {
		return generation, 0, err
	}
	defer s.leave()
	d, err := s.dataset(name)
	if err != nil {
		return generation, 0, err
	}
	return s.generation(d.gen), store.Offset(s.lastOf(d)), nil
}

// Info implements store.Store.
func (s *Store) Info(_ context.Context, name string) (store.Info, error) {
	if err := s.enter(); err != nil {
		return store.Info{}, err
	}
	defer s.leave()
	d, err := s.dataset(name)
	if err != nil {
		return store.Info{}, err
	}
	s.mu.RLock()
	info := s.infoOf(d)
	s.mu.RUnlock()
	info.Indexes, err = s.indexNames(d)
	return info, err
}
