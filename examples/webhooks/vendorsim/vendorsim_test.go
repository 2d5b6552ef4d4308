package vendorsim_test

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/sluiceio/sluice/examples/webhooks/vendorsim"
)

const token, secret = "a token of the test", "a secret of the test"

type shop struct {
	t *testing.T
	*vendorsim.Vendor
	url string
}

func newShop(t *testing.T, o vendorsim.Options) shop {
	o.Token = token
	v := vendorsim.New(o)
	srv := httptest.NewServer(v.Handler())
	t.Cleanup(srv.Close)
	return shop{t, v, srv.URL}
}

// call sends a request; head alternates names and values.
func (s shop) call(method, path, body string, head ...string) (*http.Response, map[string]any, error) {
	s.t.Helper()
	r, err := http.NewRequestWithContext(s.t.Context(), method, s.url+path, strings.NewReader(body))
	if err != nil {
		s.t.Fatal(err)
	}
	r.Header.Set("X-Access-Token", token)
	for i := 0; i < len(head); i += 2 {
		r.Header.Set(head[i], head[i+1])
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		return nil, nil, err
	}
	defer resp.Body.Close()
	var decoded map[string]any
	data, err := io.ReadAll(resp.Body)
	if err == nil && len(data) > 0 {
		err = json.Unmarshal(data, &decoded)
	}
	return resp, decoded, err
}

func (s shop) want(status int, method, path, body string, head ...string) map[string]any {
	s.t.Helper()
	resp, decoded, err := s.call(method, path, body, head...)
	if err != nil {
		s.t.Fatal(err)
	}
	if resp.StatusCode != status {
		s.t.Fatalf("%s %s: %s, want %d: %v", method, path, resp.Status, status, decoded)
	}
	return decoded
}

func ids(list any) []string {
	var all []string
	for _, e := range list.([]any) {
		all = append(all, e.(map[string]any)["id"].(string))
	}
	return all
}

func TestPages(t *testing.T) {
	s := newShop(t, vendorsim.Options{})
	var byBody, byLink []string
	for next := any("orders"); next != nil; {
		page := s.want(200, "GET", "/"+next.(string), "")
		byBody, next = append(byBody, ids(page["orders"])...), page["next"]
	}
	for path := "/orders"; path != ""; {
		resp, page, err := s.call("GET", path, "")
		if err != nil {
			t.Fatal(err)
		}
		byLink, path = append(byLink, ids(page["orders"])...), ""
		if link := resp.Header.Get("Link"); link != "" {
			path = strings.TrimPrefix(strings.TrimSuffix(link, `>; rel="next"`), "<"+s.url)
		}
	}
	want := []string{"order-1", "order-2", "order-3"}
	if !slices.Equal(byBody, want) || !slices.Equal(byLink, want) {
		t.Errorf("by body %v, by link %v", byBody, byLink)
	}
	if got := s.Requests("GET /orders"); len(got) != 4 || got[1] != "GET /orders?page=1 200" {
		t.Errorf("requests: %q", got)
	}
	for path, status := range map[string]int{"/orders?page=x": 400, "/orders?page=-1": 400, "/orders?page=9223372036854775807": 200} {
		s.want(status, "GET", path, "")
	}
}

func TestOrders(t *testing.T) {
	s := newShop(t, vendorsim.Options{})
	s.SetOrder(vendorsim.Order{ID: "order-2", Customer: "Bo", Total: 95, Status: "paid"})
	if o := s.want(200, "GET", "/orders/order-2", ""); o["total"] != 95.0 || o["status"] != "paid" {
		t.Errorf("order: %v", o)
	}
	s.DeleteOrder("order-2")
	s.want(404, "GET", "/orders/order-2", "")
	s.want(404, "GET", "/orders/order-9", "")
}

func TestToken(t *testing.T) {
	s := newShop(t, vendorsim.Options{})
	for _, route := range []string{"GET /orders", "GET /orders/order-1", "GET /webhooks", "GET /webhooks/wh-old", "POST /webhooks", "DELETE /webhooks/wh-old"} {
		method, path, _ := strings.Cut(route, " ")
		for _, wrong := range []string{"", "a token of somebody else", token + "!", token[1:]} {
			s.want(401, method, path, "", "X-Access-Token", wrong)
		}
	}
	if all, _ := s.Webhooks(); len(all) != 1 {
		t.Errorf("webhooks: %v", all)
	}
}

