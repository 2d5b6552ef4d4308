// Package trackersim plays the external app of the example: it tells who a token
// belongs to, and sends what happens to the one webhook that its operator has
// registered, signed, again and again until it is answered.
package trackersim

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
)

// Tracker is the app. Set its fields before it is used.
type Tracker struct {
	// Secret signs what is sent.
	Secret string
	// Client sends; nil is the default one.
	Client *http.Client
	mu     sync.Mutex
	hook   string
	sent   int
}

// ServeHTTP answers the app's API: GET /users/me for a token an-example-token-N,
// POST /webhook with an address as its body, and POST /tasks?user=N&title=T, which
// answers when the webhook was.
func (t *Tracker) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch r.Method + " " + r.URL.Path {
	case "GET /users/me":
		t.me(w, r)
	case "POST /webhook":
		address, err := io.ReadAll(io.LimitReader(r.Body, 4096))
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		t.Register(strings.TrimSpace(string(address)))
		w.WriteHeader(http.StatusNoContent)
	case "POST /tasks":
		user, err := strconv.Atoi(r.URL.Query().Get("user"))
		if err == nil {
			err = t.Create(r, user, r.URL.Query().Get("title"))
		}
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadGateway)
			return
		}
		w.WriteHeader(http.StatusCreated)
	default:
		http.NotFound(w, r)
	}
}

func (t *Tracker) me(w http.ResponseWriter, r *http.Request) {
	user, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer an-example-token-")
	id, err := strconv.Atoi(user)
	if !ok || err != nil {
		http.Error(w, "who are you?", http.StatusUnauthorized)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	// A caller that has gone away is nobody's error.
	_ = json.NewEncoder(w).Encode(map[string]any{"id": id})
}

// Register is where the operator of the app enters the webhook.
func (t *Tracker) Register(address string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.hook = address
}

// Create makes a task and delivers it once.
func (t *Tracker) Create(r *http.Request, user int, title string) error {
	t.mu.Lock()
	t.sent++
	n := t.sent
	t.mu.Unlock()
	return t.Deliver(r, fmt.Sprintf("d-%d", n), user, title)
}

// Deliver sends a delivery of that name; r lends its context.
func (t *Tracker) Deliver(r *http.Request, delivery string, user int, title string) error {
	t.mu.Lock()
	hook := t.hook
	t.mu.Unlock()
	if hook == "" {
		return errors.New("no webhook is registered")
	}
	body, err := json.Marshal(map[string]any{"type": "task.created", "delivery": delivery, "from_user_id": user, "task": map[string]any{"title": title}})
	if err != nil {
		return err
	}
	q, err := http.NewRequestWithContext(r.Context(), http.MethodPost, hook, strings.NewReader(string(body)))
	if err != nil {
		return err
	}
	mac := hmac.New(sha256.New, []byte(t.Secret))
	mac.Write(body)
	q.Header.Set("Content-Type", "application/json")
	q.Header.Set("X-Tracker-Signature", hex.EncodeToString(mac.Sum(nil)))
	client := t.Client
	if client == nil {
		client = http.DefaultClient
	}
	resp, err := client.Do(q)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode >= 300 {
		return fmt.Errorf("the webhook answered %s", resp.Status)
	}
	return nil
}
