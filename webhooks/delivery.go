package webhooks

import (
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/sluiceio/sluice/entity"
)

// Status is what has become of a delivery.
type Status string

// A delivery is pending until the receiver has answered with a success, or
// until its tries are used up.
const (
	Pending   Status = "pending"
	Delivered Status = "delivered"
	Failed    Status = "failed"
)

// Delivery is one event on its way to one endpoint, with all that was tried.
type Delivery struct {
	ID      string // of the event: the same however often it is sent
	Seq     int64  // its place in the order of events
	Status  Status
	Created time.Time
	Due     time.Time // of the next try
	Entity  string    // _id of what it was made from, "" for a test
	Key     string    // deliveries of one key keep their order, if the endpoint has any
	Tries   int       // that counted, since it was queued or recovered
	Made    int       // all of them
	// Manual tells that somebody asked for this one try; Before is what the
	// delivery was until then.
	Manual bool
	Before Status
	// Header is sent with it, and no other's.
	Header http.Header
	Body   string
	// Attempts are the last tries, the oldest first.
	Attempts []Attempt
}

// Attempt is one try. Nothing in it is secret.
type Attempt struct {
	N         int // which try it was, from 1 on
	At        time.Time
	Took      time.Duration
	Manual    bool
	Method    string
	URL       string
	Remote    string // the address that was called, "" if none was
	Request   http.Header
	Status    int // 0: there was no answer
	Response  http.Header
	Body      string // of the answer, its beginning
	Truncated bool   // it was longer
	Blocked   bool   // the address is an internal one
	Error     string // why it was no success
	// timeout and retryAfter decide when to try again.
	timeout    bool
	retryAfter time.Duration
}

// keptAttempts is how many tries a delivery remembers.
const keptAttempts = 20

// note adds a try.
func (d *Delivery) note(a Attempt) {
	d.Attempts = append(d.Attempts, a)
	if extra := len(d.Attempts) - keptAttempts; extra > 0 {
		d.Attempts = slices.Delete(d.Attempts, 0, extra)
	}
}

func text(key, s string) entity.Member {
	return entity.Member{Key: key, Value: entity.NewString(strings.ToValidUTF8(s, "\uFFFD"))}
}

func number(key string, n int64) entity.Member {
	return entity.Member{Key: key, Value: entity.NewInt(n)}
}

func moment(key string, t time.Time) entity.Member {
	return entity.Member{Key: key, Value: entity.NewDatetime(t)}
}

func flag(key string, b bool) entity.Member {
	return entity.Member{Key: key, Value: entity.NewBool(b)}
}

// value is the delivery as it stands in the queue.
func (d *Delivery) value() entity.Value {
	attempts := make([]entity.Value, len(d.Attempts))
	for i := range d.Attempts {
		attempts[i] = d.Attempts[i].value()
	}
	members := []entity.Member{
		text(entity.IDKey, d.ID), number("seq", d.Seq), text("status", string(d.Status)),
		moment("created", d.Created), moment("due", d.Due), text("entity", d.Entity), text("key", d.Key),
		number("tries", int64(d.Tries)), number("made", int64(d.Made)), text("body", d.Body),
		{Key: "attempts", Value: entity.NewList(attempts...)},
	}
	if len(d.Header) > 0 {
		members = append(members, entity.Member{Key: "headers", Value: headers(d.Header)})
	}
	if d.Manual {
		members = append(members, flag("manual", true), text("before", string(d.Before)))
	}
	return entity.NewDict(members...)
}

func (a *Attempt) value() entity.Value {
	return entity.NewDict(
		number("n", int64(a.N)), moment("at", a.At), number("duration_ms", a.Took.Milliseconds()), flag("manual", a.Manual), text("error", a.Error),
		flag("blocked", a.Blocked), text("remote", a.Remote),
		entity.Member{Key: "request", Value: entity.NewDict(text("method", a.Method), text("url", a.URL),
			entity.Member{Key: "headers", Value: headers(a.Request)})},
		entity.Member{Key: "response", Value: entity.NewDict(number("status", int64(a.Status)),
			entity.Member{Key: "headers", Value: headers(a.Response)}, text("body", a.Body), flag("truncated", a.Truncated))})
}

// headers are written in the order of their names, repeated ones joined.
func headers(h http.Header) entity.Value {
	names := make([]string, 0, len(h))
	for name := range h {
		names = append(names, name)
	}
	slices.Sort(names)
	members := make([]entity.Member, len(names))
	for i, name := range names {
		members[i] = text(name, strings.Join(h[name], ", "))
	}
	return entity.NewDict(members...)
}

// deliveryOf reads a delivery; nothing of it refers to the arena of v.
func deliveryOf(v entity.Value) *Delivery {
	r := record{v}
	d := &Delivery{ID: r.text(entity.IDKey), Seq: r.number("seq"), Status: Status(r.text("status")),
		Created: r.moment("created"), Due: r.moment("due"), Entity: r.text("entity"), Key: r.text("key"),
		Tries: int(r.number("tries")), Made: int(r.number("made")), Header: r.header("headers"), Manual: r.flag("manual"), Before: Status(r.text("before")), Body: r.text("body")}
	list, _ := v.Get("attempts")
	for _, a := range list.Elems() {
		d.Attempts = append(d.Attempts, attemptOf(record{a}))
	}
	return d
}

func attemptOf(r record) Attempt {
	request, response := r.record("request"), r.record("response")
	return Attempt{N: int(r.number("n")), Remote: r.text("remote"), At: r.moment("at"), Took: time.Duration(r.number("duration_ms")) * time.Millisecond, Manual: r.flag("manual"),
		Error: r.text("error"), Blocked: r.flag("blocked"),
		Method: request.text("method"), URL: request.text("url"), Request: request.header("headers"),
		Status: int(response.number("status")), Response: response.header("headers"),
		Body: response.text("body"), Truncated: response.flag("truncated")}
}

// record reads members of a dict that may lack them.
type record struct{ v entity.Value }

func (r record) text(key string) string {
	v, _ := r.v.Get(key)
	return strings.Clone(v.Text())
}

func (r record) number(key string) int64 {
	v, _ := r.v.Get(key)
	n, _ := v.Int64()
	return n
}

func (r record) moment(key string) time.Time {
	v, _ := r.v.Get(key)
	return v.Time()
}

func (r record) flag(key string) bool {
	v, _ := r.v.Get(key)
	return v.Bool()
}

func (r record) record(key string) record {
	v, _ := r.v.Get(key)
	return record{v}
}

func (r record) header(key string) http.Header {
	h := http.Header{}
	for _, m := range r.record(key).v.Object().Members() {
		h[strings.Clone(m.Key)] = []string{strings.Clone(m.Value.Text())}
	}
	return h
}
