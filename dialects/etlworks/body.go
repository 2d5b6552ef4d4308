package etlworks

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/sluiceio/sluice/internal/textdist"
)

// fields are the names of what callers give.
func fields() []string {
	return []string{"name", "description", "events", "url", "method", "contentType", "includeEntity", "headers", "secret", "basicUser", "basicPass",
		"enabled", "standardWebhooks", "signatureEncoding", "retry", "key", "value", "graceHours"}
}

// decodeStrict reads one JSON value, and refuses what follows it and members that
// are not known. What is wrong is said in words of JSON, not of Go.
func decodeStrict(body io.Reader, into any, what string) error {
	d := json.NewDecoder(body)
	d.DisallowUnknownFields()
	err := d.Decode(into)
	if err == nil {
		if _, more := d.Token(); !errors.Is(more, io.EOF) {
			return invalid("something follows the " + what)
		}
		return nil
	}
	var large *http.MaxBytesError
	if errors.As(err, &large) {
		return &refusal{http.StatusRequestEntityTooLarge, fmt.Sprintf("a %s has at most %d bytes", what, large.Limit)}
	}
	return invalid("the body is no " + what + ": " + fault(err))
}

// fault says why JSON cannot be decoded.
func fault(err error) string {
	var kind *json.UnmarshalTypeError
	name, unknown := strings.CutPrefix(err.Error(), "json: unknown field ")
	name = printable(name)
	switch {
	case errors.Is(err, io.EOF):
		return "it is empty"
	case errors.As(err, &kind):
		return fmt.Sprintf("%s must be %s, not %s", orBody(kind.Field), article(kind.Type.Kind().String()), article(kind.Value))
	case unknown && textdist.Nearest(name, fields()) != "":
		return fmt.Sprintf("there is no field %q; did you mean %q?", name, textdist.Nearest(name, fields()))
	case unknown:
		return fmt.Sprintf("there is no field %q", name)
	}
	return err.Error()
}

func orBody(field string) string {
	if field == "" {
		return "it"
	}
	return field
}

// article names a type of Go, or of JSON, as JSON's.
func article(kind string) string {
	word, _, _ := strings.Cut(kind, " ") // "number 1.5"
	switch word {
	case "bool":
		return "true or false"
	case "string":
		return "a text"
	case "slice", "array":
		return "a list"
	case "struct", "map", "object":
		return "an object"
	default:
		return "a number"
	}
}
