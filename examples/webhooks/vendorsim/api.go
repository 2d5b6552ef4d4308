package vendorsim

import (
	"bytes"
	"crypto/subtle"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
)

// PageSize is how many orders a page of GET /orders holds.
const PageSize = 2

// SecretHeader carries the secret that is to sign a webhook's deliveries, when
// the webhook is registered.
const SecretHeader = "X-Webhook-Secret"

// maxBody bounds what the shop reads.
const maxBody = 1 << 20

// Handler is the shop's API.
func (v *Vendor) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /orders", v.listOrders)
	mux.HandleFunc("GET /orders/{id}", v.getOrder)
	mux.HandleFunc("GET /webhooks", v.listWebhooks)
	mux.HandleFunc("GET /webhooks/{id}", v.getWebhook)
	mux.HandleFunc("POST /webhooks", v.postWebhook)
	mux.HandleFunc("DELETE /webhooks/{id}", v.deleteWebhook)
	return v.misbehaving(v.guarded(mux))
}

// guarded lets in who knows the token.
func (v *Vendor) guarded(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if subtle.ConstantTimeCompare([]byte(r.Header.Get("X-Access-Token")), []byte(v.o.Token)) != 1 {
			refuse(w, http.StatusUnauthorized, "X-Access-Token is missing or wrong")
			return
		}
		next.ServeHTTP(w, r)
	})
}

func answer(w http.ResponseWriter, status int, body any) {
	var b bytes.Buffer
	if err := json.NewEncoder(&b).Encode(body); err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	w.Write(b.Bytes())
}

func refuse(w http.ResponseWriter, status int, why string) {
	answer(w, status, map[string]string{"error": why})
}

// listOrders tells the next page twice, as vendors do: in the body, and in a
// Link header.
func (v *Vendor) listOrders(w http.ResponseWriter, r *http.Request) {
	page := 0
	if s := r.URL.Query().Get("page"); s != "" {
		var err error
		if page, err = strconv.Atoi(s); err != nil || page < 0 {
			refuse(w, http.StatusBadRequest, "page must be a number from 0")
			return
		}
	}
	all := v.Orders()
	page = min(page, len(all)) // what lies behind the end is empty, however far
	from := min(page*PageSize, len(all))
	to := min(from+PageSize, len(all))
	body := map[string]any{"orders": all[from:to], "next": nil}
	if to < len(all) {
		next := fmt.Sprintf("orders?page=%d", page+1)
		body["next"] = next
		w.Header().Set("Link", fmt.Sprintf(`<http://%s/%s>; rel="next"`, r.Host, next))
	}
	answer(w, http.StatusOK, body)
}

func (v *Vendor) getOrder(w http.ResponseWriter, r *http.Request) {
	all := v.Orders()
	i := slices.IndexFunc(all, func(o Order) bool { return o.ID == r.PathValue("id") })
	if i < 0 {
		refuse(w, http.StatusNotFound, "there is no such order")
		return
	}
	answer(w, http.StatusOK, all[i])
}

func (v *Vendor) listWebhooks(w http.ResponseWriter, _ *http.Request) {
	all, _ := v.Webhooks()
	answer(w, http.StatusOK, map[string]any{"webhooks": all})
}

func (v *Vendor) getWebhook(w http.ResponseWriter, r *http.Request) {
	all, _ := v.Webhooks()
	i := slices.IndexFunc(all, func(h Webhook) bool { return h.ID == r.PathValue("id") })
	if i < 0 {
		refuse(w, http.StatusNotFound, "there is no such webhook")
		return
	}
	answer(w, http.StatusOK, map[string]any{"value": all[i]})
}

func (v *Vendor) postWebhook(w http.ResponseWriter, r *http.Request) {
	var body struct{ Webhook Webhook }
	err := json.NewDecoder(io.LimitReader(r.Body, maxBody)).Decode(&body)
	secret := r.Header.Get(SecretHeader)
	switch {
	case err != nil || body.Webhook.Address == "" || body.Webhook.Topic == "":
		refuse(w, http.StatusBadRequest, "a webhook with address and topic is expected")
	case secret == "":
		refuse(w, http.StatusBadRequest, SecretHeader+" is expected")
	default:
		h := v.Register(body.Webhook.Address, body.Webhook.Topic, secret)
		answer(w, http.StatusCreated, map[string]any{"value": h})
	}
}

func (v *Vendor) deleteWebhook(w http.ResponseWriter, r *http.Request) {
	if !v.Unregister(r.PathValue("id")) {
		refuse(w, http.StatusNotFound, "there is no such webhook")
		return
	}
	w.WriteHeader(http.StatusNoContent)
}
