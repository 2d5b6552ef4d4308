package messages

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// longestKey is how many bytes a key or pattern may have; AMQP has no room for
// more either.
const longestKey = 255

// CheckKey tells what is wrong with the key of a message, nil if nothing is.
func CheckKey(key string) error {
	switch {
	case len(key) > longestKey:
		return fmt.Errorf("the key %.40q… has %d bytes, more than %d", key, len(key), longestKey)
	case !utf8.ValidString(key):
		return fmt.Errorf("the key %q is not UTF-8", key)
	case strings.HasPrefix(key, "~"):
		return fmt.Errorf("the key %q begins with ~, by which values say of which type they are", key)
	case strings.ContainsAny(key, "*#"):
		return fmt.Errorf("the key %q holds * or #, which only patterns may", key)
	}
	return nil
}

// Pattern chooses messages by their keys, as topics of AMQP do: a key is words
// with dots between them; * stands for exactly one word, # for any number of
// words, none too.
type Pattern struct {
	text  string
	words []string
	wild  bool
}

// ParsePattern reads a pattern. A word that holds * or # among others would
// match nothing but itself, and is refused as a mistake.
func ParsePattern(text string) (Pattern, error) {
	if len(text) > longestKey {
		return Pattern{}, fmt.Errorf("the pattern %.40q… has %d bytes, more than %d", text, len(text), longestKey)
	}
	if !utf8.ValidString(text) {
		return Pattern{}, fmt.Errorf("the pattern %q is not UTF-8", text)
	}
	p := Pattern{text: text, words: split(text)}
	for _, w := range p.words {
		whole := w == "*" || w == "#"
		if p.wild = p.wild || whole; !whole && strings.ContainsAny(w, "*#") {
			return Pattern{}, fmt.Errorf("the pattern %q has the word %q: * and # stand for whole words, between dots", text, w)
		}
	}
	return p, nil
}

// split cuts a key into words. The empty key has none.
func split(key string) []string {
	if key == "" {
		return nil
	}
	return strings.Split(key, ".")
}

// String returns the pattern as it was written.
func (p Pattern) String() string { return p.text }

// Exact tells that the pattern has no wildcards, and matches just the key that
// it is.
func (p Pattern) Exact() bool { return !p.wild }

// Match tells whether a key fits. It takes time in proportion to the words of
// the pattern times those of the key at most.
func (p Pattern) Match(key string) bool {
	if !p.wild {
		return p.text == key
	}
	words := split(key)
	at, hash, from := 0, -1, 0 // in the pattern; its last # and where the words behind that begin
	for i := 0; i < len(words); {
		switch {
		case at < len(p.words) && p.words[at] == "#":
			hash, from = at, i
			at++
		case at < len(p.words) && (p.words[at] == "*" || p.words[at] == words[i]):
			at++
			i++
		case hash >= 0: // let the last # take one word more
			from++
			at, i = hash+1, from
		default:
			return false
		}
	}
	for at < len(p.words) && p.words[at] == "#" {
		at++
	}
	return at == len(p.words)
}
