package server

import (
	"net/http"
	"time"
)

// How long a caller may take, and how many bytes of headers he may send. Whoever sends
// webhooks is held to less: he may be anybody.
const (
	headerTimeout = 10 * time.Second
	bodyTimeout   = 5 * time.Minute
	mostHeaders   = 64 << 10
	hookTimeout   = 10 * time.Second
	hookHeaders   = 32 << 10
)

// HTTP returns the door of a node's handler, with bounds on what callers may take
// of it. When the handler returns it keeps nothing of a request but texts: the memory
// of the request, its header and its body serves the next one.
func HTTP(h http.Handler) *Door {
	return &Door{handler: h, conns: map[*conn]bool{}, handed: newHanded(),
		rest: &http.Server{Handler: h, ReadHeaderTimeout: headerTimeout, ReadTimeout: bodyTimeout, MaxHeaderBytes: mostHeaders}}
}
