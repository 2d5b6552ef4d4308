package engine

import (
	"cmp"
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// Namespaces are those that the node's metadata declares, with the URIs they stand
// for.
func (e *Engine) Namespaces() map[string]string { return metadata(e.o.Config).URINamespaces() }

// Share is a link by which somebody may read a publisher for a while.
type Share struct {
	ID          string `json:"id"`
	Expires     int64  `json:"exp"`        // seconds since 1970
	Created     int64  `json:"created_ts"` // nanoseconds since 1970
	Description string `json:"description"`
}

// What a link may be, and how many there are.
const (
	mostShares         = 1000 // of a publisher
	longestDescription = 1000 // characters
)

// ErrShare is a link that cannot be made, ErrNoShare one that there is not, or no
// more.
var (
	ErrShare   = errors.New("the link cannot be made")
	ErrNoShare = errors.New("there is no such link, or it has expired")
)

const (
	sharePrefix  = "share/"
	shareKeyName = "share-key"
)

func sharesOf(pipe string) string { return sharePrefix + pipe + "/" }

// Share makes a link to a publisher that is good until the given time.
func (e *Engine) Share(ctx context.Context, pipe string, expires float64, description string) (Share, error) {
	if _, err := e.Publisher(pipe); err != nil {
		return Share{}, err
	}
	now := e.now()
	switch {
	case expires <= float64(now.Unix()) || expires > 1<<53:
		return Share{}, fmt.Errorf("%w: exp is a time in the future, in seconds since 1970", ErrShare)
	case utf8.RuneCountInString(description) > longestDescription:
		return Share{}, fmt.Errorf("%w: its description has more than %d characters", ErrShare, longestDescription)
	}
	before, err := e.Shares(ctx, pipe)
	if err != nil {
		return Share{}, err
	}
	if len(before) >= mostShares {
		return Share{}, fmt.Errorf("%w: there are %d already", ErrShare, mostShares)
	}
	var id [16]byte
	if _, err := rand.Read(id[:]); err != nil {
		return Share{}, err
	}
	s := Share{ID: hex.EncodeToString(id[:]), Expires: int64(expires), Created: now.UnixNano(), Description: description}
	data, err := json.Marshal(s)
	if err != nil {
		return Share{}, err
	}
	return s, save(ctx, e.o.Store, sharesOf(pipe)+s.ID, data)
}

// Shares are the links of a publisher that are good, the oldest first. Those that
// are not any more are forgotten.
func (e *Engine) Shares(ctx context.Context, pipe string) ([]Share, error) {
	if _, err := e.Publisher(pipe); err != nil && !errors.Is(err, ErrDisabled) {
		return nil, err
	}
	keys, err := e.o.Store.States(ctx, sharesOf(pipe))
	if err != nil {
		return nil, err
	}
	all := []Share{}
	for _, key := range keys {
		data, _, err := e.o.Store.State(ctx, key)
		if err != nil {
			return nil, err
		}
		var s Share
		if json.Unmarshal(data, &s) == nil && e.now().Unix() < s.Expires {
			all = append(all, s)
			continue
		}
		if err := save(ctx, e.o.Store, key, nil); err != nil {
			return nil, err
		}
	}
	slices.SortFunc(all, func(a, b Share) int { return cmp.Compare(a.Created, b.Created) })
	return all, nil
}

// Unshare takes a link back.
func (e *Engine) Unshare(ctx context.Context, pipe, id string) error {
	all, err := e.Shares(ctx, pipe)
	if err != nil {
		return err
	}
	if !slices.ContainsFunc(all, func(s Share) bool { return s.ID == id }) {
		return ErrNoShare
	}
	return save(ctx, e.o.Store, sharesOf(pipe)+id, nil)
}

// ShareToken is what the address of a link has: who knows it may read.
func (e *Engine) ShareToken(ctx context.Context, pipe string, s Share) (string, error) {
	key, err := e.shareKey(ctx)
	if err != nil {
		return "", err
	}
	return s.ID + "." + base64.RawURLEncoding.EncodeToString(sign(key, pipe, s)), nil
}

func sign(key []byte, pipe string, s Share) []byte {
	h := hmac.New(sha256.New, key)
	for _, part := range []string{pipe, s.ID, strconv.FormatInt(s.Expires, 10)} {
		fmt.Fprintf(h, "%d:%s", len(part), part)
	}
	return h.Sum(nil)
}

// shareKey is the node's own, made at the first use.
func (e *Engine) shareKey(ctx context.Context) ([]byte, error) {
	e.sharing.Lock()
	defer e.sharing.Unlock()
	key, _, err := e.o.Store.State(ctx, shareKeyName)
	if err != nil || len(key) == sha256.Size {
		return key, err
	}
	key = make([]byte, sha256.Size)
	if _, err := rand.Read(key); err != nil {
		return nil, err
	}
	return key, save(ctx, e.o.Store, shareKeyName, key)
}

// CheckShare tells whether a token opens a publisher now; ErrNoShare if not.
func (e *Engine) CheckShare(ctx context.Context, pipe, token string) error {
	id, mac, _ := strings.Cut(token, ".")
	sum, err := base64.RawURLEncoding.DecodeString(mac)
	if err != nil || len(id) != 32 || strings.ContainsFunc(id, func(r rune) bool { return !strings.ContainsRune("0123456789abcdef", r) }) {
		return ErrNoShare
	}
	data, _, err := e.o.Store.State(ctx, sharesOf(pipe)+id)
	if err != nil {
		return err
	}
	var s Share
	if data == nil || json.Unmarshal(data, &s) != nil {
		return ErrNoShare
	}
	key, err := e.shareKey(ctx)
	if err != nil {
		return err
	}
	if !hmac.Equal(sum, sign(key, pipe, s)) || !time.Unix(s.Expires, 0).After(e.now()) {
		return ErrNoShare
	}
	return nil
}
