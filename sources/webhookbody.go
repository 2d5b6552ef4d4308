package sources

import (
	"bytes"
	"errors"
	"io"
	"mime"
	"mime/multipart"
	"net/url"
	"strings"
	"unicode/utf8"

	"github.com/sluiceio/sluice/entity"
)

// bodyOf reads a body by its content type: JSON as what it says, a form as a
// dict, anything else as text or bytes. An empty one is null.
func bodyOf(q Request, a *entity.Arena) (entity.Value, error) {
	kind, params, _ := mime.ParseMediaType(q.Header.Get("Content-Type"))
	switch {
	case len(q.Body) == 0:
		return entity.Value{}, nil
	case kind == "application/json" || strings.HasSuffix(kind, "+json"):
		return entity.Decode(a, q.Body, entity.DecodeOptions{Plain: true, FloatAsDecimal: true})
	case kind == "application/x-www-form-urlencoded":
		form, err := url.ParseQuery(string(q.Body))
		if err != nil {
			return entity.Value{}, errNoForm()
		}
		return dictOf(form), nil
	case kind == "multipart/form-data":
		return partsOf(q.Body, params["boundary"])
	default:
		return textOrBytes(q.Body), nil
	}
}

func errNoForm() error { return errors.New("the body is no form, which its content type says") }

func textOrBytes(b []byte) entity.Value {
	if utf8.Valid(b) {
		return entity.NewString(string(b))
	}
	return entity.NewBytes(b)
}

// mostParts is how many parts a form may have, longestPartName how long the name
// of one may be.
const mostParts, longestPartName = 1000, 512

// partsOf takes a form apart: fields by their names, each a text, or bytes if it
// is none; files as dicts. What has a name several times is a list.
func partsOf(body []byte, boundary string) (entity.Value, error) {
	if boundary == "" {
		return entity.Value{}, errNoForm()
	}
	form := multipart.NewReader(bytes.NewReader(body), boundary)
	var heap *entity.Arena
	o, lists := heap.NewObject(8), map[string][]entity.Value{}
	for n := 0; ; n++ {
		part, err := form.NextPart()
		if errors.Is(err, io.EOF) {
			break
		}
		if n == mostParts {
			return entity.Value{}, errors.New("the form has too many parts")
		}
		if err != nil {
			return entity.Value{}, errNoForm()
		}
		name := strings.ToValidUTF8(part.FormName(), "\uFFFD")
		v, err := partOf(part)
		if err != nil || len(name) > longestPartName {
			return entity.Value{}, errNoForm()
		}
		lists[name] = append(lists[name], v)
		if all := lists[name]; len(all) > 1 {
			v = entity.NewList(all...)
		}
		o.Set(name, v)
	}
	return o.Value(), nil
}

// partOf reads one part. A file's name is a name, not a path.
func partOf(part *multipart.Part) (entity.Value, error) {
	content, err := io.ReadAll(part)
	if err != nil {
		return entity.Value{}, err
	}
	file := part.FileName()
	if file == "" {
		return textOrBytes(content), nil
	}
	kind := part.Header.Get("Content-Type")
	if kind == "" {
		kind = "application/octet-stream"
	}
	return entity.NewDict(
		entity.Member{Key: "filename", Value: entity.NewString(strings.ToValidUTF8(file, "\uFFFD"))},
		entity.Member{Key: "content_type", Value: entity.NewString(strings.ToValidUTF8(kind, "\uFFFD"))},
		entity.Member{Key: "size", Value: entity.NewInt(int64(len(content)))},
		entity.Member{Key: "content", Value: entity.NewBytes(content)}), nil
}
