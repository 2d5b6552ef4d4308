// Package etlworks has a node send webhooks as Etlworks Integrator does: about
// what happens in the node itself, set up through an API by administrators.
package etlworks

import (
	"github.com/sluiceio/sluice/dialects"
	"github.com/sluiceio/sluice/transforms"
)

// EventsDataset holds what happened in the node, as long as some pipe reads it:
// the newest Kept events.
const EventsDataset = "system:events"

// Kept is how many events are kept.
const Kept = 10000

// Names of states and datasets of the store.
const (
	componentsDataset = "system:etlworks:components"
	counterKey        = "etlworks/events"
	feedKey           = "etlworks/feed"
	idsKey            = "etlworks/webhooks"
	webhookPrefix     = "etlworks/webhook/"
	secretPrefix      = "etlworks/secret/"
	logPrefix         = "etlworks/log/"
	pipePrefix        = "etlworks-webhook-"
)

// Dialect is the front end.
func Dialect() dialects.Dialect {
	return dialects.Dialect{
		Name: "etlworks", Stored: components, Secrets: findSecrets,
		Transforms: []transforms.Type{eventType()}, Serve: serve,
	}
}
