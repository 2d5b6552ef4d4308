package enginetest

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sluiceio/sluice/store"
	"github.com/sluiceio/sluice/store/local"
)

// What is retracted is gone for good within minutes, however little that is of the
// dataset, also if the node ends before; where retract is off it stays.
func TestRetractedGoesSoon(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := memory(t)
		conf := parse(t, `[
			{"_id": "own", "type": "pipe", "source": {"type": "http_endpoint"}, "compaction": {"retract": true}},
			{"_id": "off", "type": "pipe", "source": {"type": "http_endpoint"}}]`)
		e := open(t, st, conf)
		write := func(id string) {
			for n := range 3 {
				for _, d := range []string{"own", "off"} {
					put(t, st, d, entities(t, fmt.Sprintf(`[{"_id": %[1]q, "n": %[2]d, "$retract": %[3]t}, {"_id": "other", "n": %[2]d}]`, id, n, n == 2)), true)
				}
			}
		}
		left := func(dataset, id string) int {
			return strings.Count(dump(t, st, dataset, true), fmt.Sprintf(`"_id":%q`, id))
		}
		write("1")
		e.Start()
		time.Sleep(3 * time.Minute)
		synctest.Wait()
		if own, other, off := left("own", "1"), left("own", "other"), left("off", "1"); own != 1 || other != 2 || off != 3 {
			t.Errorf("%d, %d and %d versions are left, want 1, 2 and 3", own, other, off)
		}
		// The next ones wait a little, since each compaction costs a file.
		write("2")
		time.Sleep(30 * time.Minute)
		e.Close()
		e = open(t, st, conf)
		e.Start()
		time.Sleep(90 * time.Minute)
		synctest.Wait()
		if own := left("own", "2"); own != 1 {
			t.Errorf("%d versions are left of the second, want 1", own)
		}
		e.Close()
	})
}

// Deleted entities are forgotten though the file they stand in is far from full.
func TestSmallDatasetsForget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st, err := local.Open("mem", local.Options{InMemory: true}) // with the clock of the node
		if err != nil {
			t.Fatal(err)
		}
		defer st.Close()
		e := open(t, st, parse(t, `[{"_id": "in", "type": "pipe", "source": {"type": "http_endpoint"}, "compaction": {"ttl_deletes_hours": 2}}]`))
		put(t, st, "in", entities(t, `[{"_id": "1"}, {"_id": "2"}, {"_id": "3"}]`), true)
		put(t, st, "in", entities(t, `[{"_id": "1", "_deleted": true}]`), true)
		e.Start()
		time.Sleep(26 * time.Hour)
		synctest.Wait()
		info, err := st.Info(t.Context(), "in")
		if err != nil || info.Deleted != 0 || info.Live != 2 || info.Last != store.Offset(3) {
			t.Errorf("%+v %v", info, err)
		}
		e.Close()
	})
}
