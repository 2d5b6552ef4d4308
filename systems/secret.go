package systems

import (
	"cmp"
	"encoding/json"
	"fmt"
	"html"
	"net/url"
	"slices"
	"strings"

	"github.com/sluiceio/sluice/entity"
)

const secretMark = "$SECRET("

// secretRef finds the first $SECRET(name) of s: where it begins and ends.
func secretRef(s string) (name string, from, to int, ok bool) {
	from = strings.Index(s, secretMark)
	if from < 0 {
		return "", 0, 0, false
	}
	length := strings.IndexByte(s[from:], ')')
	if length < 0 {
		return "", 0, 0, false
	}
	to = from + length + 1
	return strings.TrimSpace(s[from+len(secretMark) : to-1]), from, to, true
}

// HasSecret tells whether the text refers to a secret.
func HasSecret(s string) bool {
	_, _, _, ok := secretRef(s)
	return ok
}

// keyring resolves the secrets of one call and remembers them, so that none
// of them leaves in an error.
type keyring struct {
	find  SecretFunc
	seen  []string
	forms []string // ways to write the first of what was seen, the longest first
	of    int      // how many those are of
}

func (k *keyring) get(name string) (string, bool) {
	if k.find == nil {
		return "", false
	}
	v, ok := k.find(name)
	if ok {
		k.hide(v)
	}
	return v, ok
}

// hide remembers a text that must not be shown.
func (k *keyring) hide(v string) {
	const shortest = 4 // hiding every "a" would make errors unreadable
	if len(v) >= shortest && !slices.Contains(k.seen, v) {
		k.seen = append(k.seen, v)
	}
}

// expand resolves every $SECRET(name) of s.
func (k *keyring) expand(s string) (string, error) {
	var b strings.Builder
	for {
		name, from, to, ok := secretRef(s)
		if !ok {
			b.WriteString(s)
			return b.String(), nil
		}
		v, found := k.get(name)
		if !found {
			return "", fmt.Errorf("secret %q is not set: it is looked for in <profile>-secrets.json and, as SLUICE_SECRET_%s, in the environment", name, name)
		}
		b.WriteString(s[:from])
		b.WriteString(v)
		s = s[to:]
	}
}

const hidden = "***"

// redact takes every secret seen out of s, also where it is written as part of
// an address, of JSON or of a page: answers repeat what they were sent. The longest
// goes first, since one secret may contain another.
func (k *keyring) redact(s string) string {
	if k.of != len(k.seen) { // made once, since one call redacts dozens of texts
		k.forms, k.of = nil, len(k.seen)
		for _, v := range k.seen {
			k.forms = append(k.forms, written(v)...)
		}
		slices.SortStableFunc(k.forms, func(a, b string) int { return cmp.Compare(len(b), len(a)) })
	}
	for _, form := range k.forms {
		s = strings.ReplaceAll(s, form, hidden)
	}
	return s
}

// written are the ways to write a text.
func written(v string) []string {
	plain, query, path := string(entity.AppendJSON(nil, entity.NewString(v))), url.QueryEscape(v), url.PathEscape(v)
	all := []string{v, query, path, smallHex(query), smallHex(path), html.EscapeString(v), strings.ReplaceAll(v, "/", `\/`)}
	if marshaled, err := json.Marshal(v); err == nil {
		for _, text := range []string{plain, string(marshaled)} {
			text = text[1 : len(text)-1]
			all = append(all, text, strings.ReplaceAll(text, "/", `\/`))
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// smallHex writes the escapes of an address in small letters.
func smallHex(s string) string {
	b := []byte(s)
	for i := 0; i+2 < len(b); i++ {
		if b[i] == '%' {
			copy(b[i+1:i+3], strings.ToLower(string(b[i+1:i+3])))
		}
	}
	return string(b)
}

// knows tells whether one of the texts holds a secret.
func (k *keyring) knows(texts []string) bool {
	return slices.ContainsFunc(texts, func(t string) bool {
		return slices.ContainsFunc(k.seen, func(v string) bool { return strings.Contains(t, v) })
	})
}

// redactURL writes an address for an error: without a password, and without
// the values of parameters that sound secret.
func (k *keyring) redactURL(raw string) string {
	u, err := url.Parse(raw)
	if err != nil {
		return k.redact("an address that cannot be read")
	}
	if u.User != nil {
		u.User = url.User(hidden)
	}
	u.RawQuery, u.Fragment = redactQuery(u.RawQuery), ""
	return k.redact(strings.ReplaceAll(u.String(), "%2A%2A%2A", hidden))
}

func redactQuery(raw string) string {
	parts := strings.Split(raw, "&")
	for i, p := range parts {
		name, _, has := strings.Cut(p, "=")
		if has && soundsSecret(name) {
			parts[i] = name + "=" + hidden
		}
	}
	return strings.Join(parts, "&")
}

func soundsSecret(name string) bool {
	name = strings.ToLower(name)
	for _, word := range []string{"key", "token", "secret", "pass", "auth", "sig", "credential", "session", "code"} {
		if strings.Contains(name, word) {
			return true
		}
	}
	return false
}
