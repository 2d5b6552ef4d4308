//go:build !linux

package jsrun

import (
	"os"
	"runtime/debug"
	"runtime/metrics"
	"time"
)

// watchEvery is how often the heap is looked at.
const watchEvery = 5 * time.Millisecond

// confine ends the process when its heap has grown by memory bytes. Other
// kernels than Linux have no bound that counts what Go uses; between two looks
// the heap may grow further.
func confine(memory int64) error {
	debug.SetMemoryLimit(memory * 3 / 4)
	debug.SetMaxStack(int(memory / 2))
	sample := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
	metrics.Read(sample)
	most := sample[0].Value.Uint64() + uint64(memory)
	go func() {
		for range time.Tick(watchEvery) {
			if metrics.Read(sample); sample[0].Value.Uint64() > most {
				os.Exit(exitMemory)
			}
		}
	}()
	return nil
}

// beyond is never so: whoever watches ends the process.
func beyond() bool { return false }
