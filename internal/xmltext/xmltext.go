// Package xmltext writes entities as XML elements: of each dict the one property
// named <tag> is the element and its content, the others are its attributes.
package xmltext

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/sluiceio/sluice/entity"
)

// Declaration is what include-xml-decl puts before a document.
const Declaration = `<?xml version="1.0" encoding="UTF-8" standalone="yes"?>`

// Attribute is an attribute of a root element.
type Attribute struct{ Name, Value string }

// Append appends the element that an entity stands for, with root as the first
// attributes unless the entity has them itself. Attributes stand in the order
// of the entity's properties. What cannot be written as well-formed XML is an
// error; dst is returned as it was then.
func Append(dst []byte, e entity.Value, root []Attribute) ([]byte, error) {
	out, err := appendElement(dst, e, root)
	if err != nil {
		return dst, err
	}
	return out, nil
}

func appendElement(dst []byte, e entity.Value, root []Attribute) ([]byte, error) {
	tag, content, err := tagOf(e)
	if err != nil {
		return dst, err
	}
	if dst, err = AppendStart(dst, tag, attributesFor(e, root)); err != nil {
		return dst, err
	}
	for _, m := range e.Object().Members() {
		if _, isTag := tagName(m.Key); isTag || strings.HasPrefix(m.Key, "_") || m.Value.IsNull() {
			continue
		}
		if dst, err = appendAttribute(dst, m); err != nil {
			return dst, err
		}
	}
	dst = append(dst, '>')
	before := len(dst)
	if dst, err = appendContent(dst, content); err != nil {
		return dst, within(tag, err)
	}
	if len(dst) == before {
		return append(dst[:before-1], "/>"...), nil
	}
	return AppendEnd(dst, tag), nil
}

// within says in which element something is wrong, from the outside in.
func within(tag string, err error) error { return fmt.Errorf("in <%s>: %w", tag, err) }

// AppendStart appends a start tag but for its closing bracket.
func AppendStart(dst []byte, tag string, attributes []Attribute) ([]byte, error) {
	if !IsQName(tag) {
		return dst, fmt.Errorf("%s is no name of an XML element", strconv.Quote(tag))
	}
	dst = append(append(dst, '<'), tag...)
	var err error
	for _, a := range attributes {
		if dst, err = appendAttribute(dst, entity.Member{Key: a.Name, Value: entity.NewString(a.Value)}); err != nil {
			return dst, err
		}
	}
	return dst, nil
}

// AppendEnd appends an end tag.
func AppendEnd(dst []byte, tag string) []byte {
	return append(append(append(dst, "</"...), tag...), '>')
}

func appendAttribute(dst []byte, m entity.Member) ([]byte, error) {
	if !IsQName(m.Key) {
		return dst, fmt.Errorf("the property %s is no name of an XML attribute", strconv.Quote(m.Key))
	}
	if k := m.Value.Kind(); k == entity.Dict || k == entity.List {
		return dst, fmt.Errorf("the property %q is a %s; an XML attribute holds one plain value", m.Key, k)
	}
	dst = append(append(append(dst, ' '), m.Key...), `="`...)
	dst, err := appendValue(dst, m.Value)
	if err != nil {
		return dst, fmt.Errorf("the property %q: %w", m.Key, err)
	}
	return append(dst, '"'), nil
}

// attributesFor leaves out the attributes that the entity has itself: an
// element must not have two of one name.
func attributesFor(e entity.Value, root []Attribute) []Attribute {
	for i, a := range root {
		if _, ok := e.Get(a.Name); !ok {
			continue
		}
		kept := append([]Attribute(nil), root[:i]...)
		for _, b := range root[i+1:] {
			if _, ok := e.Get(b.Name); !ok {
				kept = append(kept, b)
			}
		}
		return kept
	}
	return root
}

