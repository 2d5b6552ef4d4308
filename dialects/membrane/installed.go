package membrane

import (
	"path"
	"regexp"
	"slices"
	"sort"
	"strings"

	"github.com/sluiceio/sluice/config"
	"github.com/sluiceio/sluice/entity"
	"github.com/sluiceio/sluice/internal/jsonpos"
	"github.com/sluiceio/sluice/internal/spec"
	"github.com/sluiceio/sluice/internal/textdist"
)

// integrationSpec is a file of integrations/.
type integrationSpec struct {
	spec.Base
	Key          string        `spec:"key" doc:"Key of the integration: the name of its file."`
	Name         string        `spec:"name" doc:"Name of the integration."`
	Connector    string        `spec:"connector,required" doc:"Folder in connectors/ that it installs."`
	Parameters   *jsonpos.Node `spec:"parameters" kind:"object" doc:"Parameters of the connector."`
	Connections  *jsonpos.Node `spec:"connections" kind:"object" doc:"Connections by their keys."`
	Archived     bool          `spec:"archived" doc:"Whether its webhooks are refused as gone."`
	ExposeErrors bool          `spec:"exposeErrors" doc:"Whether senders are told what a handler threw."`
	KeepDays     int           `spec:"keepEventsDays" default:"30" min:"1" max:"36500" doc:"How many days events are kept that no subscription needs any more."`
	KeepUnread   int           `spec:"keepUnreadEventsDays" default:"365" min:"1" max:"36500" doc:"How many days events are kept at most, also if a subscription has not had them; never less than keepEventsDays."`
}

// connectionSpec is one of its connections.
type connectionSpec struct {
	spec.Base
	Name        string        `spec:"name" doc:"Name of the connection."`
	User        string        `spec:"user" doc:"Id of the customer."`
	System      string        `spec:"system" doc:"Id of the system by which apiClient reaches the other side."`
	Parameters  *jsonpos.Node `spec:"parameters" kind:"object" doc:"What else functions may know of the connection."`
	Credentials *jsonpos.Node `spec:"credentials" kind:"object" doc:"What functions get as credentials."`
}

// integration makes the components of an integration: itself, its connections,
// and a pipe for each webhook.
func (f *folder) integration(name string, connectors map[string]*connector) []*jsonpos.Node {
	n := f.yaml(name)
	if n == nil {
		return nil
	}
	var s integrationSpec
	finds := spec.Decode(n, &s)
	f.finds.Add(finds...)
	folder := strings.TrimSuffix(strings.TrimSuffix(path.Base(name), ".yml"), ".yaml")
	if finds.HasErrors() || !f.keyed(&s.Base, folder, s.Key) {
		return nil
	}
	c := connectors[s.Connector]
	if c == nil {
		var names []string
		for key := range connectors {
			names = append(names, key)
		}
		sort.Strings(names)
		help := "a connector is a folder in connectors/"
		if near := textdist.Nearest(s.Connector, names); near != "" {
			help = `did you mean "` + near + `"?`
		}
		f.fail(s.At("connector"), "connector", help, "there is no connector %q", s.Connector)
		return nil
	}
	f.parameters(&s, c)
	at := s.At("connector")
	nodes := []*jsonpos.Node{dictNode(at, "_id", textNode(at, integrationID(folder)), "type", textNode(at, "system:membrane"),
		"key", textNode(at, folder), "name", textNode(at, nameOr(s.Name, folder)), "connector", textNode(at, s.Connector),
		"parameters", s.Parameters, "archived", boolNode(at, s.Archived), "expose_errors", boolNode(at, s.ExposeErrors),
		"webhooks", placed(c.hooks, at), "events", placed(c.events, at))}
	for _, m := range membersOf(s.Connections) {
		nodes = append(nodes, f.connection(folder, m)...)
	}
	for _, key := range keysOf(c.hooks) {
		nodes = append(nodes, pipeOf(at, folder, key, &s))
	}
	return nodes
}

func placed(n *jsonpos.Node, at jsonpos.Span) *jsonpos.Node {
	c := *n
	c.Span = at
	return &c
}

// pipeOf is the pipe that receives a webhook.
func pipeOf(at jsonpos.Span, integration, key string, s *integrationSpec) *jsonpos.Node {
	text := func(s string) *jsonpos.Node { return textNode(at, s) }
	return dictNode(at, "_id", text(pipeID(integration, key)), "type", text("pipe"),
		"source", dictNode(at, "type", text("global_webhook"), "integration", text(integration), "key", text(key),
			"keep_days", intNode(at, s.KeepDays), "keep_unread_days", intNode(at, s.KeepUnread)),
		"sink", dictNode(at, "type", text("dataset"), "dataset", text(pipeID(integration, key)), "deletion_tracking", boolNode(at, false)))
}

func (f *folder) connection(integration string, m *jsonpos.Member) []*jsonpos.Node {
	if !keyPattern.MatchString(m.Key) {
		f.fail(m.KeySpan, "key", "small letters, digits, - and _", "%q is no key of a connection", m.Key)
		return nil
	}
	var s connectionSpec
	value := m.Value
	if value.Kind == jsonpos.Null {
		value = &jsonpos.Node{Kind: jsonpos.Object, Span: m.KeySpan}
	}
	finds := spec.Decode(value, &s)
	f.finds.Add(finds...)
	if finds.HasErrors() {
		return nil
	}
	f.inClear(s.Credentials)
	f.inClear(s.Parameters)
	at := m.KeySpan
	var system *jsonpos.Node
	if s.System != "" {
		system = textNode(s.At("system"), s.System)
	}
	return []*jsonpos.Node{dictNode(at, "_id", textNode(at, connectionID(m.Key)), "type", textNode(at, "system:membrane_connection"),
		"key", textNode(at, m.Key), "name", textNode(at, nameOr(s.Name, m.Key)), "integration", textNode(at, integration),
		"user", textNode(at, s.User), "system", system, "parameters", s.Parameters, "credentials", s.Credentials)}
}

// parameters checks the parameters of a connector.
func (f *folder) parameters(s *integrationSpec, c *connector) {
	f.inClear(s.Parameters)
	if c.schema == nil {
		return
	}
	text := []byte("{}")
	if s.Parameters != nil {
		text = s.Parameters.AppendJSON(nil)
	}
	v, err := entity.Decode(nil, text, entity.DecodeOptions{Plain: true})
	if err != nil {
		f.fail(s.At("parameters"), "parameters", "", "the parameters cannot be read: %v", err)
		return
	}
	wrong, err := c.schema.Complaints(v)
	if err != nil {
		wrong = []string{err.Error()}
	}
	for _, w := range wrong {
		f.fail(s.At("parameters"), "parameters", "the connector's parametersSchema says what it takes", "%s", w)
	}
}

// secretWord is what names of secrets have in them.
var secretWord = regexp.MustCompile(`(?i)secret|token|password|apikey|api_key|private`)

// inClear warns of secrets that stand in a file as they are.
func (f *folder) inClear(n *jsonpos.Node) {
	for _, m := range membersOf(n) {
		text, ok := m.Value.Str()
		switch {
		case m.Value.Kind == jsonpos.Object:
			f.inClear(m.Value)
		case ok && text != "" && secretWord.MatchString(m.Key) && len(config.SecretRefs(text)) == 0 && !slices.Contains([]string{"true", "false"}, text) && !strings.Contains(text, "$ENV("):
			f.warn(m.Value.Span, "secret-in-clear", "store it among the node's secrets and write $SECRET(name)", "%s stands in the file, where anybody can read it", m.Key)
		}
	}
}
