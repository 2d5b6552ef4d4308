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

// HTTP returns the door of a node's handler, with bounds on what callers may take
// of it.
func HTTP(h http.Handler) *Door {
	return &Door{handler: h, conns: map[*conn]bool{}, handed: newHanded(),
		rest: &http.Server{Handler: h, ReadHeaderTimeout: headerTimeout, ReadTimeout: bodyTimeout, MaxHeaderBytes: 64 << 10}}
}
