package server

import (
	"net/http"
	"time"
)

// How long a caller may take.
const (
	headerTimeout = 10 * time.Second
	bodyTimeout   = 5 * time.Minute
)

// HTTP returns the server of a node's handler, with bounds on what callers may
// take of it.
func HTTP(h http.Handler) *http.Server {
	return &http.Server{Handler: h, ReadHeaderTimeout: headerTimeout, ReadTimeout: bodyTimeout, MaxHeaderBytes: 64 << 10}
}
