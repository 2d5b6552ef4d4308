package membrane

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"net/url"
	"strings"
	"unicode/utf8"

	"golang.org/x/net/http/httpguts"

	"github.com/sluiceio/sluice/sources"
)

// call is the argument of handle. Members that are raw are JSON already.
type call struct {
	Query      map[string]any    `json:"query"`
	Data       json.RawMessage   `json:"data"`
	Headers    map[string]string `json:"headers"`
	Parameters json.RawMessage   `json:"parameters"`
	RawBody    string            `json:"rawBody"`
	// RawBase64 is there if the body is no text.
	RawBase64 string `json:"rawBodyBase64,omitempty"`
}

// callOf makes the argument of a request. Its errors are for the sender.
func callOf(q sources.Request, rawOnly bool) (*call, error) {
	c := &call{Query: single(q.Params), Headers: map[string]string{}, Data: json.RawMessage("null"), RawBody: string(q.Body)}
	for name, values := range q.Header {
		c.Headers[strings.ToLower(name)] = strings.Join(values, ", ")
	}
	if !utf8.Valid(q.Body) {
		c.RawBody, c.RawBase64 = strings.ToValidUTF8(c.RawBody, "\uFFFD"), base64.StdEncoding.EncodeToString(q.Body)
	}
	if rawOnly || len(q.Body) == 0 {
		return c, nil
	}
	var err error
	c.Data, err = dataOf(q)
	return c, err
}

// single are parameters: one value as a text, several as a list.
func single(v url.Values) map[string]any {
	out := map[string]any{}
	for key, values := range v {
		if out[key] = values; len(values) == 1 {
			out[key] = values[0]
		}
	}
	return out
}

// dataOf reads a body by its content type.
func dataOf(q sources.Request) (json.RawMessage, error) {
	kind, params, _ := mime.ParseMediaType(q.Header.Get("Content-Type"))
	switch {
	case kind == "application/json" || strings.HasSuffix(kind, "+json"):
		if !json.Valid(q.Body) {
			return nil, errors.New("the body is no JSON, which its content type says")
		}
		return q.Body, nil
	case kind == "application/x-www-form-urlencoded":
		form, err := url.ParseQuery(string(q.Body))
		if err != nil {
			return nil, errors.New("the body is no form, which its content type says")
		}
		return json.Marshal(single(form))
	case kind == "multipart/form-data":
		return partsOf(q.Body, params["boundary"])
	default:
		return json.Marshal(strings.ToValidUTF8(string(q.Body), "\uFFFD"))
	}
}

// mostParts is how many parts a form may have.
const mostParts = 1000

// partsOf takes a form apart: fields as texts, files as dicts.
func partsOf(body []byte, boundary string) (json.RawMessage, error) {
	wrong := errors.New("the body is no form, which its content type says")
	if boundary == "" {
		return nil, wrong
	}
	form, out := multipart.NewReader(bytes.NewReader(body), boundary), map[string]any{}
	for n := 0; ; n++ {
		part, err := form.NextPart()
		if errors.Is(err, io.EOF) {
			return json.Marshal(out)
		}
		if err != nil || n == mostParts {
			return nil, wrong
		}
		content, err := io.ReadAll(part)
		if err != nil {
			return nil, wrong
		}
		var v any = strings.ToValidUTF8(string(content), "\uFFFD")
		if file := part.FileName(); file != "" {
			v = map[string]any{"filename": file, "contentType": part.Header.Get("Content-Type"), "size": len(content),
				"base64": base64.StdEncoding.EncodeToString(content)}
		}
		switch before := out[part.FormName()].(type) {
		case nil:
			out[part.FormName()] = v
		case []any:
			out[part.FormName()] = append(before, v)
		default:
			out[part.FormName()] = []any{before, v}
		}
	}
}

// returned is what handle returns.
type returned struct {
	Events   []returnedEvent   `json:"events"`
	Response *returnedResponse `json:"response"`
}

type returnedEvent struct {
	Selector any             `json:"selector"`
	Payload  json.RawMessage `json:"payload"`
	DedupKey any             `json:"dedupKey"`
}

type returnedResponse struct {
	Status  *json.Number    `json:"status"`
	Headers map[string]any  `json:"headers"`
	Data    json.RawMessage `json:"data"`
}

// mostEvents is how many events one request may have.
const mostEvents = 1000

// resultError is a result that is none.
type resultError struct{ code, msg string }

func (e *resultError) Error() string { return e.msg }

// readReturned reads a result. null is no events and no response.
func readReturned(data []byte) (*returned, error) {
	r := new(returned)
	if bytes.Equal(bytes.TrimSpace(data), []byte("null")) {
		return r, nil
	}
	if err := json.Unmarshal(data, r); err != nil {
		return nil, &resultError{"invalid_result", "handle returned something else than { events: [{ selector, payload }], response: { status, headers, data } }"}
	}
	if len(r.Events) > mostEvents {
		return nil, &resultError{"invalid_result", fmt.Sprintf("handle returned more than %d events", mostEvents)}
	}
	return r, nil
}

// answer is what a sender gets.
type answer struct {
	status int
	header http.Header
	body   []byte
}

// answerOf makes the answer of what handle returned.
func answerOf(r *returnedResponse) (*answer, error) {
	a := &answer{status: http.StatusOK, header: http.Header{}}
	if r == nil {
		return a, nil
	}
	if r.Status != nil {
		n, err := r.Status.Int64()
		if err != nil || n < 200 || n > 599 {
			return nil, &resultError{"invalid_response", "the status is none from 200 to 599"}
		}
		a.status = int(n)
	}
	for name, value := range r.Headers {
		if err := a.add(name, value); err != nil {
			return nil, err
		}
	}
	return a, a.encode(r.Data)
}

// kept tells whether a header of a handler is sent.
func kept(name string) bool {
	switch http.CanonicalHeaderKey(name) {
	case "Connection", "Keep-Alive", "Proxy-Authenticate", "Proxy-Authorization", "Proxy-Connection", "Te", "Trailer", "Transfer-Encoding",
		"Upgrade", "Content-Length", "Set-Cookie":
		return false
	}
	return true
}

func (a *answer) add(name string, value any) error {
	list, many := value.([]any)
	if !many {
		list = []any{value}
	}
	for _, v := range list {
		text, err := plain(v)
		if err != nil || !httpguts.ValidHeaderFieldName(name) || !httpguts.ValidHeaderFieldValue(text) {
			return &resultError{"invalid_response", "a header cannot be sent: its name or value has characters that headers may not have"}
		}
		if kept(name) {
			a.header.Add(name, text)
		}
	}
	return nil
}

// encode writes the body by its content type.
func (a *answer) encode(data json.RawMessage) error {
	if len(data) == 0 || string(data) == "null" {
		return nil
	}
	var text string
	kind, _, _ := mime.ParseMediaType(a.header.Get("Content-Type"))
	var fields map[string]any
	switch {
	case json.Unmarshal(data, &text) == nil:
		a.body = []byte(text)
		a.set("text/plain; charset=utf-8")
	case kind == "application/x-www-form-urlencoded" && json.Unmarshal(data, &fields) == nil:
		form := url.Values{}
		for key, v := range fields {
			value, err := plain(v)
			if err != nil {
				return &resultError{"invalid_response", "the data cannot be written as a form"}
			}
			form.Set(key, value)
		}
		a.body = []byte(form.Encode())
	default:
		a.body = data
		a.set("application/json")
	}
	return nil
}

// set sets the content type unless the handler did.
func (a *answer) set(kind string) {
	if a.header.Get("Content-Type") == "" {
		a.header.Set("Content-Type", kind)
	}
}
