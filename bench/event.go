package main

import (
	"bytes"
	"fmt"
	"maps"
	"strconv"
)

// T6 is the pipe behind a HubSpot receiver, once its request has brought what
// the event speaks of: the answer is merged, deletions are marked, and what was
// not found is left out unless it was deleted.
const eventTask = "T6"

// eventLines wraps the orders as answers to the look-ups of events. One in
// 16 is a deletion, and one in 8 was not found.
func eventLines(orders [][]byte) [][]byte {
	lines := make([][]byte, len(orders))
	for i, o := range orders {
		at := bytes.Index(o, []byte(`"orderNumber"`))
		kind, status := "deal.propertyChange", 200
		if i%8 == 0 {
			status = 404
		}
		if i%16 == 0 {
			kind = "deal.deletion"
		}
		lines[i] = fmt.Appendf(nil, `{"_id":"%d","_updated":%d,"id":%d,"subscriptionType":%s,"$original_id":"event-%d","status":%d,"response":{%s}`,
			7000+i, i, 7000+i, strconv.Quote(kind), i, status, o[at:])
	}
	return lines
}

// inputs are the lines a task is measured on.
func inputs(task string, orders [][]byte) [][]byte {
	if task == eventTask {
		return eventLines(orders)
	}
	return orders
}

func handEvent(o object) object {
	deletion := o["subscriptionType"] == "deal.deletion"
	lost := o["status"] == 404.0
	if lost && !deletion {
		return nil
	}
	out := object{"_id": o["_id"], "id": o["id"]}
	if deletion {
		out["_deleted"] = true
	}
	if !lost {
		response, _ := o["response"].(object)
		maps.Copy(out, response)
	}
	return out
}

// found is an event with what its look-up has brought.
type found struct {
	ID       string `json:"_id"`
	Number   int64  `json:"id"`
	Kind     string `json:"subscriptionType"`
	Status   int    `json:"status"`
	Response *body  `json:"response"`
}

// merged is what is kept of it.
type merged struct {
	ID      string `json:"_id"`
	Number  int64  `json:"id"`
	Deleted bool   `json:"_deleted,omitempty"`
	*body
}

func structEvent(f *found) any {
	m := merged{ID: f.ID, Number: f.Number, Deleted: f.Kind == "deal.deletion"}
	switch {
	case f.Status != 404:
		m.body = f.Response
	case !m.Deleted:
		return nil
	}
	return m
}
