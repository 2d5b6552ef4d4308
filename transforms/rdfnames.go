package transforms

import (
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/sluiceio/sluice/internal/diag"
	"github.com/sluiceio/sluice/internal/jsonpos"
)

// prefix is a short name for the beginning of URIs.
type prefix struct{ name, uri string }

// builtIn are the prefixes that every configuration has; "_" is for what has
// no prefix.
func builtIn() []prefix {
	return []prefix{
		{"_", "http://example.org/"},
		{"rdf", "http://www.w3.org/1999/02/22-rdf-syntax-ns#"},
		{"rdfs", "http://www.w3.org/2000/01/rdf-schema#"},
		{"owl", "http://www.w3.org/2002/07/owl#"},
		{"xsd", xsd},
		{"skos", "http://www.w3.org/2004/02/skos/core#"},
		{"foaf", "http://xmlns.com/foaf/0.1/"},
		{"wgs84", "http://www.w3.org/2003/01/geo/wgs84_pos#"},
		{"dc", "http://purl.org/dc/elements/1.1/"},
		{"dcterms", "http://purl.org/dc/terms/"},
		{"gs", "http://www.opengis.net/ont/geosparql#"},
	}
}

const xsd = "http://www.w3.org/2001/XMLSchema#"

// registry is the node's `rdf` metadata.
type registry struct{ node *jsonpos.Node }

// prefixes gathers those of an entry and of all it includes, the longest URI
// first. An entry that is not there is a finding at the place that names it.
func (r registry) prefixes(names []*jsonpos.Node) ([]prefix, diag.List) {
	all, seen := builtIn(), map[string]bool{}
	var finds diag.List
	var add func(names []*jsonpos.Node)
	add = func(names []*jsonpos.Node) {
		for _, n := range names {
			if seen[n.Text] {
				continue // also of entries that include one another
			}
			seen[n.Text] = true
			entry := r.node.Get(n.Text)
			if n.Kind != jsonpos.String || entry == nil {
				finds.Add(missingEntry(n))
				continue
			}
			if p := entry.Get("prefixes"); p != nil {
				for _, m := range p.Members {
					if uri, ok := m.Value.Str(); ok && uri != "" {
						all = append(all, prefix{m.Key, uri})
					}
				}
			}
			if more := entry.Get("prefix_includes"); more != nil {
				add(more.Elems)
			}
		}
	}
	add(names)
	slices.SortStableFunc(all, func(a, b prefix) int { return len(b.uri) - len(a.uri) })
	return all, finds
}

func missingEntry(n *jsonpos.Node) diag.Finding {
	return diag.Finding{Rule: "transform/rdf", Severity: diag.Error, Span: n.Span,
		Message: fmt.Sprintf("the node's metadata has no entry %q in rdf", n.Text)}
}

// quoteURL writes what cannot stand in a URI as percent and two digits; safe
// are the characters left alone besides letters, digits and _.-~.
func quoteURL(s, safe string) string {
	var b strings.Builder
	for _, r := range s {
		if strings.ContainsRune(safe, r) {
			b.WriteRune(r)
			continue
		}
		b.WriteString(strings.ReplaceAll(url.QueryEscape(string(r)), "+", "%20"))
	}
	return b.String()
}

// bare takes the angle brackets off a name that has them.
func bare(s string) (string, bool) {
	if len(s) > 2 && s[0] == '<' && s[len(s)-1] == '>' {
		return s[1 : len(s)-1], true
	}
	return s, false
}