// tagOf finds the one property whose name is a tag.
func tagOf(e entity.Value) (tag string, content entity.Value, err error) {
	found := 0
	for _, m := range e.Object().Members() {
		if name, ok := tagName(m.Key); ok {
			tag, content = name, m.Value
			found++
		}
	}
	switch found {
	case 1:
		return tag, content, nil
	case 0:
		return "", content, errors.New("no property is a tag: exactly one has to be named <…>")
	default:
		return "", content, fmt.Errorf("%d properties are tags: exactly one has to be named <…>", found)
	}
}

func tagName(key string) (string, bool) {
	if len(key) < 2 || key[0] != '<' || key[len(key)-1] != '>' {
		return "", false
	}
	return key[1 : len(key)-1], true
}

// appendContent appends what stands between the tags. Of a list only dicts
// count.
func appendContent(dst []byte, v entity.Value) ([]byte, error) {
	switch v.Kind() {
	case entity.Dict:
		return appendElement(dst, v, nil)
	case entity.List:
		var err error
		for _, e := range v.Elems() {
			if e.Kind() != entity.Dict {
				continue
			}
			if dst, err = appendElement(dst, e, nil); err != nil {
				return dst, err
			}
		}
		return dst, nil
	default:
		return appendValue(dst, v)
	}
}

// appendValue appends a plain value, escaped.
func appendValue(dst []byte, v entity.Value) ([]byte, error) {
	if v.Kind() == entity.String {
		return appendText(dst, v.Text())
	}
	return appendText(dst, string(entity.AppendBare(nil, v)))
}

// appendText escapes whatever could be taken for markup, in content and in
// attributes, and white space that readers would make something else of.
func appendText(dst []byte, s string) ([]byte, error) {
	for i, r := range s {
		switch {
		case r == '&':
			dst = append(dst, "&amp;"...)
		case r == '<':
			dst = append(dst, "&lt;"...)
		case r == '>':
			dst = append(dst, "&gt;"...)
		case r == '"':
			dst = append(dst, "&quot;"...)
		case r == '\t' || r == '\n' || r == '\r':
			dst = append(strconv.AppendUint(append(dst, "&#"...), uint64(r), 10), ';')
		case r == utf8.RuneError && !strings.HasPrefix(s[i:], "\uFFFD"):
			return dst, errors.New("the text is not valid UTF-8")
		case !allowed(r):
			return dst, fmt.Errorf("the character U+%04X cannot stand in XML", r)
		default:
			dst = utf8.AppendRune(dst, r)
		}
	}
	return dst, nil
}

// allowed tells whether XML 1.0 has the character.
func allowed(r rune) bool {
	return r >= 0x20 && r <= 0xD7FF || r >= 0xE000 && r <= 0xFFFD || r >= 0x10000 && r <= 0x10FFFF
}

// IsQName tells whether a text is a name of XML, with or without a prefix.
func IsQName(s string) bool {
	prefix, local, ok := strings.Cut(s, ":")
	if !ok {
		return isName(s)
	}
	return isName(prefix) && isName(local)
}

func isName(s string) bool {
	for i, r := range s {
		if !nameStart(r) && (i == 0 || !nameRest(r)) {
			return false
		}
	}
	return s != "" && utf8.ValidString(s)
}

// nameStart are the letters that Namespaces in XML 1.0 lets a name begin with.
func nameStart(r rune) bool {
	switch {
	case r < 0x80:
		return r == '_' || r >= 'A' && r <= 'Z' || r >= 'a' && r <= 'z'
	case r == 0xD7, r == 0xF7, r == 0x37E:
		return false
	}
	return r >= 0xC0 && r <= 0x2FF || r >= 0x370 && r <= 0x1FFF || r >= 0x200C && r <= 0x200D ||
		r >= 0x2070 && r <= 0x218F || r >= 0x2C00 && r <= 0x2FEF || r >= 0x3001 && r <= 0xD7FF ||
		r >= 0xF900 && r <= 0xFDCF || r >= 0xFDF0 && r <= 0xFFFD || r >= 0x10000 && r <= 0xEFFFF
}

func nameRest(r rune) bool {
	return r == '-' || r == '.' || r >= '0' && r <= '9' || r == 0xB7 || r >= 0x300 && r <= 0x36F || r >= 0x203F && r <= 0x2040
}
