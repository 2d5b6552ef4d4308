package webhooks

import (
	"errors"
	"io"
	"net/http"
	"slices"
	"time"
)

const (
	// bodyTime is how long the body of a request may take to come, mostHeaderBytes
	// how many bytes its headers may have.
	bodyTime        = 10 * time.Second
	mostHeaderBytes = 32 << 10
)

// ErrHeaders is a request whose headers are too large.
var ErrHeaders = errors.New("the headers are too large")

// ReadBody reads the body of a request that anybody may send, within bounds of size
// and time: a larger one is an *http.MaxBytesError, larger headers are ErrHeaders.
func ReadBody(w http.ResponseWriter, r *http.Request, most int64) ([]byte, error) {
	size := 0
	for name, values := range r.Header {
		for _, v := range values {
			size += len(name) + len(v)
		}
	}
	if size > mostHeaderBytes {
		return nil, ErrHeaders
	}
	// A connection that knows no deadlines has those of the server.
	_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(bodyTime))
	return io.ReadAll(http.MaxBytesReader(w, r.Body, most))
}

// KeptHeaders are headers as they may be kept and shown: those are masked that are
// secret by their names, or named in also, and redact takes secrets out of the rest.
func KeptHeaders(h http.Header, redact func(string) string, also ...string) http.Header {
	kept := http.Header{}
	for name, values := range h {
		secret := SecretHeader(name) || slices.Contains(also, http.CanonicalHeaderKey(name))
		for _, v := range values {
			if secret {
				v = mask
			}
			kept.Add(name, redact(v))
		}
	}
	return kept
}
