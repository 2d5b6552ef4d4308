package entity

import "strings"

// Pick is [Decode] of a dict for those who need few of its members: it returns a
// dict with the members that have one of the names, and steps over the others
// without looking into them. The bytes must be those of a dict that AppendJSON
// wrote, in full; o.Stored is implied.
func Pick(a *Arena, data []byte, names []string, o DecodeOptions) (Value, error) {
	o.Stored = true
	src := StringIn(data)
	p := picker{src: src}
	found := a.NewObject(len(names))
	for p.next() && len(found.members) < len(names) {
		if !named(names, p.key) {
			continue
		}
		v, err := decode(a, p.value, o)
		if err != nil {
			return Value{}, err
		}
		found.Set(p.key, v)
	}
	if p.strange {
		return decode(a, src, o)
	}
	return found.Value(), nil
}

func named(names []string, key string) bool {
	for _, n := range names {
		if n == key {
			return true
		}
	}
	return false
}

// picker moves over the members of a dict.
type picker struct {
	src        string
	pos        int
	key, value string
	strange    bool // what it met it cannot step over
}

// next moves to the next member; false at the end.
func (p *picker) next() bool {
	switch {
	case strings.HasPrefix(p.src[p.pos:], `{}`), strings.HasPrefix(p.src[p.pos:], `}`):
		return false
	case p.pos == 0 && !strings.HasPrefix(p.src, `{"`), p.pos > 0 && !strings.HasPrefix(p.src[p.pos:], `,"`):
		return p.fail()
	}
	from := p.pos + 2
	end := stringEnd(p.src, from)
	if end < 0 || end+1 >= len(p.src) || p.src[end+1] != ':' || strings.IndexByte(p.src[from:end], '\\') >= 0 {
		return p.fail()
	}
	p.key = p.src[from:end]
	if p.pos = valueEnd(p.src, end+2); p.pos <= end+2 {
		return p.fail()
	}
	p.value = p.src[end+2 : p.pos]
	return true
}

func (p *picker) fail() bool {
	p.strange = true
	return false
}

// stringEnd returns where the string ends whose content begins at from: the
// place of its closing quote, or -1.
func stringEnd(src string, from int) int {
	for at := from; ; {
		n := strings.IndexByte(src[at:], '"')
		if n < 0 {
			return -1
		}
		at += n
		slashes := 0
		for at-slashes > from && src[at-slashes-1] == '\\' {
			slashes++
		}
		if slashes%2 == 0 {
			return at
		}
		at++
	}
}

// valueEnd returns the place behind the value that begins at from, or -1.
func valueEnd(src string, from int) int {
	depth := 0
	for at := from; at < len(src); at++ {
		switch src[at] {
		case '"':
			if at = stringEnd(src, at+1); at < 0 {
				return -1
			}
			if depth == 0 {
				return at + 1
			}
		case '{', '[':
			depth++
		case '}', ']':
			if depth == 0 {
				return at
			}
			if depth--; depth == 0 {
				return at + 1
			}
		case ',':
			if depth == 0 {
				return at
			}
		}
	}
	return -1
}