func TestWebhooks(t *testing.T) {
	s := newShop(t, vendorsim.Options{})
	const hook = `{"webhook": {"address": "http://a/", "topic": "order/create"}}`
	for _, bad := range []string{"", "{", "{}", `{"webhook": {"topic": "x"}}`, `{"webhook": {"address": "x"}}`} {
		s.want(400, "POST", "/webhooks", bad, vendorsim.SecretHeader, secret)
	}
	s.want(400, "POST", "/webhooks", hook)
	for _, id := range []string{"wh-1", "wh-2"} {
		made := s.want(201, "POST", "/webhooks", hook, vendorsim.SecretHeader, secret)["value"].(map[string]any)
		if made["id"] != id || made["address"] != "http://a/" || strings.Contains(fmt.Sprint(made), secret) {
			t.Errorf("registered: %v", made)
		}
		if got := s.want(200, "GET", "/webhooks/"+id, "")["value"].(map[string]any); got["id"] != id {
			t.Errorf("looked up: %v", got)
		}
	}
	s.want(204, "DELETE", "/webhooks/wh-1", "")
	s.want(404, "DELETE", "/webhooks/wh-1", "")
	s.want(404, "GET", "/webhooks/wh-1", "")
	if left := ids(s.want(200, "GET", "/webhooks", "")["webhooks"]); !slices.Equal(left, []string{vendorsim.OldWebhook, "wh-2"}) {
		t.Errorf("left: %v", left)
	}
	if _, n := s.Webhooks(); n != 2 {
		t.Errorf("registered %d times", n)
	}
	if got := s.Requests("POST /webhooks 201"); len(got) != 2 {
		t.Errorf("logged: %q", got)
	}
}

// receiver answers the statuses given, one after the other, the last for ever.
type receiver struct {
	mu       sync.Mutex
	statuses []int
	bodies   []string
	heads    []http.Header
}

func (r *receiver) ServeHTTP(w http.ResponseWriter, q *http.Request) {
	body, _ := io.ReadAll(q.Body)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.bodies, r.heads = append(r.bodies, string(body)), append(r.heads, q.Header)
	status := r.statuses[0]
	if len(r.statuses) > 1 {
		r.statuses = r.statuses[1:]
	}
	w.WriteHeader(status)
}

func TestDeliveries(t *testing.T) {
	stop := errors.New("enough")
	cases := []struct {
		name     string
		statuses []int
		attempts int
		tries    int
		status   int
	}{
		{"accepted", []int{200}, 3, 1, 200},
		{"refused is final", []int{403}, 3, 1, 403},
		{"5xx passes", []int{503, 500, 200}, 3, 3, 200},
		{"5xx stays", []int{503}, 3, 3, 503},
		{"once unless told otherwise", []int{503, 200}, 0, 1, 503},
		{"the wait ends it", []int{503}, 9, 4, 0},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			r := &receiver{statuses: c.statuses}
			srv := httptest.NewServer(r)
			defer srv.Close()
			v := vendorsim.New(vendorsim.Options{Attempts: c.attempts, Wait: func(_ context.Context, attempt int) error {
				if attempt == 4 {
					return stop
				}
				return nil
			}})
			v.Register(srv.URL, "order/create", secret)
			status, err := v.Deliver(t.Context(), srv.URL, vendorsim.Event{ID: "order-1", Type: "order.creation"})
			if status != c.status || (err != nil) != (c.status == 0) || len(r.bodies) != c.tries {
				t.Fatalf("%d, %v after %d tries; want %d after %d", status, err, len(r.bodies), c.status, c.tries)
			}
			for i, body := range r.bodies {
				if body != `{"_id":"order-1","eventType":"order.creation","eventId":"event-1"}` {
					t.Errorf("body %s", body)
				}
				m := hmac.New(sha256.New, []byte(secret))
				m.Write([]byte(body))
				want := base64.StdEncoding.EncodeToString(m.Sum(nil))
				if got := r.heads[i].Get(vendorsim.SignatureHeader); got != want {
					t.Errorf("signature %s, want %s", got, want)
				}
			}
		})
	}
}

