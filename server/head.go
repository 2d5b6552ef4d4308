package server

import (
	"bufio"
	"bytes"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"golang.org/x/net/http/httpguts"
)

// head reads the heads of plain posts as most of them are, which have little to read
// in them: whoever sends says in one request after the other the same but for a line
// or two, so that it remembers what the lines of the last one meant. What is not as
// usual to the last detail it leaves to net/http. What it does take, net/http takes
// for the same; a fuzz target compares the two.
type head struct {
	first   string // line of the last head, with its end
	address url.URL
	uri     string
	lines   []*line
	block   []line // of which the last lines are

	// What handlers get serves again: they keep nothing of a plain post but texts.
	request http.Request
	url     url.URL
	header  http.Header
	body    body
}

// line is a line of a head, and what it means.
type line struct {
	raw    string // without its end; "" if it is none
	name   string
	value  [1]string
	length int64 // if it is the Content-Length
}

const (
	// lineBlock is how many lines are made at once.
	lineBlock = 8
	// mostLines is how many lines an usual head has.
	mostLines = 48
	// mostDigits bounds a Content-Length; longer ones would be too large anyway.
	mostDigits = 7
)

// read reads the head that b begins with, and tells how long it is; nil if net/http
// has to read it.
func (h *head) read(b []byte) (r *http.Request, n int) {
	rest, ok := h.start(b)
	if !ok {
		return nil, 0
	}
	lines, length, rest, ok := h.fields(rest)
	// What is remembered is of one head, so that it stays as small.
	for _, l := range h.lines[lines:] {
		*l = line{}
	}
	if !ok {
		return nil, 0
	}
	return h.made(length), len(b) - len(rest)
}

// fields reads the lines up to the blank one.
func (h *head) fields(b []byte) (lines int, length int64, rest []byte, ok bool) {
	if h.header == nil {
		h.header = make(http.Header, lineBlock)
	}
	clear(h.header)
	for ; ; lines++ {
		raw, rest, ok := nextLine(b)
		if !ok || len(raw) == 0 || lines == mostLines {
			return lines, length, rest, ok && len(raw) == 0
		}
		b = rest
		l := h.line(lines)
		if l.raw != string(raw) && !l.parse(raw) || h.header[l.name] != nil {
			return lines, length, rest, false
		}
		h.header[l.name] = l.value[:]
		length += l.length
	}
}

// start reads the first line, and returns what follows it.
func (h *head) start(b []byte) (rest []byte, ok bool) {
	if n := len(h.first); n > 0 && len(b) > n && string(b[:n]) == h.first {
		return b[n:], true
	}
	h.first = ""
	raw, rest, ok := nextLine(b)
	address, isHTTP := bytes.CutSuffix(raw, []byte(" HTTP/1.1"))
	if !ok || !isHTTP || !toReceiver(raw) {
		return nil, false
	}
	first := string(b[:len(b)-len(rest)])
	h.uri = first[len("POST "):len(address)]
	u, err := url.ParseRequestURI(h.uri)
	if err != nil || strings.IndexByte(h.uri, ' ') >= 0 {
		return nil, false
	}
	h.first, h.address = first, *u
	return rest, true
}

// nextLine takes a line off the beginning; its end is a CRLF.
func nextLine(b []byte) (line, rest []byte, ok bool) {
	end := bytes.IndexByte(b, '\n')
	if end < 1 || b[end-1] != '\r' {
		return nil, nil, false
	}
	return b[:end-1], b[end+1:], true
}

func (h *head) line(i int) *line {
	if i == len(h.lines) {
		if i == 0 {
			h.lines = make([]*line, 0, lineBlock)
		}
		if i%lineBlock == 0 {
			h.block = make([]line, lineBlock)
		}
		h.lines = append(h.lines, &h.block[i%lineBlock])
	}
	return h.lines[i]
}

// parse reads a line that is not that of the last head; false if there is anything
// to it that needs more than to be noted.
func (l *line) parse(raw []byte) bool {
	l.raw, l.length = "", 0
	colon := bytes.IndexByte(raw, ':')
	if colon < 1 {
		return false
	}
	text := string(raw)
	name, value := text[:colon], strings.Trim(text[colon+1:], " \t")
	if !httpguts.ValidHeaderFieldName(name) || !httpguts.ValidHeaderFieldValue(value) {
		return false
	}
	l.name, l.value[0] = http.CanonicalHeaderKey(name), value
	switch l.name {
	case "Pragma": // net/http makes a Cache-Control of it
		return false
	case "Host":
		if value == "" || !httpguts.ValidHostHeader(value) {
			return false
		}
	case "Content-Length":
		if l.length = lengthOf(value); l.length < 0 {
			return false
		}
	default:
		if !usual(l.name, value) {
			return false
		}
	}
	l.raw = text
	return true
}

// usual tells whether a header says nothing about the connection or the form of
// the body but what is so anyway.
func usual(name, value string) bool {
	switch name {
	case "Connection":
		return strings.EqualFold(value, "keep-alive")
	case "Expect", "Trailer", "Transfer-Encoding", "Upgrade":
		return false
	}
	return true
}

// lengthOf is a Content-Length of a plain post; -1 if it is none.
func lengthOf(text string) int64 {
	n, err := strconv.ParseUint(text, 10, 32)
	if err != nil || n > plainBody || len(text) > mostDigits || text[0] == '0' && len(text) > 1 {
		return -1
	}
	return int64(n)
}

// made is the request of a head; nil if it does not say to whom it is.
func (h *head) made(length int64) *http.Request {
	host := h.header["Host"]
	if host == nil {
		return nil
	}
	delete(h.header, "Host")
	h.url = h.address
	h.request = http.Request{Method: http.MethodPost, URL: &h.url, RequestURI: h.uri, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: h.header, Host: host[0], ContentLength: length, Body: http.NoBody}
	return &h.request
}

// body is what follows the head of a plain post.
type body struct {
	in   *bufio.Reader
	left int64
	over bool
}

// Read implements io.Reader.
func (b *body) Read(p []byte) (n int, err error) {
	if b.over {
		return 0, http.ErrBodyReadAfterClose
	}
	if b.left == 0 {
		return 0, io.EOF
	}
	n, err = b.in.Read(p[:min(int64(len(p)), b.left)])
	b.left -= int64(n)
	switch {
	case err == io.EOF && b.left > 0:
		err = io.ErrUnexpectedEOF
	case err == nil && b.left == 0:
		err = io.EOF
	}
	return n, err
}

// Close reads what nobody has.
func (b *body) Close() error {
	if b.over {
		return nil
	}
	b.over = true
	n, err := b.in.Discard(int(b.left))
	b.left -= int64(n)
	if err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	return err
}
