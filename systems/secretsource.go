package systems

import "strings"

// secretSource is a template in which every $SECRET(name) has become a call of
// secret(), so that secrets are looked up at each render, may be filtered like
// any value, and what data happens to contain "$SECRET(x)" stays text.
type secretSource struct {
	text  string
	moves []move
}

// move says: from byte to of the new text on, it continues at byte from of the
// old one.
type move struct{ to, from int }

// origin translates an offset of the new text to the old one.
func (s *secretSource) origin(offset int) int {
	shift := 0
	for _, m := range s.moves {
		if m.to > offset {
			break
		}
		shift = m.from - m.to
	}
	return offset + shift
}

type secretRewriter struct {
	in  string
	pos int
	out strings.Builder
	src secretSource
}

// rewriteSecrets replaces the secret references of a template.
func rewriteSecrets(in string) secretSource {
	if !HasSecret(in) {
		return secretSource{text: in}
	}
	w := &secretRewriter{in: in}
	for w.pos < len(w.in) {
		w.text()
		w.tag()
	}
	w.src.text = w.out.String()
	return w.src
}

// text copies up to the next tag.
func (w *secretRewriter) text() {
	end := nextTag(w.in[w.pos:])
	w.pieces(w.in[w.pos:w.pos+end], func(call string) string { return "{{ " + call + " }}" })
}

func nextTag(s string) int {
	for i := 0; i+1 < len(s); i++ {
		if s[i] == '{' && (s[i+1] == '{' || s[i+1] == '%' || s[i+1] == '#') {
			return i
		}
	}
	return len(s)
}

// tag copies one tag; string literals in it are taken apart at their secrets.
func (w *secretRewriter) tag() {
	if w.pos >= len(w.in) {
		return
	}
	closing := map[byte]string{'{': "}}", '%': "%}", '#': "#}"}[w.in[w.pos+1]]
	for w.pos < len(w.in) {
		rest := w.in[w.pos:]
		switch {
		case strings.HasPrefix(rest, closing):
			w.copy(2)
			return
		case closing != "#}" && (rest[0] == '\'' || rest[0] == '"'):
			w.literal(rest[:literalLen(rest)])
		case closing != "#}" && strings.HasPrefix(rest, secretMark):
			_, _, to, ok := secretRef(rest)
			if !ok {
				to = len(rest)
			}
			w.pieces(rest[:to], func(call string) string { return call })
		default:
			w.copy(1)
		}
	}
}

func literalLen(s string) int {
	for i := 1; i < len(s); i++ {
		switch s[i] {
		case '\\':
			i++
		case s[0]:
			return i + 1
		}
	}
	return len(s)
}

func (w *secretRewriter) literal(s string) {
	if !HasSecret(s) {
		w.copy(len(s))
		return
	}
	quote := s[:1]
	w.out.WriteByte('(')
	w.pieces(s, func(call string) string { return quote + " ~ " + call + " ~ " + quote })
	w.out.WriteByte(')')
	w.mark()
}

// pieces copies s with each secret reference replaced by what as makes of its
// call.
func (w *secretRewriter) pieces(s string, as func(call string) string) {
	for {
		name, from, to, ok := secretRef(s)
		if !ok {
			w.copy(len(s))
			return
		}
		w.copy(from)
		w.out.WriteString(as("secret(" + quoteName(name) + ")"))
		w.pos += to - from
		w.mark()
		s = s[to:]
	}
}

// quoteName writes a name as a literal of the template language.
func quoteName(name string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`).Replace(name) + `"`
}

func (w *secretRewriter) copy(n int) {
	w.mark()
	w.out.WriteString(w.in[w.pos : w.pos+n])
	w.pos += n
}

func (w *secretRewriter) mark() {
	m := move{w.out.Len(), w.pos}
	if n := len(w.src.moves); n > 0 {
		last := w.src.moves[n-1]
		if last.from-last.to == m.from-m.to {
			return
		}
	}
	w.src.moves = append(w.src.moves, m)
}
