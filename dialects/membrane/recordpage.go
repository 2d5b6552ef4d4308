package membrane

import (
	"encoding/base64"
	"encoding/json"
	"errors"

	"github.com/sluiceio/sluice/store"
)

// recordPlace is where a list of records goes on in the events of a webhook: at an event
// of which some records were shown already.
type recordPlace struct {
	At    store.Offset `json:"at"`
	Shown int          `json:"shown"`
}

// recordCursor is where a list goes on, by the dataset of events. Ids will not do: they
// begin with a time, and a clock may be set back.
type recordCursor map[string]recordPlace

// mostCursor bounds what is read of a cursor, in bytes.
const mostCursor = 64 << 10

var errRecordCursor = errors.New("cursor is none that a page of records has ended with")

func parseRecordCursor(text string) (c recordCursor, err error) {
	if text == "" {
		return recordCursor{}, nil
	}
	data, err := base64.RawURLEncoding.DecodeString(text)
	if len(text) > mostCursor || err != nil || json.Unmarshal(data, &c) != nil || c == nil {
		return nil, errRecordCursor
	}
	for _, p := range c {
		if p.At < 0 || p.Shown < 0 {
			return nil, errRecordCursor
		}
	}
	return c, nil
}

// query reads events from the place on, newest first.
func (c recordCursor) query(dataset string) store.Query {
	q := store.Query{Since: store.Start, Limit: 200, Reverse: true}
	if p, begun := c[dataset]; begun {
		q.Since = p.At + 1
	}
	return q
}

// has tells whether a record was on an earlier page.
func (c recordCursor) has(l *logRecord) bool {
	p, begun := c[l.pipe]
	return begun && l.at == p.At && l.nth < p.Shown
}

// behind is the cursor of the page that begins with rest. Webhooks of which nothing was
// shown yet begin there, too: what comes in the meantime is on no later page.
func (c recordCursor) behind(shown, rest []*logRecord) string {
	for _, l := range shown {
		c[l.pipe] = recordPlace{l.at, l.nth + 1}
	}
	for _, l := range rest {
		if _, begun := c[l.pipe]; !begun {
			c[l.pipe] = recordPlace{l.at, l.nth}
		}
	}
	data, err := json.Marshal(c)
	if err != nil {
		return "" // numbers and texts always marshal
	}
	return base64.RawURLEncoding.EncodeToString(data)
}

// merged are the first records of several lists, each of which keeps its order.
func merged(lists [][]*logRecord, most int) (all []*logRecord) {
	for len(all) < most {
		best := -1
		for i, of := range lists {
			if len(of) > 0 && (best < 0 || of[0].ID > lists[best][0].ID) {
				best = i
			}
		}
		if best < 0 {
			break
		}
		all = append(all, lists[best][0])
		lists[best] = lists[best][1:]
	}
	return all
}
