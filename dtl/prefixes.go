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

// MaxMadePrefixes bounds the namespaces of a pipe that names are made for, and
// longestNamespace the bytes of one.
const (
	MaxMadePrefixes  = 10_000
	longestNamespace = 8 << 10
)

// MadePrefix is the nth name that is made in a pipe, from 1 on.
func MadePrefix(pipe string, n int) string { return fmt.Sprintf("%s-%d", pipe, n) }

// Prefixes are the short names of namespaces of URIs in one program: those
// declared, the built-in ones, and for others the pipe's id with a number, in
// the order they come. A host that keeps names has them the same after a restart,
// and in all programs of a pipe.
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
// has no id, that there are too many namespaces, or that c has failed.
func (p *Prefixes) Identifier(c *Ctx, uri string) (string, bool) {
	at := strings.LastIndexAny(uri, "/#") + 1
	if at == 0 || at == len(uri) || at > longestNamespace {
		return "", false
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	name := p.names[uri[:at]]
	if name == "" {
		space := strings.Clone(uri[:at])
		if name = p.makeLocked(c, space); name == "" {
			return "", false
		}
		p.names[space] = name
	}
	return name + ":" + uri[at:], true
}

// makeLocked makes a name; "" if it cannot.
func (p *Prefixes) makeLocked(c *Ctx, space string) string {
	h, keeps := c.Host().(Naming)
	if !keeps {
		if p.made >= MaxMadePrefixes {
			return ""
		}
		p.made++
		return MadePrefix(p.pipe, p.made)
	}
	name, err := h.Namespace(c.Context(), p.pipe, space)
	if err != nil {
		c.FailCause("dtl/namespace", "a name for the namespace "+space+" cannot be kept", err)
		return ""
	}
	return name
}

// Prefixes returns the prefixes of the program being compiled.
func (b *Builder) Prefixes() *Prefixes {
	if b.prefixes == nil {
		b.prefixes = newPrefixes(b.o)
	}
	return b.prefixes
}
