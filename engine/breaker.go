package engine

import (
	"context"

	"github.com/sluiceio/sluice/pipes"
	"github.com/sluiceio/sluice/sinks"
)

// Trip returns the trip of a dataset's circuit breaker, nil if there is none.
func (e *Engine) Trip(ctx context.Context, dataset string) (*sinks.Trip, error) {
	return sinks.FindTrip(ctx, e.o.Store, dataset)
}

// ResolveTrip commits what a tripped circuit breaker holds back, or drops it.
// The pipe that writes the dataset may run again.
func (e *Engine) ResolveTrip(ctx context.Context, dataset string, publish bool) error {
	return pipes.ResolveTrip(ctx, e.o.Store, dataset, publish, e.now())
}
