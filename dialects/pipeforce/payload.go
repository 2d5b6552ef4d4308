package pipeforce

import (
	"bytes"
	"encoding/base64"
	"errors"
	"io"
	"mime/multipart"
	"net/http"
	"strings"
	"unicode/utf8"

	"github.com/sluiceio/sluice/entity"
)

// rawPayload is a body as itself: JSON as what it says, anything else as text.
func rawPayload(kind string, body []byte) (entity.Value, error) {
	if kind == "application/json" || strings.HasSuffix(kind, "+json") {
		v, err := entity.Decode(nil, body, entity.DecodeOptions{Plain: true, FloatAsDecimal: true})
		if err == nil {
			return v, nil
		}
	}
	if !utf8.Valid(body) {
		return entity.Value{}, problemf(http.StatusUnsupportedMediaType, "PayloadException", "the payload is no text in UTF-8; a webhook with payloadType base64 would take it")
	}
	return entity.NewString(string(body)), nil
}

// mostParts bounds the parts of a body.
const mostParts = 1000

// filesOf are the parts of a body that are named file; all others are left out.
func filesOf(body []byte, boundary string) (entity.Value, error) {
	bad := problemf(http.StatusBadRequest, "PayloadException", "the body is no multipart/form-data, which its content type says")
	if boundary == "" {
		return entity.Value{}, bad
	}
	r := multipart.NewReader(bytes.NewReader(body), boundary)
	var files []entity.Value
	for range mostParts {
		p, err := r.NextPart()
		if errors.Is(err, io.EOF) {
			return entity.NewDict(member("files", entity.NewList(files...))), nil
		}
		if err != nil {
			return entity.Value{}, bad
		}
		if p.FormName() != "file" {
			continue
		}
		data, err := io.ReadAll(p)
		if err != nil {
			return entity.Value{}, bad
		}
		clean := func(s string) string { return strings.ToValidUTF8(s, "\uFFFD") }
		files = append(files, entity.NewDict(text("name", clean(p.FileName())), text("contentType", clean(p.Header.Get("Content-Type"))),
			member("size", entity.NewInt(int64(len(data)))), text("base64", base64.StdEncoding.EncodeToString(data))))
	}
	return entity.Value{}, problemf(http.StatusRequestEntityTooLarge, "PayloadException", "the body has more than %d parts", mostParts)
}
