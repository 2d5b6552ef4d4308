package membrane

import (
	"strings"
	"testing"
)

// Records of several webhooks come by their ids, those of one in its order.
func TestMergedRecords(t *testing.T) {
	list := func(ids ...string) (all []*logRecord) {
		for _, id := range ids {
			all = append(all, &logRecord{ID: id})
		}
		return all
	}
	for _, c := range []struct {
		lists [][]*logRecord
		most  int
		want  string
	}{
		{nil, 3, ""},
		{[][]*logRecord{list("5", "3"), list("4", "2")}, 9, "5 4 3 2"},
		{[][]*logRecord{list("5", "3"), list("4", "2")}, 3, "5 4 3"},
		{[][]*logRecord{list("1", "9"), list("4", "2"), nil}, 9, "4 2 1 9"},
	} {
		var got []string
		for _, l := range merged(c.lists, c.most) {
			got = append(got, l.ID)
		}
		if strings.Join(got, " ") != c.want {
			t.Errorf("%v, want %s", got, c.want)
		}
	}
}
