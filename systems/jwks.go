package systems

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"
)

const (
	jwksFresh   = 5 * time.Minute // a key set is asked for again after
	jwksRetry   = 10 * time.Second
	jwksTimeout = 10 * time.Second
	jwksSize    = 1 << 20
	jwksSets    = 100 // addresses remembered; they come from the configuration
)

// NewJWKS returns a function that fetches JSON Web Key Sets over https through
// the transport, remembers them for five minutes, and asks one server at most
// once at a time. A set that cannot be fetched anew serves on until an hour
// old; failures are remembered for ten seconds, so that callers with bad
// tokens cannot make the node call out at will.
func NewJWKS(t http.RoundTripper, now func() time.Time) func(ctx context.Context, url string) ([]byte, error) {
	k := &keySets{client: &http.Client{Transport: t, Timeout: jwksTimeout, CheckRedirect: onlyHTTPS}, now: now}
	k.mu.sets = map[string]*keySet{}
	return k.get
}

func onlyHTTPS(next *http.Request, via []*http.Request) error {
	if next.URL.Scheme != "https" || len(via) > 3 {
		return errors.New("key sets are fetched over https, with few redirects")
	}
	return nil
}

type keySets struct {
	client *http.Client
	now    func() time.Time
	mu     struct {
		sync.Mutex
		sets map[string]*keySet
	}
}

// keySet is one address; its lock is held while it is fetched.
type keySet struct {
	sync.Mutex
	body    []byte
	fetched time.Time
	tried   time.Time
	err     error
}

func (k *keySets) get(ctx context.Context, url string) ([]byte, error) {
	if !strings.HasPrefix(url, "https://") {
		return nil, errors.New("key sets are fetched over https only")
	}
	set, err := k.set(url)
	if err != nil {
		return nil, err
	}
	set.Lock()
	defer set.Unlock()
	now := k.now()
	if set.body != nil && now.Sub(set.fetched) < jwksFresh {
		return set.body, nil
	}
	if set.tried.IsZero() || now.Sub(set.tried) >= jwksRetry {
		body, err := k.fetch(ctx, url)
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		set.tried, set.err = now, err
		if err == nil {
			set.body, set.fetched = body, now
		}
	}
	if set.body != nil && now.Sub(set.fetched) < time.Hour {
		return set.body, nil
	}
	return nil, set.err
}

func (k *keySets) set(url string) (*keySet, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	set := k.mu.sets[url]
	if set == nil {
		if len(k.mu.sets) >= jwksSets {
			return nil, errors.New("too many different key sets")
		}
		set = &keySet{}
		k.mu.sets[url] = set
	}
	return set, nil
}

func (k *keySets) fetch(ctx context.Context, url string) ([]byte, error) {
	q, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, errAddress
	}
	res, err := k.client.Do(q)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("the key set answered %d", res.StatusCode)
	}
	body, err := io.ReadAll(io.LimitReader(res.Body, jwksSize+1))
	if err == nil && len(body) > jwksSize {
		err = fmt.Errorf("the key set is larger than %d bytes", jwksSize)
	}
	return body, err
}
