package dtl

import (
	"strings"

	"github.com/sluiceio/sluice/entity"
)

// nameMatch is a property name as namespace-aware functions read it:
// "foo:bar" and "::bar" name one property, ":bar" one in the current
// namespace, "bar" that property in every namespace.
type nameMatch struct {
	exact    string // set: only this property
	local    string // otherwise: this name in any namespace
	identity string
}

func newNameMatch(key, identity, property string) nameMatch {
	m := nameMatch{identity: identity}
	switch {
	case strings.HasPrefix(key, "::"):
		m.exact = key[2:]
	case strings.HasPrefix(key, ":"):
		m.exact = property + key
	case isNamespaced(key) || strings.HasPrefix(key, "_") || strings.HasPrefix(key, "$"):
		m.exact = key
	default:
		m.local = key
	}
	return m
}

// values appends the values of all properties that match, in their order.
func (m nameMatch) values(o *entity.Object, out []entity.Value) []entity.Value {
	if m.local == "" {
		if v, ok := o.Get(m.exact); ok {
			out = append(out, v)
		}
		return out
	}
	for _, mem := range o.Members() {
		if localName(mem.Key) == m.local {
			out = append(out, mem.Value)
		}
	}
	return out
}

// localName is what stands behind the last colon.
func localName(key string) string { return key[strings.LastIndexByte(key, ':')+1:] }

// WriteName is the property a name stands for when something is written.
func (b *Builder) WriteName(key string) string {
	if !b.o.NamespacedIdentifiers {
		return key
	}
	switch {
	case strings.HasPrefix(key, "::"):
		return key[2:]
	case strings.HasPrefix(key, ":"):
		return b.o.PropertyNS + key
	case isNamespaced(key) || strings.HasPrefix(key, "_") || strings.HasPrefix(key, "$") || b.o.PropertyNS == "":
		return key
	default:
		return b.o.PropertyNS + ":" + key
	}
}

// Wildcard matches names against a pattern in which * stands for any text and
// ? for one character.
func Wildcard(pattern, s string) bool {
	p, i, star, mark := 0, 0, -1, 0
	for i < len(s) {
		switch {
		case p < len(pattern) && pattern[p] == '*':
			star, mark = p, i
			p++
		case p < len(pattern) && (pattern[p] == s[i] || pattern[p] == '?' && s[i] < 0x80):
			p++
			i++
		case p < len(pattern) && pattern[p] == '?':
			p++
			for i++; i < len(s) && s[i]&0xc0 == 0x80; i++ {
			}
		case star >= 0:
			mark++
			p, i = star+1, mark
		default:
			return false
		}
	}
	return strings.Trim(pattern[p:], "*") == ""
}

// matchName matches a property name against a wildcard of copy or remove. With
// namespaces the last colon separates, and a pattern without one matches in
// every namespace.
func (b *Builder) matchName(pattern, key string) bool {
	if !b.o.NamespacedIdentifiers {
		return Wildcard(pattern, key)
	}
	switch {
	case strings.HasPrefix(pattern, "::"):
		return Wildcard(pattern[2:], key)
	case strings.HasPrefix(pattern, ":"):
		pattern = b.o.PropertyNS + pattern
	}
	at := strings.LastIndexByte(pattern, ':')
	if at < 0 {
		return Wildcard(pattern, localName(key))
	}
	sep := strings.LastIndexByte(key, ':')
	return sep >= 0 && Wildcard(pattern[:at], key[:sep]) && Wildcard(pattern[at+1:], key[sep+1:])
}
