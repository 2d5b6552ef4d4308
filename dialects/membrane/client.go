package membrane

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"strings"
	"unicode/utf8"

	"github.com/sluiceio/sluice/systems"
)

// question is what a script asks by its apiClient.
type question struct {
	Method       string         `json:"method"`
	Path         string         `json:"path"`
	Query        map[string]any `json:"query"`
	Headers      map[string]any `json:"headers"`
	Data         json.RawMessage
	BaseURI      string `json:"baseUri"`
	ResponseType string `json:"responseType"`
	Auth         *struct {
		Username, Password string
	} `json:"auth"`
}

// reply is what it gets.
type reply struct {
	Status  int               `json:"status"`
	Headers map[string]string `json:"headers,omitempty"`
	Data    json.RawMessage   `json:"data,omitempty"`
	Base64  *string           `json:"base64,omitempty"`
	Error   *replyError       `json:"error,omitempty"`
}

type replyError struct {
	Name    string `json:"name"`
	Message string `json:"message"`
}

// host answers the questions of a connection's functions by its system.
func (s *externalEvent) host(p parts) func(ctx context.Context, q []byte) []byte {
	return func(ctx context.Context, text []byte) []byte {
		r, err := s.ask(ctx, p, text)
		if err != nil {
			r = &reply{Error: &replyError{"Error", err.Error()}}
			var status *systems.StatusError
			if errors.As(err, &status) {
				r.Status, r.Error.Name = status.Status, statusName(status.Status)
			}
		}
		out, err := json.Marshal(r)
		if err != nil {
			return []byte(`{"error": {"name": "Error", "message": "the answer cannot be passed on"}}`)
		}
		return out
	}
}

func statusName(status int) string {
	switch status {
	case 400:
		return "BadRequestError"
	case 401:
		return "UnauthorizedError"
	case 404:
		return "NotFoundError"
	}
	return "Error"
}

// mostAnswer bounds what a script gets of an answer.
const mostAnswer = 4 << 20

func (s *externalEvent) ask(ctx context.Context, p parts, text []byte) (*reply, error) {
	var q question
	if err := json.Unmarshal(text, &q); err != nil {
		return nil, errors.New("the request cannot be read: paths are texts, query and headers are dicts of texts")
	}
	id := p.connection.cfg.System
	if id == "" {
		return nil, fmt.Errorf("the connection %q has no system that apiClient could call", p.connection.cfg.Key)
	}
	r, err := systems.RESTOf(id, s.env.System)
	if err != nil {
		return nil, err
	}
	f, err := fetchOf(r, q)
	if err != nil {
		return nil, err
	}
	res, err := r.Open(ctx, f)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(io.LimitReader(res.Body, mostAnswer+1))
	if err == nil && len(body) > mostAnswer {
		err = fmt.Errorf("the answer is larger than %d bytes", mostAnswer)
	}
	if err != nil {
		return nil, err
	}
	out := &reply{Status: res.Status, Headers: map[string]string{}}
	for name, values := range res.Header {
		out.Headers[strings.ToLower(name)] = strings.Join(values, ", ")
	}
	return out, out.read(body, res.Header.Get("Content-Type"), q.ResponseType)
}

// fetchOf makes the request. It stays on the system's host, since the system's
// secrets go with it.
func fetchOf(r *systems.REST, q question) (systems.Fetch, error) {
	f := systems.Fetch{Method: q.Method, URL: q.Path, Params: map[string]string{}, Header: map[string]string{}, Body: q.Data}
	if q.BaseURI != "" {
		f.URL = strings.TrimSuffix(q.BaseURI, "/") + "/" + strings.TrimPrefix(q.Path, "/")
	}
	if !r.Within(f.URL) {
		return f, errors.New("apiClient calls the connection's system only, and the address is elsewhere")
	}
	if q.ResponseType == "stream" {
		return f, errors.New("responseType stream is not supported: json or arraybuffer")
	}
	for into, from := range map[*map[string]string]map[string]any{&f.Params: q.Query, &f.Header: q.Headers} {
		for name, v := range from {
			text, err := plain(v)
			if err != nil {
				return f, fmt.Errorf("%s: %w", name, err)
			}
			if v != nil {
				(*into)[name] = text
			}
		}
	}
	if len(q.Data) > 0 && f.Header["Content-Type"] == "" && f.Header["content-type"] == "" {
		f.Header["Content-Type"] = "application/json"
	}
	if q.Auth != nil {
		f.Header["Authorization"] = "Basic " + base64.StdEncoding.EncodeToString([]byte(q.Auth.Username+":"+q.Auth.Password))
	}
	return f, nil
}

// read reads a body by its content type, or as bytes if that is asked for.
func (r *reply) read(body []byte, contentType, as string) error {
	if as == "arraybuffer" {
		text := base64.StdEncoding.EncodeToString(body)
		r.Base64 = &text
		return nil
	}
	kind, _, _ := mime.ParseMediaType(contentType)
	isJSON := kind == "application/json" || strings.HasSuffix(kind, "+json")
	switch {
	case len(bytes.TrimSpace(body)) == 0:
		r.Data = json.RawMessage("null")
	case json.Valid(body) && (isJSON || as == "json"):
		r.Data = body
	case isJSON:
		return errors.New("the answer is no JSON, which its content type says")
	case utf8.Valid(body):
		text, err := json.Marshal(string(body))
		r.Data = text
		return err
	default:
		return errors.New("the answer is no text: ask for responseType arraybuffer")
	}
	return nil
}
