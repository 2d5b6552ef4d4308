// Package systems holds the connections that sources, transforms and sinks
// share: what a `system:*` component of the configuration becomes.
package systems

import (
	"context"
	"net/http"
	"time"

	"github.com/sluiceio/sluice/internal/jsonpos"
)

// System is a compiled system component. What it can do is asked by type
// assertion: *REST, for example.
type System interface {
	// ID is the component's _id.
	ID() string
}

// SecretFunc returns the secret of that name, and whether there is one. It is
// asked at each use, so a rotated secret is seen without a reload.
type SecretFunc func(name string) (string, bool)

// Env is what a system is built with.
type Env struct {
	ID string
	// Node is the whole component, for places in messages.
	Node *jsonpos.Node
	// Secret resolves $SECRET(name) and secret(name): the system's own secrets
	// first, then the node's.
	Secret SecretFunc
	// Transport carries HTTP calls; it decides which addresses may be reached.
	Transport http.RoundTripper
	// Now is the clock.
	Now func() time.Time
	// Sleep waits, or returns early with the context's error; nil waits on the
	// wall clock.
	Sleep func(ctx context.Context, d time.Duration) error
	// Tokens keeps the refresh tokens of oauth2; nil keeps them in memory only.
	Tokens TokenStore
	// MaxResponse bounds the bytes of one response; 0 means 128 MiB.
	MaxResponse int64
	// Unverified has URL and REST systems that do not say verify_ssl accept any
	// certificate.
	Unverified bool
}
