package webhooks

import (
	"strings"

	"github.com/sluiceio/sluice/entity"
)

// FormType is the content type of forms.
const FormType = "application/x-www-form-urlencoded"

// Encode writes what is sent of a value: a text as it is; a dict as a form where
// the endpoint sends forms, its members in their order; anything else as JSON
// without transit tags, which receivers do not know.
func (e *Endpoint) Encode(v entity.Value) string {
	typ, _, _ := strings.Cut(e.ContentType, ";")
	switch {
	case v.Kind() == entity.String:
		return v.Text()
	case v.Kind() == entity.Dict && strings.EqualFold(strings.TrimSpace(typ), FormType):
		return form(v)
	default:
		return string(entity.AppendPlain(nil, v))
	}
}

// form writes a dict as application/x-www-form-urlencoded. What is no text is
// written as JSON, so that numbers keep all their digits; null is empty.
func form(v entity.Value) string {
	var b strings.Builder
	for i, m := range v.Object().Members() {
		if i > 0 {
			b.WriteByte('&')
		}
		formText(&b, m.Key)
		b.WriteByte('=')
		switch m.Value.Kind() {
		case entity.Null:
		case entity.String:
			formText(&b, m.Value.Text())
		case entity.Dict, entity.List:
			formText(&b, string(entity.AppendPlain(nil, m.Value)))
		default:
			formText(&b, string(entity.AppendBare(nil, m.Value)))
		}
	}
	return b.String()
}

// formText writes a text as the URL standard has forms written. url.QueryEscape
// differs in two characters.
func formText(b *strings.Builder, s string) {
	const hex = "0123456789ABCDEF"
	for i := range len(s) {
		switch c := s[i]; {
		case c == ' ':
			b.WriteByte('+')
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', c == '*', c == '-', c == '.', c == '_':
			b.WriteByte(c)
		default:
			b.WriteByte('%')
			b.WriteByte(hex[c>>4])
			b.WriteByte(hex[c&15])
		}
	}
}
