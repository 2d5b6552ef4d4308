package cli

import (
	"context"
	"errors"
	"fmt"

	"github.com/sluiceio/sluice/pipes"
	"github.com/sluiceio/sluice/sinks"
	"github.com/sluiceio/sluice/store"
	"github.com/sluiceio/sluice/store/local"
)

// compact removes old versions from all populated datasets of a folder that no
// node is using, as far as no pipe has yet to follow them.
func (c *datasetsCmd) compact(ctx context.Context, s *stdio, st *local.Store) error {
	if c.Keep < 1 {
		return usage("--keep must be at least 1, not %d", c.Keep)
	}
	o := store.CompactOptions{Datasets: map[string]store.Retention{}, Seal: true}
	infos, err := st.Datasets(ctx)
	for _, i := range infos {
		trip, tripErr := sinks.FindTrip(ctx, st, i.Name)
		if err = errors.Join(err, tripErr); i.Populated && trip == nil {
			o.Datasets[i.Name] = store.Retention{KeepVersions: c.Keep}
		}
	}
	var done store.Compacted
	if err == nil {
		o.Floors, err = pipes.StoredFloors(ctx, st)
	}
	if err == nil {
		done, err = st.Compact(ctx, o)
	}
	if err != nil {
		return failed(fmt.Errorf("%w; what was there is still there", err))
	}
	fmt.Fprintf(s.out, "%d versions removed, %d bytes given back, %d files written anew\n", done.Versions, done.Bytes, done.Files)
	return nil
}
