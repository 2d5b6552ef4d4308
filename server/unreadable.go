package server

import (
	"bytes"
	"errors"
	"mime"
	"net/http"
	"strings"

	"github.com/sluiceio/sluice/entity"
)

// unreadable answers a body that holds no entities: what is wrong with it, and, where
// that can be guessed, what its sender meant.
func unreadable(w http.ResponseWriter, r *http.Request, body []byte, err error) {
	coding := r.Header.Get("Content-Encoding")
	var syntax *entity.SyntaxError
	switch {
	case len(body) == 0 && errors.As(err, &syntax):
		fail(w, http.StatusBadRequest, "the body is empty: post an entity, or a list of entities; an empty list is []")
	case coding != "" && !strings.EqualFold(coding, "identity"):
		fail(w, http.StatusUnsupportedMediaType, "the body has the Content-Encoding "+coding+", which is not taken: send it as it is")
	default:
		fail(w, http.StatusBadRequest, err.Error()+meant(r.Header.Get("Content-Type"), body, err))
	}
}

// meant is what the sender of a body most likely has to change.
func meant(contentType string, body []byte, err error) string {
	kind, _, _ := mime.ParseMediaType(contentType)
	var syntax *entity.SyntaxError
	switch {
	case !errors.As(err, &syntax):
		return ""
	case bytes.HasPrefix(body, []byte("\xff\xfe")), bytes.HasPrefix(body, []byte("\xfe\xff")), bytes.IndexByte(body[:min(len(body), 2)], 0) >= 0:
		return "; the body looks like UTF-16: send UTF-8"
	case bytes.HasPrefix(body, []byte("\xef\xbb\xbf")):
		return "; the body begins with a byte order mark: send it without"
	case bytes.HasPrefix(body, []byte("\x1f\x8b")):
		return "; the body is compressed: send it as it is"
	case syntax.Code == "json/trailing" && body[0] == '{':
		return "; several entities are a list: [{…}, {…}]"
	case kind != "" && kind != "application/json" && !strings.HasSuffix(kind, "+json"):
		return "; entities are JSON, and the Content-Type is " + kind
	}
	return ""
}
