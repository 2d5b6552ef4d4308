package vendorsim

import (
	"bytes"
	"net/http"
	"slices"
	"strings"
)

// Fault makes the shop misbehave on a request to come.
type Fault struct {
	Request string          // method and path begin so: "POST /webhooks"
	Times   int             // on how many requests; 0 is one
	Status  int             // answered without handling the request, if not 0
	Hold    <-chan struct{} // if not nil, the request waits until this is closed or the caller is gone
	Then    func()          // if not nil, called after handling and before the answer
	Drop    bool            // the connection breaks after handling, without an answer
}

// Fail arms a fault. Faults for the same request are used up one after the
// other.
func (v *Vendor) Fail(f Fault) {
	f.Times = max(f.Times, 1)
	v.mu.Lock()
	defer v.mu.Unlock()
	v.mu.faults = append(v.mu.faults, f)
}

// fault takes what is armed for a request; the zero Fault is none.
func (v *Vendor) fault(r *http.Request) Fault {
	v.mu.Lock()
	defer v.mu.Unlock()
	line := r.Method + " " + r.URL.Path
	i := slices.IndexFunc(v.mu.faults, func(f Fault) bool { return strings.HasPrefix(line, f.Request) })
	if i < 0 {
		return Fault{}
	}
	f := v.mu.faults[i]
	if v.mu.faults[i].Times--; v.mu.faults[i].Times == 0 {
		v.mu.faults = slices.Delete(v.mu.faults, i, i+1)
	}
	return f
}

// misbehaving logs requests and applies faults. The answer is held back until
// it is certain that there will be one.
func (v *Vendor) misbehaving(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		f := v.fault(r)
		if f.Hold != nil {
			select {
			case <-f.Hold:
			case <-r.Context().Done():
				v.logRequest(r, 0)
				return
			}
		}
		a := &held{header: http.Header{}, status: http.StatusOK}
		if f.Status != 0 {
			refuse(a, f.Status, "the shop was told to fail")
		} else {
			next.ServeHTTP(a, r)
		}
		if f.Drop {
			a.status = 0
		}
		v.logRequest(r, a.status)
		if f.Then != nil {
			f.Then()
		}
		a.send(w)
	})
}

// held is an answer that has not been sent; status 0 breaks the connection.
type held struct {
	header http.Header
	status int
	body   bytes.Buffer
}

func (h *held) Header() http.Header         { return h.header }
func (h *held) WriteHeader(status int)      { h.status = status }
func (h *held) Write(p []byte) (int, error) { return h.body.Write(p) }

func (h *held) send(w http.ResponseWriter) {
	if h.status == 0 {
		if conn, _, err := http.NewResponseController(w).Hijack(); err == nil {
			conn.Close()
		}
		return
	}
	for name, values := range h.header {
		w.Header()[name] = values
	}
	w.WriteHeader(h.status)
	w.Write(h.body.Bytes())
}
