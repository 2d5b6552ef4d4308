package systems

import (
	"bytes"
	"errors"
	"fmt"
	"mime"
	"mime/multipart"
	"net/textproto"
	"net/url"
	"strings"

	"github.com/sluiceio/sluice/entity"
)

const formType = "application/x-www-form-urlencoded"

// encodePayload writes a payload as the operation asks; explicit is the
// Content-Type its headers name, which goes before the usual one.
func (s *session) encodePayload(q *rendered, explicit string) (body []byte, contentType string, err error) {
	if !q.sends {
		return nil, explicit, nil
	}
	body, usual, err := encodeAs(s.payloadType(q.payload, explicit), q.payload)
	if explicit != "" && !strings.HasPrefix(usual, "multipart/") {
		usual = explicit
	}
	return body, usual, err
}

// payloadType is the operation's. An operation that names none but sends a
// dict under the header of a form means a form.
func (s *session) payloadType(payload entity.Value, explicit string) string {
	kind, _, _ := mime.ParseMediaType(explicit)
	if !s.op.typeGiven && kind == formType && payload.Kind() == entity.Dict {
		return "form"
	}
	return s.op.payloadType
}

// encodeAs writes a payload. Text and bytes go as they are, whatever the
// type: they have been written out by whoever made them.
func encodeAs(kind string, v entity.Value) (body []byte, contentType string, err error) {
	switch kind {
	case "form":
		body, err = encodeForm(v)
		return body, formType, err
	case "multipart-form":
		return encodeMultipart(v)
	case "text":
		return encodeText(v)
	}
	if v.Kind() == entity.String {
		return []byte(v.Text()), "application/json", nil
	}
	if v.Kind() == entity.Bytes {
		return v.Octets(), "application/json", nil
	}
	if kind == "json-transit" {
		return appendWire(nil, v), "application/json", nil
	}
	return appendPlain(nil, v), "application/json", nil
}

func encodeText(v entity.Value) ([]byte, string, error) {
	switch v.Kind() {
	case entity.Bytes:
		return v.Octets(), "application/octet-stream", nil
	case entity.String:
		return []byte(v.Text()), "text/plain", nil
	default:
		return appendPlain(nil, v), "text/plain", nil
	}
}

func encodeForm(v entity.Value) ([]byte, error) {
	fields, err := formFields(v)
	if err != nil {
		return nil, err
	}
	var b strings.Builder
	for i, f := range fields {
		if i > 0 {
			b.WriteByte('&')
		}
		b.WriteString(url.QueryEscape(f.Key) + "=" + url.QueryEscape(string(formText(f.Value))))
	}
	return []byte(b.String()), nil
}

// encodeMultipart writes a multipart form. Its boundary follows from the
// content, so that equal requests stay equal.
func encodeMultipart(v entity.Value) ([]byte, string, error) {
	fields, err := formFields(v)
	if err != nil {
		return nil, "", err
	}
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	if err := w.SetBoundary(boundary(v)); err != nil {
		return nil, "", err
	}
	for _, f := range fields {
		part, err := w.CreatePart(partHeader(f))
		if err != nil {
			return nil, "", err
		}
		if _, err := part.Write(formText(f.Value)); err != nil {
			return nil, "", err
		}
	}
	if err := w.Close(); err != nil {
		return nil, "", err
	}
	return b.Bytes(), w.FormDataContentType(), nil
}

func partHeader(f entity.Member) textproto.MIMEHeader {
	name := strings.NewReplacer("\\", "\\\\", `"`, "%22", "\r", "%0D", "\n", "%0A").Replace(f.Key)
	h := textproto.MIMEHeader{}
	disposition := fmt.Sprintf(`form-data; name="%s"`, name)
	if f.Value.Kind() == entity.Bytes {
		disposition += fmt.Sprintf(`; filename="%s"`, name)
		h.Set("Content-Type", "application/octet-stream")
	}
	h.Set("Content-Disposition", disposition)
	return h
}

// formFields takes a dict, or a list of dicts one after the other; a list as
// value repeats its field.
func formFields(v entity.Value) ([]entity.Member, error) {
	var fields []entity.Member
	switch v.Kind() {
	case entity.Dict:
		for _, m := range v.Object().Members() {
			if m.Value.Kind() != entity.List {
				fields = append(fields, m)
				continue
			}
			for _, e := range m.Value.Elems() {
				fields = append(fields, entity.Member{Key: m.Key, Value: e})
			}
		}
		return fields, nil
	case entity.List:
		for _, e := range v.Elems() {
			more, err := formFields(e)
			if err != nil || e.Kind() != entity.Dict {
				return nil, errForm
			}
			fields = append(fields, more...)
		}
		return fields, nil
	default:
		return nil, errForm
	}
}

var errForm = errors.New("a form is made of a flat dict, or a list of them")

// formText is the content of a field: text and bytes as they are, everything
// else as its JSON with transit tags.
func formText(v entity.Value) []byte {
	switch v.Kind() {
	case entity.Null:
		return nil
	case entity.String:
		return []byte(v.Text())
	case entity.Bytes:
		return v.Octets()
	case entity.Dict, entity.List:
		return appendWire(nil, v)
	default:
		return []byte(unquoted(appendWire(nil, v)))
	}
}
