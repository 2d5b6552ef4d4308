package dtl

import (
	"fmt"
	"strings"
	"sync"
)

// builtinPrefixes stand for namespaces of URIs unless a configuration says
// otherwise.
var builtinPrefixes = [...][2]string{
	{"_", "http://example.org/"},
	{"rdf", "http://www.w3.org/1999/02/22-rdf-syntax-ns#"},
	{"rdfs", "http://www.w3.org/2000/01/rdf-schema#"},
	{"owl", "http://www.w3.org/2002/07/owl#"},
	{"foaf", "http://xmlns.com/foaf/0.1/"},
	{"wgs84", "http://www.w3.org/2003/01/geo/wgs84_pos#"},
	{"xsd", "http://www.w3.org/2001/XMLSchema#"},
	{"dc", "http://purl.org/dc/elements/1.1/"},
	{"skos", "http://www.w3.org/2004/02/skos/core#"},
	{"dcterms", "http://purl.org/dc/terms/"},
	{"gs", "http://www.opengis.net/ont/geosparql#"},
}

// maxMadePrefixes bounds the namespaces that one program makes names for.
const maxMadePrefixes = 10_000

// Prefixes are the short names of namespaces of URIs in one program: those
// declared, the built-in ones, and for others the pipe's id with a number, in
// the order they come.
type Prefixes struct {
	pipe  string
	mu    sync.Mutex
	names map[string]string // by the namespace's URI
	made  int
}

func newPrefixes(o Options) *Prefixes {
	p := &Prefixes{pipe: o.PipeID, names: map[string]string{}}
	for _, b := range builtinPrefixes {
		p.names[b[1]] = b[0]
	}
	for prefix, uri := range o.URINamespaces {
		for have, name := range p.names {
			if name == prefix {
				delete(p.names, have) // declared anew
			}
		}
		p.names[uri] = prefix
	}
	return p
}

// Identifier returns a URI as "prefix:id": the id is what follows the last
// slash or number sign. It is safe for concurrent use; false means that the URI
// has no id, or that there are too many namespaces.
func (p *Prefixes) Identifier(uri string) (string, bool) {
	at := strings.LastIndexAny(uri, "/#") + 1
	if at == 0 || at == len(uri) {
		return "", false
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	name := p.names[uri[:at]]
	if name == "" {
		if p.made++; p.made > maxMadePrefixes {
			return "", false
		}
		name = fmt.Sprintf("%s-%d", p.pipe, p.made)
		p.names[strings.Clone(uri[:at])] = name
	}
	return name + ":" + uri[at:], true
}

// Prefixes returns the prefixes of the program being compiled.
func (b *Builder) Prefixes() *Prefixes {
	if b.prefixes == nil {
		b.prefixes = newPrefixes(b.o)
	}
	return b.prefixes
}
