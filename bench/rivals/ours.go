package main

import (
	"context"
	"os"
	"path/filepath"

	"github.com/sluiceio/sluice/bench/measure"
)

// ours is a node with two pipes: one takes events in from whoever knows a key, and
// knows those it has already; the other sends them, signed.
type ours struct{ standard }

type object = map[string]any

func (*ours) start(ctx context.Context, o options, b *box, hook string) (target, error) {
	dir := filepath.Join(b.dir, "node")
	if err := os.MkdirAll(filepath.Join(dir, "pipes"), 0o700); err != nil {
		return target{}, err
	}
	for name, file := range map[string]any{
		"test-secrets.json": object{"global": object{"publish": apiKey, "deliver": secret}},
		"pipes/in.conf.json": object{"_id": "in", "type": "pipe",
			"source": object{"type": "webhook", "signature": "bearer", "secret": "$SECRET(publish)", "event_id_path": "_id"}},
		"pipes/out.conf.json": object{"_id": "out", "type": "pipe", "source": object{"type": "dataset", "dataset": "in"},
			"sink": object{"type": "webhook", "url": hook, "secret": "$SECRET(deliver)", "payload_property": "body",
				"event_id_property": "_id", "concurrency": o.concurrent}},
	} {
		if err := measure.WriteJSON(filepath.Join(dir, name), file); err != nil {
			return target{}, err
		}
	}
	// It is ended like the others, when the box is closed.
	n, err := measure.Serve(context.WithoutCancel(ctx), o.sluice, dir, "--allow-internal")
	if err != nil {
		return target{}, err
	}
	b.procs = append(b.procs, process{name: "sluice", role: itself, pid: n.PID(), stop: func() error {
		_, err := n.End()
		return err
	}})
	return target{n.URL + "/api/receivers/in/entities", jsonHeader("Bearer " + apiKey)}, nil
}

func (*ours) envelope(_ string, event []byte) []byte { return event }
