package etlworks

import (
	"context"
	"net/http"
	"sync"

	"github.com/sluiceio/sluice/dialects"
)

// serve adds the API and the page, and begins to write down what happens if some
// pipe reads it.
func serve(ctx context.Context, n dialects.Node, mux *http.ServeMux) (stop func(), err error) {
	hooks, err := loadAll(ctx, n.Store())
	if err != nil {
		return func() {}, err
	}
	j := &journal{st: n.Store(), address: n.Address()}
	a := &api{n: n, st: n.Store(), journal: j}
	a.routes(mux)
	a.pages(mux)
	f := newFeed(n, j, hooks)
	if f == nil {
		return func() {}, abandon(ctx, n.Store())
	}
	if err := f.note(ctx); err != nil {
		return func() {}, err
	}
	a.fed.Store(true)
	ctx, cancel := context.WithCancel(ctx)
	var running sync.WaitGroup
	running.Go(func() { f.run(ctx) })
	return func() {
		cancel()
		running.Wait()
	}, nil
}
