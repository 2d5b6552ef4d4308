// Package vendorsim simulates Cloverleaf, an invented shop with a REST API and
// signed webhooks, over real HTTP. Its state is in memory, its ids follow from
// the order of what happens, and it misbehaves when it is told to.
package vendorsim

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
)

// Order is an order of the shop.
type Order struct {
	ID       string  `json:"id"`
	Customer string  `json:"customer"`
	Total    float64 `json:"total"`
	Status   string  `json:"status"`
}

// Webhook is a registered webhook. The secret it was registered with signs
// what is sent to it, and is never shown.
type Webhook struct {
	ID      string `json:"id"`
	Address string `json:"address"`
	Topic   string `json:"topic"`
	secret  string
}

// Options are how the shop differs from an ordinary one.
type Options struct {
	// Token is expected in X-Access-Token by every route.
	Token string
	// Attempts is how often a delivery is tried while the receiver is away or
	// answers 5xx; 0 is once.
	Attempts int
	// Wait is called between two attempts, the number of the last one given;
	// its error ends the delivery. Nil waits for nothing.
	Wait func(ctx context.Context, attempt int) error
}

// Vendor is the shop. Its methods may be called from many goroutines.
type Vendor struct {
	o  Options
	mu struct {
		sync.Mutex
		orders        []Order
		webhooks      []Webhook
		registrations int
		events        int
		requests      []string
		faults        []Fault
	}
}

// OldWebhook is registered at every new shop: somebody left it behind.
const OldWebhook = "wh-old"

// New returns a shop with three orders, on two pages, and OldWebhook.
func New(o Options) *Vendor {
	v := &Vendor{o: o}
	v.mu.orders = []Order{
		{"order-1", "Anna", 120.5, "paid"}, {"order-2", "Bo", 80, "open"}, {"order-3", "Cleo", 42.25, "open"},
	}
	v.mu.webhooks = []Webhook{{
		ID: OldWebhook, Address: "https://old-node.sesam.cloud/api/receivers/x/entities", Topic: "order/create",
	}}
	return v
}

// SetOrder adds or changes an order.
func (v *Vendor) SetOrder(o Order) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if i := slices.IndexFunc(v.mu.orders, func(h Order) bool { return h.ID == o.ID }); i >= 0 {
		v.mu.orders[i] = o
		return
	}
	v.mu.orders = append(v.mu.orders, o)
}

// DeleteOrder removes an order, if it is there.
func (v *Vendor) DeleteOrder(id string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.mu.orders = slices.DeleteFunc(v.mu.orders, func(o Order) bool { return o.ID == id })
}

// Orders returns all orders, oldest first.
func (v *Vendor) Orders() []Order {
	v.mu.Lock()
	defer v.mu.Unlock()
	return slices.Clone(v.mu.orders)
}

// Webhooks returns what is registered, oldest first, and how often anybody
// registered.
func (v *Vendor) Webhooks() (all []Webhook, registrations int) {
	v.mu.Lock()
	defer v.mu.Unlock()
	return slices.Clone(v.mu.webhooks), v.mu.registrations
}

// Register adds a webhook as POST /webhooks does, and returns it with its id.
func (v *Vendor) Register(address, topic, secret string) Webhook {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.mu.registrations++
	h := Webhook{fmt.Sprintf("wh-%d", v.mu.registrations), address, topic, secret}
	v.mu.webhooks = append(v.mu.webhooks, h)
	return h
}

// Unregister forgets a webhook and tells whether it was there.
func (v *Vendor) Unregister(id string) bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	n := len(v.mu.webhooks)
	v.mu.webhooks = slices.DeleteFunc(v.mu.webhooks, func(h Webhook) bool { return h.ID == id })
	return len(v.mu.webhooks) < n
}

// Requests returns every request so far whose method and address begin with
// prefix, such as "POST /webhooks 201": with the status of the answer, or 0 if
// there was none.
func (v *Vendor) Requests(prefix string) []string {
	v.mu.Lock()
	defer v.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(v.mu.requests), func(r string) bool { return !strings.HasPrefix(r, prefix) })
}

func (v *Vendor) logRequest(r *http.Request, status int) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.mu.requests = append(v.mu.requests, fmt.Sprintf("%s %s %d", r.Method, r.URL.RequestURI(), status))
}
