package dtl

import (
	"strconv"
	"strings"

	"github.com/sluiceio/sluice/internal/jsonpos"
)

// pointers are the JSON pointers of the nodes of a tree, by their places.
type pointers map[jsonpos.Span]string

var pointerEscapes = strings.NewReplacer("~", "~0", "/", "~1")

// add notes a node and everything in it.
func (p pointers) add(n *jsonpos.Node, at string) {
	if _, known := p[n.Span]; !known {
		p[n.Span] = at
	}
	for i, e := range n.Elems {
		p.add(e, at+"/"+strconv.Itoa(i))
	}
	for _, m := range n.Members {
		inside := at + "/" + pointerEscapes.Replace(m.Key)
		p[m.KeySpan] = inside
		p.add(m.Value, inside)
	}
}
