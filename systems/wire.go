package systems

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/sluiceio/sluice/entity"
	"github.com/sluiceio/sluice/internal/jsonpos"
)

// entityOf makes a value of the configuration a value of entities.
func entityOf(n *jsonpos.Node) entity.Value {
	v, err := entity.Decode(nil, n.AppendJSON(nil), entity.DecodeOptions{})
	if err != nil {
		return entity.Value{}
	}
	return v
}

// Unmarked is JSON without the byte order mark that some services begin it with.
func Unmarked(b []byte) []byte { return bytes.TrimPrefix(b, []byte("\ufeff")) }

// decodeWire reads a body with transit tags; the value keeps the bytes.
func decodeWire(b []byte) (entity.Value, error) {
	return entity.Decode(nil, Unmarked(b), entity.DecodeOptions{MaxBytes: len(b) + 1})
}

// decodePlain reads JSON that a template wrote.
func decodePlain(b []byte) (entity.Value, error) {
	return entity.Decode(nil, b, entity.DecodeOptions{Plain: true})
}

func appendWire(dst []byte, v entity.Value) []byte  { return entity.AppendJSON(dst, v) }
func appendPlain(dst []byte, v entity.Value) []byte { return entity.AppendPlain(dst, v) }

// rawBody is a body that is no JSON: text if it is UTF-8.
func rawBody(b []byte) entity.Value {
	if utf8.Valid(b) {
		return entity.NewString(string(b))
	}
	return entity.NewBytes(b)
}

// unquoted takes the quotes off a JSON string.
func unquoted(b []byte) string {
	if s, err := strconv.Unquote(string(b)); err == nil {
		return s
	}
	return strings.Trim(string(b), `"`)
}

// plainText writes a value as a header or parameter has it.
func plainText(v entity.Value) string { return string(entity.AppendBare(nil, v)) }

// paramValues gives a list one value for each element, null none.
func paramValues(v entity.Value) []string {
	switch v.Kind() {
	case entity.Null:
		return nil
	case entity.List:
		var texts []string
		for _, e := range v.Elems() {
			texts = append(texts, plainText(e))
		}
		return texts
	default:
		return []string{plainText(v)}
	}
}

// boundary makes the boundary of a multipart body from its content.
func boundary(v entity.Value) string {
	sum := sha256.Sum256(appendWire([]byte("multipart"), v))
	return "sluice" + hex.EncodeToString(sum[:16])
}
