package measure

import (
	"bytes"
	"fmt"
	"strconv"
)

// Events makes n orders that nobody has seen before, unless the same round was made
// already. Each has so many lines of 92 bytes, and 110 bytes besides.
func Events(round, n, lines int) [][]byte {
	all := make([][]byte, n)
	for i := range all {
		b := fmt.Appendf(nil, `{"_id":%q,"type":"order.paid","order":{"number":"SO-%07d","currency":"EUR","total":%d,"lines":[`, EventID(round, i), i, i%900)
		for line := range lines {
			if line > 0 {
				b = append(b, ',')
			}
			b = fmt.Appendf(b, `{"sku":"SKU-%05d","title":"A thing that is sold by the piece","quantity":%d,"taxable":true}`, (i*7+line)%90000, 1+line)
		}
		all[i] = append(b, `]}}`...)
	}
	return all
}

// EventID is the id that an event of Events has.
func EventID(round, nth int) string { return fmt.Sprintf("evt-%d-%d", round, nth) }

// FindEvent says which event of Events a body holds, wherever in it the id stands
// and however the body was written anew. ok is false if it holds none.
func FindEvent(body []byte) (round, nth int, ok bool) {
	_, rest, _ := bytes.Cut(body, []byte(`"evt-`))
	id, _, ok := bytes.Cut(rest, []byte(`"`))
	first, second, hasBoth := bytes.Cut(id, []byte("-"))
	round, err := strconv.Atoi(string(first))
	if err != nil || !ok || !hasBoth {
		return 0, 0, false
	}
	nth, err = strconv.Atoi(string(second))
	return round, nth, err == nil
}
