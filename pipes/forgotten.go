package pipes

import (
	"context"
	"runtime/metrics"
	"strconv"

	"github.com/sluiceio/sluice/store"
)

// Forgotten notes in the store that compaction has forgotten deleted entities of a
// dataset, for the next run of the pipe that writes it to tell.
func Forgotten(ctx context.Context, st store.Store, dataset string, n int64) error {
	key := forgottenKey(dataset)
	before, err := tally(ctx, st, key)
	if err != nil {
		return err
	}
	_, err = commit(ctx, st, &store.Batch{State: []store.StateWrite{tallyWrite(key, before+n)}})
	return err
}

// forgottenKey counts what was forgotten of a dataset since there is one, toldKey how
// much of that the pipe's runs have told. Each has one writer, so that none is lost.
func forgottenKey(dataset string) string { return "forgotten/" + dataset }

func toldKey(pipe string) string { return "forgotten-told/" + pipe }

func tally(ctx context.Context, st store.Store, key string) (int64, error) {
	data, _, err := st.State(ctx, key)
	if err != nil || data == nil {
		return 0, err
	}
	return strconv.ParseInt(string(data), 10, 64)
}

func tallyWrite(key string, n int64) store.StateWrite {
	return store.StateWrite{Key: key, Value: strconv.AppendInt(nil, n, 10), IfRev: store.AnyRev}
}

// forgotten is how many entities compaction has forgotten that no run has told of, and
// what is to be saved when one has. What cannot be counted fails no run.
func (p *Pipe) forgotten(ctx context.Context) (n int64, told []store.StateWrite) {
	if p.Output() == "" {
		return 0, nil
	}
	all, err := tally(ctx, p.env.Store, forgottenKey(p.Output()))
	if err != nil || all == 0 {
		return 0, nil
	}
	before, err := tally(ctx, p.env.Store, toldKey(p.ID()))
	if err != nil || before == all {
		return 0, nil
	}
	return max(all-before, 0), []store.StateWrite{tallyWrite(toldKey(p.ID()), all)}
}

// heapMetric is the memory of everything that the node has made and not given back.
const heapMetric = "/memory/classes/heap/objects:bytes"

// heap is how many bytes that is now.
func heap() int64 {
	s := []metrics.Sample{{Name: heapMetric}}
	metrics.Read(s)
	if s[0].Value.Kind() != metrics.KindUint64 {
		return 0
	}
	return int64(s[0].Value.Uint64())
}
