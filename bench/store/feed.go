package main

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"

	"github.com/sluiceio/sluice/entity"
)

// feed makes entities: the orders of the mapping tasks, each with an id of its
// own, a revision, and a customer to be found by.
type feed struct {
	texts [][]byte // without the brace that begins them and the id
	n     int
	arena *entity.Arena
	buf   []byte
	order []int // of ids, shuffled
}

func newFeed(name string, n int) (*feed, error) {
	data, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	f := &feed{n: n, arena: entity.NewArena()}
	for _, line := range bytes.Split(bytes.TrimSpace(data), []byte("\n")) {
		_, rest, ok := bytes.Cut(line, []byte(","))
		if !ok || !bytes.HasPrefix(line, []byte(`{"_id":`)) {
			return nil, fmt.Errorf("%s: a line does not begin with _id", name)
		}
		f.texts = append(f.texts, rest)
	}
	f.order = rand.New(rand.NewPCG(1, 2)).Perm(n)
	return f, nil
}

func id(i int) string { return "order-" + strconv.Itoa(100000000+i*7919%99999989) }

// customer is what an entity is found by. It changes for one in eight with
// each revision.
func customer(i, rev int) int {
	if i%8 == 0 {
		i += rev
	}
	return i % 9973
}

// entities makes those at the places [from, to) of the order, in a revision.
// They live until the next call.
func (f *feed) entities(order []int, from, to, rev int) ([]entity.Value, error) {
	f.arena.Reset()
	list := make([]entity.Value, 0, to-from)
	for at := from; at < to; at++ {
		i := at
		if order != nil {
			i = order[at]
		}
		f.buf = fmt.Appendf(f.buf[:0], `{"_id":"%s","customer":%d,"revision":%d,`, id(i), customer(i, rev), rev)
		f.buf = append(f.buf, f.texts[i%len(f.texts)]...)
		v, err := entity.Decode(f.arena, bytes.Clone(f.buf), entity.DecodeOptions{Stored: true})
		if err != nil {
			return nil, err
		}
		list = append(list, v)
	}
	return list, nil
}

// customerKey is the key of an entity in the index.
func customerKey(dst []byte, e entity.Value) []byte {
	v, _ := e.Object().Get("customer")
	return entity.AppendJSON(dst, v)
}
