package server

import "net/http"

// breakOff ends an answer that cannot be completed so that nobody takes it for
// whole: the connection ends before the answer does. HTTP 1.0 says the end of
// an answer by just that, so there the connection is reset.
func (s *server) breakOff(w http.ResponseWriter, r *http.Request) {
	if !r.ProtoAtLeast(1, 1) {
		if conn, _, err := http.NewResponseController(w).Hijack(); err == nil {
			if tcp, ok := conn.(lingering); ok {
				tcp.SetLinger(0)
			}
			conn.Close()
			return
		}
	}
	panic(http.ErrAbortHandler)
}
