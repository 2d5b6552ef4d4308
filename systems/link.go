package systems

import "strings"

// linkTarget is one target of a Link header: its address and its relation.
type linkTarget struct{ rel, url string }

// parseLinks reads Link headers (RFC 8288). What is malformed is left out:
// a header of somebody else's server must not stop a pipe.
func parseLinks(values []string) []linkTarget {
	var links []linkTarget
	for _, v := range values {
		for v != "" {
			var l []linkTarget
			l, v = parseLink(v)
			links = append(links, l...)
		}
	}
	return links
}

// parseLink reads one link value and returns what follows its comma.
func parseLink(s string) ([]linkTarget, string) {
	_, s, ok := strings.Cut(s, "<")
	if !ok {
		return nil, ""
	}
	target, rest, ok := strings.Cut(s, ">")
	if !ok {
		return nil, ""
	}
	var links []linkTarget
	rest = strings.TrimLeft(rest, " \t")
	for strings.HasPrefix(rest, ";") {
		var name, value string
		name, value, rest = parseLinkParam(rest[1:])
		if strings.EqualFold(name, "rel") && links == nil {
			for _, rel := range strings.Fields(value) {
				links = append(links, linkTarget{strings.ToLower(rel), target})
			}
		}
	}
	return links, strings.TrimPrefix(rest, ",")
}

func parseLinkParam(s string) (name, value, rest string) {
	end := strings.IndexAny(s, "=;,")
	if end < 0 {
		return strings.TrimSpace(s), "", ""
	}
	name, rest = strings.TrimSpace(s[:end]), s[end:]
	if rest[0] != '=' {
		return name, "", rest
	}
	rest = strings.TrimLeft(rest[1:], " \t")
	if strings.HasPrefix(rest, `"`) {
		value, rest = unquote(rest[1:])
		return name, value, strings.TrimLeft(rest, " \t")
	}
	end = strings.IndexAny(rest, ";,")
	if end < 0 {
		end = len(rest)
	}
	return name, strings.TrimSpace(rest[:end]), rest[end:]
}

// unquote reads up to the closing quote; a backslash takes the next character
// as it is.
func unquote(s string) (text, rest string) {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		switch s[i] {
		case '"':
			return b.String(), s[i+1:]
		case '\\':
			if i++; i < len(s) {
				b.WriteByte(s[i])
			}
		default:
			b.WriteByte(s[i])
		}
	}
	return b.String(), ""
}
