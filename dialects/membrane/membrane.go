// Package membrane reads connectors as Membrane (Integration.app) has them, as
// far as they receive global webhooks: functions in JavaScript or formulas that
// make events of a request, and others that say which events a connection gets.
//
// A folder connectors/<key> is a connector, a file integrations/<key>.yml
// installs one. For each global webhook of an integration there is a pipe that
// receives it; its dataset has the events. Pipes with the source external_event
// read those that are theirs.
package membrane

import (
	"regexp"
	"strings"

	"github.com/sluiceio/sluice/dialects"
	"github.com/sluiceio/sluice/internal/jsrun"
	"github.com/sluiceio/sluice/sources"
	"github.com/sluiceio/sluice/systems"
	"github.com/sluiceio/sluice/transforms"
)

// Dialect returns the dialect. Scripts are run by workers that the program
// starts itself, as its command js-worker.
func Dialect() dialects.Dialect { return With(jsrun.NewPool(jsrun.Options{})) }

// With returns the dialect with the workers of a pool.
func With(pool *jsrun.Pool) dialects.Dialect {
	return dialects.Dialect{
		Name:       "membrane",
		Front:      front{},
		Sources:    []sources.Type{webhookType(pool), eventType(pool)},
		Transforms: []transforms.Type{scriptType(pool)},
		Systems:    []systems.Type{integrationType(), connectionType()},
		Serve:      serve,
	}
}

// keyPattern is what keys of connectors, webhooks, events and integrations look
// like: they stand in addresses and ids.
var keyPattern = regexp.MustCompile(`^[a-z0-9][a-z0-9_-]{0,127}$`)

// idOf makes a component's id of keys.
func idOf(parts ...string) string { return strings.ReplaceAll(strings.Join(parts, "-"), "_", "-") }

// integrationID is the component that an integration becomes.
func integrationID(key string) string { return idOf(key, "integration") }

// connectionID is the component that a connection becomes.
func connectionID(key string) string { return idOf(key, "connection") }

// pipeID is the pipe that receives a webhook, and the dataset of its events.
func pipeID(integration, webhook string) string { return idOf(integration, webhook, "events") }
