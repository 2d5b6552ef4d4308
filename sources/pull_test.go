package sources

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"github.com/sluiceio/sluice/entity"
)

// FuzzAnswer reads what a service might answer: only a whole list of dicts is
// none of an error, and as many entities come as it has.
func FuzzAnswer(f *testing.F) {
	for _, seed := range []string{`[]`, ` [{"_id": "1"}, {"_id": "2", "_updated": "x"}] `, `[{"_id": "1"}`, `{}`, `[[]]`, `[{}]x`, "", `["}"]`} {
		f.Add([]byte(seed), uint8(1))
	}
	f.Fuzz(func(t *testing.T, body []byte, size uint8) {
		n := 0
		p := &pull{s: &jsonSource{cfg: &jsonConfig{SupportsSince: true}}, size: int(size) + 1, yield: func(b *entity.Batch, _ error) bool {
			n += len(b.Entities)
			return true
		}}
		p.batches[0].Arena, p.batches[1].Arena = entity.NewArena(), entity.NewArena()
		if _, err := p.entities(bytes.NewReader(body)); err != nil {
			return
		}
		var list []map[string]any
		if err := json.Unmarshal(body, &list); err != nil && !strings.Contains(err.Error(), "exceeded max depth") {
			t.Fatalf("%q passes: %v", body, err)
		} else if err == nil && n != len(list) {
			t.Errorf("%d entities of %d", n, len(list))
		}
	})
}