func TestDeliverToNobody(t *testing.T) {
	srv := httptest.NewServer(nil)
	address := srv.URL
	srv.Close()
	waits := 0
	v := vendorsim.New(vendorsim.Options{Attempts: 3, Wait: func(context.Context, int) error { waits++; return nil }})
	if _, err := v.Deliver(t.Context(), address, vendorsim.Event{}); err == nil || waits != 0 {
		t.Errorf("delivered to an address that nobody registered: %v", err)
	}
	v.Register(address, "order/create", secret)
	if _, err := v.Deliver(t.Context(), address, vendorsim.Event{}); err == nil || waits != 2 {
		t.Errorf("nobody listens: %v after %d waits", err, waits)
	}
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := v.Deliver(gone, address, vendorsim.Event{}); !errors.Is(err, context.Canceled) || waits != 2 {
		t.Errorf("the caller is gone: %v after %d waits", err, waits)
	}
}

func TestForgeries(t *testing.T) {
	body, other := []byte(`{"_id":"a"}`), []byte(`{"_id":"b"}`)
	good := vendorsim.Sign(secret, body)
	seen := map[string]bool{}
	for _, f := range vendorsim.Forgeries(body, vendorsim.Sign(secret, other)) {
		if values := f.Header[vendorsim.SignatureHeader]; len(values) == 1 && values[0] == good {
			t.Errorf("%s is good", f.Name)
		}
		if seen[f.Name] {
			t.Errorf("%s twice", f.Name)
		}
		seen[f.Name] = true
	}
	if len(seen) < 10 {
		t.Errorf("only %d forgeries", len(seen))
	}
}

func TestFaults(t *testing.T) {
	s := newShop(t, vendorsim.Options{})
	s.Fail(vendorsim.Fault{Request: "GET /orders/", Status: 503, Times: 2})
	s.want(200, "GET", "/orders", "")
	s.want(503, "GET", "/orders/order-1", "")
	s.want(503, "GET", "/orders/order-9", "")
	s.want(200, "GET", "/orders/order-1", "")

	then := make(chan int, 1)
	s.Fail(vendorsim.Fault{Request: "POST /webhooks", Drop: true, Then: func() {
		_, n := s.Webhooks()
		then <- n
	}})
	const hook = `{"webhook": {"address": "http://a/", "topic": "order/create"}}`
	if _, _, err := s.call("POST", "/webhooks", hook, vendorsim.SecretHeader, secret); err == nil {
		t.Error("the answer was not dropped")
	}
	if n, got := <-then, s.Requests("POST"); n != 1 || !slices.Equal(got, []string{"POST /webhooks 0"}) {
		t.Errorf("%d registered when the connection broke; log %q", n, got)
	}

	hold, done := make(chan struct{}), make(chan int, 1)
	s.Fail(vendorsim.Fault{Request: "GET /orders/order-1", Hold: hold})
	go func() {
		status := 0
		if resp, _, err := s.call("GET", "/orders/order-1", ""); err == nil {
			status = resp.StatusCode
		}
		done <- status
	}()
	s.want(200, "GET", "/orders/order-2", "")
	s.DeleteOrder("order-1")
	close(hold)
	if status := <-done; status != 404 {
		t.Errorf("handled before the hold ended: %d", status)
	}
}

// TestHeldCallerLeaves: a held request ends with its caller.
func TestHeldCallerLeaves(t *testing.T) {
	v := vendorsim.New(vendorsim.Options{Token: token})
	v.Fail(vendorsim.Fault{Request: "GET /orders", Hold: make(chan struct{})})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	w := httptest.NewRecorder()
	v.Handler().ServeHTTP(w, httptest.NewRequestWithContext(ctx, "GET", "/orders", nil))
	if got := v.Requests(""); w.Body.Len() > 0 || !slices.Equal(got, []string{"GET /orders 0"}) {
		t.Errorf("body %q, log %q", w.Body, got)
	}
}

func TestMany(t *testing.T) {
	s := newShop(t, vendorsim.Options{})
	var all sync.WaitGroup
	for i := range 20 {
		all.Go(func() {
			id := fmt.Sprintf("many-%d", i)
			s.SetOrder(vendorsim.Order{ID: id})
			if resp, _, err := s.call("GET", "/orders/"+id, ""); err != nil || resp.StatusCode != 200 {
				t.Errorf("%s: %v %v", id, resp, err)
			}
			s.Register("http://"+id, "order/create", secret)
			if i%2 == 0 {
				s.DeleteOrder(id)
			}
		})
	}
	all.Wait()
	if hooks, n := s.Webhooks(); n != 20 || len(hooks) != 21 || len(s.Orders()) != 13 {
		t.Errorf("%d registered, %d webhooks, %d orders", n, len(hooks), len(s.Orders()))
	}
}
