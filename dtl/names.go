package dtl

import (
	"strings"

	"github.com/sluiceio/sluice/entity"
)

// nameMatch is a property name as namespace-aware functions read it:
// "foo:bar" and "::bar" name one property, ":bar" one in the current
// namespace, "bar" that property in every namespace.
type nameMatch struct {
	exact string // only this property, if local is ""
	local string // this name in any namespace
}

// nameMatch reads a name as the program's namespaces have it.
func (b *Builder) nameMatch(key string) nameMatch {
	switch {
	case !b.o.NamespacedIdentifiers:
		return nameMatch{exact: entity.Key(key)}
	case strings.HasPrefix(key, "::"):
		return nameMatch{exact: entity.Key(key[2:])}
	case strings.HasPrefix(key, ":"):
		return nameMatch{exact: entity.Key(b.o.PropertyNS + key)}
	case key == "" || isNamespaced(key) || key[0] == '_' || key[0] == '$':
		return nameMatch{exact: entity.Key(key)}
	default:
		return nameMatch{local: key}
	}
}

// stands tells whether the property key is one that m stands for.
func (m nameMatch) stands(key string) bool {
	if m.local == "" {
		return key == m.exact
	}
	colon := len(key) - len(m.local) - 1
	return strings.HasSuffix(key, m.local) && (colon < 0 || key[colon] == ':')
}

// read returns the value of the property a local name stands for in o; of
// several a list, in which lists are opened.
func (m nameMatch) read(c *Ctx, o *entity.Object) (entity.Value, bool) {
	members := o.Members()
	at := -1
	for i := range members {
		if !m.stands(members[i].Key) {
			continue
		}
		if at >= 0 {
			return m.readAll(c, members), true
		}
		at = i
	}
	if at < 0 {
		return entity.Value{}, false
	}
	return members[at].Value, true
}

func (m nameMatch) readAll(c *Ctx, members []entity.Member) entity.Value {
	found := c.Gather()
	for i := range members {
		if m.stands(members[i].Key) && !found.open(members[i].Value) {
			break
		}
	}
	return found.List()
}

// values appends the values of all properties that match, in their order.
func (m nameMatch) values(o *entity.Object, out []entity.Value) []entity.Value {
	for _, mem := range o.Members() {
		if m.stands(mem.Key) {
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
