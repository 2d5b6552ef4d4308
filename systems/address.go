package systems

import (
	"errors"
	"fmt"
	"net/url"
	"strings"

	"github.com/sluiceio/sluice/internal/urlquery"
)

// address makes absolute addresses of what operations give: url_pattern, or
// the older base_url. Either may refer to secrets.
type address struct{ pattern, base string }

func isAbsolute(s string) bool {
	scheme, _, ok := strings.Cut(s, "://")
	return ok && (strings.EqualFold(scheme, "http") || strings.EqualFold(scheme, "https"))
}

// resolve returns the absolute address of rel.
func (a address) resolve(rel string, k *keyring) (string, error) {
	if isAbsolute(rel) {
		return rel, nil
	}
	if a.pattern != "" {
		pattern, err := k.expand(a.pattern)
		if err != nil {
			return "", fmt.Errorf("url_pattern: %w", err)
		}
		return insert(pattern, rel), nil
	}
	base, err := k.expand(a.base)
	if err != nil {
		return "", fmt.Errorf("base_url: %w", err)
	}
	return join(base, rel)
}

// next returns the absolute address of a next_page_link on the page at current.
// Relative links go through url_pattern, except those that cannot be meant so:
// a query alone, and a path from the root where url_pattern has a slash before
// its %s already.
func (a address) next(link, current string, k *keyring) (string, error) {
	rooted := strings.HasPrefix(link, "/") && strings.Contains(a.pattern, "/%s")
	if strings.HasPrefix(link, "?") || rooted {
		return join(current, link)
	}
	return a.resolve(link, k)
}

func insert(pattern, rel string) string {
	if strings.Contains(pattern, "%s") {
		return strings.Replace(pattern, "%s", rel, 1)
	}
	return pattern + rel
}

var errAddress = errors.New("it is not a valid address")

// join resolves rel against base. Its errors do not repeat the addresses,
// which may hold secrets.
func join(base, rel string) (string, error) {
	b, err := url.Parse(base)
	if err != nil {
		return "", errAddress
	}
	r, err := url.Parse(rel)
	if err != nil {
		return "", errAddress
	}
	return b.ResolveReference(r).String(), nil
}

// sameHost tells whether two addresses name the same host, so that one may
// hear the secrets meant for the other. From https to http it may not.
func sameHost(a, b string) bool {
	u, err := url.Parse(a)
	if err != nil {
		return false
	}
	v, err := url.Parse(b)
	if err != nil {
		return false
	}
	downgrade := u.Scheme == "https" && v.Scheme == "http"
	return strings.EqualFold(u.Hostname(), v.Hostname()) && !downgrade &&
		(u.Port() == v.Port() || u.Scheme != v.Scheme)
}

// param is one query parameter with its values as text.
type param struct {
	name   string
	values []string
}

// withParams returns the address with the parameters set in its query. What
// the query already says about a name is replaced.
func withParams(raw string, params []param) (string, error) {
	u, err := url.Parse(raw)
	if err != nil || !isAbsolute(raw) || u.Host == "" {
		return "", errAddress
	}
	u.Fragment = ""
	var parts []string
	for p := range strings.SplitSeq(u.RawQuery, "&") {
		if p != "" && !names(params, queryName(p)) {
			parts = append(parts, urlquery.Escape(p))
		}
	}
	for _, p := range params {
		for _, v := range p.values {
			parts = append(parts, url.QueryEscape(p.name)+"="+url.QueryEscape(v))
		}
	}
	u.RawQuery = strings.Join(parts, "&")
	return u.String(), nil
}

func queryName(part string) string {
	name, _, _ := strings.Cut(part, "=")
	if s, err := url.QueryUnescape(name); err == nil {
		return s
	}
	return name
}

// hasParam tells whether the query of an address names a parameter.
func hasParam(raw, name string) bool {
	_, query, _ := strings.Cut(raw, "?")
	query, _, _ = strings.Cut(query, "#")
	for p := range strings.SplitSeq(query, "&") {
		if p != "" && queryName(p) == name {
			return true
		}
	}
	return false
}

func names(params []param, name string) bool {
	for _, p := range params {
		if p.name == name {
			return true
		}
	}
	return false
}
