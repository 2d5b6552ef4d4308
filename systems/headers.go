package systems

import (
	"net/http"
	"net/textproto"
	"slices"
	"strings"

	"github.com/sluiceio/sluice/entity"
	"github.com/sluiceio/sluice/jinja"
)

// headerMap answers header names in any case.
type headerMap struct {
	names []string
	vals  []jinja.Value
}

// Get implements jinja.Mapping.
func (h *headerMap) Get(name string) (jinja.Value, bool) {
	for i, n := range h.names {
		if strings.EqualFold(n, name) {
			return h.vals[i], true
		}
	}
	return jinja.Value{}, false
}

// Keys implements jinja.Mapping.
func (h *headerMap) Keys() []string { return h.names }

// headerVar makes request headers a variable.
func headerVar(d entity.Value) jinja.Value {
	h := &headerMap{}
	for _, m := range d.Object().Members() {
		h.names = append(h.names, m.Key)
		h.vals = append(h.vals, jinja.FromEntity(m.Value))
	}
	return jinja.Map(h)
}

// responseHeaderVar makes response headers a variable; Link is a dict of the
// addresses by relation.
func responseHeaderVar(header http.Header) jinja.Value {
	h := &headerMap{}
	for _, name := range sortedNames(header) {
		h.names = append(h.names, name)
		if name == "Link" {
			h.vals = append(h.vals, linkVar(header.Values(name)))
			continue
		}
		h.vals = append(h.vals, jinja.Str(strings.Join(header.Values(name), ", ")))
	}
	return jinja.Map(h)
}

func linkVar(values []string) jinja.Value {
	links := &headerMap{}
	for _, l := range parseLinks(values) {
		if !slices.Contains(links.names, l.rel) {
			links.names = append(links.names, l.rel)
			links.vals = append(links.vals, jinja.Str(l.url))
		}
	}
	return jinja.Map(links)
}

// headerDict makes response headers a value for entities.
func headerDict(header http.Header) entity.Value {
	var arena *entity.Arena
	o := arena.NewObject(len(header))
	for _, name := range sortedNames(header) {
		o.Set(name, entity.NewString(strings.Join(header.Values(name), ", ")))
	}
	return o.Value()
}

func sortedNames(header http.Header) []string {
	names := make([]string, 0, len(header))
	for name := range header {
		names = append(names, textproto.CanonicalMIMEHeaderKey(name))
	}
	slices.Sort(names)
	return slices.Compact(names)
}
