package server

import (
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"syscall"
	"testing"

	"github.com/sluiceio/sluice/store"
)

// A disk that is full or broken is no system that does not answer.
func TestWhoIsToBlame(t *testing.T) {
	for _, c := range []struct {
		err  error
		want int
	}{
		{fmt.Errorf("%w: %w", store.ErrFull, syscall.ENOSPC), http.StatusInsufficientStorage},
		{&os.PathError{Op: "write", Path: "0001.seg", Err: syscall.EIO}, http.StatusInternalServerError},
		{fmt.Errorf("calling: %w", &net.OpError{Op: "dial", Err: os.NewSyscallError("connect", syscall.ECONNREFUSED)}), http.StatusBadGateway},
	} {
		s := &server{o: Options{Log: slog.New(slog.DiscardHandler)}}
		w := httptest.NewRecorder()
		s.notStored(w, httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/", nil), c.err)
		if w.Code != c.want {
			t.Errorf("%v: %d %s, want %d", c.err, w.Code, w.Body, c.want)
		}
	}
}
