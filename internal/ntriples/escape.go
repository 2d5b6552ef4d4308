package ntriples

import (
	"strconv"
	"strings"
	"unicode/utf8"
)

// iri reads an absolute IRI in angle brackets; what names it where it is not there.
func (r *reader) iri(what string) string {
	if r.err != nil {
		return ""
	}
	at := r.pos
	if !r.has("<") {
		r.expected(what)
		return ""
	}
	text := r.until('>', "an IRI", inIRI, "")
	if r.err == nil && !Absolute(text) {
		r.fail(at, "an IRI begins with a scheme, such as http:")
	}
	return text
}

// inIRI tells whether a character may stand in an IRI.
func inIRI(c rune) bool { return c > ' ' && !strings.ContainsRune("<>\"{}|^`\\", c) }

// Absolute tells whether a text can be an IRI of N-Triples: it begins with a scheme
// and has nothing in it that no IRI has.
func Absolute(s string) bool {
	scheme, _, found := strings.Cut(s, ":")
	if !found || scheme == "" || !utf8.ValidString(s) {
		return false
	}
	for i, c := range []byte(scheme) {
		alpha := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
		if !alpha && (i == 0 || !strings.ContainsRune("0123456789+-.", rune(c))) {
			return false
		}
	}
	return strings.IndexFunc(s, func(c rune) bool { return !inIRI(c) }) < 0
}

// simple are the escapes of one letter, each followed by what it stands for.
const simple = "t\tb\bn\nr\rf\f\"\"''\\\\"

// until reads from an opening sign to the closing one. What is allowed holds for
// escaped characters too, except those of the letters in simple.
func (r *reader) until(end byte, what string, allowed func(rune) bool, simple string) string {
	open := r.pos
	r.pos++
	from, made, escaped := r.pos, strings.Builder{}, false
	for {
		c, size := r.next()
		switch {
		case r.err != nil:
			return ""
		case size == 0:
			r.fail(open, "%s that begins here does not end", what)
			return ""
		case c == rune(end):
			text := r.text[from:r.pos]
			r.pos++
			if escaped {
				made.WriteString(text)
				return made.String()
			}
			return text
		case c == '\\':
			made.WriteString(r.text[from:r.pos])
			made.WriteRune(r.escape(what, allowed, simple))
			from, escaped = r.pos, true
		case !allowed(c):
			r.fail(r.pos, "%s has no %q in it", what, c)
			return ""
		default:
			r.pos += size
		}
	}
}

// escape reads what a backslash begins.
func (r *reader) escape(what string, allowed func(rune) bool, simple string) rune {
	at := r.pos
	r.pos++
	letter, size := r.next()
	for i := 0; size == 1 && i < len(simple); i += 2 {
		if simple[i] == byte(letter) {
			r.pos++
			return rune(simple[i+1])
		}
	}
	digits := map[rune]int{'u': 4, 'U': 8}[letter]
	if digits == 0 {
		r.fail(at, "this is no escape that %s may have", what)
		return 0
	}
	r.pos++
	if len(r.text)-r.pos < digits {
		r.fail(at, "\\%c has %d digits after it", letter, digits)
		return 0
	}
	n, err := strconv.ParseUint(r.text[r.pos:r.pos+digits], 16, 32)
	if err != nil {
		r.fail(at, "\\%c has %d digits after it", letter, digits)
		return 0
	}
	c := rune(n)
	if n > utf8.MaxRune || !utf8.ValidRune(c) {
		r.fail(at, "no character has this number")
	} else if simple == "" && !allowed(c) {
		r.fail(at, "%s has no %q in it, escaped or not", what, c)
	}
	r.pos += digits
	return c
}
