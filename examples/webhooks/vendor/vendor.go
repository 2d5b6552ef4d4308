// Package vendor simulates Cloverleaf, an invented shop with a REST API and
// signed webhooks, over real HTTP. Everything is in memory and deterministic.
package vendor

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"sync"
)

// SignatureHeader carries the base64 HMAC-SHA256 of a delivery's body.
const SignatureHeader = "X-Cloverleaf-Signature"

// Order is an order of the shop.
type Order struct {
	ID       string  `json:"id"`
	Customer string  `json:"customer"`
	Total    float64 `json:"total"`
	Status   string  `json:"status"`
}

// Webhook is a registered webhook.
type Webhook struct {
	ID      string `json:"id"`
	Address string `json:"address"`
	Topic   string `json:"topic"`
}

// Options are the shop's secrets.
type Options struct {
	Token  string // expected in X-Access-Token
	Secret string // signs deliveries
	// Registered is called after a webhook is registered and before the answer
	// is sent, so that a test can crash between the two; nil does nothing.
	Registered func()
}

// Vendor is the shop.
type Vendor struct {
	o  Options
	mu struct {
		sync.Mutex
		orders        []Order
		webhooks      []Webhook
		registrations int
		requests      []string
	}
}

// New returns a shop with three orders, on two pages, and a webhook that
// somebody left behind long ago.
func New(o Options) *Vendor {
	v := &Vendor{o: o}
	v.mu.orders = []Order{
		{"order-1", "Anna", 120.5, "paid"}, {"order-2", "Bo", 80, "open"}, {"order-3", "Cleo", 42.25, "open"},
	}
	v.mu.webhooks = []Webhook{{"wh-old", "https://old-node.sesam.cloud/api/receivers/x/entities", "order/create"}}
	return v
}

const pageSize = 2

// Handler is the shop's API.
func (v *Vendor) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /orders", v.listOrders)
	mux.HandleFunc("GET /orders/{id}", v.getOrder)
	mux.HandleFunc("GET /webhooks", v.listWebhooks)
	mux.HandleFunc("GET /webhooks/{id}", v.getWebhook)
	mux.HandleFunc("POST /webhooks", v.register)
	mux.HandleFunc("DELETE /webhooks/{id}", v.unregister)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		v.mu.Lock()
		defer v.mu.Unlock()
		v.mu.requests = append(v.mu.requests, r.Method+" "+r.URL.RequestURI())
		if r.Header.Get("X-Access-Token") != v.o.Token {
			answer(w, http.StatusUnauthorized, map[string]string{"error": "token"})
			return
		}
		mux.ServeHTTP(w, r)
	})
}

func answer(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(body)
}

func (v *Vendor) listOrders(w http.ResponseWriter, r *http.Request) {
	page, _ := strconv.Atoi(r.URL.Query().Get("page"))
	from := min(page*pageSize, len(v.mu.orders))
	to := min(from+pageSize, len(v.mu.orders))
	body := map[string]any{"orders": v.mu.orders[from:to], "next": nil}
	if to < len(v.mu.orders) {
		body["next"] = fmt.Sprintf("orders?page=%d", page+1)
	}
	answer(w, http.StatusOK, body)
}

func (v *Vendor) getOrder(w http.ResponseWriter, r *http.Request) {
	for _, o := range v.mu.orders {
		if o.ID == r.PathValue("id") {
			answer(w, http.StatusOK, o)
			return
		}
	}
	answer(w, http.StatusNotFound, map[string]string{"error": "no such order"})
}

func (v *Vendor) listWebhooks(w http.ResponseWriter, _ *http.Request) {
	answer(w, http.StatusOK, map[string]any{"webhooks": v.mu.webhooks})
}

func (v *Vendor) getWebhook(w http.ResponseWriter, r *http.Request) {
	for _, h := range v.mu.webhooks {
		if h.ID == r.PathValue("id") {
			answer(w, http.StatusOK, map[string]any{"value": h})
			return
		}
	}
	answer(w, http.StatusNotFound, map[string]string{"error": "no such webhook"})
}

func (v *Vendor) register(w http.ResponseWriter, r *http.Request) {
	var body struct{ Webhook Webhook }
	if err := json.NewDecoder(io.LimitReader(r.Body, 1<<20)).Decode(&body); err != nil || body.Webhook.Address == "" {
		answer(w, http.StatusBadRequest, map[string]string{"error": "a webhook with an address is expected"})
		return
	}
	v.mu.registrations++
	h := body.Webhook
	h.ID = fmt.Sprintf("wh-%d", v.mu.registrations)
	v.mu.webhooks = append(v.mu.webhooks, h)
	if v.o.Registered != nil {
		v.o.Registered()
	}
	answer(w, http.StatusCreated, map[string]any{"value": h})
}

func (v *Vendor) unregister(w http.ResponseWriter, r *http.Request) {
	i := slices.IndexFunc(v.mu.webhooks, func(h Webhook) bool { return h.ID == r.PathValue("id") })
	if i < 0 {
		answer(w, http.StatusNotFound, map[string]string{"error": "no such webhook"})
		return
	}
	v.mu.webhooks = slices.Delete(v.mu.webhooks, i, i+1)
	w.WriteHeader(http.StatusNoContent)
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

// DeleteOrder removes an order.
func (v *Vendor) DeleteOrder(id string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.mu.orders = slices.DeleteFunc(v.mu.orders, func(o Order) bool { return o.ID == id })
}

// Webhooks returns what is registered, and how often anybody registered.
func (v *Vendor) Webhooks() (all []Webhook, registrations int) {
	v.mu.Lock()
	defer v.mu.Unlock()
	return slices.Clone(v.mu.webhooks), v.mu.registrations
}

// Requests returns the method and address of every request so far.
func (v *Vendor) Requests() []string {
	v.mu.Lock()
	defer v.mu.Unlock()
	return slices.Clone(v.mu.requests)
}

// Sign returns the signature of a body.
func (v *Vendor) Sign(body []byte) string {
	m := hmac.New(sha256.New, []byte(v.o.Secret))
	m.Write(body)
	return base64.StdEncoding.EncodeToString(m.Sum(nil))
}

// Event is what a delivery tells: only which order, and what happened to it.
type Event struct {
	ID   string `json:"_id"`
	Type string `json:"eventType"`
}

// Deliver posts an event with its signature and returns the answer's status.
func (v *Vendor) Deliver(ctx context.Context, address string, e Event) (int, error) {
	body, err := json.Marshal(e)
	if err != nil {
		return 0, err
	}
	return Post(ctx, address, body, http.Header{SignatureHeader: {v.Sign(body)}})
}

// Post posts a body with the headers given: forged deliveries among them.
func Post(ctx context.Context, address string, body []byte, h http.Header) (int, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, address, bytes.NewReader(body))
	if err != nil {
		return 0, err
	}
	r.Header = h.Clone()
	if r.Header == nil {
		r.Header = http.Header{}
	}
	r.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	_, err = io.Copy(io.Discard, resp.Body)
	return resp.StatusCode, err
}
