package stdlib

import (
	"strings"

	"github.com/sluiceio/sluice/dtl"
	"github.com/sluiceio/sluice/entity"
)

func identifiers() []dtl.Func {
	part := func(name, doc string, examples []dtl.Example, f func(ns, id string) string) dtl.Func {
		return dtl.Func{Name: name, Args: "VALUES(value-expression{1})", Doc: doc, Examples: examples,
			Call1: mapped(func(_ *dtl.Ctx, v value) (value, bool) {
				if v.Kind() != entity.NI && v.Kind() != entity.String {
					return null, false
				}
				ns, id, found := strings.Cut(v.Text(), ":")
				if !found {
					ns, id = "", v.Text()
				}
				return entity.NewString(f(ns, id)), true
			})}
	}
	return []dtl.Func{
		{Name: "is-ni", Args: "VALUES(value-expression{1})",
			Doc:      "Tells whether the value, or the first of a list, is a namespaced identifier.",
			Examples: []dtl.Example{{`["is-ni", "~:a:b"]`, `true`}, {`["is-ni", ["list", "a:b"]]`, `false`}, {`["is-ni", null]`, `false`}},
			Call1:    firstIs(func(v value) bool { return v.Kind() == entity.NI })},
		{Name: "ni", Args: "NAMESPACE(string{0|1}) VALUES(value-expression{1})",
			Doc:      "Turns strings into namespaced identifiers, without NAMESPACE also URIs.",
			Examples: []dtl.Example{{`["ni", "foo", ["list", "bar", "x:y", 1]]`, `["~:foo:bar","~:foo:x:y"]`}, {`["ni", "~rhttp://example.org/bar"]`, `"~:_:bar"`}, {`["ni", "foo", "~rhttp://a/b"]`, `null`}, {`["ni", null]`, `null`}},
			Build:    buildNI},
		part("ni-id", "Returns the identifiers of namespaced identifiers.",
			[]dtl.Example{{`["ni-id", "~:foo:bar"]`, `"bar"`}, {`["ni-id", ["list", "a:b", "c", 1]]`, `["b","c"]`}, {`["ni-id", null]`, `null`}}, func(_, id string) string { return id }),
		part("ni-ns", "Returns the namespaces of namespaced identifiers.",
			[]dtl.Example{{`["ni-ns", "~:foo:bar"]`, `"foo"`}, {`["ni-ns", ["list", "a:b", "c", 1]]`, `["a",""]`}, {`["ni-ns", null]`, `null`}}, func(ns, _ string) string { return ns }),
	}
}

func buildNI(b *dtl.Builder, a dtl.Args) dtl.Eval {
	namespace, vals := b.Optional(a.One(0)), b.Expr(a.One(1)).Eval
	prefixes := b.Prefixes()
	if namespace == nil {
		return func(c *dtl.Ctx) value {
			return c.Map(vals(c), func(v value) (value, bool) {
				if v.Kind() == entity.URI {
					ni, ok := prefixes.Identifier(c, v.Text())
					return entity.NewNI(ni), ok
				}
				return entity.NewNI(v.Text()), v.Kind() == entity.String
			})
		}
	}
	return func(c *dtl.Ctx) value {
		ns, ok := text(dtl.First(namespace.Eval(c)))
		if !ok {
			return null
		}
		return c.Map(vals(c), func(v value) (value, bool) {
			return entity.NewNI(ns + ":" + v.Text()), v.Kind() == entity.String
		})
	}
}
