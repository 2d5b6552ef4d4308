package engine

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"sync"

	"github.com/sluiceio/sluice/dtl"
	"github.com/sluiceio/sluice/store"
)

// namespaces are the names that pipes have made for namespaces of URIs. Each is a
// state of the store, which is there before the first entity that has the name.
type namespaces struct {
	sync.Mutex
	made map[string]*madeNames // by pipe
}

type madeNames struct {
	numbers map[string]int // by URI
	last    int
}

func madeKey(pipe string) string { return "namespace/" + pipe + "/" }

// Namespace implements dtl.Naming.
func (h *host) Namespace(ctx context.Context, pipe, uri string) (string, error) {
	n := &h.names
	n.Lock()
	defer n.Unlock()
	for {
		m, err := n.ofLocked(ctx, h.store, pipe)
		if err != nil {
			return "", err
		}
		if number := m.numbers[uri]; number != 0 {
			return dtl.MadePrefix(pipe, number), nil
		}
		if m.last >= dtl.MaxMadePrefixes {
			return "", nil
		}
		err = keep(ctx, h.store, madeKey(pipe)+strconv.Itoa(m.last+1), uri)
		if errors.Is(err, store.ErrConflict) { // somebody else's, who has the store too
			delete(n.made, pipe)
			continue
		}
		if err != nil {
			return "", err
		}
		m.last++
		m.numbers[uri] = m.last
	}
}

// keep saves a state that must be new.
func keep(ctx context.Context, st store.Store, key, value string) error {
	if st == nil {
		return nil
	}
	p, err := st.Append(ctx, &store.Batch{State: []store.StateWrite{{Key: key, Value: []byte(value)}}})
	if err == nil {
		_, err = p.Wait(ctx)
	}
	return err
}

// ofLocked returns the names that a pipe has made, which are read once.
func (n *namespaces) ofLocked(ctx context.Context, st store.Store, pipe string) (*madeNames, error) {
	if m := n.made[pipe]; m != nil {
		return m, nil
	}
	m := &madeNames{numbers: map[string]int{}}
	if st != nil {
		keys, err := st.States(ctx, madeKey(pipe))
		if err != nil {
			return nil, err
		}
		for _, key := range keys {
			number, err := strconv.Atoi(strings.TrimPrefix(key, madeKey(pipe)))
			if err != nil {
				continue // of a pipe whose id has a slash
			}
			uri, _, err := st.State(ctx, key)
			if err != nil {
				return nil, err
			}
			m.numbers[string(uri)], m.last = number, max(m.last, number)
		}
	}
	if n.made == nil {
		n.made = map[string]*madeNames{}
	}
	n.made[pipe] = m
	return m, nil
}
