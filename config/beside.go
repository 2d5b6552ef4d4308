package config

import (
	"fmt"
	"path/filepath"
	"strings"

	"github.com/sluiceio/sluice/internal/diag"
	"github.com/sluiceio/sluice/internal/jsonpos"
)

// Secrets are the node's secrets: global ones and those of systems. They never
// print.
type Secrets struct {
	global  map[string]string
	systems map[string]map[string]string
	beside  []func(name string) (string, bool)
}

// Beside has secrets looked for elsewhere too, when they are none of these. It is
// called before the configuration is used.
func (s *Secrets) Beside(find func(name string) (string, bool)) { s.beside = append(s.beside, find) }

// Lookup returns a secret as a system sees it: its own first, then the global
// one. The system may be "".
func (s *Secrets) Lookup(system, name string) (string, bool) {
	if s == nil {
		return "", false
	}
	if v, ok := s.systems[system][name]; ok {
		return v, true
	}
	if v, ok := s.global[name]; ok {
		return v, true
	}
	for _, find := range s.beside {
		if v, ok := find(name); ok {
			return v, true
		}
	}
	return "", false
}

// String says how many secrets there are, and nothing of them.
func (s *Secrets) String() string {
	if s == nil {
		return "no secrets"
	}
	n := len(s.global)
	for _, m := range s.systems {
		n += len(m)
	}
	return fmt.Sprintf("%d secrets", n)
}

// GoString is String: %#v prints no secret either.
func (s *Secrets) GoString() string { return s.String() }

func (l *loader) envFile(dir string) string { return filepath.Join(dir, l.o.Profile+"-env.json") }

func (l *loader) secretsFile(dir string) string {
	return filepath.Join(dir, l.o.Profile+"-secrets.json")
}

// besides reads the env and secrets files that stand in a folder.
func (l *loader) besides(dir string) {
	if env := l.optional(l.envFile(dir)); env != nil {
		if l.env == nil {
			l.env = map[string]*jsonpos.Node{}
		}
		for _, m := range env.Members {
			l.env[m.Key] = m.Value
		}
	}
	l.besideSecrets(l.secretsFile(dir))
}

// besideSecrets reads a file of secrets. Nothing that stands in it is told: a text out
// of place may be one of them.
func (l *loader) besideSecrets(path string) {
	before := len(l.finds)
	n := l.optional(path)
	for i := range l.finds[before:] {
		f := &l.finds[before+i]
		if f.Hidden = true; strings.HasPrefix(f.Rule, "json/") {
			f.Message = "the file of secrets cannot be read from here on; the line is not shown"
		}
	}
	if n == nil {
		return
	}
	for _, m := range n.Members {
		switch m.Key {
		case "global":
			l.group(m.Value)
		case "systems":
			for _, own := range l.object(m.Value) {
				l.group(own.Value)
			}
		default:
			l.hidden(warning(m.KeySpan, "config/secrets", secretsForm, "%q is neither global nor systems: no secret is looked for there", m.Key))
		}
	}
	l.secrets = append(l.secrets, n)
}

const secretsForm = `the form is {"global": {"name": "secret"}, "systems": {"system": {"name": "secret"}}}`

// group tells of what among secrets of one owner is none.
func (l *loader) group(n *jsonpos.Node) {
	for _, m := range l.object(n) {
		if _, text := m.Value.Str(); !text {
			l.hidden(finding(m.Value.Span, "config/type", "write it in double quotes", "the secret %q must be a text, found a %s", m.Key, m.Value.Kind))
		}
	}
}

func (l *loader) object(n *jsonpos.Node) []*jsonpos.Member {
	if n.Kind != jsonpos.Object {
		l.hidden(finding(n.Span, "config/type", secretsForm, "an object is expected, found a %s", n.Kind))
	}
	return n.Members
}

func (l *loader) hidden(f diag.Finding) {
	f.Hidden = true
	l.finds.Add(f)
}

// optional reads an object from a file that need not be there.
func (l *loader) optional(path string) *jsonpos.Node {
	if !exists(path) {
		return nil
	}
	p := readFile(path)
	l.finds.Add(p.finds...)
	if p.node != nil && p.node.Kind != jsonpos.Object {
		l.finds.Add(finding(p.node.Span, "config/type", "", "an object is expected, found a %s", p.node.Kind))
		return nil
	}
	return p.node
}

func (l *loader) variables() map[string]*jsonpos.Node {
	env := map[string]*jsonpos.Node{}
	for k, v := range l.env {
		env[k] = v
	}
	for k, v := range l.o.Env {
		env[k] = v
	}
	return env
}

func (l *loader) readSecrets() *Secrets {
	s := &Secrets{global: map[string]string{}, systems: map[string]map[string]string{}}
	for _, n := range l.secrets {
		texts(n.Get("global"), s.global)
		if systems := n.Get("systems"); systems != nil {
			for _, m := range systems.Members {
				own := map[string]string{}
				texts(m.Value, own)
				s.systems[m.Key] = own
			}
		}
	}
	for _, pair := range l.o.Environ {
		name, value, _ := strings.Cut(pair, "=")
		if name, ok := strings.CutPrefix(name, "SLUICE_SECRET_"); ok {
			s.global[name] = value
			for _, own := range s.systems {
				delete(own, name)
			}
		}
	}
	return s
}

func texts(n *jsonpos.Node, into map[string]string) {
	if n == nil {
		return
	}
	for _, m := range n.Members {
		if text, ok := m.Value.Str(); ok {
			into[m.Key] = text
		}
	}
}
