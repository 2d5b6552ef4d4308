package dtl

import (
	"strings"

	"github.com/sluiceio/sluice/entity"
	"github.com/sluiceio/sluice/internal/jsonpos"
)

// secretName returns the name in a text "$SECRET(name)".
func secretName(n *jsonpos.Node) (string, bool) {
	text, _ := n.Str()
	rest, ok := strings.CutPrefix(text, "$SECRET(")
	name, closed := strings.CutSuffix(rest, ")")
	return name, ok && closed && name != ""
}

// secret compiles the use of a secret. It is looked up in each run, so that
// neither the program nor what is folded into it holds secrets.
func (b *Builder) secret(n *jsonpos.Node, name string) *Expr {
	b.impure++
	b.facts.Secrets = append(b.facts.Secrets, Use{name, n.Span})
	at := &call{"$SECRET", n.Span, b.pointers[n.Span], b.rule}
	return &Expr{node: n, Eval: func(c *Ctx) entity.Value {
		secret, ok := c.host.Secret(name)
		if !ok {
			c.Fail("dtl/secret", "there is no secret "+name)
			c.err.happenedIn(at)
		}
		return entity.NewString(secret)
	}}
}
