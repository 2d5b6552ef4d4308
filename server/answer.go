package server

import (
	"bytes"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// answer is the answer to a plain post. It is gathered in memory, which the next
// one uses again: what receivers say is short.
type answer struct {
	c      *conn
	header http.Header
	status int // 0 until it is known
	closes bool
	typed  bool // there is a Content-Type
	head   bytes.Buffer
	body   []byte
	out    []byte
	date   []byte // as it was last written
	second int64  // of that
}

// keptAnswer bounds the memory that is used again.
const keptAnswer = 64 << 10

func (a *answer) reset() {
	if a.header == nil {
		a.header = http.Header{}
	}
	clear(a.header)
	if cap(a.body) > keptAnswer {
		a.body, a.out = nil, nil
	}
	a.status, a.closes, a.body = 0, false, a.body[:0]
	a.head.Reset()
}

// Header implements http.ResponseWriter.
func (a *answer) Header() http.Header { return a.header }

// SetReadDeadline is for http.ResponseController.
func (a *answer) SetReadDeadline(t time.Time) error { return a.c.SetReadDeadline(t) }

// WriteHeader implements http.ResponseWriter. As with net/http, what is changed in
// the header later has no effect.
func (a *answer) WriteHeader(status int) {
	if a.status != 0 || status < http.StatusOK {
		return
	}
	a.status = status
	for _, v := range a.header["Connection"] {
		a.closes = a.closes || strings.EqualFold(v, "close")
	}
	_, a.typed = a.header["Content-Type"]
	for _, own := range []string{"Connection", "Content-Length", "Date", "Transfer-Encoding"} {
		delete(a.header, own)
	}
	_ = a.header.Write(&a.head) // to memory
}

// Write implements http.ResponseWriter.
func (a *answer) Write(b []byte) (int, error) {
	if a.status == 0 {
		a.WriteHeader(http.StatusOK)
	}
	if a.status == http.StatusNoContent || a.status == http.StatusNotModified {
		return 0, http.ErrBodyNotAllowed
	}
	a.body = append(a.body, b...)
	return len(b), nil
}

// send sends the answer; false if the connection ends with it.
func (a *answer) send(last bool) bool {
	if a.status == 0 {
		a.WriteHeader(http.StatusOK)
	}
	last = last || a.closes
	out := append(strconv.AppendInt(append(a.out[:0], "HTTP/1.1 "...), int64(a.status), 10), ' ')
	out = append(append(out, http.StatusText(a.status)...), "\r\n"...)
	out = append(out, a.head.Bytes()...)
	out = append(append(out, "Date: "...), a.now()...)
	if !a.typed && len(a.body) > 0 {
		out = append(append(out, "\r\nContent-Type: "...), http.DetectContentType(a.body)...)
	}
	if a.status != http.StatusNoContent && a.status != http.StatusNotModified {
		out = strconv.AppendInt(append(out, "\r\nContent-Length: "...), int64(len(a.body)), 10)
	}
	if last {
		out = append(out, "\r\nConnection: close"...)
	}
	out = append(append(out, "\r\n\r\n"...), a.body...)
	a.out = out
	_, err := a.c.Conn.Write(out)
	return err == nil && !last
}

// now is the present as answers tell it.
func (a *answer) now() []byte {
	t := time.Now()
	if second := t.Unix(); second != a.second {
		a.second, a.date = second, t.UTC().AppendFormat(a.date[:0], http.TimeFormat)
	}
	return a.date
}
