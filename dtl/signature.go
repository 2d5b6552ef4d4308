package dtl

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/sluiceio/sluice/internal/jsonpos"
)

// signature is a function's parameters, read from the manual's notation.
type signature struct {
	params []param
	text   string
}

// param is one parameter, or a group of them that repeats together.
type param struct {
	name   string
	typ    string
	least  int
	most   int // -1: any number
	stride int // arguments one occurrence takes
}

var (
	paramPattern = regexp.MustCompile(`^([A-Z][A-Z0-9_]*)\(([a-z|-]+)\{(1|0\|1|>=0|>=1|2)\}\)$`)
	groupPattern = regexp.MustCompile(`\(([A-Z_]+\([^()]*\)(?: [A-Z_]+\([^()]*\))*)\)\{(>=1)\}`)
)

// parseSignature reads "NAME(type{count}) …"; "" means no arguments.
func parseSignature(text string) (signature, error) {
	s := signature{text: text}
	rest := groupPattern.ReplaceAllStringFunc(text, func(g string) string {
		return fmt.Sprintf("GROUP%d(group{>=1})", strings.Count(g, "(")-1)
	})
	for _, word := range strings.Fields(rest) {
		m := paramPattern.FindStringSubmatch(word)
		if m == nil {
			return s, fmt.Errorf("cannot read the parameter %q", word)
		}
		p := param{name: m[1], typ: m[2], stride: 1}
		if p.typ == "group" {
			fmt.Sscanf(p.name, "GROUP%d", &p.stride)
		}
		switch m[3] {
		case "1":
			p.least, p.most = 1, 1
		case "2":
			p.least, p.most = 2, 2
		case "0|1":
			p.least, p.most = 0, 1
		case ">=0":
			p.least, p.most = 0, -1
		case ">=1":
			p.least, p.most = 1, -1
		}
		s.params = append(s.params, p)
	}
	return s, nil
}

// counts returns the least and the most arguments; -1 means any number.
func (s signature) counts() (least, most int) {
	for _, p := range s.params {
		least += p.least * p.stride
		if p.most < 0 || most < 0 {
			most = -1
		} else {
			most += p.most * p.stride
		}
	}
	return least, most
}

// unevaluated tells whether a parameter takes an argument as it is written.
func (s signature) unevaluated() bool {
	return slices.ContainsFunc(s.params, func(p param) bool {
		return p.typ == "function-expression" || p.typ == "default-value-expression" || p.typ == "transforms"
	})
}

// bind gives each parameter its arguments: required ones are filled first,
// then optional and repeated ones take what is left, from the left.
func (s signature) bind(args []*jsonpos.Node) ([][]*jsonpos.Node, error) {
	need := 0
	for _, p := range s.params {
		need += p.least * p.stride
	}
	left := len(args) - need
	if left < 0 {
		return nil, s.arity(len(args))
	}
	bound := make([][]*jsonpos.Node, len(s.params))
	for i, p := range s.params {
		n := p.least * p.stride
		if p.most < 0 {
			extra := left / p.stride * p.stride
			n, left = n+extra, left-extra
		} else if more := min(left, p.most-p.least); more > 0 {
			n, left = n+more, left-more
		}
		bound[i], args = args[:n:n], args[n:]
	}
	if left > 0 {
		return nil, s.arity(need + left)
	}
	return bound, nil
}

func (s signature) arity(got int) error {
	if s.text == "" {
		return fmt.Errorf("takes no arguments, got %d", got)
	}
	return fmt.Errorf("got %d arguments, expected %s", got, s.text)
}

// Args are the arguments of a call as written, by parameter.
type Args struct {
	// Node is the whole call.
	Node  *jsonpos.Node
	bound [][]*jsonpos.Node
}

// One returns the argument of the i-th parameter, nil if it was left out.
func (a Args) One(i int) *jsonpos.Node {
	if len(a.bound[i]) == 0 {
		return nil
	}
	return a.bound[i][0]
}

// Many returns the arguments of the i-th parameter.
func (a Args) Many(i int) []*jsonpos.Node { return a.bound[i] }
