package engine

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"sync"
	"time"

	"github.com/sluiceio/sluice/store"
)

// Listener is an address that is called when a dataset has changed, with a token
// by which it knows what the call is about.
type Listener struct {
	Dataset string `json:"dataset"`
	URL     string `json:"url"`
	Token   string `json:"token"`
}

// What a listener may be, and how many there are.
const (
	longestURL    = 2000
	longestToken  = 500
	mostListeners = 1000
	callTimeout   = 10 * time.Second
	callsAtOnce   = 8
	// deafAfter is how long a listener may fail before it is forgotten.
	deafAfter = 24 * time.Hour
)

// ErrListener is a listener that is not taken.
var ErrListener = errors.New("the webhook cannot be registered")

// listeners calls those who asked to hear of changes. What they miss while nobody
// can be reached is no loss: they read on by their own schedule.
type listeners struct {
	store  store.Store
	client *http.Client
	now    func() time.Time
	log    *slog.Logger
	wake   chan struct{}
	mu     struct {
		sync.Mutex
		all   map[string]*heard // by the state that keeps it; nil until it is loaded
		dirty map[string]bool   // datasets that have changed
	}
}

// heard is a listener and how calling it went.
type heard struct {
	Listener
	failing time.Time // since when, zero if it is not
}

func newListeners(o Options) *listeners {
	l := &listeners{store: o.Store, now: o.Now, log: o.Log, wake: make(chan struct{}, 1), client: &http.Client{
		Transport: o.Transport, Timeout: callTimeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
	l.mu.dirty = map[string]bool{}
	return l
}

const listenerPrefix = "listener/"

func (l *Listener) key() string {
	sum := sha256.Sum256([]byte(l.Dataset + "\x00" + l.URL))
	return listenerPrefix + hex.EncodeToString(sum[:16])
}

func (l *Listener) check() error {
	u, err := url.Parse(l.URL)
	switch {
	case len(l.URL) > longestURL || err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.User != nil:
		return fmt.Errorf("%w: webhook is no http or https address of another node's", ErrListener)
	case l.Token == "" || len(l.Token) > longestToken:
		return fmt.Errorf("%w: token must have 1 to %d bytes", ErrListener, longestToken)
	}
	return nil
}

// Listen registers an address to be called when the dataset changes. It is called
// at once if there is something behind since: it may have come between the
// listener's last look and this.
func (e *Engine) Listen(ctx context.Context, l Listener, since store.Offset) error {
	if err := l.check(); err != nil {
		return err
	}
	_, last, err := e.o.Store.Head(ctx, l.Dataset)
	if err != nil {
		return err
	}
	if err := e.listeners.add(ctx, l); err != nil {
		return err
	}
	if last > since {
		e.listeners.changed([]string{l.Dataset})
	}
	return nil
}

func (s *listeners) add(ctx context.Context, l Listener) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.loadLocked(ctx); err != nil {
		return err
	}
	key := l.key()
	before := s.mu.all[key]
	if before != nil && before.Listener == l {
		before.failing = time.Time{}
		return nil
	}
	if before == nil && len(s.mu.all) >= mostListeners {
		return fmt.Errorf("%w: there are %d already", ErrListener, mostListeners)
	}
	data, err := json.Marshal(l)
	if err == nil {
		err = save(ctx, s.store, key, data)
	}
	if err == nil {
		s.mu.all[key] = &heard{Listener: l}
	}
	return err
}

func save(ctx context.Context, st store.Store, key string, value []byte) error {
	p, err := st.Append(ctx, &store.Batch{State: []store.StateWrite{{Key: key, Value: value, IfRev: store.AnyRev}}})
	if err == nil {
		_, err = p.Wait(ctx)
	}
	return err
}

func (s *listeners) loadLocked(ctx context.Context) error {
	if s.mu.all != nil {
		return nil
	}
	keys, err := s.store.States(ctx, listenerPrefix)
	if err != nil {
		return err
	}
	all := map[string]*heard{}
	for _, key := range keys {
		data, _, err := s.store.State(ctx, key)
		if err != nil {
			return err
		}
		h := &heard{}
		if json.Unmarshal(data, &h.Listener) == nil {
			all[key] = h
		}
	}
	s.mu.all = all
	return nil
}

// changed notes that datasets have changed.
func (s *listeners) changed(datasets []string) {
	s.mu.Lock()
	for _, d := range datasets {
		s.mu.dirty[d] = true
	}
	s.mu.Unlock()
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// run calls until the node closes.
func (s *listeners) run(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-s.wake:
		}
		due, err := s.due(ctx)
		if err != nil {
			s.log.Error("the webhooks of datasets cannot be read", "error", err)
		}
		s.callAll(ctx, due)
	}
}

// due are the listeners to call.
func (s *listeners) due(ctx context.Context) (due []*heard, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.loadLocked(ctx); err != nil {
		return nil, err
	}
	for _, key := range slices.Sorted(maps.Keys(s.mu.all)) {
		if h := s.mu.all[key]; s.mu.dirty[h.Dataset] {
			due = append(due, h)
		}
	}
	clear(s.mu.dirty)
	return due, nil
}

func (s *listeners) callAll(ctx context.Context, due []*heard) {
	slots := make(chan struct{}, callsAtOnce)
	var all sync.WaitGroup
	for _, h := range due {
		slots <- struct{}{}
		all.Go(func() {
			defer func() { <-slots }()
			status, err := s.call(ctx, h.Listener)
			s.called(ctx, h, status, err)
		})
	}
	all.Wait()
}

// call tells a listener that its dataset has changed.
func (s *listeners) call(ctx context.Context, l Listener) (status int, err error) {
	body, err := json.Marshal(map[string]string{"token": l.Token})
	if err != nil {
		return 0, err
	}
	q, err := http.NewRequestWithContext(ctx, http.MethodPost, l.URL, bytes.NewReader(body))
	if err != nil {
		return 0, err
	}
	q.Header.Set("Content-Type", "application/json")
	res, err := s.client.Do(q)
	if err != nil {
		return 0, err
	}
	defer res.Body.Close()
	_, _ = io.Copy(io.Discard, io.LimitReader(res.Body, 64<<10)) // so that the connection serves again
	return res.StatusCode, nil
}

// called judges a call. Whoever knows nothing of it any more, or has not answered
// for a day, is forgotten.
func (s *listeners) called(ctx context.Context, h *heard, status int, err error) {
	if ctx.Err() != nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	gone := status == http.StatusNotFound || status == http.StatusGone
	if err == nil && status < 300 {
		h.failing = time.Time{}
		return
	}
	if h.failing.IsZero() {
		h.failing = s.now()
	}
	if gone = gone || s.now().Sub(h.failing) > deafAfter; !gone {
		return
	}
	key := h.key()
	if s.mu.all[key] != h {
		return // it was registered anew meanwhile
	}
	if err := save(ctx, s.store, key, nil); err != nil {
		s.log.Error("the webhook of a dataset cannot be removed", "dataset", h.Dataset, "error", err)
		return
	}
	delete(s.mu.all, key)
}
