package transforms

import (
	"fmt"
	"strings"
	"testing"

	"github.com/sluiceio/sluice/dtl"
	"github.com/sluiceio/sluice/entity"
	"github.com/sluiceio/sluice/internal/jsonpos"
)

// However many lanes a batch is spread over, the same comes out, in the same
// order; of several failures the first is told.
func TestLanes(t *testing.T) {
	text := `{"type": "dtl", "rules": {"default": [["copy", "*"], ["filter", ["neq", ["%", "_S.n", 7], 3]],
		["if", ["eq", ["%", "_S.n", 5], 0], ["create", ["dict", "_id", ["concat", "_S._id", "-child"]]]],
		["if", ["eq", ["%", "_S.n", 11], 4], ["discard"]], ["if", ["gte", "_S.n", 900], ["fail!", "too much"]], ["add", "sq", ["^", "_S.n", 2]]]}}`
	n, errs := jsonpos.Parse("t.json", []byte(text))
	if errs != nil {
		t.Fatal(errs[0])
	}
	env := oddEnv(t, n)
	tr, finds := NewSet(Standard()...).Build(env)
	if finds.HasErrors() {
		t.Fatalf("%+v", finds)
	}
	want := map[int]string{}
	for _, cores := range []int{1, 2, 3, 8} {
		step := tr.(*dtlTransform).Start(Run{Host: &dtl.MemHost{}}).(*dtlStep)
		step.cores = cores
		for _, size := range []int{0, 1, 24, 50, 100, 899, 899, 1000} {
			got := applied(t, step, size)
			if want[size] == "" {
				want[size] = got
			}
			if got != want[size] {
				t.Errorf("%d entities in %d lanes:\n%s\nwant\n%s", size, cores, got, want[size])
			}
		}
	}
	if !strings.Contains(want[1000], `entity "e900"`) {
		t.Errorf("the first failure is told as %s", want[1000])
	}
}

func applied(t *testing.T, s Step, size int) string {
	t.Helper()
	b := &entity.Batch{Arena: entity.NewArena()}
	for i := range size {
		b.Entities = append(b.Entities, entity.NewDict(
			entity.Member{Key: entity.IDKey, Value: entity.NewString(fmt.Sprintf("e%d", i))},
			entity.Member{Key: "n", Value: entity.NewInt(int64(i))}))
	}
	if err := s.Apply(t.Context(), b); err != nil {
		return err.Error()
	}
	return "ok " + entity.NewList(b.Entities...).String()
}
