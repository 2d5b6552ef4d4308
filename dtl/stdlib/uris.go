package stdlib

import (
	"github.com/sluiceio/sluice/dtl"
	"github.com/sluiceio/sluice/entity"
)

func uris() []dtl.Func {
	return []dtl.Func{
		{Name: "is-uri", Args: "VALUES(value-expression{1})",
			Doc:      "Tells whether the value, or the first of a list, is a URI.",
			Examples: []dtl.Example{{`["is-uri", "~rhttp://a"]`, `true`}, {`["is-uri", ["list", "a"]]`, `false`}, {`["is-uri", null]`, `false`}},
			Call1:    firstIs(func(v value) bool { return v.Kind() == entity.URI })},
		{Name: "uri", Args: "VALUES(value-expression{1})",
			Doc:      "Turns strings into URIs.",
			Examples: []dtl.Example{{`["uri", "http://a"]`, `"~rhttp://a"`}, {`["uri", ["list", 1, "x"]]`, `["~rx"]`}, {`["uri", null]`, `null`}},
			Call: func(c *dtl.Ctx, a []value) value {
				return c.Map(a[0], func(v value) (value, bool) {
					s, ok := text(v)
					return entity.NewURI(s), ok
				})
			}},
	}
}
